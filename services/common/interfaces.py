"""What the services' work needs of the deps: a store, a queue, leases, a clock. Each has a real and a simulated one.

Work functions get these handed in and use nothing else that can fail, wait or tell time; so whole schedules of crashes
and losses can be played through in memory. One that can't be reached raises UnavailableError: then whether what was
asked has been done isn't known, and the work is left for the reconcile loop to have it done again. This file knows no
implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from services.common.settings import Settings
from services.common.tasks.messages import Message, Task
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.store import Store

HOPELESS = 4  # so many times the attempts that are enough otherwise
Service = Literal["ingest", "encoder", "aggregator"]


class UnavailableError(SaescopeError):
    """Store, queue or leases did not answer, or would not do what was asked; nobody's mistake, and it may pass."""


class StoppingError(Exception):
    """This process was told to end: what it is doing is given back, and that is no failure."""


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
    """Names that one worker at a time holds, for as long as it keeps renewing."""

    def hold(self, name: str) -> AbstractContextManager[Hold | None]:
        """Hold a name in the block; None if somebody else holds it."""

    def held(self, prefix: str) -> set[str]:
        """The names that begin with `prefix` and are held by anybody."""


@dataclass(frozen=True)
class AttemptRecord:
    """The attempts at one thing that led to no result: how many each worker has begun, and how many failed."""

    by_worker: Mapping[str, int]
    failures: int = 0  # attempts that ended with an error; the others were lost with their process
    reason: str | None = None  # of the last failure
    failed_at: float = 0.0  # when that was

    @property
    def total(self) -> int:
        """Attempts that were begun."""
        return sum(self.by_worker.values())

    @property
    def lost(self) -> int:
        """Attempts from which no worker came back."""
        return max(0, self.total - self.failures)

    def exhausted(self, limit: int, workers: set[str]) -> bool:
        """Whether it has failed for good: after `limit` attempts, on different workers where there are several.

        `workers` are those that are alive and could try it. That they have no time for it may not last for ever.
        """
        enough_workers = len(self.by_worker) >= limit or workers <= self.by_worker.keys()
        return self.total >= limit and (enough_workers or self.total >= HOPELESS * limit)


class Attempts(Protocol):
    """Which workers have tried what of a run, without a result so far.

    An attempt is counted before it begins, so that one from which no worker comes back counts as well.
    """

    def begin(self, run_id: str, what: str, worker: str) -> AttemptRecord:
        """Count an attempt that begins; all attempts, with this one."""

    def failed(self, run_id: str, what: str, reason: str, at: float) -> None:
        """Say that an attempt that was begun has failed, why, and when."""

    def take_back(self, run_id: str, what: str, worker: str) -> None:
        """Uncount an attempt that ended through nobody's failure."""

    def tried(self, run_id: str, what: str) -> AttemptRecord:
        """The attempts so far."""

    def forget(self, run_id: str, what: str | None = None) -> None:
        """Drop the attempts at one thing, or all of a run."""


@dataclass(frozen=True)
class Unfit:
    """Why a worker can't work on a run."""

    why: str
    other_kind: bool  # for good, because its processor or its versions are other ones


class Workers(Protocol):
    """The worker processes that are alive, by names that stay the same when a process comes back fresh."""

    def alive(self, service: Service) -> set[str]:
        """The workers of a service that have been heard of in the last seconds."""

    def say_unfit(self, run_id: str, worker: str, unfit: Unfit) -> None:
        """Say for the next minute that a worker can't work on a run."""

    def unfit(self, run_id: str) -> Mapping[str, Unfit]:
        """The workers that lately said they can't work on a run."""


class Notes(Protocol):
    """Sentences about runs for people. They decide nothing, and losing one is fine."""

    def note(self, run_id: str, sentence: str) -> None:
        """Say for the next seconds what is to be known of a run."""


class Deadlines(Protocol):
    """Ends this process when its work hangs; it comes back fresh."""

    def watch(
        self, what: str, floor_s: float, usual_s: float, expired: Callable[[], None]
    ) -> AbstractContextManager[Callable[[], None]]:
        """Watch the work in the block; the function that it gets is to be called whenever the work has moved on.

        Work hangs that hasn't moved for `floor_s` seconds, nor for a multiple of the `usual_s` seconds that such work
        takes. Then `expired` is called, and the process ends.
        """


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
    patience_s: float = Settings.model_fields["patience_s"].default
    other_kind_s: float = Settings.model_fields["other_kind_s"].default


@dataclass(frozen=True)
class Dependencies:
    """Everything around a piece of work."""

    store: Store
    queue: Queue
    leases: Leases
    attempts: Attempts
    workers: Workers
    notes: Notes
    deadlines: Deadlines
    clock: Clock
    limits: Limits = Limits()

    def fit_workers(self, service: Service, run_id: str) -> set[str]:
        """The workers of a service that are alive and have not said that they can't work on a run."""
        return self.workers.alive(service) - self.workers.unfit(run_id).keys()
