"""A whole run in one process, on a directory: `saescope run`, or `python sparse_autoencoder/main.py`.

Reads the source chunk by chunk, encodes, merges, saves its state now and then, and publishes at the end. However often
it is interrupted and resumed, it leaves the same files. The services do the same calls, spread over machines.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata as packages
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":  # as a script this folder is the first place for imports: its file names are not modules
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from sparse_autoencoder.errors import SaescopeError

if TYPE_CHECKING:
    from sparse_autoencoder.corpus import Source
    from sparse_autoencoder.encoding import EncodedChunk, Encoder
    from sparse_autoencoder.runs import FailedChunk, RunFolder, RunMetadata, RunOptions, RunState
    from sparse_autoencoder.store import Store
    from sparse_autoencoder.windows import Chunk, RowTokenizer

SAVE_EVERY_S = 10.0
ATTEMPTS = 3


@dataclass
class Job:
    """Everything that a run needs, loaded and checked before anything is written."""

    source: Source
    tokenizer: RowTokenizer
    encoder: Encoder
    metadata: RunMetadata


def prepare(options: RunOptions, run_id: str) -> Job:
    """Open the source and load tokenizer, subject model and autoencoder; SaescopeError if anything doesn't fit."""
    import torch

    from sparse_autoencoder.checkpoints import address_of, fetch, load_autoencoder
    from sparse_autoencoder.encoding import Encoder
    from sparse_autoencoder.hub import model_folder, read_config, tokenizer_file
    from sparse_autoencoder.metrics import FEATURE_METRICS
    from sparse_autoencoder.runs import RunMetadata
    from sparse_autoencoder.subject import hook_name, load_subject
    from sparse_autoencoder.windows import RowTokenizer, TokenPolicy

    hook = hook_name(options.location, options.layer)
    if options.device == "auto":
        options = options.model_copy(update={"device": "cuda" if torch.cuda.is_available() else "cpu"})
    with ExitStack() as opened:
        source = opened.enter_context(open_rows(options))
        folder = model_folder(options.subject)
        config = read_config(folder)
        if options.max_tokens > config["n_positions"]:
            raise SaescopeError(
                f"--max-tokens {options.max_tokens} is more than the {config['n_positions']} positions of "
                f"{options.subject}: choose fewer"
            )
        policy = TokenPolicy(config["bos_token_id"], options.max_tokens, options.bos, options.long_rows)
        tokenizer = RowTokenizer(tokenizer_file(folder))
        subject = load_subject(
            folder, device=options.device, dtype=getattr(torch, options.precision), last_layer=options.layer
        )
        checkpoint = fetch(address_of(options.autoencoder, options.location, options.layer))
        autoencoder = load_autoencoder(checkpoint, n_inputs=subject.width(options.location))
        opened.pop_all()  # from here on the job owns the source
    description = source.describe()
    metadata = RunMetadata(
        run_id=run_id,
        status="running",
        options=options,
        source=dict(description),
        subject={"name": options.subject, "hook": hook, "n_layers": subject.n_layers, "vocab_size": subject.vocab_size},
        autoencoder={
            "name": options.autoencoder,
            "address": checkpoint.address,
            "size": checkpoint.size,
            "sha256": checkpoint.sha256,
            "activation": type(autoencoder.activation).__name__,
            "n_inputs": autoencoder.n_inputs,
        },
        bos_token_id=policy.bos_token_id,
        num_features=autoencoder.n_latents,
        metrics=[{"name": metric.name, "description": metric.description} for metric in FEATURE_METRICS],
        versions={name: packages.version(name) for name in ("saescope", "numpy", "pyarrow", "tokenizers", "torch")},
        started_at=_now(),
        dataset_csv=str(description["file"]),
        text_column=None if description.get("text_column") is None else str(description["text_column"]),
        layer_index=options.layer,
        location=options.location,
        max_sequence_length=options.max_tokens,
        top_feature_count=options.top_feature_count,
        top_tokens_per_feature=options.top_tokens_per_feature,
    )
    encoder = Encoder(
        subject,
        autoencoder,
        location=options.location,
        layer_index=options.layer,
        policy=policy,
        spec=metadata.spec,
    )
    return Job(source, tokenizer, encoder, metadata)


