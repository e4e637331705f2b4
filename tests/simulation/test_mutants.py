"""The schedules find mistakes: each of these, put into the services' work, is found within a few thousand schedules."""

from __future__ import annotations

from itertools import chain

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.schedule import play

SCHEDULES = 10_000
# Schedules that found them: `python -m tests.simulation --mutants` prints these again. Any change of the work or of the
# simulation may make another schedule of each; then it takes longer.
FOUND_AT: dict[str, int] = {}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name](monkeypatch)
    first = [FOUND_AT[name]] if name in FOUND_AT else []
    assert any(play(seed).violations for seed in chain(first, range(SCHEDULES)))


def test_without_a_mistake_these_schedules_find_nothing() -> None:
    assert {seed: found for seed in set(FOUND_AT.values()) if (found := play(seed).violations)} == {}
