"""What `saescope run` would do with these options, found out without beginning it: `saescope run --dry-run`.

It reads the first rows and the models that are on this machine. Nothing is downloaded and nothing is written.
"""

from __future__ import annotations

import time
from pathlib import Path

from sparse_autoencoder.autoencoders.checkpoints import address_of, at_hand, is_remote, remote_size
from sparse_autoencoder.data.row_skip_rules import Record, Row
from sparse_autoencoder.data.source import HUGGING_FACE, KAGGLE
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.activations_size import activations_size
from sparse_autoencoder.pipeline.first_rows import FirstRows, first_rows, rounded, tokenised
from sparse_autoencoder.pipeline.load_inputs import load_models, load_tokens, on_this_machine, open_rows
from sparse_autoencoder.runs.folder_layout import RunFolder, run_ids
from sparse_autoencoder.runs.metadata import PUBLISHED, RunMetadata
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.subjects.hook_points import hook_name
from sparse_autoencoder.subjects.hugging_face_hub import download_size, folder_at_hand, model_files
from sparse_autoencoder.tokens.chunks import Chunk, tokenise
from sparse_autoencoder.utils.memory_use import most_memory
from sparse_autoencoder.utils.progress_lines import in_words, phase
from sparse_autoencoder.utils.sizes import size_in_words

_MEASURED_TOKENS = 8_192
_ROW_FEATURES = 10
_UNKNOWN = "unknown"

Facts = list[tuple[str, str]]


def dry_run(options: RunOptions, store: DirectoryStore) -> Facts:
    """What a run with these options would do, as names and values; SaescopeError for what would fail at once."""
    hook = hook_name(options.location, options.layer)
    address = address_of(options.autoencoder, options.location, options.layer)
    facts, rows = _source(options)
    are_here = folder_at_hand(options.subject) is not None and at_hand(address) is not None
    facts += [("model", _model(options)), ("SAE", _autoencoder(options, address)), ("read at", hook)]
    sample = None
    if rows is not None and folder_at_hand(options.subject, weights=False) is not None:
        sample, tokens = tokenised(options, rows)
        facts += [("tokens", _about(tokens))]
    else:
        tokens = None
        facts += [("tokens", f"{_UNKNOWN} before rows and tokenizer are here")]
    pace, measured = _time(options, store, sample if are_here else None, tokens)
    facts += pace
    if options.save_activations:
        facts.append(("activations", activations_size(tokens, measured, store.root)))
    return [*facts, ("output", _next_folder(store))]


def _source(options: RunOptions) -> tuple[Facts, FirstRows | None]:
    """What is read, and its first rows; None for what would have to be downloaded, or can be read only once."""
    where = options.source
    if options.prompt_file is None and where.startswith((KAGGLE, *HUGGING_FACE)):
        return [("dataset", f"{where}: downloaded if it isn't in the cache"), ("rows", f"{_UNKNOWN} before that")], None
    if options.prompt_file is None and where.rpartition(":")[2] == "-":
        return [("dataset", "standard input, which can be read only once"), ("rows", _UNKNOWN)], None
    with open_rows(options) as source:
        rows = first_rows(source, options)
        size = source.describe().get("bytes")
        what = source.reading().removeprefix("reading ")
    in_all = f", {size_in_words(size)}" if isinstance(size, int) else ""
    return [("dataset", f"{what}{in_all}"), ("rows", rows.in_words())], rows


def _model(options: RunOptions) -> str:
    if (folder := folder_at_hand(options.subject)) is not None:
        size = sum(file.stat().st_size for file in model_files(folder).values())
        return f"{options.subject}, {size_in_words(size)}, on this machine"
    size_or_none = download_size(options.subject)
    size_shown = "its size can't be asked for now" if size_or_none is None else size_in_words(size_or_none)
    return f"{options.subject}, to be downloaded: {size_shown}"


def _autoencoder(options: RunOptions, address: str) -> str:
    if not is_remote(address):
        if not Path(address).is_file():
            raise SaescopeError(f"there is no checkpoint {address}; check the path of the autoencoder")
        return f"{address}, {size_in_words(Path(address).stat().st_size)}, on this machine"
    if (size := remote_size(address, ask=False)) is not None:
        return f"{options.autoencoder} ({address}), {size_in_words(size)}, on this machine"
    size = remote_size(address)
    shown = "its size can't be asked for now" if size is None else size_in_words(size)
    return f"{options.autoencoder} ({address}), to be downloaded: {shown}"


def _time(
    options: RunOptions, store: DirectoryStore, sample: Chunk | None, tokens: float | None
) -> tuple[Facts, float | None]:
    """How long the run takes and what memory, by a short measurement; else by an earlier run with the same models.

    Also how many features fire at a token, if that was measured.
    """
    facts: Facts = []
    speed = active = None
    if sample is not None and len(sample.tokens):
        with phase("measuring on the first rows"):
            speed, active = _measured(options, sample)
        said = "measured on the first rows"
        facts.append(("memory", f"more than {size_in_words(most_memory())}, which measuring took"))
    elif (run := _earlier(options, store)) is not None:
        speed, said = run.num_tokens / run.seconds, f"as in {run.run_id}"
    if speed is None:
        return [("time", f"{_UNKNOWN} before the models are here")], active
    if tokens is None:
        return [*facts, ("speed", f"about {rounded(speed)} tokens/s, {said}")], active
    return [*facts, ("time", f"about {in_words(tokens / speed)} at {rounded(speed)} tokens/s, {said}")], active


def _measured(options: RunOptions, sample: Chunk) -> tuple[float, float]:
    """Tokens a second, of the second time that a few rows are encoded; and how many features fire at a token."""
    models = load_models(options)
    rows = max(1, min(len(sample.texts), int((sample.starts <= _MEASURED_TOKENS).sum()) - 1))
    records: list[Record] = [Row(int(sample.row_ids[row]), sample.texts[row]) for row in range(rows)]
    few = tokenise(0, records, load_tokens(options).tokenizer, models.policy)
    models.any_encoder.encode(few, _ROW_FEATURES)  # the first time is slower
    begin = time.monotonic()
    encoded = models.any_encoder.encode(few, _ROW_FEATURES)
    speed = encoded.summary.num_tokens / max(time.monotonic() - begin, 1e-9)
    return speed, int(encoded.summary.count.sum()) / max(encoded.summary.num_tokens, 1)


def _earlier(options: RunOptions, store: DirectoryStore) -> RunMetadata | None:
    """The newest finished run of the folder with the same models, device and precision."""
    for run_id in run_ids(store):
        try:
            run = RunFolder(store, run_id).read_metadata()
        except SaescopeError:
            continue
        same = ("subject", "autoencoder", "layer", "location", "precision")
        device = on_this_machine(options).device
        is_usable = run.status in PUBLISHED and run.seconds > 0 and run.num_tokens and run.options.device == device
        if is_usable and all(getattr(run.options, name) == getattr(options, name) for name in same):
            return run
    return None


def _next_folder(store: DirectoryStore) -> str:
    return f"a new folder in {store.root}, {len(run_ids(store)):,} runs are there"


def _about(number: float | None) -> str:
    return _UNKNOWN if number is None else f"about {rounded(number)}"