def open_rows(options: RunOptions) -> Source:
    """The rows that the options ask for."""
    from sparse_autoencoder.corpus import open_source, prompt_file, single_row

    if options.prompt_file is not None:
        return prompt_file(Path(options.prompt_file))
    source = open_source(options.source, options.text_column)
    return source if options.kaggle_row is None else single_row(source, options.kaggle_row)


def run(options: RunOptions, store: Store) -> RunMetadata:
    """Do a whole new run; its published files are in the store afterwards."""
    from sparse_autoencoder.runs import RunFolder, RunState, new_run_id
    from sparse_autoencoder.summary import Summary

    job = prepare(options, new_run_id(store))
    with job.source:
        folder = RunFolder(store, job.metadata.run_id)
        folder.write_metadata(job.metadata)
        return _finish(job, folder, RunState(Summary.empty(job.metadata.spec)))


def resume(run_id: str, store: Store) -> RunMetadata:
    """Go on with a run that was interrupted, killed or failed; its files become what an undisturbed run leaves."""
    from sparse_autoencoder.runs import RunFolder

    folder = RunFolder(store, run_id)
    before = folder.read_metadata()
    if before.status in ("complete", "completed_with_errors"):
        raise SaescopeError(f"run {run_id} is {before.status.replace('_', ' ')}: there is nothing to resume")
    job = prepare(before.options, run_id)
    with job.source:
        _check_same(run_id, "source", before.source, job.metadata.source)
        _check_same(run_id, "autoencoder", before.autoencoder, job.metadata.autoencoder)
        job.metadata = before.model_copy(update={"status": "running", "error": None})
        folder.write_metadata(job.metadata)
        return _finish(job, folder, folder.read_state(job.metadata.spec))


