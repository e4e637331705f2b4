"""Labels as JSON Lines: what goes out comes in again, and of each line that is left out it is said why."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.runs.label_entries import Change, change_of
from sparse_autoencoder.runs.label_lines import Imported, Skipped, exported, imported
from sparse_autoencoder.runs.label_log import LabelLog
from sparse_autoencoder.runs.store import DirectoryStore

SHA = "a" * 64


@pytest.fixture
def log(tmp_path: Path) -> LabelLog:
    return LabelLog(DirectoryStore(tmp_path / "runs"), SHA)


def jsonl(*lines: object) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def labels(log: LabelLog) -> dict[int, str | None]:
    return {entry.feature_id: entry.label for entry in log.read().present}


def test_what_was_exported_is_imported_elsewhere(log: LabelLog, tmp_path: Path) -> None:
    log.write([change_of(3, {"label": "dates\u2028<b>", "note": "a\nb", "starred": True, "author": "ada"})])
    log.write([change_of(5, {"starred": True})])
    elsewhere = LabelLog(DirectoryStore(tmp_path / "elsewhere"), SHA)
    outcome = imported(elsewhere, "".join(exported(log)), 10)
    assert outcome == Imported(added=2, changed=0, unchanged=0, conflicts=[], skipped=[])
    assert "".join(exported(elsewhere)).replace(elsewhere.read().at, "") == "".join(
        json.dumps(json.loads(line) | {"updated_at": ""}, ensure_ascii=False) + "\n" for line in exported(log)
    )


def test_lines_of_neuronpedia_are_read(log: LabelLog) -> None:
    line = {"modelId": "gpt2-small", "layer": "6-res_post_32k-oai", "index": "7", "description": " dates",
            "explanationModelName": "gpt-4o-mini", "typeName": "oai_token-act-pair"}  # fmt: skip
    imported(log, jsonl(line), 10)
    entry = log.read().of(7)
    assert (entry.label, entry.author) == ("dates", "gpt-4o-mini")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "it is not JSON"),
        ("[]", "it is no JSON object"),
        ("{}", "it names no feature: feature_id, or index, must be a whole number"),
        ('{"feature_id": true, "label": "x"}', "it names no feature: feature_id, or index, must be a whole number"),
        ('{"feature_id": 10, "label": "x"}', "there is no feature 10: they are numbered 0 to 9"),
        ('{"index": "-1", "description": "x"}', "it names no feature: feature_id, or index, must be a whole number"),
        ('{"feature_id": 1}', "it says nothing of the feature: it has no label, no note and no star"),
        ('{"index": "1"}', "it says nothing of the feature: it has no label, no note and no star"),
        ('{"feature_id": 1, "label": 2}', "label must be text"),
        ('{"feature_id": 1, "label": "x", "autoencoder_sha256": "b"}', "it is about another autoencoder"),
    ],
)
def test_a_line_that_cannot_be_used_is_left_out_and_said_why(log: LabelLog, line: str, why: str) -> None:
    outcome = imported(log, jsonl({"feature_id": 2, "label": "two"}) + line + "\n", 10)
    assert outcome.skipped == [Skipped(2, why)]
    assert labels(log) == {2: "two"}


def test_of_two_lines_about_a_feature_the_first_one_counts(log: LabelLog) -> None:
    lines = [{"index": "1", "description": "first"}, {"index": "1", "description": "second"}]
    outcome = imported(log, jsonl(*lines), 10)
    assert outcome.skipped == [Skipped(2, "a line before is about feature 1, too")]
    assert labels(log) == {1: "first"}


def test_what_people_wrote_stays_unless_it_is_to_be_replaced(log: LabelLog) -> None:
    log.write([Change(1, {"label": "mine"})])
    line = jsonl({"feature_id": 1, "label": "theirs", "note": "a note"}, {"feature_id": 2, "label": "two"})
    other = Skipped(1, "feature 1 has another label already")
    assert imported(log, line, 10) == Imported(added=1, changed=1, unchanged=0, conflicts=[other], skipped=[])
    assert labels(log) == {1: "mine", 2: "two"}
    assert log.read().of(1).note == "a note"
    assert imported(log, line, 10) == Imported(added=0, changed=0, unchanged=1, conflicts=[other], skipped=[])
    assert imported(log, line, 10, replace=True) == Imported(added=0, changed=1, unchanged=1, conflicts=[], skipped=[])
    assert labels(log) == {1: "theirs", 2: "two"}


@pytest.mark.parametrize("replace", [False, True])
def test_a_line_removes_nothing(log: LabelLog, replace: bool) -> None:
    log.write([Change(1, {"label": "mine", "starred": True})])
    line = jsonl({"feature_id": 1, "label": None, "note": "a note", "starred": False})
    assert imported(log, line, 10, replace=replace).conflicts == []
    entry = log.read().of(1)
    assert (entry.label, entry.note, entry.starred) == ("mine", "a note", True)


@given(
    st.dictionaries(st.integers(0, 4), st.sampled_from([{"label": "a"}, {"label": "b"}, {"starred": True}])),
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["a", "b", None]), st.booleans())),
    st.booleans(),
)
def test_every_line_is_accounted_for(
    said: dict[int, dict[str, object]], lines: list[tuple[int, str | None, bool]], replace: bool
) -> None:
    with TemporaryDirectory() as folder:
        log = LabelLog(DirectoryStore(Path(folder)), SHA)
        log.write([change_of(feature, content) for feature, content in said.items()])
        before = log.read()
        text = jsonl(*({"feature_id": feature, "label": label, "starred": star} for feature, label, star in lines))
        outcome = imported(log, text, 5, replace=replace)
        after = log.read()
    changed = {feature for feature in range(5) if before.of(feature) != after.of(feature)}
    assert outcome.taken == len(changed)
    assert outcome.added == sum(before.of(feature).is_empty for feature in changed)
    numbers = {one.line for one in (*outcome.conflicts, *outcome.skipped)}
    whole = [number for number in range(1, len(lines) + 1) if number not in numbers]
    assert outcome.unchanged == sum(lines[number - 1][0] not in changed for number in whole)
    assert not (replace and outcome.conflicts)
    for feature in range(5):
        was, now = before.of(feature), after.of(feature)
        assert now.label == was.label or was.label is None or replace
        assert now.starred >= was.starred


def test_an_import_is_one_change(log: LabelLog) -> None:
    imported(log, jsonl(*({"feature_id": number, "label": f"l{number}"} for number in range(1_000))), 1_000)
    assert log.read().number == 1
