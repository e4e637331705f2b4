"""What the services' work needs of the world: a store, a queue, leases, a clock. Each has a real and a simulated one.

Work functions get these handed in and use nothing else that can fail, wait or tell time; so whole schedules of crashes
and losses can be played through in memory. One that can't be reached raises UnavailableError: then whether what was
asked has been done isn't known, and the work is left for the watch to have it done again. This file knows no
implementation.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from services.common.messages import Message, Task
from services.common.settings import Settings
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.store import Store


class UnavailableError(SaescopeError):
    """Store, queue or leases did not answer, or would not do what was asked; nobody's mistake, and it may pass."""


class Queue(Protocol):
    """Tasks that wait for a worker. Delivery is at least once, in any order."""

    def send(self, message: Message) -> None:
        """Queue a message."""

    def waiting(self, task: Task) -> set[Message]:
        """The messages of a task that wait, without those that a worker has taken."""


class Hold(Protocol):
    """A lease that is held and being renewed."""

    @property
    def lost(self) -> bool:
        """Whether somebody else may have the lease by now; once so, always."""


class Leases(Protocol):
    """Names that one worker at a time holds, for as long as it keeps renewing; and counts of what went wrong."""

    def hold(self, name: str) -> AbstractContextManager[Hold | None]:
        """Hold a name in the block; None if somebody else holds it."""

    def held(self, prefix: str) -> set[str]:
        """The names that begin with `prefix` and are held by anybody."""

    def count(self, name: str) -> int:
        """Count one more for a name, and how many that makes."""

    def forget(self, prefix: str) -> None:
        """Drop counts of names that begin with `prefix`."""


class Clock(Protocol):
    """Time."""

    def now(self) -> float:
        """Seconds since 1970."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""


@dataclass(frozen=True)
class Limits:
    """The settings that the work goes by; see Settings for their meanings."""

    max_waiting_chunks: int = Settings.model_fields["max_waiting_chunks"].default
    chunk_attempts: int = Settings.model_fields["chunk_attempts"].default
    save_every_s: float = Settings.model_fields["save_every_s"].default


@dataclass(frozen=True)
class World:
    """Everything around a piece of work."""

    store: Store
    queue: Queue
    leases: Leases
    clock: Clock
    limits: Limits = Limits()
