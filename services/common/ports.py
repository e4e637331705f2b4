"""What the services' work needs of the world: a queue, leases, a clock. Each has a real and a simulated one.

Work functions get these handed in, with a Store, and use nothing else that can fail, wait or tell time; so whole
schedules of crashes and losses can be played through in memory. A queue or leases that can't be reached raise a
SaescopeError; then whether what was asked has been done isn't known. This file knows no implementation.
"""

from __future__ import annotations

from typing import Protocol

from services.common.messages import Message, Task


class Queue(Protocol):
    """Tasks that wait for a worker. Delivery is at least once, in any order."""

    def send(self, message: Message) -> None:
        """Queue a message."""

    def depth(self, task: Task) -> int:
        """How many messages of a task wait, not counting those that a worker has taken."""


class Leases(Protocol):
    """Names that one worker at a time holds, for as long as it keeps renewing.

    `owner` names one attempt at one thing, not a process: two attempts never share it.
    """

    def acquire(self, name: str, owner: str) -> bool:
        """Take a name that nobody holds, not even `owner` itself; whether it worked."""

    def renew(self, name: str, owner: str) -> bool:
        """Hold on to a name; False if it was lost meanwhile."""

    def release(self, name: str, owner: str) -> None:
        """Let go of a name, if it is still held by `owner`."""

    def held(self, prefix: str) -> set[str]:
        """The names that begin with `prefix` and are held by anybody."""

    def count(self, name: str) -> int:
        """Count one more for a name, and how many that makes."""

    def forget(self, prefix: str) -> None:
        """Drop counts of names that begin with `prefix`."""


class Clock(Protocol):
    """Time."""

    def now(self) -> float:
        """Seconds since some moment."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
