"""Labels as JSON Lines: what goes out comes in again, and of each line that is left out it is said why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sparse_autoencoder.runs.label_entries import Change, change_of
from sparse_autoencoder.runs.label_lines import Skipped, exported, imported
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
    assert (outcome.taken, outcome.unchanged, outcome.skipped) == (2, 0, [])
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
    outcome = imported(log, line, 10)
    assert (outcome.taken, outcome.skipped) == (2, [])  # the note has a place
    assert labels(log) == {1: "mine", 2: "two"}
    outcome = imported(log, line, 10)
    assert (outcome.taken, outcome.unchanged) == (0, 1)
    assert outcome.skipped == [Skipped(1, "feature 1 has another label already")]
    imported(log, line, 10, replace=True)
    assert labels(log) == {1: "theirs", 2: "two"}


def test_an_import_is_one_change(log: LabelLog) -> None:
    imported(log, jsonl(*({"feature_id": number, "label": f"l{number}"} for number in range(1_000))), 1_000)
    assert log.read().number == 1
