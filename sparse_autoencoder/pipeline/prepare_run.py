"""The job of a one-process run: everything it needs, opened, loaded and checked before anything is written."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparse_autoencoder.data.source import Source
    from sparse_autoencoder.pipeline.chunk_encoder import Encoder
    from sparse_autoencoder.runs.metadata import RunMetadata
    from sparse_autoencoder.runs.run_options import RunOptions
    from sparse_autoencoder.runs.run_state import RunState
    from sparse_autoencoder.tokens.tokenizer import RowTokenizer


@dataclass
class Job:
    """Everything that a run needs, and its state."""

    source: Source
    tokenizer: RowTokenizer
    encoder: Encoder
    metadata: RunMetadata
    state: RunState
    patience_s: float  # how long work may make no progress before it counts as hanging
    begun: bool = True  # False while a retry has not yet changed the finished run in the folder


def prepare(options: RunOptions, run_id: str) -> Job:
    """Open the source and load tokenizer, subject model and autoencoder; SaescopeError if they don't fit together."""
    from sparse_autoencoder.pipeline.hang_detection import opening
    from sparse_autoencoder.pipeline.load_inputs import load_models, load_tokens, open_rows
    from sparse_autoencoder.runs.provenance import check_tokens
    from sparse_autoencoder.runs.run_state import RunState
    from sparse_autoencoder.subjects.hook_points import hook_name
    from sparse_autoencoder.summaries.feature_summary import Summary
    from sparse_autoencoder.utils.progress_bars import say
    from sparse_autoencoder.utils.watchdog import patience_s

    patience = patience_s()
    hook_name(options.location, options.layer)  # before anything is downloaded
    with ExitStack() as opened:
        with opening(options.prompt_file or options.source, say):
            source = opened.enter_context(open_rows(options))
        tokens = load_tokens(options)
        models = load_models(options)
        metadata = models.metadata(options, run_id, source.describe(), _now())
        check_tokens(tokens.made_of, metadata)  # the model's files may have been replaced in between
        encoder = models.encoder(metadata)
        opened.pop_all()  # from here on the job owns the source
    return Job(source, tokens.tokenizer, encoder, metadata, RunState(Summary.empty(metadata.spec)), patience)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
