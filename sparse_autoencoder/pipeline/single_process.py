"""A whole run in one process, on a directory: what `saescope run` does.

It reads the source chunk by chunk, encodes and merges each chunk, saves its state now and then, and publishes at the
end. The published files are the same bytes however often the run was interrupted and resumed. After a failure or a hang
it can be resumed too. The services make the same calls, spread over machines.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, BinaryIO

from sparse_autoencoder.autoencoders.checkpoints import address_of
from sparse_autoencoder.data.rows_hash import ReadBefore, RunningHash
from sparse_autoencoder.data.source import Source
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.activations_size import size_before_the_run
from sparse_autoencoder.pipeline.chunk_attempts import ChunkAttempts, Settled
from sparse_autoencoder.pipeline.chunk_outputs import ChunkResult, encode_chunk
from sparse_autoencoder.pipeline.files_of_weights import check_other_dictionary
from sparse_autoencoder.pipeline.hang_detection import RunWatch, opening
from sparse_autoencoder.pipeline.load_inputs import load_models, load_tokens, open_rows, with_reference
from sparse_autoencoder.pipeline.run_ending import Ending, Job
from sparse_autoencoder.pipeline.run_progress import RunProgress
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.folder_name import reserved_run
from sparse_autoencoder.runs.metadata import PUBLISHED, RunMetadata
from sparse_autoencoder.runs.provenance import check_same, check_tokens, source_changes
from sparse_autoencoder.runs.resume_command import command_again
from sparse_autoencoder.runs.run_lock import computing
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.saved_states import (
    keep_before,
    read_state,
    remove_states,
    state_to_retry_from,
    write_state,
)
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.runs.warnings import ACTIVATION_ASSUMED
from sparse_autoencoder.subjects.hook_points import hook_name
from sparse_autoencoder.summaries.feature_summary import Summary
from sparse_autoencoder.tokens.chunks import Chunk, read_chunks
from sparse_autoencoder.utils.failure_rule import is_failure
from sparse_autoencoder.utils.prefetch import one_ahead, one_behind
from sparse_autoencoder.utils.progress_bars import say
from sparse_autoencoder.utils.progress_lines import phase, shown
from sparse_autoencoder.utils.watchdog import patience_s

SAVE_EVERY_S = 10.0


def run(options: RunOptions, store: DirectoryStore) -> RunMetadata:
    """Do a whole new run, whose published files are then in the store. If the run hangs, the process ends."""
    with ExitStack() as opened:
        with reserved_run(store) as run_id:
            job = prepare(options, run_id)
            opened.enter_context(job.source)
            job.metadata = with_reference(job.metadata, options.check_reference)
            folder = RunFolder(store, run_id)
            folder.write_metadata(job.metadata)
        opened.enter_context(computing(store, run_id))
        return _finish(job, folder, store)


def resume(run_id: str, store: DirectoryStore) -> RunMetadata:
    """Resume a run that was interrupted, killed or failed. Its files will be those of a run without interruption."""
    folder = RunFolder(store, run_id)
    before = folder.read_metadata()
    if before.status in PUBLISHED:
        instead = "" if before.status == "complete" else f"; {_trying_again(before, store)}"
        raise SaescopeError(f"run {run_id} is {_words(before.status)}: there is nothing to resume{instead}")
    with _alone(folder, store) as opened:
        saved = read_state(folder, before.spec)
        for error in saved.damaged:
            say(f"{error}; going on from chunk {saved.state.next_chunk} instead")
        job = _prepare_again(before)
        opened.enter_context(job.source)
        job.state = saved.state
        remove_states(folder, after=saved.state.next_chunk)
        folder.write_metadata(job.metadata)
        return _finish(job, folder, store)


def retry_failed(run_id: str, store: DirectoryStore) -> RunMetadata:
    """Try the failed chunks of a finished run again. Its files will be those of a run in which they did not fail.

    The finished run's files aren't changed before the models and the source are checked and the first chunk is read.
    """
    folder = RunFolder(store, run_id)
    before = folder.read_metadata()
    if before.status == "complete":
        raise SaescopeError(f"run {run_id} is complete: no chunk of it failed")
    if before.status != "completed_with_errors":
        command = command_again("--resume", run_id, store.root)
        raise SaescopeError(f"run {run_id} is {_words(before.status)}: go on with it first, `{command}`")
    with _alone(folder, store) as opened:
        job = _prepare_again(before)
        opened.enter_context(job.source)
        failed = [chunk.chunk for chunk in before.failed_chunks]
        job.state, said = state_to_retry_from(folder, job.metadata.spec, failed)
        job.begun = False
        say(f"run {run_id}: {said}")
        return _finish(job, folder, store)


@contextmanager
def _alone(folder: RunFolder, store: DirectoryStore) -> Iterator[ExitStack]:
    """Have an existing run for this process alone, without what killed writers left; RunGoingError if it is going."""
    with ExitStack() as opened:
        opened.enter_context(computing(store, folder.run_id))
        store.remove_unfinished(folder.run_id)
        yield opened


def prepare(options: RunOptions, run_id: str) -> Job:
    """Open, load and check everything that a run needs, before anything is written; SaescopeError if it can't begin."""
    patience = patience_s()
    hook_name(options.location, options.layer)  # before anything is downloaded
    address_of(options.autoencoder, options.location, options.layer)
    with ExitStack() as opened:
        with opening(options.prompt_file or options.source, say):
            source = opened.enter_context(open_rows(options))
        with phase(f"loading {options.subject} and the autoencoder {options.autoencoder}"):
            tokens = load_tokens(options)
            models = load_models(options)
        check_other_dictionary(options, models.n_inputs)
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        metadata = models.metadata(options, run_id, source.describe(), started_at)
        check_tokens(tokens.made_of, metadata)  # the model's files may have been replaced in between
        encoder = models.encoder(metadata)
        opened.pop_all()  # from here on the job owns the source
    return Job(source, tokens.tokenizer, encoder, metadata, RunState(Summary.empty(metadata.spec)), patience, models)


