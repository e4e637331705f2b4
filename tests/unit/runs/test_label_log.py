"""Labels are kept by the autoencoder's hash; nobody's are lost, whoever else writes; the same on every store."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sparse_autoencoder.errors import DamagedError, OtherVersionError
from sparse_autoencoder.runs.folder_layout import run_ids
from sparse_autoencoder.runs.label_entries import Change, LabelError, change_of
from sparse_autoencoder.runs.label_log import SUM_EVERY, LabelConflictError, LabelLog
from sparse_autoencoder.runs.store import DirectoryStore

SHA, OTHER_SHA = "a" * 64, "b" * 64
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path)


def labels(log: LabelLog) -> dict[int, str | None]:
    return {entry.feature_id: entry.label for entry in log.read().present}


def label(feature_id: int, text: str | None) -> Change:
    return Change(feature_id, {"label": text})


def test_a_label_is_there_for_whoever_opens_the_store_later(store: DirectoryStore) -> None:
    LabelLog(store, SHA).write([label(3, "dates")])
    assert labels(LabelLog(store, SHA)) == {3: "dates"}


def test_labels_are_those_of_one_autoencoder(store: DirectoryStore) -> None:
    LabelLog(store, SHA).write([label(3, "dates")])
    assert labels(LabelLog(store, OTHER_SHA)) == {}


def test_labels_are_no_run(store: DirectoryStore) -> None:
    LabelLog(store, SHA).write([label(3, "dates")])
    assert run_ids(store) == []


def test_a_writer_that_is_open_sees_what_another_one_wrote(store: DirectoryStore) -> None:
    one, other = LabelLog(store, SHA), LabelLog(store, SHA)
    one.write([label(1, "one")])
    other.write([label(2, "two")])
    assert labels(one) == {1: "one", 2: "two"}


def test_fields_that_a_change_does_not_name_stay(store: DirectoryStore) -> None:
    log = LabelLog(store, SHA)
    log.write([change_of(1, {"label": "dates", "note": "see row 8"})])
    entry = log.write([change_of(1, {"starred": True})]).of(1)
    assert (entry.label, entry.note, entry.starred) == ("dates", "see row 8", True)


def test_what_has_no_label_note_or_star_is_not_listed(store: DirectoryStore) -> None:
    log = LabelLog(store, SHA)
    log.write([change_of(1, {"label": "dates", "starred": True})])
    log.write([change_of(1, {"label": "", "starred": False})])
    assert log.read().present == ()


def test_a_change_that_changes_nothing_writes_nothing(store: DirectoryStore) -> None:
    log = LabelLog(store, SHA)
    log.write([label(1, "dates")])
    log.write([label(1, "dates")])
    assert log.read().number == 1


def test_a_label_that_somebody_changed_meanwhile_is_not_written_over(store: DirectoryStore) -> None:
    log = LabelLog(store, SHA)
    seen = log.write([label(1, "dates")]).of(1).updated_at
    log.write([label(1, "months")])
    with pytest.raises(LabelConflictError) as conflict:
        log.write([label(1, "years")], if_updated_at=seen)
    assert conflict.value.entry.label == "months"
    assert labels(log) == {1: "months"}


def test_a_star_of_somebody_else_is_no_conflict_with_a_label(store: DirectoryStore) -> None:
    log = LabelLog(store, SHA)
    seen = log.write([label(1, "dates")]).of(1).updated_at
    log.write([Change(1, {"starred": True})])
    log.write([label(1, "years")], if_updated_at=seen)
    assert labels(log) == {1: "years"}


def test_a_label_that_was_not_there_conflicts_with_one_that_is(store: DirectoryStore) -> None:
    log = LabelLog(store, SHA)
    log.write([label(1, "dates")])
    with pytest.raises(LabelConflictError):
        log.write([label(1, "years")], if_updated_at=None)


def test_times_go_forward_even_if_a_clock_is_behind(store: DirectoryStore) -> None:
    first = LabelLog(store, SHA, now=lambda: NOON).write([label(1, "one")])
    second = LabelLog(store, SHA, now=lambda: NOON - timedelta(hours=1)).write([label(1, "two")])
    assert second.at > first.at


def test_two_processes_at_once_lose_nothing(store: DirectoryStore, tmp_path: Path) -> None:
    times = 30
    command = [sys.executable, "-m", "tests.support.label_writers", str(tmp_path), SHA]
    # names of three and of four characters: odd and even features
    writers = [subprocess.Popen([*command, name, str(times)]) for name in ("one", "four")]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    book = LabelLog(store, SHA).read()
    expected = {2 * step + 1: f"one {step}" for step in range(times)}
    expected |= {2 * step: f"four {step}" for step in range(times)}
    assert {entry.feature_id: entry.label for entry in book.present if entry.feature_id != 10_000} == expected
    both = book.of(10_000)
    assert (both.label, both.note) == (f"one {times - 1}", f"four {times - 1}")
    assert book.number == 4 * times


def test_reading_begins_at_the_last_sum(store: DirectoryStore) -> None:
    log = LabelLog(store, SHA)
    for step in range(SUM_EVERY + 5):
        log.write([label(step, f"label {step}")])
    for number in range(1, SUM_EVERY + 1):
        store.delete(f"_labels/{SHA}/log/{number:08d}.jsonl")
    assert labels(LabelLog(store, SHA)) == {step: f"label {step}" for step in range(SUM_EVERY + 5)}


def test_a_damaged_sum_is_added_up_again(store: DirectoryStore) -> None:
    log = LabelLog(store, SHA)
    for step in range(SUM_EVERY):
        log.write([label(step, f"label {step}")])
    store.put(f"_labels/{SHA}/upto/{SUM_EVERY:08d}.jsonl", b"{")
    assert len(labels(LabelLog(store, SHA))) == SUM_EVERY


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"labels": 1}\n{}', b"\xff", b'{"labels": 1, "at": "2026-01-01"}\n{"feature_id": "x"}']
)
def test_a_damaged_change_is_named(store: DirectoryStore, content: bytes) -> None:
    store.put(f"_labels/{SHA}/log/00000001.jsonl", content)
    with pytest.raises(DamagedError, match=r"log/00000001\.jsonl"):
        LabelLog(store, SHA).read()


def test_a_damaged_change_can_be_emptied(store: DirectoryStore) -> None:
    log = LabelLog(store, SHA)
    log.write([label(1, "one")])
    log.write([label(2, "two")])
    store.put(f"_labels/{SHA}/log/00000001.jsonl", b"")
    assert labels(LabelLog(store, SHA)) == {2: "two"}


def test_a_later_versions_labels_are_refused(store: DirectoryStore) -> None:
    store.put(f"_labels/{SHA}/log/00000001.jsonl", json.dumps({"labels": 2}).encode())
    with pytest.raises(OtherVersionError, match="a later version"):
        LabelLog(store, SHA).read()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"label": "x" * 501}, "label must have at most 500 characters"),
        ({"note": "x" * 4_001}, "note must have at most 4,000 characters"),
        ({"author": "x" * 101}, "author must have at most 100 characters"),
        ({"label": 3}, "label must be text"),
        ({"label": "\ud800"}, "half of a character"),
        ({"starred": 1}, "starred must be true or false"),
    ],
)
def test_what_is_no_label_is_refused(content: dict[str, object], sentence: str) -> None:
    with pytest.raises(LabelError, match=sentence):
        change_of(1, content)


@pytest.mark.parametrize("text", ["</script><b>", "a\nb", "\u202eabc", "\x00", "💡", "\u2028"])
def test_hostile_labels_come_back_as_they_are(store: DirectoryStore, text: str) -> None:
    LabelLog(store, SHA).write([change_of(1, {"label": f"<{text}>"})])
    assert labels(LabelLog(store, SHA)) == {1: f"<{text}>"}
