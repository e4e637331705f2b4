"""One rule for work that fails, in all services: what is an attempt, and when there is no sense in another one.

Whatever work raises is a failed attempt, but for what is nobody's failure: a server that is away, or being told to
stop. After so many attempts, on different workers where there are several, it has failed for good. This file knows
nothing of what is tried.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import TypeVar

from services.common.interfaces import AttemptRecord, Dependencies, Hold, Service, StoppingError, UnavailableError
from services.common.run_workspace import Workspace
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.failures import Failure, attempt

T = TypeVar("T")
Moved = Callable[[], None]
OTHERS_FIRST_S = 30.0  # for so long after a failure others have the first try at what takes a worker's whole time


@dataclass(frozen=True)
class Progress:
    """What an attempt says of itself while it is made."""

    moved: Moved  # the work has gone on; StoppingError if this process was told to stop
    advanced: Callable[[], None]  # some of the result is there, so that earlier attempts don't count any more


@dataclass(frozen=True)
class FailedAttempt:
    """A failed attempt, for the log."""

    run_id: str
    what: str
    failure: Failure


@dataclass(frozen=True)
class AttemptRule:
    """A worker's attempts at what a run needs."""

    deps: Dependencies
    service: Service
    worker: str
    report: Callable[[FailedAttempt], None]
    stopping: Callable[[], bool]

    def attempt(
        self, run_id: str, what: str, work: Callable[[Progress], T], floor_s: float, usual_s: float = 0.0
    ) -> T | Failure:
        """Try something once: its result, or the failure, which is counted and reported.

        If `work` doesn't say in time that it has moved (see Deadlines.watch), the attempt has failed and this process
        ends. StoppingError and UnavailableError are raised on and don't count.
        """
        attempts = self.deps.attempts
        try:
            tried = attempts.begin(run_id, what, self.worker)
            with self.deps.deadlines.watch(
                f"{what} of run {run_id}", floor_s, usual_s, lambda: self._hung(run_id, what)
            ) as moved:
                progress = Progress(lambda: self._moved(moved), _Advance(self, run_id, what, tried.total > 1))
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
        """Drop the attempts at something, because it has worked or moved on."""
        with suppress(UnavailableError):  # a result isn't lost because Redis is away
            self.deps.attempts.forget(run_id, what)

    def given_up(self, run_id: str, what: str) -> AttemptRecord | None:
        """The attempts that were made, if there is no sense in another one; else None."""
        tried = self.deps.attempts.tried(run_id, what)
        if tried.total < self.deps.limits.chunk_attempts:  # saves asking for the workers
            return None
        return tried if tried.exhausted(self.deps.limits.chunk_attempts, self.able_workers(run_id)) else None

    def fail_run_if_given_up(
        self, space: Workspace, hold: Hold, what: str, failure: Failure | None, doing: str
    ) -> bool:
        """Fail a run whose work on it failed for good, also when that was found out before; whether that is so.

        A SaescopeError is told to whoever is to act, and there is no sense in another attempt. The run is left alone if
        somebody else is at it by now, or it is finished or stopped: the failure may come of that.
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
        """Whether this worker has tried one of these things while others, who are alive and able, have tried none.

        With `at_most_s`, only for so many seconds after the last failure: they may be busy for long.
        """
        made = [self.deps.attempts.tried(run_id, what) for what in whats]
        by = {worker for tried in made for worker in tried.by_worker}
        if self.worker not in by or self.deps.clock.now() > max(tried.failed_at for tried in made) + at_most_s:
            return False
        return bool(self.able_workers(run_id) - by)

    def able_workers(self, run_id: str) -> set[str]:
        """The workers that can try what a run needs; this one is."""
        return self.deps.fit_workers(self.service, run_id) | {self.worker}

    def _moved(self, moved: Moved) -> None:
        if self.stopping():
            raise StoppingError
        moved()

    def _hung(self, run_id: str, what: str) -> None:
        with suppress(UnavailableError):  # then it counts as lost
            reason = "it hung: nothing moved any more, so the worker was ended"
            self.deps.attempts.failed(run_id, what, reason, self.deps.clock.now())


@dataclass
class _Advance:
    """Forgets earlier attempts at something when it advances, once."""

    rule: AttemptRule
    run_id: str
    what: str
    others_count: bool

    def __call__(self) -> None:
        if self.others_count:
            self.rule.deps.attempts.forget(self.run_id, self.what)
            self.rule.deps.attempts.begin(self.run_id, self.what, self.rule.worker)
            self.others_count = False


def why_given_up(tried: AttemptRecord, doing: str) -> str:
    """Why something has failed for good, in a sentence; `doing` says what was done to it."""
    lost = f"the worker was lost {_times(tried.lost)} while {doing}: is there enough memory?" if tried.lost else ""
    return "; ".join(reason for reason in (tried.reason, lost) if reason)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
