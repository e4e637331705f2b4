"""A run's rows, from its prompts files: listed, searched, one of them whole; the same for finished and live runs."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse_autoencoder.data.row_skip_rules import SkippedRow
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.reading import row_group_reader
from sparse_autoencoder.reading.live_run import load_live
from sparse_autoencoder.reading.row_group_reader import RowsFiles
from sparse_autoencoder.reading.run_rows import RowPage, RunRows, WantedRows
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.reading.token_strings import Vocabulary
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.rows_file_format import to_parquet
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore, NotFoundError
from sparse_autoencoder.tokens.chunks import Chunk
from tests.support.live_runs import VOCABULARY, LiveWriter, metadata_of, published_twin
from tests.support.watched_store import WatchedStore

RUN_ID = "20300101-000000_run-001"


@pytest.fixture
def writer(tmp_path: Path) -> LiveWriter:
    """A run of four chunks so far, the second of which failed; the last has two row groups."""
    writer = LiveWriter.start(DirectoryStore(tmp_path / "runs"), chunk_size=12)
    writer.add(12)
    writer.fail(12)
    writer.add(12)
    writer.add(1500)
    writer.save()
    return writer


def load(writer: LiveWriter) -> RunView:
    return load_live(writer.folder, writer.metadata, writer.state.next_chunk)


def records_of(writer: LiveWriter) -> list[dict[str, Any]]:
    """All records of the run's prompts files."""
    root = Path(writer.folder.store.root)  # type: ignore[attr-defined]
    paths = [root / writer.folder.prompts(chunk) for chunk in writer.state.encoded_chunks]
    return [record for path in paths for record in pq.read_table(path).to_pylist()]


def rows_of(store: DirectoryStore, texts: list[str | None], chunk_size: int = 4) -> RunRows:
    """Rows of these texts, from 0 on, of one token each; None is a skipped row."""
    folder, metadata = RunFolder(store, RUN_ID), metadata_of(RUN_ID, RunOptions(chunk_size=chunk_size))
    folder.write_vocabulary([token.encode() for token in VOCABULARY])
    records = list(enumerate(texts))
    chunks = [records[first : first + chunk_size] for first in range(0, len(records), chunk_size)]
    for index, part in enumerate(chunks):
        usable = [(row_id, text) for row_id, text in part if text is not None]
        chunk = Chunk(
            index,
            np.array([row_id for row_id, _text in usable], np.int64),
            [text for _row_id, text in usable],
            np.ones(len(usable), np.int32),
            np.arange(len(usable) + 1),
            [SkippedRow(row_id, "no text") for row_id, text in part if text is None],
        )
        store.put(folder.prompts(index), to_parquet(chunk, [], metadata.policy, 2))
    files = RowsFiles(folder, chunk_size)
    return RunRows(folder, metadata, files, Vocabulary(folder), range(len(chunks)))


def ids_of(page: RowPage) -> list[int]:
    return [row.row_id for row in page.rows]


def all_pages(rows: RunRows, limit: int, text: str | None = None, pauses: Iterable[bool] = ()) -> list[int]:
    """The ids of all rows, page after page; a search is stopped whenever a pause says so."""
    found: list[int] = []
    first: int | None = 0
    stops = iter(pauses)
    while first is not None:
        page = rows.page(first, limit, WantedRows(text), may_go_on=lambda: not next(stops, False))
        assert len(page.rows) <= limit
        assert page.next is None or page.next > first
        found += ids_of(page)
        first = page.next
    return found


# Lists.


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 100),
    chunks=st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=5),
    limit=st.integers(1, 40),
    chunk_size=st.integers(1, 30),
)
def test_page_after_page_gives_every_row_once(
    tmp_path_factory: pytest.TempPathFactory, seed: int, chunks: list[tuple[int, bool]], limit: int, chunk_size: int
) -> None:
    store = DirectoryStore(tmp_path_factory.mktemp("runs"))
    writer = LiveWriter.start(store, seed=seed, chunk_size=chunk_size)
    for n_rows, fails in [*chunks, (3, False)]:
        (writer.fail if fails else writer.add)(n_rows)
    writer.save()
    assert all_pages(load(writer).rows, limit) == [record["row_id"] for record in records_of(writer)]


