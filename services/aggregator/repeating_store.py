"""A Store that tries a few times more what a server refuses for longer than usual.

Publishing makes some three requests for each chunk, and a failed attempt begins anew. Without this, one request in a
thousand that fails for some seconds could keep a long run from ever being published.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from services.common.dependency_interfaces import UnavailableError
from sparse_autoencoder.runs.store import Store

ATTEMPTS = 3
T = TypeVar("T")


@dataclass(frozen=True)
class RepeatingStore:
    """The interface Store on another store, which has pauses of its own between attempts."""

    store: Store

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        if isinstance(data, bytes):
            return _repeated(lambda: self.store.put(key, data))
        begin = data.tell()

        def from_the_beginning() -> None:
            data.seek(begin)
            self.store.put(key, data)

        return _repeated(from_the_beginning)

    def create(self, key: str, data: bytes) -> bool:
        return self.store.create(key, data)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        return _repeated(lambda: self.store.get(key, offset, length))

    def size(self, key: str) -> int:
        return _repeated(lambda: self.store.size(key))

    def folders(self) -> list[str]:
        return _repeated(self.store.folders)

    def list(self, prefix: str = "") -> list[str]:
        return _repeated(lambda: self.store.list(prefix))

    def delete(self, key: str) -> None:
        return _repeated(lambda: self.store.delete(key))


def _repeated(call: Callable[[], T]) -> T:
    for _attempt in range(ATTEMPTS - 1):
        try:
            return call()
        except UnavailableError:
            continue
    return call()
