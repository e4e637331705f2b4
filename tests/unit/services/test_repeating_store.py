"""What a store refuses for a while is tried again, and a file is then written from where it began."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import pytest

from services.aggregator.repeating_store import ATTEMPTS, RepeatingStore
from services.common.dependency_interfaces import UnavailableError
from sparse_autoencoder.runs.store import DirectoryStore


class Refusing(DirectoryStore):
    """A directory whose first `times` writes fail when all was read."""

    def __init__(self, root: Path, times: int) -> None:
        super().__init__(root)
        self.times = times

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        if self.times:
            self.times -= 1
            if not isinstance(data, bytes):
                data.read()
            raise UnavailableError("the server is away")
        super().put(key, data)


def file_at(position: int) -> BinaryIO:
    file = io.BytesIO(b"not this, but this")
    file.seek(position)
    return file


@pytest.mark.parametrize("data", [b"this", file_at(14)], ids=["bytes", "file"])
def test_what_fails_less_often_is_done(data: bytes | BinaryIO, tmp_path: Path) -> None:
    store = Refusing(tmp_path, ATTEMPTS - 1)
    RepeatingStore(store).put("a", data)
    assert store.get("a") == b"this"


def test_what_fails_again_and_again_fails(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        RepeatingStore(Refusing(tmp_path, ATTEMPTS)).put("a", b"this")
