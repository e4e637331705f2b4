"""Whatever one run's folder holds, the other runs are listed and shown, and that one is answered with a sentence."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from sparse_autoencoder.runs.store import DirectoryStore

BAD = "20300101-000000_run-002"
QUESTIONS = ["/api/features", "/api/features?details=true", "/api/feature_rank?id=1", "/api/feature?id=1"]
QUESTIONS += ["/api/feature_info?id=1", "/api/features?token=a", "/api/prompts", "/api/prompts/0"]


@pytest.fixture
def bad(finished: Path, tmp_path: Path) -> Path:
    """The folder of a run beside a sound one."""
    shutil.copytree(finished, tmp_path / finished.name)
    return Path(shutil.copytree(finished, tmp_path / BAD))


def metadata(**changes: Any) -> Callable[[Path], None]:
    """Changes entries of metadata.json; numbers that JSON doesn't have stay as Python writes them."""

    def spoil(run: Path) -> None:
        path = run / "metadata.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return spoil


def file(name: str, content: bytes) -> Callable[[Path], None]:
    """Replaces a file."""

    def spoil(run: Path) -> None:
        (run / name).write_bytes(content)

    return spoil


def large(name: str, size: int) -> Callable[[Path], None]:
    """Makes a file large, without taking room on the disk."""

    def spoil(run: Path) -> None:
        with (run / name).open("r+b") as opened:
            opened.truncate(size)

    return spoil


def table(name: str, change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    """Changes a Parquet file's table; its schema's metadata stay."""

    def spoil(run: Path) -> None:
        before = pq.ParquetFile(run / name).read()
        sink = io.BytesIO()
        pq.write_table(change(before).replace_schema_metadata(before.schema.metadata), sink)
        (run / name).write_bytes(sink.getvalue())

    return spoil


def with_number(column: str, number: float) -> Callable[[pa.Table], pa.Table]:
    def change(before: pa.Table) -> pa.Table:
        at = before.schema.get_field_index(column)
        return before.set_column(at, column, pa.array(np.full(len(before), number), before.schema.field(at).type))

    return change


def with_number_lists(column: str) -> Callable[[pa.Table], pa.Table]:
    def change(before: pa.Table) -> pa.Table:
        return before.set_column(before.schema.get_field_index(column), column, pa.array([[1]] * len(before)))

    return change


SPOILERS = {
    "infinite seconds": metadata(seconds=float("inf")),
    "seconds that are no number": metadata(seconds=float("nan")),
    "seconds beyond all numbers": file("metadata.json", b'{"seconds": 1e999}'),
    "large metadata": large("metadata.json", 300 << 20),
    "deep metadata": file("metadata.json", b"[" * 1_000_000),
    "half a surrogate pair": file("metadata.json", b'{"run_id": "\\ud800"}'),
    "too many features": metadata(num_features=2**62),
    "a large vocabulary": large("vocabulary.json", 300 << 20),
    "a deep vocabulary": file("vocabulary.json", b"[" * 100_000),
    "a vocabulary of numbers": file("vocabulary.json", b"[1]"),
    "bytes that are none": file("vocabulary_bytes.json", b'{"0": "xyz"}'),
    "bytes of no token": file("vocabulary_bytes.json", b'{"one": "00"}'),
    "a large overview": large("overview.parquet", 3 << 30),
    "an overview with nothing": table("overview.parquet", lambda before: before.slice(0, 0)),
    "an overview with NaN": table("overview.parquet", with_number("sum_activation", float("nan"))),
    "an overview with infinity": table("overview.parquet", with_number("skew", float("inf"))),
    "large positions": large("positions.parquet", 3 << 30),
    "positions of no features": table("positions.parquet", lambda before: before.slice(0, 0)),
    "positions without places": table("positions.parquet", lambda before: before.select([])),
    "firings fewer than none": table("positions.parquet", with_number("later_4", -1)),
    "bands of another kind": table("features/00000.parquet", with_number_lists("bands")),
    "features without rows": table("features/00000.parquet", lambda before: before.slice(0, 0)),
    "features without columns": table("features/00000.parquet", lambda before: before.select([])),
    "tokens without features": table("tokens_by_feature.parquet", lambda before: before.slice(0, 0)),
    "tokens of infinite spread": table("tokens_by_feature.parquet", with_number("effective_tokens", float("inf"))),
    "firings that don't add up": table("tokens_by_feature.parquet", with_number("left_out_count", 7)),
    "features on no token": table("features_by_token.parquet", lambda before: before.slice(0, 0)),
    "tokens that never occur": table("features_by_token.parquet", with_number("occurrences", 0)),
    "prompts without rows": table("prompts/000000.parquet", lambda before: before.slice(0, 0)),
    "prompts of another kind": table("prompts/000000.parquet", lambda before: before.drop_columns(["tokens"])),
}


@pytest.mark.parametrize("what", SPOILERS)
def test_one_bad_run_is_nobody_else_s_business(bad: Path, what: str) -> None:
    SPOILERS[what](bad)
    sound = next(run.name for run in bad.parent.iterdir() if run.name != BAD)
    with TestClient(create_app(DirectoryStore(bad.parent))) as client:
        listed = client.get("/api/runs")
        assert listed.status_code == 200
        assert sound in [run["id"] for run in listed.json()["runs"]]
        for question in QUESTIONS:
            about = f"{question}{'&' if '?' in question else '?'}run="
            assert client.get(about + sound).status_code == 200
            answer = client.get(about + BAD)
            assert answer.status_code in (200, 404, 503)  # not everything is needed for each
            if answer.status_code != 200:
                assert BAD in answer.json()["error"]


@pytest.mark.parametrize("what", [what for what in SPOILERS if "prompts" not in what])
def test_a_bad_run_is_answered_with_a_sentence_where_what_is_bad_is_needed(bad: Path, what: str) -> None:
    SPOILERS[what](bad)
    with TestClient(create_app(DirectoryStore(bad.parent))) as client:
        answers = [client.get(f"{question}{'&' if '?' in question else '?'}run={BAD}") for question in QUESTIONS]
    assert 503 in [answer.status_code for answer in answers]
