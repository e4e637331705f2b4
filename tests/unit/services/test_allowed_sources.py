"""What a run that was asked for over the network may name, and that nothing leads out of the data folder."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.allowed_sources import RULES, NotAllowedError, allowed, readable_by_name
from sparse_autoencoder.runs.run_options import RunOptions


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a file, a model and links, beside what is nobody's business."""
    data = tmp_path / "data"
    (data / "news").mkdir(parents=True)
    (data / "rows.csv").write_text("title\nx\n")
    (data / "news" / "a b.txt").write_text("x")
    (data / "model").mkdir()
    (data / "model" / "config.json").write_text("{}")
    (data / "sae.pt").write_bytes(b"x")
    outside = tmp_path / "outside"
    (outside / "model").mkdir(parents=True)
    (outside / "secret.csv").write_text("title\nsecret\n")
    (data / "link-in.csv").symlink_to(data / "rows.csv")
    (data / "link-out.csv").symlink_to(outside / "secret.csv")
    (data / "folder-out").symlink_to(outside)
    (data / "circle.csv").symlink_to(data / "circle.csv")
    (data / "device.csv").symlink_to("/dev/zero")
    os.mkfifo(data / "pipe.csv")
    (data / "leaky").mkdir()
    (data / "leaky" / "config.json").symlink_to(outside / "secret.csv")
    (tmp_path / "data-too").mkdir()
    (tmp_path / "data-too" / "x.csv").write_text("x")
    monkeypatch.chdir(outside)
    return data


def refused(data: Path, **options: Any) -> tuple[str, str]:
    """The field and the sentence of a refusal."""
    with pytest.raises(NotAllowedError) as caught:
        allowed(RunOptions(**options), data)
    return caught.value.field, str(caught.value)


def test_the_defaults_are_allowed_as_they_are(data: Path) -> None:
    assert allowed(RunOptions(), data) == RunOptions()


@pytest.mark.parametrize("name", ["rows.csv", "news/a b.txt", "./rows.csv", "link-in.csv"])
def test_a_file_below_the_data_folder_is_named_by_its_path_in_it_or_the_whole_path(data: Path, name: str) -> None:
    assert allowed(RunOptions(source=name), data).source == str(data / name)
    assert allowed(RunOptions(source=str(data / name)), data).source == str(data / name)
    assert allowed(RunOptions(source=f"txt:{name}"), data).source == f"txt:{data / name}"
    assert allowed(RunOptions(prompt_file=name), data).prompt_file == str(data / name)


def test_what_was_allowed_once_is_allowed_again(data: Path) -> None:
    once = allowed(RunOptions(source="rows.csv", subject="model", autoencoder="sae.pt"), data)
    assert (once.subject, once.autoencoder) == (str(data / "model"), str(data / "sae.pt"))
    assert allowed(once, data) == once


def test_a_link_that_is_swapped_meanwhile_is_refused_the_second_time(data: Path) -> None:
    once = allowed(RunOptions(source="link-in.csv"), data)
    (data / "link-in.csv").unlink()
    (data / "link-in.csv").symlink_to(data.parent / "outside" / "secret.csv")
    assert refused(data, source=once.source)[0] == "source"


@pytest.mark.parametrize("name", ["news", "news/*.txt", "ro?s.csv", "news.zip/a.csv"])
def test_folders_patterns_and_files_of_archives_inside_are_allowed(data: Path, name: str) -> None:
    with zipfile.ZipFile(data / "news.zip", "w") as archive:
        archive.writestr("a.csv", "title\nx\n")
    assert allowed(RunOptions(source=name), data).source == str(data / name)


@pytest.mark.parametrize("name", ["*", "*.csv", "folder-out/*", "../*/*.csv", "/etc/*", "folder-out"])
def test_patterns_and_folders_that_lead_outside_are_refused(data: Path, name: str) -> None:
    assert refused(data, source=name)[0] == "source"


@pytest.mark.parametrize("address", ["hf:a/b", "hf://a/b/train", "hf://datasets/a/b@1.0/config/test", "hf:squad"])
def test_datasets_of_the_hub_are_allowed(data: Path, address: str) -> None:
    assert allowed(RunOptions(source=address), data).source == address


@pytest.mark.parametrize("address", ["hf:", "hf:a/../b", "hf:a//b", "hf:/etc", "hf:a/b/\0"])
def test_what_is_no_dataset_of_the_hub_is_refused(data: Path, address: str) -> None:
    assert refused(data, source=address)[0] == "source"


@pytest.mark.parametrize("handle", ["a/b", "a/b/versions/3", "a-b/c_d.e/versions/3/sub/file name.csv", "a/b/f.csv"])
def test_kaggle_handles_are_allowed_with_and_without_a_format(data: Path, handle: str) -> None:
    for source in (f"kaggle:{handle}", f"csv:kaggle:{handle}"):
        assert allowed(RunOptions(source=source), data).source == source


NO_FILES = [
    "",
    ".",
    "..",
    "../data/rows.csv",
    "news/../rows.csv",
    "../outside/secret.csv",
    "/etc/passwd",
    "/dev/zero",
    "/dev/stdin",
    "/proc/self/environ",
    "missing.csv",
    "rows.csv/x",
    "link-out.csv",
    "folder-out/secret.csv",
    "circle.csv",
    "device.csv",
    "pipe.csv",
    "~/rows.csv",
    "rows.csv\0",
    "\ud800",
    "x" * 5000,
    "../data-too/x.csv",
    "file:rows.csv",
    "file:///etc/passwd",
    "http://example.org/x.csv",
    "https://example.org/x.csv",
    "az://openaipublic/x.csv",
    "s3://bucket/x.csv",
    "csv:/etc/passwd",
]


