"""What a run's source or autoencoder is described by differently than before, said in words."""

from __future__ import annotations

from sparse_autoencoder.changes import changes

BEFORE = {"file": "news.csv", "bytes": 5, "text_column": None, "notice": None}


def test_descriptions_that_are_equal_have_no_changes() -> None:
    assert changes(BEFORE, dict(BEFORE)) == ""


def test_each_value_that_differs_is_named_with_both() -> None:
    now = BEFORE | {"bytes": 7, "text_column": "title"}
    assert changes(BEFORE, now) == "bytes was 5 and is 7, text_column was None and is title"


def test_what_is_no_longer_described_is_a_change() -> None:
    assert changes(BEFORE, {"file": "news.csv"}) == "bytes was 5 and is None"


def test_what_is_described_only_now_is_no_change() -> None:
    assert changes(BEFORE, BEFORE | {"kaggle_version": 3}) == ""


def test_another_notice_is_no_change() -> None:
    assert changes(BEFORE, BEFORE | {"notice": "Kaggle can't be reached"}) == ""
