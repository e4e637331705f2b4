"""What several integration tests start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.runs import World, make_world, one_thread


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A tiny random language model, autoencoders for it, and a dataset."""
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """One thread, which is fastest for tiny models."""
    with one_thread():
        yield


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command is called, and runs go."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
