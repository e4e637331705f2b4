"""Lines that are said beside a progress bar: each is a line of its own, and the last one is the last."""

from __future__ import annotations

import pytest

from sparse_autoencoder.utils.progress_bars import progress_bar, say


def test_what_is_said_is_a_line_and_the_bar_comes_again_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(total=10, unit=" rows") as bar:
        bar.update(3)
        say("attempt 1 failed")
        before, said, after = capsys.readouterr().err.partition("saescope: attempt 1 failed\n")
    assert said
    assert before.endswith("\r")  # the bar was wiped away
    assert "rows" in after


def test_after_the_last_line_comes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    bar = progress_bar(total=10, unit=" rows")
    try:
        say("it hangs", last=True)
        assert capsys.readouterr().err.endswith("saescope: it hangs\n")
    finally:
        bar.close()


def test_without_a_bar_it_is_just_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("nothing has come")
    assert capsys.readouterr().err == "saescope: nothing has come\n"