def _trying_again(metadata: RunMetadata, store: DirectoryStore) -> str:
    return f"`{command_again('--retry-failed', metadata.run_id, store.root)}` tries its failed chunks again"


def _words(status: str) -> str:
    return status.replace("_", " ")


def _prepare_again(before: RunMetadata) -> Job:
    """The job of an existing run, without its state; SaescopeError if source, models or versions have changed."""
    if before.options.source.rpartition(":")[2] == "-":  # tell the user, who would otherwise wait for ever
        say(f"run {before.run_id} reads standard input: it needs the same input again")
    job = prepare(before.options, before.run_id)
    with ExitStack() as opened:
        opened.enter_context(job.source)
        if changed := source_changes(before.source, job.metadata.source):
            raise SaescopeError(
                f"run {before.run_id} can't be resumed, its source has changed: {changed}; start a new run"
            )
        check_same(before, job.metadata)
        opened.pop_all()
    job.metadata = before.model_copy(update={"status": "running", "error": None, "finished_at": None})
    return job


def _finish(job: Job, folder: RunFolder, store: DirectoryStore) -> RunMetadata:
    """Compute the rest of the run and publish it; in all cases metadata.json says how it ended."""
    ending = Ending(job, folder, store)
    try:
        folder.write_vocabulary(job.tokenizer.vocabulary(job.metadata.subject["vocab_size"]))
        if job.metadata.options.save_activations:
            say(f"activations to save: {size_before_the_run(job.metadata, job.source, store.root)}")
        with ending.watch() as watch:
            _process(job, folder, ending.attempts, watch)
            with phase("computing what follows from the weights"):
                ending.put_files_of_weights(watch)
        _remove_others(job, folder)
        with phase("publishing"):
            return ending.published()
    except KeyboardInterrupt as interruption:
        raise ending.interrupted() from interruption
    except BaseException as error:
        if not is_failure(error):
            raise
        told = ending.failed(error)
        if told is error:
            raise
        raise told from error


def _remove_others(job: Job, folder: RunFolder) -> None:
    """Remove the files of chunks beyond the last one, from an earlier attempt with a longer source."""
    for chunk in folder.numbers("prompts") if job.begun else []:
        if chunk >= job.state.next_chunk:
            folder.remove_chunk(chunk, job.metadata.options)


