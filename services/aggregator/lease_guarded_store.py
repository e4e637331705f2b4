"""A Store that refuses writes once a lease is lost or the process is told to stop (a fencing check).

Publishing may take long: meanwhile another aggregator may publish the run, and a user may even delete it.
"""

from dataclasses import dataclass
from typing import BinaryIO

from services.common.attempt_rule import Moved
from services.common.dependency_interfaces import Hold, UnavailableError
from sparse_autoencoder.runs.store import Store


@dataclass(frozen=True)
class LeaseGuardedStore:
    """The interface Store on another store; nothing is written once the lease is lost."""

    store: Store
    hold: Hold
    moved: Moved

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """Raise UnavailableError if the lease is lost, StoppingError if this process is to end."""
        self.moved()
        if self.hold.lost:
            raise UnavailableError(f"the lease was lost before {key} was written; another aggregator is at the run")
        self.store.put(key, data)

    def create(self, key: str, data: bytes) -> bool:
        """Raise UnavailableError if the lease is lost."""
        if self.hold.lost:
            raise UnavailableError(f"the lease was lost before {key} was written; another aggregator is at the run")
        return self.store.create(key, data)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Raise StoppingError if this process is to end."""
        self.moved()
        return self.store.get(key, offset, length)

    def size(self, key: str) -> int:
        return self.store.size(key)

    def folders(self) -> list[str]:
        return self.store.folders()

    def list(self, prefix: str = "") -> list[str]:
        return self.store.list(prefix)

    def delete(self, key: str) -> None:
        self.store.delete(key)