def test_a_list_begins_with_the_row_that_is_asked_for_or_the_next(writer: LiveWriter) -> None:
    ids = [record["row_id"] for record in records_of(writer)]
    rows = load(writer).rows
    for first in [*range(60), *range(ids[-1] - 30, ids[-1] + 2)]:
        assert ids_of(rows.page(first, 3)) == [row_id for row_id in ids if row_id >= first][:3]


def test_a_list_says_which_row_comes_next(writer: LiveWriter) -> None:
    ids = [record["row_id"] for record in records_of(writer)]
    rows = load(writer).rows
    assert rows.page(0, 5).next == ids[5]
    assert rows.page(ids[-2], 1).next == ids[-1]
    assert rows.page(ids[-2], 2).next is None
    assert rows.page(2**63 - 1, 5) == RowPage([], None)


def test_a_listed_row_has_what_its_file_says_and_the_tokens_its_features_fired_on(writer: LiveWriter) -> None:
    by_id = {record["row_id"]: record for record in records_of(writer)}
    listed = load(writer).rows.page(0, 100).rows
    assert any(row.features for row in listed)
    assert any(row.skipped for row in listed)
    for row in listed:
        record = by_id[row.row_id]
        assert (row.text, row.is_cut, row.skipped) == (record["text"], False, record["skipped"])
        assert [(fired.feature_id, fired.activation, fired.token, fired.token_str) for fired in row.features] == [
            (entry["feature_id"], entry["activation"], entry["token"], VOCABULARY[record["tokens"][entry["token"]]])
            for entry in record["features"]
        ]


def test_a_feature_that_fired_on_a_counted_bos_says_so(tmp_path: Path) -> None:
    writer = LiveWriter.start(DirectoryStore(tmp_path / "runs"), bos="include")
    writer.add(40)
    writer.save()
    rows = load(writer).rows
    fired = [fired for row in rows.page(0, 100).rows for fired in row.features if fired.token == -1]
    assert {feature.token_str for feature in fired} == {"<bos>"}


def test_a_finished_run_has_the_rows_it_had_while_it_was_going(tmp_path: Path, writer: LiveWriter) -> None:
    live = load(writer).rows
    finished = published_twin(writer.folder, writer.state, DirectoryStore(tmp_path / "twin")).rows
    assert finished.page(0, 5000) == live.page(0, 5000)
    assert finished.page(0, 5000, WantedRows("text 1")) == live.page(0, 5000, WantedRows("text 1"))
    for record in records_of(writer)[:60]:
        assert finished.row(record["row_id"]) == live.row(record["row_id"])


def test_a_list_reads_the_chunks_it_shows_and_no_others(tmp_path: Path) -> None:
    store = WatchedStore(tmp_path / "runs")
    rows = rows_of(store, ["a"] * 400, chunk_size=20)
    assert ids_of(rows.page(385, 20)) == list(range(385, 400))
    assert {call for call in store.calls if call.endswith(".parquet")} == {"get 000019.parquet"}


def test_a_row_group_that_is_larger_than_the_cache_is_listed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_group_reader, "_TOKEN_BYTES", 1)
    rows = rows_of(DirectoryStore(tmp_path), ["a"] * 30)
    assert ids_of(rows.page(0, 30)) == ids_of(rows.page(0, 30)) == list(range(30))


def test_long_texts_are_cut_in_lists_by_characters(tmp_path: Path) -> None:
    rows = rows_of(DirectoryStore(tmp_path), ["é" * 1000, "🚀" * 1001, "x" * 2**20])
    listed = rows.page(0, 10).rows
    assert [(row.text, row.is_cut) for row in listed] == [
        ("é" * 1000, False),
        ("🚀" * 1000, True),
        ("x" * 1000, True),
    ]


