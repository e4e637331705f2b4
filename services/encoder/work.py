"""Encoding a chunk: its rows out of the store, what it contributes into it, and a word to the aggregator.

The result has the chunk's name, and what merging makes of it depends on the chunk alone, so that encoding one twice
changes nothing. (Its bytes also depend on how far merging was: examples that can't be chosen any more are left out.) A
chunk that fails too often contributes the record that it is missing. This file knows no models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from services.common import names
from services.common.messages import Message
from services.common.ports import Hold, UnavailableError, World
from services.common.workspace import ReadingProgress, Workspace
from sparse_autoencoder.runs import RunMetadata, RunOptions
from sparse_autoencoder.store import NotFoundError


@dataclass(frozen=True)
class Contribution:
    """What becomes of a chunk, as it goes into the store."""

    partial: bytes
    prompts: bytes | None  # None if it failed
    num_rows: int = 0
    num_tokens: int = 0
    seconds: Mapping[str, float] | None = None  # by stage
    error: str | None = None


class Computer(Protocol):
    """Models, and what they make of chunks. What it raises, but for UnavailableError, is its own failure."""

    def plan(self, run_id: str, options: RunOptions, reading: ReadingProgress, at: str) -> RunMetadata:
        """Load a new run's models; its metadata."""

    def vocabulary(self, plan: RunMetadata) -> list[str]:
        """Each token id's text."""

    def encode(self, plan: RunMetadata, chunk: int, data: bytes, limits: Callable[[], bytes | None]) -> Contribution:
        """Encode a chunk; `limits` reads what its examples must reach (best when they are there), or None."""

    def failed(self, plan: RunMetadata, chunk: int, data: bytes, error: str) -> Contribution:
        """The record that a chunk is missing."""


def encode(run_id: str, chunk: int, world: World, computer: Computer) -> Contribution | None:
    """Encode a chunk, if that is still to be done and nobody else does it; None if there is no result this time."""
    space = Workspace(world.store, run_id)
    contribution = None
    with world.leases.hold(names.encode_lease(run_id, chunk)) as hold:
        if hold is None or not space.active():
            return None
        if not space.has_partial(chunk):
            try:
                data = space.chunk(chunk)
            except NotFoundError:  # merged already
                return None
            try:
                contribution = _Attempt(space, world, computer, chunk).contribution(data)
                if contribution is None or not _of_use(contribution, space, chunk, hold):
                    return None
                # In this order: who sees the partial may count on the prompts file.
                if contribution.prompts is not None:
                    space.put_prompts(chunk, contribution.prompts)
                space.put_partial(chunk, contribution.partial)
            except UnavailableError:  # not the chunk's failure
                with suppress(UnavailableError):
                    world.leases.forget(names.chunk_attempts(run_id, chunk))
                raise
    world.queue.send(Message(task="aggregate", run_id=run_id))
    return contribution


def _of_use(contribution: Contribution, space: Workspace, chunk: int, hold: Hold) -> bool:
    """Whether a contribution is to be written: computing it may have taken long."""
    if contribution.error is not None and (hold.lost or space.has_partial(chunk)):
        return False  # another attempt goes on, or was better
    return space.wanted()


@dataclass(frozen=True)
class _Attempt:
    """One attempt at a chunk."""

    space: Workspace
    world: World
    computer: Computer
    chunk: int

    def contribution(self, data: bytes) -> Contribution | None:
        """What the chunk contributes; None if it is to be tried again, or the run was stopped."""
        run_id, limit = self.space.folder.run_id, self.world.limits.chunk_attempts
        try:
            plan = self._plan()
        except UnavailableError:
            raise
        except Exception as error:
            if not self.space.active():  # its files went away under our hands
                return None
            if self.world.leases.count(names.model_failures(run_id)) >= limit:
                self.space.stop("failed", first_line(error))
            else:
                self._again()
            return None
        # Counted before, so that an attempt from which no worker returns counts as well.
        attempt = self.world.leases.count(names.chunk_attempts(run_id, self.chunk))
        if attempt > limit:
            reason = f"the worker was lost {attempt - 1} times while it encoded this chunk: is there enough memory?"
            return self._missing(plan, data, reason)
        try:
            return self.computer.encode(plan, self.chunk, data, self.space.limits)
        except UnavailableError:
            raise
        except Exception as error:
            if attempt >= limit:
                return self._missing(plan, data, first_line(error))
            self._again()
            return None

    def _missing(self, plan: RunMetadata, data: bytes, reason: str) -> Contribution | None:
        """The record that the chunk is missing; if not even that can be made of its rows, the run has failed."""
        try:
            return self.computer.failed(plan, self.chunk, data, reason)
        except UnavailableError:
            raise
        except Exception as error:
            if self.space.active():
                self.space.stop("failed", first_line(error))
            return None

    def _plan(self) -> RunMetadata:
        """The run's plan, made by whoever encodes its first chunk."""
        folder = self.space.folder
        try:
            return folder.read_metadata()
        except NotFoundError:
            request, reading = self.space.request(), self.space.reading()
        if reading is None:
            raise NotFoundError(f"run {folder.run_id} has a chunk, and its source is not described")
        plan = self.computer.plan(folder.run_id, request.options, reading, request.created_at)
        if not self.space.wanted():
            raise NotFoundError(f"run {folder.run_id} went away while its models were loaded")
        folder.write_vocabulary(self.computer.vocabulary(plan))
        folder.write_plan(plan)
        return plan

    def _again(self) -> None:
        self.world.queue.send(Message(task="encode", run_id=self.space.folder.run_id, chunk=self.chunk))


def first_line(error: Exception) -> str:
    """An error as one line."""
    return str(error).split("\n", 1)[0] or type(error).__name__
