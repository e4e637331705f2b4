"""The features files: one feature out of them is what other readers find there, and costs one small read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparse_autoencoder.reading.published_run import PublishedRun
from sparse_autoencoder.runs.features_file_format import EXAMPLE, to_parquet
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.overview_file import HISTOGRAM
from sparse_autoencoder.runs.run_options import RunOptions
from tests.support.live_runs import metadata_of
from tests.support.watched_store import WatchedStore

RUN = "20300101-000000_run-001"
VOCABULARY = ["<bos>", " a", "\ufffd", " c"]
SCHEMA = pa.schema(
    [
        pa.field("feature_id", pa.int32()),
        pa.field("histogram", HISTOGRAM),
        pa.field("top", pa.list_(EXAMPLE)),
        pa.field("random", pa.list_(EXAMPLE)),
    ]
)
Record = dict[str, Any]


def example(feature: int, number: int, tokens: int) -> Record:
    """An example of so many tokens, at the last of which the feature fires."""
    token_ids = [(feature + number + token) % len(VOCABULARY) for token in range(tokens)]
    return {
        "activation": 0.25 * (feature + 1),
        "row_id": number,
        "prompt_index": number,
        "window_offset": 63,
        "position": tokens - 1,
        "text_count": 1,
        "token_ids": token_ids,
        "tokens": [VOCABULARY[token_id] for token_id in token_ids],
        "activations": [0.0] * (tokens - 1) + [0.25 * (feature + 1)],
    }


def record(feature: int, examples: int, tokens: int) -> Record:
    """A feature with so many top examples, and one random one less."""
    listed = [example(feature, number, tokens) for number in range(examples)]
    return {
        "feature_id": feature,
        "histogram": [{"bin": feature, "count": examples}],
        "top": listed,
        "random": listed[1:],
    }


def file_of(records: list[Record]) -> bytes:
    """A file of these features."""
    num_tokens = [sum(len(shown["tokens"]) for shown in entry["top"] + entry["random"]) for entry in records]
    begin = records[0]["feature_id"] if records else 0
    return to_parquet(
        lambda first, end: pa.Table.from_pylist(records[first - begin : end - begin], SCHEMA),
        begin,
        np.array(num_tokens, np.int64),
    )


@pytest.fixture
def store(tmp_path: Path) -> WatchedStore:
    return WatchedStore(tmp_path)


def run_of(store: WatchedStore, *contents: bytes) -> PublishedRun:
    """A finished run in a store, with these features files."""
    folder = RunFolder(store, RUN)
    folder.write_vocabulary([token.encode() for token in VOCABULARY])
    for number, content in enumerate(contents):
        store.put(folder.features(number), content)
    return PublishedRun(folder, metadata_of(RUN, RunOptions()).model_copy(update={"num_features": 2048}))


def row_groups(data: bytes) -> list[int]:
    """Features per row group."""
    metadata = pq.ParquetFile(io.BytesIO(data)).metadata
    return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]


def test_a_feature_is_what_the_file_says_of_it(store: WatchedStore) -> None:
    records = [record(feature, examples=feature % 4, tokens=3 + feature % 5) for feature in range(40)]
    data = file_of(records)
    assert pq.read_table(io.BytesIO(data)).to_pylist() == records
    run = run_of(store, data)
    for expected in reversed(records):
        assert {"feature_id": expected["feature_id"], **run.feature(expected["feature_id"])} == expected


def test_the_features_after_the_first_1024_are_in_the_next_file(store: WatchedStore) -> None:
    parts = [[record(feature, 1, 2) for feature in range(begin, begin + 1024)] for begin in (0, 1024)]
    run = run_of(store, *map(file_of, parts))
    assert run.feature(1023)["histogram"] == [{"bin": 1023, "count": 1}]
    assert run.feature(1024)["histogram"] == [{"bin": 1024, "count": 1}]


def test_a_row_group_holds_16_features() -> None:
    assert row_groups(file_of([record(feature, 2, 5) for feature in range(40)])) == [16, 16, 8]


def test_a_row_group_holds_fewer_features_whose_examples_are_long(store: WatchedStore) -> None:
    records = [record(feature, examples=2, tokens=5000 if feature == 3 else 5) for feature in range(10)]
    data = file_of(records)  # 15,000 tokens, of at most 65,536
    assert row_groups(data) == [4, 4, 2]
    run = run_of(store, data)
    for expected in records:
        assert {"feature_id": expected["feature_id"], **run.feature(expected["feature_id"])} == expected


def test_a_row_group_holds_one_feature_however_long_its_examples_are() -> None:
    assert row_groups(file_of([record(feature, examples=1, tokens=70_000) for feature in range(3)])) == [1, 1, 1]


def test_a_file_is_written_in_parts_when_its_examples_are_many() -> None:
    asked: list[tuple[int, int]] = []

    def table_of(begin: int, end: int) -> pa.Table:
        asked.append((begin, end))
        return pa.Table.from_pylist([record(feature, 1, 1) for feature in range(begin, end)], SCHEMA)

    data = to_parquet(table_of, 1024, np.full(20, 1 << 17))
    assert asked == [(1024, 1024), (1024, 1032), (1032, 1040), (1040, 1044)]
    assert pq.read_table(io.BytesIO(data))["feature_id"].to_pylist() == list(range(1024, 1044))


def test_a_feature_costs_one_read_of_the_store_once_its_file_is_open(store: WatchedStore) -> None:
    random = np.random.default_rng(0)
    records = [record(feature, 20, 16) for feature in range(500)]
    for entry in records:
        for shown in entry["top"]:
            shown["activations"] = random.random(16).tolist()  # so that the file is larger than what is read at once
    run = run_of(store, file_of(records))
    run.feature(0)
    for feature in (300, 40, 160):
        before = store.calls["get 00000.parquet"]
        run.feature(feature)
        assert store.calls["get 00000.parquet"] == before + 1
