"""How a one-process run ends: published, interrupted, failed or hung; and what its folder then contains.

In all cases metadata.json says what happened, and the computed state is saved, so that the run can be resumed.
Unexpected errors are in the run's failure log, with a traceback (failure_log.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from sparse_autoencoder.data.source import Source
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.chunk_attempts import HANGS, ChunkAttempts, EndOfProcessError
from sparse_autoencoder.pipeline.chunk_outputs import ChunkResult, failed_chunk
from sparse_autoencoder.pipeline.failure_log import FailureLog, shown
from sparse_autoencoder.pipeline.files_of_weights import files_of_weights, kept_on_this_machine
from sparse_autoencoder.pipeline.hang_detection import RunWatch, left_behind
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.publishing import check_outcome, publish
from sparse_autoencoder.runs.resume_command import command_again
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.saved_states import forget_kept, remove_states, write_state
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.runs.weights_notes import notes_of
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.tokens.tokenizer import RowTokenizer
from sparse_autoencoder.utils.failure_rule import Failure, attempt, reason
from sparse_autoencoder.utils.progress_bars import say
from sparse_autoencoder.utils.watchdog import PATIENCE_VARIABLE, Work, all_threads

if TYPE_CHECKING:
    from sparse_autoencoder.pipeline.chunk_encoder import Encoder
    from sparse_autoencoder.pipeline.load_inputs import Models

EXIT_HUNG = 1


@dataclass
class Job:
    """Everything that a run needs, and its state."""

    source: Source
    tokenizer: RowTokenizer
    encoder: Encoder
    metadata: RunMetadata
    state: RunState
    patience_s: float  # how long work may make no progress before it counts as hanging
    models: Models
    begun: bool = True  # False while a retry has not yet changed the finished run in the folder


class Ending:
    """Ends a run's job in one of several ways; create it when the job begins."""

    def __init__(self, job: Job, folder: RunFolder, store: DirectoryStore) -> None:
        self._job = job
        self._folder = folder
        self._store = store
        self._place = store.path(folder.run_id)
        self._begun_at = time.monotonic()
        self._saves = True
        self._log = FailureLog(store.root / f"{folder.run_id}.failures.log", say)
        self.attempts = ChunkAttempts(folder, self._log, self._missing, anything_encoded=job.state.num_prompts > 0)
        if (left := left_behind(self._place)) is not None:
            chunk, threads = left
            self._log.add("the last process hung, in native code, and was ended", threads)
            if chunk is not None:
                self.attempts.hung(chunk)

    def watch(self) -> RunWatch:
        """The watch that ends the process if the job hangs."""
        return RunWatch(self._place, self._job.patience_s, self._hung, say)

    def put_files_of_weights(self, watch: RunWatch) -> None:
        """Compute what follows from the weights, or take it from the cache, and write it; failing doesn't end the run.

        It is done after the last chunk, so that it delays nothing that is shown of a run that is going.
        """
        job, folder = self._job, self._folder
        if not job.begun or not job.state.num_prompts:  # then nothing is published
            return
        kept = kept_on_this_machine()
        with watch.weighing() as work:
            for file in files_of_weights(job.models, job.metadata, work.moved):
                name = file.name.partition(".")[0].replace("_", " ")
                tell = partial(say, f"computing {name}, which is kept for further runs with the same models")
                data = attempt(partial(file.made, kept, tell))
                if isinstance(data, Failure):
                    self._log.add(f"{file.name} could not be computed ({data.reason})", data.traceback)
                    data = file.empty(f"it could not be computed: {data.reason}")
                folder.store.put(folder.key(file.name), data)

    def published(self) -> RunMetadata:
        """Publish the merged state, and remove files that are no longer needed."""
        job, folder = self._job, self._folder
        if not job.begun:
            raise SaescopeError(f"{job.metadata.dataset_csv} has fewer rows than before: nothing was changed")
        try:
            check_outcome(job.metadata, job.state)
        except SaescopeError:
            self._start_over()
            raise
        publish(folder, job.metadata, job.state, job.state.encoded_chunks)
        job.metadata = job.metadata.model_copy(update={"weights": notes_of(folder)})
        status = "completed_with_errors" if job.state.failed_chunks else "complete"
        metadata = self._note(status=status, finished_at=datetime.now(UTC).isoformat(timespec="seconds"))
        remove_states(folder)
        self.attempts.forget()
        forget_kept(folder, [chunk.chunk for chunk in job.state.failed_chunks])
        if status == "complete":  # else trying the failed chunks again needs the others' tables
            folder.remove_token_files()
        return metadata

    def interrupted(self) -> KeyboardInterrupt:
        """End the run because the user stopped it; returns what to raise, whose text says how to go on."""
        if self._job.begun:
            write_state(self._folder, self._job.state)
            self._note(status="interrupted")
        return KeyboardInterrupt(f"go on with: {self._plain_command()}")

    def failed(self, error: BaseException) -> SaescopeError:
        """End the run because of an exception; returns the error for the user."""
        sentence = reason(error)
        with suppress(SaescopeError):  # with a full disk this fails too; the first error matters more
            self._note(status="failed", error=sentence)
            self._save()
        if isinstance(error, EndOfProcessError):
            return SaescopeError(f"{sentence}; go on in a fresh process: {self._command()}")
        if isinstance(error, SaescopeError):
            return error
        self._log.add(f"the run failed unexpectedly ({sentence})", Failure(error).traceback, tell=False)
        log = shown(self._log.path)
        return SaescopeError(f"the run failed unexpectedly ({sentence}; see {log}); go on with it: {self._command()}")

    def _hung(self, work: Work, chunk: int | None) -> None:
        """End the process because work hangs; the watchdog's thread calls this."""
        sentence = f"{work.what} hangs, nothing has moved for {work.still_s:.0f} seconds"
        try:
            attempt(lambda: self._log.add(sentence, all_threads(), tell=False))
            if chunk is not None:
                hangs = attempt(lambda: self.attempts.hung(chunk))
                if isinstance(hangs, int) and hangs >= HANGS:
                    sentence += f", in {hangs} processes by now: going on leaves it out"
            steps: list[Callable[[], object]] = [
                self._save,
                partial(self._note, status="failed", error=sentence),
                partial(say, self._advice(sentence), last=True),
            ]
            for step in steps:
                attempt(step)
        finally:
            _end_process(EXIT_HUNG)

    def _advice(self, sentence: str) -> str:
        return (
            f"{sentence} (see {shown(self._log.path)}; if this is only slow, set {PATIENCE_VARIABLE} to more than "
            f"{self._job.patience_s:g}); go on in a fresh process: {self._command()}"
        )

    def _command(self) -> str:
        return f"`{self._plain_command()}`{', with the same input again' if self._job.source.is_stream else ''}"

    def _plain_command(self) -> str:
        flag = "--resume" if self._job.begun else "--retry-failed"
        return command_again(flag, self._folder.run_id, self._store.root)

    def _missing(self, chunk: Chunk, why: str) -> ChunkResult:
        return failed_chunk(chunk, why, self._job.metadata.spec)

    def _save(self) -> None:
        if self._saves and self._job.begun and self._job.state.next_chunk:
            write_state(self._folder, self._job.state)

    def _start_over(self) -> None:
        """Remove the saved state when there is nothing to publish, so that resuming tries all chunks again."""
        self._saves = False
        remove_states(self._folder)
        self.attempts.forget()
        forget_kept(self._folder)

    def _note(self, **changes: Any) -> RunMetadata:
        """Write metadata.json, unless a retry has not yet changed the finished run."""
        job = self._job
        if not job.begun:
            return job.metadata
        seconds = job.metadata.seconds + time.monotonic() - self._begun_at
        metadata = job.metadata.with_counts(job.state, seconds=seconds, **changes)
        self._folder.write_metadata(metadata)
        return metadata


def _end_process(status: int) -> None:
    os._exit(status)  # a thread that hangs can't be stopped, and must not be waited for
