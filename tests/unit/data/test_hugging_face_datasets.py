"""Datasets of the Hugging Face hub, from a server that answers as the hub does: which files are read, and how."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from sparse_autoencoder.data.row_skip_rules import Row
from sparse_autoencoder.data.source import Source, open_source
from sparse_autoencoder.errors import SaescopeError
from tests.support.hub_server import Hub, commit_of, dataset_server

NAME = "ada/news"
Files = Mapping[str, bytes]


def parquet(*texts: str) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": list(texts)}), sink)
    return sink.getvalue()


def shards(split: str, *texts: str, folder: str = "data") -> dict[str, bytes]:
    return {f"{folder}/{split}-{i:05d}-of-{len(texts):05d}.parquet": parquet(text) for i, text in enumerate(texts)}


CSV = b"title\nfrom a file\n"
PLAIN = {"README.md": b"# news", **shards("train", "a", "b", "c"), **shards("test", "t")}
TWO_CONFIGS: dict[str, Any] = {
    "configs": [
        {"config_name": "en", "data_files": [{"split": "train", "path": "en/*.jsonl"}], "default": True},
        {"config_name": "fr", "data_files": "fr/*.jsonl"},
    ]
}
TEXT = {"en/a.jsonl": b'{"text": "english"}\n', "fr/a.jsonl": '{"text": "français"}\n'.encode()}


@contextmanager
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Any) -> Iterator[Hub]:
    with server as served:
        at(monkeypatch, tmp_path, served.address)
        yield served


def at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str) -> None:
    """Have huggingface_hub ask this address, and keep what it downloads in a folder of the test."""
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


def texts(source: Source) -> list[str]:
    with source:
        return [record.text for record in source if isinstance(record, Row)]


@pytest.mark.parametrize(
    ("files", "card", "address", "expected"),
    [
        (PLAIN, None, "", ["a", "b", "c"]),
        (PLAIN, None, "/train", ["a", "b", "c"]),
        (PLAIN, None, "/test", ["t"]),
        (PLAIN, None, "/default/test", ["t"]),
        ({"news.csv": CSV}, None, "", ["from a file"]),
        ({"news.csv": CSV, "other.txt": b"x"}, None, "/news.csv", ["from a file"]),
        ({"deep/er/news.csv": CSV}, None, "/deep/er/news.csv", ["from a file"]),
        (TEXT, TWO_CONFIGS, "", ["english"]),
        (TEXT, TWO_CONFIGS, "/en", ["english"]),
        (TEXT, TWO_CONFIGS, "/fr", ["français"]),
        (TEXT, TWO_CONFIGS, "/fr/train", ["français"]),
        ({f"part{i}.jsonl": f'{{"text": "{i}"}}\n'.encode() for i in (1, 10, 2)}, None, "", ["1", "2", "10"]),
        ({"a_train.csv": b"text\nx\n", "a_dev.csv": b"text\ny\n"}, None, "/validation", ["y"]),
        ({"train/a.csv": b"text\nx\n", "test/a.csv": b"text\ny\n"}, None, "/test", ["y"]),
        (
            {"x/a.csv": b"text\nx\n", "y/a.csv": b"text\ny\n"},
            {"configs": [{"config_name": "y", "data_dir": "y"}, {"config_name": "x", "data_files": ["x/a.csv"]}]},
            "/y",
            ["y"],
        ),
    ],
)
@pytest.mark.parametrize("prefix", ["hf:", "hf://", "hf://datasets/"])
def test_the_files_of_a_split_are_read_in_order(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    files: Files,
    card: Mapping[str, Any] | None,
    address: str,
    expected: list[str],
    prefix: str,
) -> None:
    with hub(monkeypatch, tmp_path, dataset_server(NAME, {"main": files}, card)):
        assert texts(open_source(f"{prefix}{NAME}{address}")) == expected


def test_only_files_that_are_read_are_downloaded_and_only_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with hub(monkeypatch, tmp_path, dataset_server(NAME, {"main": PLAIN})) as served:
        with open_source(f"hf:{NAME}") as source:
            next(iter(source))
            assert served.downloaded == ["data/train-00000-of-00003.parquet"]
        texts(open_source(f"hf:{NAME}"))
        assert sorted(served.downloaded) == sorted(shards("train", "a", "b", "c"))


def test_what_was_read_is_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with hub(monkeypatch, tmp_path, dataset_server(NAME, {"main": PLAIN})), open_source(f"hf:{NAME}") as source:
        facts = source.describe()
        assert facts["hf_dataset"] == NAME
        assert facts["hf_commit"] == commit_of("main")
        assert (facts["hf_config"], facts["hf_split"], facts["files"]) == ("default", "train", 3)
        assert source.notice == f"reading the split train of {NAME}; it also has test"


def test_a_revision_is_read_as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    revisions = {"main": {"a.csv": b"title\nnew\n"}, "v1": {"a.csv": b"title\nold\n"}}
    with hub(monkeypatch, tmp_path, dataset_server(NAME, revisions)):
        assert texts(open_source(f"hf:{NAME}@v1")) == ["old"]
        assert texts(open_source(f"hf:{NAME}")) == ["new"]


def test_what_the_hub_has_converted_is_read_where_nothing_else_can_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    converted = {f"default/train/{i:04d}.parquet": parquet(text) for i, text in enumerate("ab")}
    revisions = {"main": {"script.py": b"", "images.zip.001": b""}, "refs/convert/parquet": converted}
    with hub(monkeypatch, tmp_path, dataset_server(NAME, revisions)):
        assert texts(open_source(f"hf:{NAME}")) == ["a", "b"]


def test_without_a_network_what_is_in_the_cache_is_read_and_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with hub(monkeypatch, tmp_path, dataset_server(NAME, {"main": PLAIN})):
        texts(open_source(f"hf:{NAME}"))
    with open_source(f"hf:{NAME}") as source:
        assert "so the files of ada/news that are in the cache are read" in str(source.notice)
        assert texts(source) == ["a", "b", "c"]


def test_a_cache_that_lacks_shards_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with hub(monkeypatch, tmp_path, dataset_server(NAME, {"main": PLAIN})), open_source(f"hf:{NAME}") as source:
        next(iter(source))
    with pytest.raises(SaescopeError, match=r"shards are incomplete, train-00001-of-00003\.parquet"):
        open_source(f"hf:{NAME}")


@pytest.mark.parametrize(
    ("files", "card", "address", "says"),
    [
        (
            PLAIN,
            None,
            f"{NAME}/nothing",
            r"no config, split or file 'nothing' \(configs: default; splits: test, train\)",
        ),
        (PLAIN, None, "ada/other", "has no dataset ada/other"),
        (PLAIN, None, f"{NAME}@nothing", "has no revision nothing"),
        (
            TEXT,
            {"configs": [{**c, "default": False} for c in TWO_CONFIGS["configs"]]},
            NAME,
            "name a config of ada/news, as in hf:ada/news/en; it has en, fr",
        ),
        ({"a_dev.csv": CSV, "a_test.csv": CSV}, None, NAME, "no split 'train'; name one"),
        ({"a.py": b""}, None, NAME, "has no file that can be read"),
        ({**shards("train", "a", "b"), "data/train-00001-of-00002.parquet": b""}, None, NAME, "is empty"),
        (PLAIN, None, "ada/../x", "isn't a dataset of the Hugging Face hub"),
        (PLAIN, None, "", "isn't a dataset of the Hugging Face hub"),
    ],
)
def test_what_is_not_there_is_an_error_that_says_what_is(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    files: Files,
    card: Mapping[str, Any] | None,
    address: str,
    says: str,
) -> None:
    server = dataset_server(NAME, {"main": files}, card)
    with hub(monkeypatch, tmp_path, server), pytest.raises(SaescopeError, match=says):
        texts(open_source(f"hf:{address}"))


def test_no_network_and_nothing_in_the_cache_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    at(monkeypatch, tmp_path, "http://127.0.0.1:9")
    with pytest.raises(SaescopeError, match="the dataset ada/news isn't in the Hugging Face cache"):
        open_source(f"hf:{NAME}")