# Search.


def test_a_search_finds_the_rows_with_the_text(writer: LiveWriter) -> None:
    expected = [record["row_id"] for record in records_of(writer) if "1" in (record["text"] or "")]
    assert ids_of(load(writer).rows.page(0, 5000, WantedRows("1"))) == expected != []


@settings(max_examples=20, deadline=None)
@given(
    texts=st.lists(st.none() | st.text("abB.", max_size=4), min_size=1, max_size=40),
    text=st.text("aAb.", min_size=1, max_size=2),
    limit=st.integers(1, 5),
    pauses=st.lists(st.booleans(), max_size=30),
)
def test_searches_that_are_stopped_go_on_where_they_stopped(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str | None], text: str, limit: int, pauses: list[bool]
) -> None:
    rows = rows_of(DirectoryStore(tmp_path_factory.mktemp("runs")), texts)
    expected = [row_id for row_id, own in enumerate(texts) if own is not None and text.lower() in own.lower()]
    assert all_pages(rows, limit, text, pauses) == expected


def test_a_search_that_may_not_go_on_has_looked_at_one_row_group(tmp_path: Path) -> None:
    rows = rows_of(DirectoryStore(tmp_path), ["a", "b", "c", "d", "e", "a"], chunk_size=2)
    page = rows.page(0, 10, WantedRows("a"), may_go_on=lambda: False)
    assert (ids_of(page), page.next) == ([0], 2)
    page = rows.page(2, 10, WantedRows("a"), may_go_on=lambda: False)
    assert (ids_of(page), page.next) == ([], 4)
    page = rows.page(4, 10, WantedRows("a"), may_go_on=lambda: False)
    assert (ids_of(page), page.next) == ([5], None)


def test_a_search_that_finds_nothing_reads_no_tokens_and_no_features(tmp_path: Path) -> None:
    class Ranges(DirectoryStore):
        """Notes which bytes are read."""

        def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
            data = super().get(key, offset, length)
            read.append((offset, offset + len(data)))
            return data

    read: list[tuple[int, int]] = []
    store = Ranges(tmp_path)
    writer = LiveWriter.start(store)
    writer.add(900)
    columns = pq.ParquetFile(store.path(writer.folder.prompts(0))).metadata.row_group(0)
    others = [columns.column(number) for number in range(columns.num_columns)]
    begins = {column.path_in_schema: column.dictionary_page_offset or column.data_page_offset for column in others}
    writer.save()
    rows = load(writer).rows
    rows.page(0, 1, WantedRows("text"))  # opens the file, of which the end is read
    read.clear()
    assert rows.page(0, 10, WantedRows("there is no such text")) == RowPage([], None)
    assert any(begin <= begins["text"] < end for begin, end in read)
    for name in ("tokens.list.element", "features.list.element.feature_id", "features.list.element.activation"):
        assert not any(begin <= begins[name] < end for begin, end in read), name


# One row.


def test_a_row_is_whole(writer: LiveWriter) -> None:
    rows = load(writer).rows
    policy = writer.metadata.policy
    for record in records_of(writer)[:80]:
        row = rows.row(record["row_id"])
        assert (row.row_id, row.text, row.skipped) == (record["row_id"], record["text"], record["skipped"])
        assert row.token_ids == record["tokens"]
        assert row.tokens == [VOCABULARY[token] for token in record["tokens"]]
        assert row.windows == [*range(0, len(record["tokens"]), policy.row_tokens_per_window)]
        assert row.features == rows.page(row.row_id, 1).rows[0].features


@pytest.mark.parametrize(("context", "windows"), [(0, [0, 4, 8]), (2, [0, 4, 6, 8])])
def test_a_row_says_what_its_windows_count_that_leave_room_for_bos(
    tmp_path: Path, context: int, windows: list[int]
) -> None:
    writer = LiveWriter.start(DirectoryStore(tmp_path / "runs"), max_tokens=5, context=context)
    writer.add(60)
    writer.save()
    found = {len(row.token_ids): row.windows for row in map(load(writer).rows.row, usable_ids(writer))}
    assert (found[4], found[5], found[9]) == ([0], [0, 4], windows)