def _check_same(run_id: str, what: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    changed = [name for name in before if name != "notice" and before[name] != now.get(name)]
    if changed:
        changes = ", ".join(f"{name} was {before[name]} and is {now.get(name)}" for name in changed)
        raise SaescopeError(f"run {run_id} can't be resumed, its {what} has changed: {changes}; start a new run")


def _finish(job: Job, folder: RunFolder, state: RunState) -> RunMetadata:
    """From a state to the published files; what happens is in metadata.json, whatever happens."""
    started = time.monotonic()

    def note(**changes: Any) -> RunMetadata:
        seconds = job.metadata.seconds + time.monotonic() - started
        counts = {
            "num_records": state.num_records,
            "num_prompts": state.num_prompts,
            "num_windows": state.num_windows,
            "num_tokens": state.summary.num_tokens,
            "num_active_features": int((state.summary.count > 0).sum()),
            "num_skipped_rows": state.skipped.total(),
            "skipped_rows": dict(state.skipped),
            "failed_chunks": state.failed_chunks,
        }
        metadata = job.metadata.model_copy(update={"seconds": seconds, **counts, **changes})
        folder.write_metadata(metadata)
        return metadata

    from sparse_autoencoder.publishing import publish

    try:
        folder.write_vocabulary(job.tokenizer.vocabulary(job.metadata.subject["vocab_size"]))
        _process(job, folder, state)
        _check_outcome(job.metadata, state)
        publish(folder, job.metadata, state, state.encoded_chunks)
        status = "completed_with_errors" if state.failed_chunks else "complete"
        metadata = note(status=status, finished_at=_now())
        folder.store.delete(folder.snapshot)
    except KeyboardInterrupt:
        folder.write_state(state)
        note(status="interrupted")
        raise
    except Exception as error:
        with suppress(SaescopeError):  # when the disk is full this fails too; the error itself is what matters
            note(status="failed", error=str(error) or type(error).__name__)
        raise
    return metadata


def _process(job: Job, folder: RunFolder, state: RunState) -> None:
    """Encode and merge all chunks from the state's next one on; `state` is whole whenever this is interrupted."""
    from sparse_autoencoder.windows import read_chunks

    options, policy = job.metadata.options, job.metadata.policy
    if job.source.notice:
        print(f"saescope: {job.source.notice}", file=sys.stderr)
    records = _first(job.source, options.max_rows)
    saved_at, save_seconds = time.monotonic(), 0.0
    with _progress(job, state) as advance:
        for chunk in read_chunks(records, job.tokenizer, options.chunk_size, policy, state.next_chunk):
            encoded = _encode(job, folder, chunk)
            with _uninterrupted():
                _merge(state, chunk, encoded)
            advance(chunk, state)
            # saving may cost a tenth of the time at most
            if time.monotonic() - saved_at > max(SAVE_EVERY_S, 10 * save_seconds):
                begin = time.monotonic()
                folder.write_state(state)
                saved_at = time.monotonic()
                save_seconds = saved_at - begin


def _encode(job: Job, folder: RunFolder, chunk: Chunk) -> EncodedChunk | FailedChunk:
    """Encode a chunk and write its rows; what is missing, and why, if that fails three times."""
    from sparse_autoencoder.encoding import FEATURES_PER_ROW
    from sparse_autoencoder.prompts import to_parquet
    from sparse_autoencoder.runs import FailedChunk

    error: Exception
    for _attempt in range(ATTEMPTS):
        try:
            encoded = job.encoder.encode(chunk)
            break
        except (SaescopeError, RuntimeError) as failure:  # torch reports everything, out of memory too, as RuntimeError
            error = failure
    else:
        ids = [*chunk.row_ids.tolist(), *(row.row_id for row in chunk.skipped)]
        message = str(error).splitlines()[0]
        return FailedChunk(
            chunk=chunk.index, first_row=min(ids), last_row=max(ids), num_rows=chunk.n_records, error=message
        )
    rows = to_parquet(chunk, encoded.row_features, job.metadata.policy, FEATURES_PER_ROW)
    folder.store.put(folder.prompts(chunk.index), rows)
    return encoded


def _merge(state: RunState, chunk: Chunk, encoded: EncodedChunk | FailedChunk) -> None:
    from sparse_autoencoder.runs import FailedChunk

    if isinstance(encoded, FailedChunk):
        state.failed_chunks = [*state.failed_chunks, encoded]
    else:
        state.summary = state.summary.merge(encoded.summary)
        state.num_prompts += len(chunk.row_ids)
        state.num_windows += encoded.num_windows
        state.skipped.update(row.reason for row in chunk.skipped)
    state.num_records += chunk.n_records
    state.next_chunk = chunk.index + 1


def _check_outcome(metadata: RunMetadata, state: RunState) -> None:
    if state.num_prompts:
        return
    if state.failed_chunks:
        raise SaescopeError(f"no chunk could be encoded: {state.failed_chunks[0].error}")
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in state.skipped.most_common())
    raise SaescopeError(
        f"none of the {state.num_records:,} rows of {metadata.dataset_csv} has usable text ({reasons}); "
        "choose another --source or --text-column"
    )


@contextmanager
def _progress(job: Job, state: RunState) -> Iterator[Any]:
    """A progress bar over rows with tokens/s and the time left; yields a function to call after each chunk."""
    from tqdm import tqdm

    begin = time.monotonic()
    tokens_before = state.summary.num_tokens
    max_rows = job.metadata.options.max_rows
    with tqdm(total=max_rows, initial=state.num_records, unit=" rows", unit_scale=True, dynamic_ncols=True) as bar:

        def advance(chunk: Chunk, state: RunState) -> None:
            fraction = job.source.fraction_read()
            if fraction:
                estimate = max(state.num_records, round(state.num_records / fraction))
                bar.total = min(estimate, max_rows or estimate)
            tokens_per_s = (state.summary.num_tokens - tokens_before) / (time.monotonic() - begin)
            bar.set_postfix_str(f"{tokens_per_s:,.0f} tokens/s", refresh=False)
            bar.update(chunk.n_records)

        yield advance


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put off being interrupted while the state changes, so that it is saved either before or after a chunk."""
    if threading.current_thread() is not threading.main_thread():  # signals arrive in the main thread alone
        yield
        return
    pending: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, _frame: pending.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for arrived in pending:
            signal.raise_signal(arrived)


def _first(source: Source, max_rows: int | None) -> Iterator[Any]:
    from itertools import islice

    return iter(source) if max_rows is None else islice(source, max_rows)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    from sparse_autoencoder.command import main

    sys.exit(main())
