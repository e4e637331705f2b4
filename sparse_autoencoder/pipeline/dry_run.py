"""What `saescope run` would do with these options, found out without beginning it: `saescope run --dry-run`.

It reads the first rows and the models that are on this machine. Nothing is downloaded and nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from sparse_autoencoder.autoencoders.checkpoints import address_of, at_hand, is_remote, remote_size
from sparse_autoencoder.data.row_skip_rules import Record, Row
from sparse_autoencoder.data.source import HUGGING_FACE, KAGGLE
from sparse_autoencoder.errors import SaescopeError
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

if TYPE_CHECKING:
    from sparse_autoencoder.data.source import Source

_SAMPLE_ROWS = 20_000  # are read to estimate how many there are
_TOKENISED_ROWS = 1_000
_MEASURED_TOKENS = 8_192
_ROW_FEATURES = 10
_UNKNOWN = "unknown"

Facts = list[tuple[str, str]]


@dataclass(frozen=True)
class _Rows:
    """The source's first rows, and how many it has; `total` is None if that can't be told."""

    first: list[Record]
    total: int | None
    is_exact: bool


def dry_run(options: RunOptions, store: DirectoryStore) -> Facts:
    """What a run with these options would do, as names and values; SaescopeError for what would fail at once."""
    hook = hook_name(options.location, options.layer)
    address = address_of(options.autoencoder, options.location, options.layer)
    facts, rows = _source(options)
    are_here = folder_at_hand(options.subject) is not None and at_hand(address) is not None
    facts += [("model", _model(options)), ("SAE", _autoencoder(options, address)), ("read at", hook)]
    sample = None
    if rows is not None and folder_at_hand(options.subject, weights=False) is not None:
        sample, tokens = _tokenised(options, rows)
        facts += [("tokens", _about(tokens))]
    else:
        tokens = None
        facts += [("tokens", f"{_UNKNOWN} before rows and tokenizer are here")]
    facts += _time(options, store, sample if are_here else None, tokens)
    return [*facts, ("output", _next_folder(store))]


def _source(options: RunOptions) -> tuple[Facts, _Rows | None]:
    """What is read, and its first rows; None for what would have to be downloaded, or can be read only once."""
    where = options.source
    if options.prompt_file is None and where.startswith((KAGGLE, *HUGGING_FACE)):
        return [("dataset", f"{where}: downloaded if it isn't in the cache"), ("rows", f"{_UNKNOWN} before that")], None
    if options.prompt_file is None and where.rpartition(":")[2] == "-":
        return [("dataset", "standard input, which can be read only once"), ("rows", _UNKNOWN)], None
    with open_rows(options) as source:
        rows = _first_rows(source, options)
        size = source.describe().get("bytes")
        what = source.reading().removeprefix("reading ")
    in_all = f", {size_in_words(size)}" if isinstance(size, int) else ""
    return [("dataset", f"{what}{in_all}"), ("rows", _rows(rows))], rows


def _first_rows(source: Source, options: RunOptions) -> _Rows:
    records: Iterator[Record] = iter(source)
    most = _SAMPLE_ROWS if options.max_rows is None else min(options.max_rows, _SAMPLE_ROWS)
    first = list(islice(records, most))
    if len(first) < most or options.max_rows == most or next(records, None) is None:
        return _Rows(first, len(first), True)
    fraction = source.fraction_read()
    total = None if not fraction else round(len(first) / fraction)
    if options.max_rows is not None and (total is None or total >= options.max_rows):
        return _Rows(first, options.max_rows, total is not None)
    return _Rows(first, total, False)


def _rows(rows: _Rows) -> str:
    if rows.total is None:
        return f"more than {len(rows.first):,}"
    return f"{rows.total:,}" if rows.is_exact else f"about {_rounded(rows.total)}"


def _tokenised(options: RunOptions, rows: _Rows) -> tuple[Chunk, float | None]:
    """The first rows' tokens, and about how many all rows have."""
    from sparse_autoencoder.tokens.windows import cut_windows

    loaded = load_tokens(options)
    sample = tokenise(0, rows.first[:_TOKENISED_ROWS], loaded.tokenizer, loaded.policy, None, options.columns.names)
    counted = len(cut_windows(sample, loaded.policy).counted_tokens)
    read = min(len(rows.first), _TOKENISED_ROWS)
    return sample, None if rows.total is None else counted / max(read, 1) * rows.total


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


def _time(options: RunOptions, store: DirectoryStore, sample: Chunk | None, tokens: float | None) -> Facts:
    """How long the run takes and what memory, by a short measurement; else by an earlier run with the same models."""
    facts: Facts = []
    speed = None
    if sample is not None and len(sample.tokens):
        with phase("measuring on the first rows"):
            speed = _measured(options, sample)
        said = "measured on the first rows"
        facts.append(("memory", f"more than {size_in_words(most_memory())}, which measuring took"))
    elif (run := _earlier(options, store)) is not None:
        speed, said = run.num_tokens / run.seconds, f"as in {run.run_id}"
    if speed is None:
        return [("time", f"{_UNKNOWN} before the models are here")]
    if tokens is None:
        return [*facts, ("speed", f"about {_rounded(speed)} tokens/s, {said}")]
    return [*facts, ("time", f"about {in_words(tokens / speed)} at {_rounded(speed)} tokens/s, {said}")]


def _measured(options: RunOptions, sample: Chunk) -> float:
    """Tokens a second, of the second time that a few rows are encoded."""
    models = load_models(options)
    rows = max(1, min(len(sample.texts), int((sample.starts <= _MEASURED_TOKENS).sum()) - 1))
    records: list[Record] = [Row(int(sample.row_ids[row]), sample.texts[row]) for row in range(rows)]
    few = tokenise(0, records, load_tokens(options).tokenizer, models.policy)
    models.any_encoder.encode(few, _ROW_FEATURES)  # the first time is slower
    begin = time.monotonic()
    encoded = models.any_encoder.encode(few, _ROW_FEATURES)
    return encoded.summary.num_tokens / max(time.monotonic() - begin, 1e-9)


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
    return _UNKNOWN if number is None else f"about {_rounded(number)}"


def _rounded(number: float) -> str:
    """A number to two digits."""
    return f"{int(float(f'{number:.2g}')):,}"