NO_FOLDERS = [name for name in NO_FILES if name not in (".", "missing.csv", "rows.csv/x")]  # some are names


@pytest.mark.parametrize("name", [*NO_FILES, "-", "txt:-", "csv:", "csv:csv:rows.csv"])
def test_nothing_else_is_a_source(data: Path, name: str) -> None:
    field, sentence = refused(data, source=name)
    assert field == "source"
    assert sentence.startswith("source can't be ")
    assert sentence.endswith(f"; it is {RULES['source']}")


@pytest.mark.parametrize("name", NO_FILES)
@pytest.mark.parametrize("field", ["prompt_file", "autoencoder", "check_reference"])
def test_nothing_else_is_a_prompt_file_an_autoencoder_or_a_reference(data: Path, field: str, name: str) -> None:
    assert refused(data, **{field: name})[0] == field


@pytest.mark.parametrize(
    "handle", ["", "a", "a/", "/b", "a//b", "../b", "a/..", "a/b/../c", "a/b/./c", "a/b/c\0", "a/b\\c", "a b/c", "a/b/"]
)
def test_what_is_no_kaggle_handle_is_refused(data: Path, handle: str) -> None:
    assert refused(data, source=f"kaggle:{handle}")[0] == "source"


def test_a_folder_next_to_the_data_folder_with_a_name_that_begins_alike_is_outside(data: Path) -> None:
    _field, sentence = refused(data, source=str(data.parent / "data-too" / "x.csv"))
    assert "that is outside the data folder" in sentence


@pytest.mark.parametrize("name", ["gpt2", "openai-community/gpt2", "a/b_c.d-1"])
def test_a_name_on_hugging_face_is_a_subject(data: Path, name: str) -> None:
    assert allowed(RunOptions(subject=name), data).subject == name


@pytest.mark.parametrize(
    "name",
    [*NO_FOLDERS, "rows.csv", "leaky", "folder-out", "folder-out/model", "a/b/c", "-x", "a b", "gpt2\n", "model/.."],
)
def test_nothing_else_is_a_subject(data: Path, name: str) -> None:
    assert refused(data, subject=name)[0] == "subject"


def test_a_folder_where_the_process_happens_to_be_is_no_subject(data: Path) -> None:
    Path("elsewhere").mkdir()
    assert "outside the data folder" in refused(data, subject="elsewhere")[1]


@pytest.mark.parametrize(
    ("options", "field", "sentence"),
    [
        ({"location": "attic"}, "location", "location can't be 'attic'; it is one of mlp_post_act, "),
        ({"location": "mlp_post_act"}, "location", "v5_32k has no autoencoder at location 'mlp_post_act'"),
        ({"layer": 12}, "layer", "v5_32k has no layer 12"),
        ({"device": "cpu; rm"}, "device", "device can't be 'cpu; rm'; it is auto, cpu, cuda, or cuda:N"),
        ({"device": "meta"}, "device", "device can't be 'meta'"),
        ({"prompt_file": "rows.csv", "source": "rows.csv"}, "source", "prompt_file is the whole input"),
        ({"prompt_file": "rows.csv", "text_column": "x"}, "text_column", "prompt_file is the whole input"),
        ({"prompt_file": "rows.csv", "kaggle_row": 0}, "kaggle_row", "prompt_file is the whole input"),
    ],
)
def test_other_options_that_cannot_be_are_named(data: Path, options: Any, field: str, sentence: str) -> None:
    named, said = refused(data, **options)
    assert (named, said[: len(sentence)]) == (field, sentence)


def test_a_data_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert "there is nothing of that name in" in refused(tmp_path / "none", source="x.csv")[1]


def test_a_data_folder_may_be_a_link_itself(data: Path) -> None:
    link = data.parent / "link"
    link.symlink_to(data)
    assert allowed(RunOptions(source="rows.csv"), link).source == str(link / "rows.csv")


parts = st.sampled_from(
    ["..", ".", "", "rows.csv", "folder-out", "secret.csv", "news", "outside", "data", "csv:", "/", "~"]
)


@settings(max_examples=40, deadline=None)
@given(
    words=st.lists(st.one_of(parts, st.text(max_size=5)), max_size=6), field=st.sampled_from(["source", "prompt_file"])
)
def test_whatever_is_asked_for_what_is_allowed_is_a_file_in_the_folder(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], field: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "any"
    if not root.exists():
        (root / "data" / "news").mkdir(parents=True)
        (root / "outside").mkdir()
        (root / "outside" / "secret.csv").write_text("secret")
        (root / "data" / "rows.csv").write_text("x")
        (root / "data" / "folder-out").symlink_to(root / "outside")
    try:
        made = allowed(RunOptions.model_validate({field: "/".join(words)}), root / "data")
    except NotAllowedError:
        return
    path = Path(getattr(made, field).removeprefix("csv:"))
    assert path.resolve() in (root / "data", root / "data" / "rows.csv") or str(path).startswith("kaggle:")


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("a.csv", True),
        ("A.CSV.GZ", True),
        ("b.parquet", True),
        ("c.ndjson", True),
        ("d.safetensors", False),
        ("e", False),
    ],
)
def test_a_known_extension_says_that_a_file_can_be_read(name: str, readable: bool) -> None:
    assert readable_by_name(name) is readable
