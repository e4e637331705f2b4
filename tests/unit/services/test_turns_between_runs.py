"""Runs take turns, however many chunks of each are waiting."""

from __future__ import annotations

from services.encoder.turns_between_runs import Turns


def test_new_runs_come_first_and_then_who_has_waited_longest() -> None:
    turns = Turns()
    for run_id in ("b", "a", "c", "a"):
        turns.took(run_id)
    assert turns.order(["a", "b", "c", "e", "d"]) == ["d", "e", "b", "c", "a"]


def test_what_is_remembered_of_runs_is_bounded() -> None:
    turns = Turns()
    for number in range(1500):
        turns.took(f"run-{number:04d}")
    assert turns.order(["run-0000", "run-1499", "run-0600"]) == ["run-0000", "run-0600", "run-1499"]
