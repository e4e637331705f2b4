"""Names of runs, and the command that makes the same run again."""

from __future__ import annotations

import shlex

import pytest
from pydantic import ValidationError

from services.common.run_option_flags import parse_options
from sparse_autoencoder.runs.run_name import check_run_name
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.same_run_command import same_run_command


@pytest.mark.parametrize("name", ["headlines", "x" * 100, "Überschriften, 2. Hälfte", "<b>bold</b>", "-1"])
def test_a_run_can_have_any_name_that_is_printed_on_a_line(name: str) -> None:
    assert RunOptions(name=check_run_name(name)).name == name


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "a run's name can't be empty"),
        ("  ", "a run's name can't be empty"),
        ("x" * 101, "a run's name has at most 100 characters, not 101"),
        ("two\nlines", "a run's name can't have line breaks or other characters that aren't printed"),
        ("turned \u202e round", "a run's name can't have line breaks or other characters that aren't printed"),
        ("half \ud800", "a run's name can't have line breaks or other characters that aren't printed"),
    ],
)
def test_a_name_that_would_break_a_line_is_refused_in_a_sentence(name: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_run_name(name)
    with pytest.raises(ValidationError):
        RunOptions(name=name)


@pytest.mark.parametrize(
    "options",
    [
        RunOptions(),
        RunOptions(name="it's mine", source="my file.csv", group_by="a b", layer=3, keep_firings=True),
        RunOptions(source="-", delimiter="-", text_column="--x", activation="topk:4", bos="none", max_rows=7),
    ],
)
def test_the_command_of_a_run_gives_the_same_options(options: RunOptions) -> None:
    command = same_run_command(options)
    assert command.startswith("saescope run")
    assert RunOptions(**parse_options(shlex.join(shlex.split(command)[2:]))) == options