def usable_ids(writer: LiveWriter) -> list[int]:
    return [record["row_id"] for record in records_of(writer) if record["skipped"] is None]


def test_a_rows_neighbours_are_the_rows_before_and_after_it(writer: LiveWriter) -> None:
    ids = [record["row_id"] for record in records_of(writer)]
    rows = load(writer).rows
    for at in [*range(30), *range(1035, 1060), *range(len(ids) - 3, len(ids))]:
        row = rows.row(ids[at])
        assert row.previous == (ids[at - 1] if at else None)
        assert row.next == (ids[at + 1] if at + 1 < len(ids) else None)


def test_a_row_that_the_run_lacks_is_not_found(writer: LiveWriter) -> None:
    ids = {record["row_id"] for record in records_of(writer)}
    rows = load(writer).rows
    lacking = [row_id for row_id in range(max(ids)) if row_id not in ids]
    assert any(min(ids) < row_id < max(ids) for row_id in lacking)
    for row_id in [*lacking[:50], max(ids) + 1, 2**63 - 1]:
        with pytest.raises(NotFoundError, match=f"^run {RUN_ID} has no row {row_id}$"):
            rows.row(row_id)


# What can happen to the files.


@pytest.mark.parametrize("chunk", [0, 2])
def test_a_missing_file_of_a_finished_run_is_an_error_that_names_it(
    tmp_path: Path, writer: LiveWriter, chunk: int
) -> None:
    finished = published_twin(writer.folder, writer.state, store := DirectoryStore(tmp_path / "twin"))
    store.delete(writer.folder.prompts(chunk))
    with pytest.raises(SaescopeError, match=rf"its file .*/00000{chunk}.parquet is missing: run it again$"):
        all_pages(finished.rows, 1000)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_an_error_that_names_it(writer: LiveWriter, kept: float) -> None:
    key = writer.folder.prompts(2)
    data = writer.folder.store.get(key)
    writer.folder.store.put(key, data[: int(len(data) * kept)])
    with pytest.raises(SaescopeError, match=r"its file .*/000002.parquet is damaged: run it again$"):
        load(writer).rows.page(0, 5000)


@pytest.mark.parametrize(
    "change",
    [
        {"text": [1, 2]},
        {"tokens": [[1], [2]], "features": [[{"feature_id": 0, "activation": 1.0, "token": 5}], []]},
        {"features": [[{"feature_id": 0}], []]},
        {"tokens": [None, None], "features": [[{"feature_id": 0, "activation": 1.0, "token": 0}], []]},
    ],
)
def test_a_file_that_says_something_else_is_an_error_that_names_it(tmp_path: Path, change: dict[str, Any]) -> None:
    store = DirectoryStore(tmp_path)
    rows = rows_of(store, ["a", "b"])
    content: dict[str, Any] = {"row_id": [0, 1], "text": ["a", "b"], "skipped": [None, None], "tokens": [[1], [1]]}
    path = store.path(f"{RUN_ID}/prompts/000000.parquet")
    pq.write_table(pa.table(content | {"features": [[], []]} | change), path)
    for question in (lambda: rows.page(0, 2), lambda: rows.page(0, 2, WantedRows("a")), lambda: rows.row(0)):
        with pytest.raises(SaescopeError, match=r"its file .*/000000.parquet is damaged: run it again$"):
            question()


def test_many_threads_get_what_one_gets(writer: LiveWriter) -> None:
    rows = load(writer).rows
    ids = [record["row_id"] for record in records_of(writer)]
    expected = {row_id: load(writer).rows.page(row_id, 3) for row_id in ids[:40]}
    with ThreadPoolExecutor(8) as pool:
        calls = [ids[number % 40] for number in range(200)]
        assert list(pool.map(lambda row_id: rows.page(row_id, 3), calls)) == [expected[row_id] for row_id in calls]
