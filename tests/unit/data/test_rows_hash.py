"""The running hash of a source: what changes it, and what is said when a source no longer gives it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from sparse_autoencoder.data.row_skip_rules import Record, Row, SkippedRow
from sparse_autoencoder.data.rows_hash import ReadBefore, RunningHash, hash_of_records
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec

CHUNKS: list[list[Record]] = [
    [Row(0, "a"), SkippedRow(1, "no text"), Row(2, "bc")],
    [Row(3, "d"), Row(4, "")],
    [Row(5, "efg")],
]
CHANGED = "news.csv has changed since it was read: it no longer begins with the 5 rows that were read of it"


def running_hash(chunks: Iterable[list[Record]], before: ReadBefore | None = None) -> RunningHash:
    running = RunningHash(before)
    for records in chunks:
        running.add(hash_of_records(records))
    running.end()
    return running


@pytest.mark.parametrize(
    "other",
    [
        [Row(0, "a"), SkippedRow(1, "no text"), Row(2, "bd")],
        [Row(0, "a"), SkippedRow(1, "no text"), Row(3, "bc")],
        [Row(0, "ab"), SkippedRow(1, "no text"), Row(2, "c")],
        [Row(0, "a"), Row(1, "no text"), Row(2, "bc")],
        [Row(0, "a"), SkippedRow(1, "not valid Unicode"), Row(2, "bc")],
        [Row(0, "a"), SkippedRow(1, "no text")],
        [Row(0, "a"), SkippedRow(1, "no text"), Row(2, "bc"), Row(3, "")],
        [Row(2, "bc"), SkippedRow(1, "no text"), Row(0, "a")],
    ],
    ids=["text", "row id", "where texts end", "used instead of skipped", "reason", "one less", "one more", "order"],
)
def test_a_chunk_with_another_record_has_another_hash(other: list[Record]) -> None:
    assert hash_of_records(other) != hash_of_records(CHUNKS[0])


def test_the_running_hash_tells_apart_where_chunks_end() -> None:
    assert running_hash(CHUNKS).value != running_hash([[*CHUNKS[0], *CHUNKS[1]], CHUNKS[2]]).value


def test_a_states_hash_is_the_running_hash_of_the_chunks_that_were_merged() -> None:
    state = RunState(Summary.empty(SummarySpec(1, 1, 0)))
    for number, records in enumerate(CHUNKS):
        part = RunState(Summary.empty(SummarySpec(1, 1, 0)), number + 1, rows_hash=hash_of_records(records))
        state = state.merge(part)
    assert state.rows_hash == running_hash(CHUNKS).value
    assert RunState.from_bytes(state.to_bytes()).rows_hash == state.rows_hash


def test_a_source_that_begins_as_before_may_go_on() -> None:
    before = ReadBefore("news.csv", 2, 5, running_hash(CHUNKS[:2]).value)
    assert running_hash(CHUNKS, before).value == running_hash(CHUNKS).value
    assert running_hash(CHUNKS, ReadBefore("news.csv", 0, 0, "")).num_chunks == 3


@pytest.mark.parametrize("changed", [0, 1])
def test_a_source_that_begins_otherwise_is_refused_before_the_last_known_chunk_is_given(changed: int) -> None:
    running = RunningHash(ReadBefore("news.csv", 2, 5, running_hash(CHUNKS[:2]).value))
    other = [[Row(7, "other")] if number == changed else records for number, records in enumerate(CHUNKS)]
    running.add(hash_of_records(other[0]))
    with pytest.raises(SaescopeError, match=CHANGED):
        running.add(hash_of_records(other[1]))


def test_a_source_that_has_become_shorter_is_refused() -> None:
    before = ReadBefore("news.csv", 2, 5, running_hash(CHUNKS[:2]).value)
    with pytest.raises(SaescopeError, match=CHANGED + "; put it back as it was, or start a new run$"):
        running_hash(CHUNKS[:1], before)