def _process(job: Job, folder: RunFolder, attempts: ChunkAttempts, watch: RunWatch) -> None:
    """Encode and merge all chunks from the state's next one on. The job's state is consistent whenever this stops."""
    options, policy = job.metadata.options, job.metadata.policy
    say(job.source.reading())
    if job.metadata.autoencoder.get("activation_assumed"):
        say(f"warning: {ACTIVATION_ASSUMED}")
    if job.source.notice:
        say(job.source.notice)
    records = watch.records(_first(job.source, options.max_rows))
    state, name = job.state, str(job.metadata.source["file"])
    # The rows before the state's next chunk must be those that the state was made from.
    running = RunningHash(ReadBefore(name, state.next_chunk, state.num_records, state.rows_hash))
    chunks = read_chunks(records, job.tokenizer, options.chunk_size, policy, state.next_chunk, running, options.columns)
    # With --kaggle-row, all rows before that one are read first.
    may_wait = job.source.is_stream or options.kaggle_row is not None
    watched = watch.chunks(chunks, job.metadata.dataset_csv, may_wait=may_wait)
    progress = RunProgress(state.num_records, options.max_rows)
    read = progress.read(watched, job.source.fraction_read)
    # A thread that waits for a pipe can't be stopped, so a pipe isn't prefetched.
    reading = nullcontext(read) if job.source.is_stream else one_ahead(read)
    keep = _keeping(job, folder)
    with shown(progress.describe), reading as chunks_read, one_behind() as later, watch.reading_ends():

        def finish(settled: Settled) -> None:
            for chunk, result in settled:
                with watch.keeping(chunk):
                    keep(chunk, result)

        for chunk in chunks_read:
            _begin(job, folder, attempts)
            job.encoder.encoded = progress.encoding(chunk)
            later(partial(finish, attempts.settle(chunk, partial(_encode, job, chunk, watch))))
        later(partial(finish, attempts.rest()))


def _begin(job: Job, folder: RunFolder, attempts: ChunkAttempts) -> None:
    """At a retry's first chunk, turn the finished run into a running one that can be resumed."""
    if job.begun:
        return
    remove_states(folder)
    attempts.forget()
    write_state(folder, job.state)
    folder.write_metadata(job.metadata.with_counts(job.state))
    job.begun = True


def _keeping(job: Job, folder: RunFolder) -> Callable[[Chunk, ChunkResult], None]:
    """A function that merges a chunk's result into the run, and saves the state now and then."""
    saved_at, save_seconds = time.monotonic(), 0.0

    def keep(chunk: Chunk, result: ChunkResult) -> None:
        nonlocal saved_at, save_seconds
        _put_files(folder, chunk.index, result)
        keep_before(result.partial, job.state, folder)
        # A single assignment, so that an interruption finds the state either before or after this chunk.
        job.state = job.state.merge(result.partial)
        # saving may take at most a tenth of the time
        if time.monotonic() - saved_at > max(SAVE_EVERY_S, 10 * save_seconds):
            begin = time.monotonic()
            write_state(folder, job.state)
            saved_at = time.monotonic()
            save_seconds = saved_at - begin

    return keep


def _put_files(folder: RunFolder, chunk: int, result: ChunkResult) -> None:
    """Write a chunk's files, and remove those of an earlier attempt that it doesn't have."""
    with result.activations or nullcontext() as activations:
        files: tuple[tuple[str, bytes | BinaryIO | None], ...] = (
            (folder.prompts(chunk), result.prompts),
            (folder.token_table(chunk), result.token_table),
            (folder.token_samples(chunk), result.token_samples),
            (folder.firings(chunk), result.firings),
            (folder.activations(chunk), activations),
        )
        for key, data in files:
            if data is not None:
                folder.store.put(key, data)
            else:
                folder.store.delete(key)


def _encode(job: Job, chunk: Chunk, watch: RunWatch) -> ChunkResult:
    """Encode a chunk under watch; raises whatever encoding raises."""
    with watch.encoding(chunk) as work:
        job.encoder.moved = work.moved
        return encode_chunk(job.encoder, chunk, job.metadata.policy)


def _first(source: Source, max_rows: int | None) -> Iterator[Any]:
    return iter(source) if max_rows is None else islice(source, max_rows)
