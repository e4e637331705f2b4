"""What the line of progress says of rows, speed and time left; and that an estimate doesn't jump about."""

from __future__ import annotations

import pytest

from sparse_autoencoder.utils import progress_lines
from sparse_autoencoder.utils.progress_lines import RowsProgress, in_words, shown
from tests.support.waiting import wait_until


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_before_anything_is_done_rows_are_read() -> None:
    assert str(RowsProgress(0, None)) == "reading rows"


def test_it_says_how_many_of_how_many_how_fast_and_how_long_still() -> None:
    clock = Clock()
    progress = RowsProgress(0, None, clock)
    progress.estimate(19_876)
    clock.now = 10.0
    progress.at(5_000, 60_000)
    assert str(progress) == "5,000 of about 20,000 rows (25%), 6,000 tokens/s, 30 s left"
    progress.exactly(20_011)
    clock.now = 20.0
    progress.at(20_011, 200_000)
    assert str(progress) == "20,011 of 20,011 rows (100%), 10,000 tokens/s"


def test_an_estimate_changes_only_if_it_was_wrong_by_some_percents() -> None:
    progress = RowsProgress(0, None)
    said = []
    for rows in (18_900, 19_400, 19_800, 19_900, 23_000):
        progress.estimate(rows)
        progress.at(1, 1)
        said.append(str(progress).split(" rows")[0])
    assert said == [*4 * ["1 of about 19,000"], "1 of about 23,000"]


def test_an_estimate_that_is_passed_is_not_shown() -> None:
    progress = RowsProgress(0, None)
    progress.estimate(100)
    progress.at(150, 0)
    assert str(progress) == "150 rows"


def test_with_a_limit_of_rows_the_total_is_never_more() -> None:
    progress = RowsProgress(0, 1_000)
    progress.estimate(19_876)
    progress.at(250, 0)
    assert str(progress).startswith("250 of 1,000 rows (25%)")


def test_a_run_that_goes_on_is_timed_by_what_it_does_now() -> None:
    clock = Clock()
    progress = RowsProgress(9_000, None, clock)
    progress.exactly(10_000)
    clock.now = 10.0
    progress.at(9_500, 6_000)
    assert str(progress) == "9,500 of 10,000 rows (95%), 600 tokens/s, 10 s left"


def test_progress_never_goes_back() -> None:
    progress = RowsProgress(0, None)
    progress.exactly(10)
    progress.at(5, 50)
    progress.at(4, 40)
    assert str(progress).startswith("5 of 10 rows")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (7500, "2 h 5 min")]
)
def test_durations_are_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_in_a_log_a_line_comes_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress_lines, "IN_A_LOG_S", 0.01)
    said = ""

    def lines() -> int:
        nonlocal said
        said += capsys.readouterr().err
        return said.count("saescope: 12 rows\n")

    with shown(lambda: "12 rows"):
        wait_until(lambda: lines() >= 2)
