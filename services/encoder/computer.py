"""What `work.py` has computed: models that stay loaded between chunks, and the library's way with a chunk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from services.common.logs import log
from services.common.sources import allowed
from services.common.trying import Moved
from services.encoder.work import Contribution
from sparse_autoencoder.chunks import encode_chunk, failed_chunk
from sparse_autoencoder.encoding import Encoder
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.limits import Limits, Part
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

    def unfit(self, plan: RunMetadata) -> str | None:
        """See Computer.unfit."""
        return None

    def load_models(self, plan: RunMetadata) -> None:
        """See Computer.load_models."""
        self._encoder_for(plan)

    def encode(
        self, plan: RunMetadata, chunk: int, data: bytes, limits: Callable[[], bytes | None], moved: Moved
    ) -> Contribution:
        """See Computer.encode."""
        begin = time.monotonic()
        encoder = self._encoder_for(plan)
        loaded = time.monotonic()
        rows = chunk_from_parquet(data, chunk)
        encoder.moved = moved
        result = encode_chunk(encoder, rows, plan.policy)
        encoded = time.monotonic()
        contribution = _contribution(_within(limits(), Part(result.part), plan), result.prompts, rows.n_records)
        packed = time.monotonic()
        return replace(
            contribution,
            seconds={"load": loaded - begin, "encode": encoded - loaded, "pack": packed - encoded},
        )

    def failed(self, plan: RunMetadata, chunk: int, data: bytes, error: str) -> Contribution:
        """See Computer.failed."""
        rows = chunk_from_parquet(data, chunk)
        part = Part(failed_chunk(rows, error, plan.spec).part)
        return replace(_contribution(part, None, rows.n_records), error=error)

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


def _within(limits: bytes | None, part: Part, plan: RunMetadata) -> Part:
    """The part without examples that can't be chosen any more, as far as is known."""
    if limits is None:
        return part
    try:
        return part.within(Limits.from_bytes(limits, plan.num_features))
    except SaescopeError as error:  # the whole part is right as well; the next state brings new limits
        log("limits can't be read", logging.WARNING, run=plan.run_id, problem=str(error))
        return part


def _contribution(part: Part, prompts: bytes | None, num_rows: int) -> Contribution:
    return Contribution(part.to_bytes(), prompts, num_rows=num_rows, num_tokens=part.part.summary.num_tokens)
