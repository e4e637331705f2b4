"""The interfaces between the services' work and what is around it: store, queue, leases, clock and others.

Each has a real implementation, and a simulated one in tests/simulation. Work gets them as Dependencies and uses nothing
else that can fail, wait or tell the time, so that whole schedules of crashes and losses can be simulated in memory. A
call that fails raises UnavailableError; whether it had an effect is then unknown, and the work is left to the reconcile
loop, which requeues it.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from services.common.settings import Settings
from services.common.tasks.messages import Message, Task
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.store import Store

HOPELESS = 4  # after this many times the usual attempts something has failed, even if others could still try it
Service = Literal["ingest", "encoder", "aggregator", "models"]


class UnavailableError(SaescopeError):
    """A server did not answer, or refused. Nobody's mistake; trying again later may work."""


class StoppingError(Exception):
    """This process was told to stop. The work is given back, and the attempt doesn't count as failed."""


class Queue(Protocol):
    """Messages that wait for a worker. Delivery is at least once, in any order."""

    def send(self, message: Message) -> None:
        """Queue a message."""

    def waiting(self, task: Task) -> set[Message]:
        """The messages of a task that wait; those that a worker has taken are not among them."""


class Hold(Protocol):
    """A lease that this process holds and renews."""

    @property
    def lost(self) -> bool:
        """Whether another worker may hold the lease by now; it stays true once it is."""


class Leases(Protocol):
    """Locks by name that expire unless their holder renews them."""

    def hold(self, name: str) -> AbstractContextManager[Hold | None]:
        """Hold the lease `name` for the block, renewed in the background; None if another worker holds it."""

    def held(self, prefix: str) -> set[str]:
        """The names of all leases that are held and begin with `prefix`."""


@dataclass(frozen=True)
class AttemptRecord:
    """The attempts at one piece of work since it last succeeded or advanced."""

    by_worker: Mapping[str, int]  # how many each worker has begun
    failures: int = 0  # how many ended with an error; the others run, or were lost with their process
    reason: str | None = None  # of the last failure
    failed_at: float = 0.0  # when that was, in seconds since 1970

    @property
    def total(self) -> int:
        """How many attempts were begun."""
        return sum(self.by_worker.values())

    @property
    def lost(self) -> int:
        """How many attempts ended without a word, because their process died."""
        return max(0, self.total - self.failures)

    def exhausted(self, limit: int, workers: set[str]) -> bool:
        """Whether the work has failed for good: after `limit` attempts, by `limit` workers or by all of `workers`.

        `workers` are alive and able to try it. If they never get to it, HOPELESS times `limit` attempts are enough.
        """
        enough_workers = len(self.by_worker) >= limit or workers <= self.by_worker.keys()
        return self.total >= limit and (enough_workers or self.total >= HOPELESS * limit)


class Attempts(Protocol):
    """Counts the attempts at the pieces of work (`what`, see work_names.py) of each run.

    An attempt is counted before it begins, so that one that kills its worker counts too.
    """

    def begin(self, run_id: str, what: str, worker: str) -> AttemptRecord:
        """Count an attempt that begins; returns all attempts, this one included."""

    def failed(self, run_id: str, what: str, reason: str, at: float) -> None:
        """Record that an attempt failed, why, and when."""

    def take_back(self, run_id: str, what: str, worker: str) -> None:
        """Uncount an attempt that ended for no fault of the work: a server was away, or the worker was stopped."""

    def tried(self, run_id: str, what: str) -> AttemptRecord:
        """The attempts so far."""

    def forget(self, run_id: str, what: str | None = None) -> None:
        """Drop the attempts at one piece of work, or at everything of a run."""


@dataclass(frozen=True)
class Unfit:
    """Why a worker can't work on a run, as a sentence."""

    why: str
    other_kind: bool  # it never can, because its processor or its versions differ from the run's


class Workers(Protocol):
    """The worker processes that are alive. A process that comes back fresh keeps its name."""

    def alive(self, service: Service) -> set[str]:
        """The workers of a service that sent a heartbeat lately."""

    def say_unfit(self, run_id: str, worker: str, unfit: Unfit) -> None:
        """Record that a worker can't work on a run; forgotten after a minute."""

    def unfit(self, run_id: str) -> Mapping[str, Unfit]:
        """The workers that can't work on a run, with the reasons."""


class Notes(Protocol):
    """Sentences on a run's page that say what it waits for. No decision depends on them, and they may get lost."""

    def note(self, run_id: str, sentence: str) -> None:
        """Show a sentence on a run's page; forgotten after some seconds."""


class Deadlines(Protocol):
    """Restarts this process when its work hangs."""

    def watch(
        self, what: str, floor_s: float, usual_s: float, expired: Callable[[], None]
    ) -> AbstractContextManager[Callable[[], None]]:
        """Watch the work in the block, which must call the function that it gets whenever it has made progress.

        Work hangs when it has made no progress for `floor_s` seconds, nor for a multiple of the `usual_s` seconds that
        such work takes. Then `expired` is called, and the process restarts.
        """


class Clock(Protocol):
    """Tells the time, and waits."""

    def now(self) -> float:
        """Seconds since 1970."""

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""


@dataclass(frozen=True)
class Dependencies:
    """What the services' work depends on, as it is handed in."""

    store: Store
    queue: Queue
    leases: Leases
    attempts: Attempts
    workers: Workers
    notes: Notes
    deadlines: Deadlines
    clock: Clock
    settings: Settings = field(default_factory=Settings)

    def fit_workers(self, service: Service, run_id: str) -> set[str]:
        """The workers of a service that are alive and have not said that they can't work on a run."""
        return self.workers.alive(service) - self.workers.unfit(run_id).keys()
