"""The schedules find mistakes: each of these, put into the services' work, is found within a few thousand schedules."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.schedule import play

SCHEDULES = 6000  # most are found within a hundred


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name](monkeypatch)
    assert any(play(seed).violations for seed in range(SCHEDULES))
