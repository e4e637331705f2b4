"""Retries of chunks in a one-process run: when a chunk has failed for good, and when the process must end instead.

A chunk is tried three times, with pauses. If all attempts fail, the cause may be the chunk or the process:

* If the next chunk can be encoded, the chunk was the cause. The run goes on without its rows.
* If the next chunk fails too, or the error was the GPU's, the process may be the cause. The run ends with
  EndOfProcessError, and a fresh process continues before the first of these chunks.
* A chunk that failed in this way in two processes has failed. The run goes on without its rows.

A hang ends the process (`ChunkAttempts.hung`); after three hangs a chunk isn't tried any more. The counts survive the
process in attempts.json in the run's folder.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, Field, ValidationError

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.chunk_outputs import ChunkResult, chunk_name
from sparse_autoencoder.pipeline.failure_log import FailureLog
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.utils.failure_rule import Failure, attempt

ATTEMPTS = 3
PAUSE_S = 1.0  # between attempts
PROCESSES = 2  # a chunk that failed in this many processes has failed for good
HANGS = 3  # after this many hangs a chunk isn't tried any more
ATTEMPTS_FILE = "attempts.json"

Settled = list[tuple[Chunk, ChunkResult]]


class EndOfProcessError(SaescopeError):
    """This process must end, and a fresh process should continue the run."""


class FailedBefore(BaseModel):
    """A chunk's failures and hangs in earlier processes and this one."""

    processes: int = 0  # number of processes in which it failed
    hangs: int = 0  # number of processes that it ended by hanging


class _File(BaseModel):
    chunks: dict[int, FailedBefore] = Field(default_factory=dict)


@dataclass(frozen=True)
class _Failed:
    """A failed attempt, without the exception, whose traceback would keep the attempt's memory alive."""

    reason: str
    breaks_process: bool


class ChunkAttempts:
    """Tries a run's chunks, in order, in one thread.

    `missing` makes the result of a failed chunk from the chunk and the reason. `anything_encoded`: whether the run has
    an encoded chunk already.
    """

    def __init__(
        self,
        folder: RunFolder,
        log: FailureLog,
        missing: Callable[[Chunk, str], ChunkResult],
        *,
        anything_encoded: bool,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = folder
        self._log = log
        self._missing = missing
        self._anything_encoded = anything_encoded
        self._pause = pause
        self._before = self._read()
        self._doubted: tuple[Chunk, _Failed] | None = None  # the last failed chunk, until a later one is encoded
        self._held: Settled = []  # results that wait until the doubt is settled, from that chunk on
        self._end: EndOfProcessError | None = None  # raised when another chunk should be encoded

    def settle(self, chunk: Chunk, encode: Callable[[], ChunkResult]) -> Settled:
        """Encode the next chunk; returns what can be merged now: this chunk, also a failed one before it, or nothing.

        Raises EndOfProcessError, and requests to stop such as KeyboardInterrupt.
        """
        if self._end is not None:
            raise self._end
        hangs = self._before.chunks.get(chunk.index, FailedBefore()).hangs
        if hangs >= HANGS:
            return self._sorted_out(chunk, self._missing(chunk, f"it hung in {hangs} processes"))
        outcome = self._try(chunk, encode)
        if isinstance(outcome, _Failed):
            return self._failed(chunk, outcome)
        if not len(chunk.row_ids):  # encoding no rows proves nothing about the process
            return self._sorted_out(chunk, outcome)
        self._anything_encoded = True
        self._doubted = None
        return self._sorted_out(chunk, outcome)

    def rest(self) -> Settled:
        """Call this after the last chunk: the results that are still to be merged."""
        self._doubted = None
        rest, self._held = self._held, []
        return rest

    def hung(self, chunk: int) -> int:
        """Record that a chunk hangs, which ends the process; returns its number of hangs so far."""
        return self._count(chunk, hangs=1).hangs

    def forget(self) -> None:
        """Remove attempts.json."""
        self._before = _File()
        self._folder.store.delete(self._folder.key(ATTEMPTS_FILE))

    def _try(self, chunk: Chunk, encode: Callable[[], ChunkResult]) -> ChunkResult | _Failed:
        most = 1 if self._doubted is not None else ATTEMPTS
        for number in range(1, most + 1):
            outcome = attempt(encode)
            if not isinstance(outcome, Failure):
                return outcome
            what = f"attempt {number} at {chunk_name(chunk)} failed ({outcome.reason})"
            self._log.add(what, outcome.traceback)
            failed = _Failed(outcome.reason, outcome.breaks_process)
            del outcome
            if failed.breaks_process or number == most:
                break
            self._pause(PAUSE_S)
        return failed

    def _failed(self, chunk: Chunk, failed: _Failed) -> Settled:
        processes = self._count(chunk.index, processes=1).processes
        name = chunk_name(chunk)
        if self._doubted is not None:
            raise self._two_in_a_row(*self._doubted, name, failed)
        certain = processes >= PROCESSES
        if failed.breaks_process:
            end = EndOfProcessError(
                f"{name} failed with an error after which this process can't compute any more ({failed.reason})"
            )
            if not certain:
                raise end
            self._end = end
        elif not certain:
            self._doubted = chunk, failed
        return self._sorted_out(chunk, self._missing(chunk, failed.reason))

    def _two_in_a_row(self, chunk: Chunk, first: _Failed, name: str, second: _Failed) -> EndOfProcessError:
        if not self._anything_encoded:
            same = " The first chunks all fail so: this looks like the models or the settings, not like the rows"
            return EndOfProcessError(
                f"no chunk could be encoded: {first.reason}{'.' + same if first.reason == second.reason else ''}"
            )
        reasons = first.reason if first.reason == second.reason else f"{first.reason}; {second.reason}"
        return EndOfProcessError(
            f"{chunk_name(chunk)} and {name} failed one after the other, so it may be this process ({reasons})"
        )

    def _sorted_out(self, chunk: Chunk, result: ChunkResult) -> Settled:
        """The results that can be merged now; none while a chunk is in doubt."""
        self._held.append((chunk, result))
        if self._doubted is not None:
            return []
        settled, self._held = self._held, []
        return settled

    def _count(self, chunk: int, processes: int = 0, hangs: int = 0) -> FailedBefore:
        before = self._before.chunks.get(chunk, FailedBefore())
        now = FailedBefore(processes=before.processes + processes, hangs=before.hangs + hangs)
        self._before.chunks[chunk] = now
        self._folder.store.put(self._folder.key(ATTEMPTS_FILE), self._before.model_dump_json().encode())
        return now

    def _read(self) -> _File:
        try:
            return _File.model_validate_json(self._folder.store.get(self._folder.key(ATTEMPTS_FILE)))
        except (NotFoundError, ValidationError):  # chunks are then tried as new ones
            return _File()
