"""The one rule of all services for work that fails: what counts as an attempt, and when work has failed for good.

Whatever work raises is a failed attempt, with two exceptions: a server is away, or the worker was told to stop. Work
has failed for good after `chunk_attempts` attempts, by different workers where there are several.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import TypeVar

from services.common.dependency_interfaces import (
    AttemptRecord,
    Dependencies,
    Hold,
    Service,
    StoppingError,
    UnavailableError,
)
from services.common.run_workspace import Workspace
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.failure_rule import Failure, attempt

T = TypeVar("T")
Moved = Callable[[], None]
OTHERS_FIRST_S = 30.0  # for so long after its failure a worker leaves reading and merging a run to others


@dataclass(frozen=True)
class Progress:
    """What work calls while it is attempted."""

    moved: Moved  # it made progress, so it doesn't hang; raises StoppingError if this process was told to stop
    advanced: Callable[[], None]  # a part of its result is saved, so earlier attempts don't count any more


@dataclass(frozen=True)
class FailedAttempt:
    """A failed attempt, for the log."""

    run_id: str
    what: str
    failure: Failure


@dataclass(frozen=True)
class AttemptRule:
    """A worker's attempts at the pieces of work of runs; `what` is a piece of work as work_names.py names it."""

    deps: Dependencies
    service: Service
    worker: str
    report: Callable[[FailedAttempt], None]
    stopping: Callable[[], bool]

    def attempt(
        self, run_id: str, what: str, work: Callable[[Progress], T], floor_s: float, usual_s: float = 0.0
    ) -> T | Failure:
        """Make one attempt: returns the result of `work`, or the failure, which is counted and reported.

        If `work` hangs (see Deadlines.watch), the attempt has failed and this process restarts. StoppingError and
        UnavailableError are raised on, and the attempt doesn't count.
        """
        attempts = self.deps.attempts
        try:
            tried = attempts.begin(run_id, what, self.worker)
            with self.deps.deadlines.watch(
                f"{what} of run {run_id}", floor_s, usual_s, lambda: self._hung(run_id, what)
            ) as moved:
                progress = Progress(lambda: self._moved(moved), self._advance(run_id, what, tried.total > 1))
                result = attempt(lambda: work(progress), passing=(UnavailableError, StoppingError))
        except (UnavailableError, StoppingError):
            with suppress(UnavailableError):
                attempts.take_back(run_id, what, self.worker)
            raise
        if isinstance(result, Failure):
            self.report(FailedAttempt(run_id, what, result))
            attempts.failed(run_id, what, result.reason, self.deps.clock.now())
        else:
            self.forget(run_id, what)
        return result

    def forget(self, run_id: str, what: str) -> None:
        """Forget the attempts at something, because it succeeded."""
        with suppress(UnavailableError):  # a result isn't lost because Redis is away
            self.deps.attempts.forget(run_id, what)

    def given_up(self, run_id: str, what: str) -> AttemptRecord | None:
        """The attempts that were made, if the work has failed for good; else None."""
        tried = self.deps.attempts.tried(run_id, what)
        if tried.total < self.deps.settings.chunk_attempts:  # spares a request for the workers
            return None
        return tried if tried.exhausted(self.deps.settings.chunk_attempts, self.able_workers(run_id)) else None

    def fail_run_if_given_up(
        self, space: Workspace, hold: Hold, what: str, failure: Failure | None, doing: str
    ) -> bool:
        """Fail a run if the work `what` has failed for good; returns whether it has.

        `failure` is of the attempt that was just made, None before one. A SaescopeError is for good at once: another
        attempt would end the same way, and its sentence says what to do. `doing` says what workers were doing, for the
        reason if they died. The run isn't failed if the lease is lost, or if the run is finished or stopped: the
        failure may come of that.
        """
        reason = failure.reason if failure and isinstance(failure.error, SaescopeError) else None
        if reason is None:
            tried = self.given_up(space.folder.run_id, what)
            if tried is None:
                return False
            reason = failure.reason if failure else why_given_up(tried, doing)
        if not hold.lost and space.active():
            space.stop("failed", reason)
        return True

    def defers_to_others(self, run_id: str, *whats: str, at_most_s: float = inf) -> bool:
        """Whether this worker has tried one of these pieces of work, and other able workers have tried none of them.

        With `at_most_s`, only for so many seconds after the last failure, as the others may be busy for long.
        """
        made = [self.deps.attempts.tried(run_id, what) for what in whats]
        by = {worker for tried in made for worker in tried.by_worker}
        if self.worker not in by or self.deps.clock.now() > max(tried.failed_at for tried in made) + at_most_s:
            return False
        return bool(self.able_workers(run_id) - by)

    def able_workers(self, run_id: str) -> set[str]:
        """The workers that are alive and can work on a run, and this one."""
        return self.deps.fit_workers(self.service, run_id) | {self.worker}

    def _moved(self, moved: Moved) -> None:
        if self.stopping():
            raise StoppingError
        moved()

    def _advance(self, run_id: str, what: str, earlier: bool) -> Callable[[], None]:
        """What forgets `earlier` attempts the first time that an attempt advances."""

        def advanced() -> None:
            nonlocal earlier
            if earlier:
                self.deps.attempts.forget(run_id, what)
                self.deps.attempts.begin(run_id, what, self.worker)
                earlier = False

        return advanced

    def _hung(self, run_id: str, what: str) -> None:
        with suppress(UnavailableError):  # then it counts as an attempt whose worker died
            reason = "it hung: it made no progress any more, so the worker was restarted"
            self.deps.attempts.failed(run_id, what, reason, self.deps.clock.now())


def why_given_up(tried: AttemptRecord, doing: str) -> str:
    """Why work has failed for good, as a sentence; `doing` says what the workers that died were doing."""
    lost = f"the worker was lost {_times(tried.lost)} while {doing}: is there enough memory?" if tried.lost else ""
    return "; ".join(reason for reason in (tried.reason, lost) if reason)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
