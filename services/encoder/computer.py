"""What `work.py` has computed: models that stay loaded between chunks, and the library's way with a chunk."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from services.common.sources import allowed
from services.encoder.work import Contribution
from sparse_autoencoder.chunks import ChunkResult, encode_chunk, failed_chunk
from sparse_autoencoder.encoding import Encoder
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.loading import Models, load_models, load_tokens, on_this_machine
from sparse_autoencoder.prompts import chunk_from_parquet
from sparse_autoencoder.recent import Recent
from sparse_autoencoder.runs import RunMetadata, RunOptions

MODELS_KEPT = 2  # GPT-2 small and 32,768 latents take 0.7 GB


class ModelComputer:
    """The port Computer (work.py) on this process's device."""

    def __init__(self, data_folder: Path) -> None:
        self._data_folder = data_folder
        self._models: Recent[RunOptions, Models] = Recent(MODELS_KEPT)
        self._encoder: tuple[str, Encoder] | None = None  # of the run that was last encoded

    def plan(self, run_id: str, options: RunOptions, source: Mapping[str, str | int | None], at: str) -> RunMetadata:
        """See Computer.plan."""
        return self._models_for(options).metadata(options, run_id, source, at)

    def vocabulary(self, plan: RunMetadata) -> list[str]:
        """See Computer.vocabulary."""
        tokenizer, _policy = load_tokens(allowed(plan.options, self._data_folder))
        return tokenizer.vocabulary(plan.subject["vocab_size"])

    def encode(self, plan: RunMetadata, chunk: int, data: bytes) -> Contribution:
        """See Computer.encode."""
        begin = time.monotonic()
        encoder = self._encoder_for(plan)
        loaded = time.monotonic()
        rows = chunk_from_parquet(data, chunk)
        result = encode_chunk(encoder, rows, plan.policy)
        encoded = time.monotonic()
        contribution = _contribution(result, rows.n_records)
        packed = time.monotonic()
        return replace(
            contribution,
            seconds={"load": loaded - begin, "encode": encoded - loaded, "pack": packed - encoded},
        )

    def failed(self, plan: RunMetadata, chunk: int, data: bytes, error: str) -> Contribution:
        """See Computer.failed."""
        rows = chunk_from_parquet(data, chunk)
        return replace(_contribution(failed_chunk(rows, error, plan.spec), rows.n_records), error=error)

    def _encoder_for(self, plan: RunMetadata) -> Encoder:
        if self._encoder is not None and self._encoder[0] == plan.run_id:
            return self._encoder[1]
        models = self._models_for(plan.options)
        planned = plan.autoencoder["sha256"]
        if models.checkpoint.sha256 != planned:
            raise SaescopeError(
                f"the autoencoder {plan.options.autoencoder} has SHA-256 {models.checkpoint.sha256} here, and the run "
                f"was begun with {planned}: give all encoders the same file"
            )
        encoder = models.encoder(plan)
        self._encoder = (plan.run_id, encoder)
        return encoder

    def _models_for(self, options: RunOptions) -> Models:
        key = _of_models(on_this_machine(options))
        return self._models.get(key) or self._models.keep(key, load_models(allowed(key, self._data_folder)))


def _of_models(options: RunOptions) -> RunOptions:
    """The options with nothing left that doesn't matter for loading models."""
    wanted = {"subject", "autoencoder", "layer", "location", "precision", "device", "max_tokens", "bos", "long_rows"}
    return RunOptions(**options.model_dump(include=wanted))


def _contribution(result: ChunkResult, num_rows: int) -> Contribution:
    num_tokens = result.part.summary.num_tokens
    return Contribution(result.part.to_bytes(), result.prompts, num_rows=num_rows, num_tokens=num_tokens)
