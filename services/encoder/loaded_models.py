"""The interface Computer (encode_chunks.py) on the library: models that stay loaded between chunks.

Models are cached by the content of their files. So a run that began before a file was replaced goes on with the models
that are still loaded, and a run that begins afterwards loads the new file. Models that a run didn't begin with are
refused.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cachetools import LRUCache

from services.common.allowed_sources import allowed
from services.common.attempt_rule import Moved
from services.common.logs import log
from services.common.run_json_files import ReadingProgress
from services.encoder.encode_chunks import ChunkOutput
from sparse_autoencoder.errors import DeviceError, SaescopeError
from sparse_autoencoder.pipeline.chunk_encoder import Encoder
from sparse_autoencoder.pipeline.chunk_outputs import ChunkResult, encode_chunk, failed_chunk
from sparse_autoencoder.pipeline.files_of_weights import (
    KeptFiles,
    check_other_dictionary,
    empty_files,
    files_of_weights,
)
from sparse_autoencoder.pipeline.load_inputs import (
    Models,
    contents_now,
    load_models,
    load_tokens,
    of_models,
    on_this_machine,
    with_reference,
)
from sparse_autoencoder.pipeline.processor_fingerprint import fingerprint
from sparse_autoencoder.pipeline.processor_kind import name_of
from sparse_autoencoder.runs.example_cutoffs import ExampleCutoffs
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.partial_format import Partial
from sparse_autoencoder.runs.provenance import (
    Contents,
    OtherProcessorError,
    check_processor,
    check_recorded,
    check_same,
    check_tokens,
    contents_of,
)
from sparse_autoencoder.runs.rows_file_format import chunk_from_parquet, chunk_tokens
from sparse_autoencoder.runs.run_options import Precision, RunOptions
from sparse_autoencoder.runs.store import Store

KEPT_PREFIX = "_kept/weights/"  # of keys in the store; no run's id begins with _
MODELS_KEPT = 2  # GPT-2 small and 32,768 latents take 0.7 GB
NO_SUCH_DEVICE = "no such device"
_Key = tuple[RunOptions, Contents]  # the options that loading models depends on, and the hashes of the files


class ModelComputer:
    """The interface Computer (encode_chunks.py) on this process's device."""

    def __init__(self, data_folder: Path) -> None:
        self._data_folder = data_folder
        self._models: LRUCache[_Key, Models] = LRUCache(MODELS_KEPT)

    def kind(self, precision: Precision, device: str) -> str:
        """This machine's kind of processor, as in a plan's processor["fingerprint"]; computed once.

        NO_SUCH_DEVICE where there is none, or not in this precision; raises whatever computing may raise. Call it from
        the thread that encodes: see processor_fingerprint.py.
        """
        try:
            return fingerprint(device, precision)
        except DeviceError:
            return NO_SUCH_DEVICE

    def plan(self, run_id: str, options: RunOptions, reading: ReadingProgress, at: str) -> RunMetadata:
        """Raise MixtureError if ingest has another tokenizer."""
        models = self._models_now(options)
        check_other_dictionary(allowed(options, self._data_folder), models.n_inputs)
        plan = models.metadata(options, run_id, reading.source, at)
        check_tokens(reading.tokens, plan)
        return with_reference(plan, allowed(options, self._data_folder).check_reference)

    def vocabulary(self, plan: RunMetadata) -> list[bytes]:
        """Raise MixtureError if the tokenizer isn't the plan's any more."""
        tokens = load_tokens(allowed(plan.options, self._data_folder))
        check_tokens(tokens.made_of, plan)
        return tokens.tokenizer.vocabulary(plan.subject["vocab_size"])

    def unfit(self, plan: RunMetadata) -> str | None:
        try:
            check_recorded(plan)
            self._check_processor(plan)
        except OtherProcessorError as error:
            return str(error)
        except Exception:  # loading the run's models fails in the same way, and there it counts as an attempt
            return None
        return None

    def load_models(self, plan: RunMetadata) -> None:
        self._encoder_for(plan)

    def encode(
        self, plan: RunMetadata, chunk: int, data: bytes, cutoffs: Callable[[], bytes | None], moved: Moved
    ) -> ChunkOutput:
        """Raise MixtureError if the rows or the models are not what the run was begun with."""
        begin = time.monotonic()
        encoder = self._encoder_for(plan)
        check_tokens(chunk_tokens(data, chunk), plan)
        loaded = time.monotonic()
        rows = chunk_from_parquet(data, chunk)
        encoder.moved = moved
        result = encode_chunk(encoder, rows, plan.policy)
        encoded = time.monotonic()
        output = _output(_cut(Partial(result.partial), cutoffs(), plan), result, rows.n_records)
        packed = time.monotonic()
        return replace(
            output,
            firings=result.firings,
            seconds={"load": loaded - begin, "encode": encoded - loaded, "pack": packed - encoded},
        )

    def failed(self, plan: RunMetadata, chunk: int, data: bytes, error: str) -> ChunkOutput:
        rows = chunk_from_parquet(data, chunk)
        result = failed_chunk(rows, error, plan.spec)
        return replace(_output(Partial(result.partial), result, rows.n_records), error=error)

    def of_weights(self, plan: RunMetadata, store: Store, moved: Moved) -> dict[str, bytes]:
        """Raise MixtureError if the models are not what the run was begun with."""
        models, kept = self._models_for(plan), KeptFiles(store, KEPT_PREFIX)
        at = allowed(plan.options, self._data_folder)
        return {file.name: file.made(kept) for file in files_of_weights(models, plan, moved, at)}

    def without_weights(self, plan: RunMetadata, error: str) -> dict[str, bytes]:
        return empty_files(plan.options, f"it could not be computed: {error}")

    def _encoder_for(self, plan: RunMetadata) -> Encoder:
        return self._models_for(plan).encoder(plan)

    def _models_for(self, plan: RunMetadata) -> Models:
        check_recorded(plan)
        self._check_processor(plan)  # before anything is loaded
        models = self._models.get((of_models(plan.options), contents_of(plan)))
        if models is None:
            models = self._loaded(of_models(plan.options))
        check_same(plan, models.metadata(plan.options, plan.run_id, plan.source, plan.started_at))
        return models

    def _check_processor(self, plan: RunMetadata) -> None:
        device, kind = plan.options.device, self.kind(plan.options.precision, plan.options.device)
        name = (
            f"a machine that has no {device} for {plan.options.precision}"
            if kind == NO_SUCH_DEVICE
            else name_of(device)
        )
        check_processor(plan.run_id, plan.processor, {"fingerprint": kind, "name": name, "device": device})

    def _models_now(self, options: RunOptions) -> Models:
        """The models that the options name, from their files as they are now."""
        wanted = of_models(on_this_machine(options))
        models = None
        if any(
            options == wanted for options, _contents in self._models
        ):  # reading the files takes less than loading them
            models = self._models.get((wanted, contents_now(allowed(wanted, self._data_folder))))
        return models or self._loaded(wanted)

    def _loaded(self, wanted: RunOptions) -> Models:
        """Load models from their files as they are now, and cache them."""
        models = load_models(allowed(wanted, self._data_folder))
        self._models[wanted, models.contents] = models
        return models


def _cut(partial: Partial, cutoffs: bytes | None, plan: RunMetadata) -> Partial:
    """The partial without the examples beyond the cutoffs, which can't be in any list of the run."""
    if cutoffs is None:
        return partial
    try:
        return partial.cut_by(ExampleCutoffs.from_bytes(cutoffs, plan.num_features))
    except SaescopeError as error:  # leaving none out is right as well
        log("cutoffs_unreadable", logging.WARNING, run=plan.run_id, problem=str(error))
        return partial


def _output(partial: Partial, result: ChunkResult, num_rows: int) -> ChunkOutput:
    num_tokens = partial.state.summary.num_tokens
    return ChunkOutput(
        partial.to_bytes(), result.prompts, result.token_table, result.token_samples, num_rows, num_tokens
    )
