"""Encoding a chunk in some precision, with every activation kept, to be compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.gpu.compare_precisions import Encoded, window_keys
from sparse_autoencoder.autoencoders.openai_checkpoint import load_autoencoder
from sparse_autoencoder.pipeline.chunk_encoder import Encoder
from sparse_autoencoder.pipeline.load_inputs import load_models
from sparse_autoencoder.pipeline.reconstruction_errors import BatchSums
from sparse_autoencoder.runs.rows_file_format import FEATURES_PER_ROW
from sparse_autoencoder.runs.run_options import Precision, RunOptions
from sparse_autoencoder.summaries.feature_summary import SummarySpec
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.summaries.summarise_torch import DeviceActivations
from sparse_autoencoder.summaries.summariser_interface import Activations
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.tokens.windows import Windows


class RecordingEncoder(Encoder):
    """An encoder that keeps the activations it finds."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.found: list[tuple[Windows, SparseActivations]] = []

    def activations(self, block: Windows, sums: list[BatchSums] | None = None) -> Activations:
        """See Encoder.activations."""
        found = super().activations(block, sums)
        self.found.append((block, _on_host(found)))
        return found


def _on_host(found: Activations) -> SparseActivations:
    if isinstance(found, DeviceActivations):
        return SparseActivations(*(part.cpu().numpy() for part in (found.token, found.feature, found.value)))
    assert isinstance(found, SparseActivations)
    return found


def encode(options: RunOptions, chunk: Chunk, precision: Precision) -> Encoded:
    """Load the models in a precision and encode the chunk."""
    options = options.model_copy(update={"precision": precision})
    models = load_models(options)
    encoder = RecordingEncoder(
        models.subject,
        load_autoencoder(models.checkpoint.path),
        location=options.location,
        layer_index=options.layer,
        policy=models.policy,
        spec=SummarySpec(models.num_features, options.top_tokens_per_feature, options.seed),
        tf32=precision == "tf32",
    )
    summary = encoder.encode(chunk, FEATURES_PER_ROW).summary
    blocks = [found for _windows, found in encoder.found]
    ends = np.cumsum([len(windows.tokens) for windows, _found in encoder.found])
    starts = [0, *ends[:-1].tolist()]
    return Encoded(
        token=np.concatenate([found.token + start for found, start in zip(blocks, starts, strict=True)]),
        feature=np.concatenate([found.feature for found in blocks]),
        value=np.concatenate([found.value for found in blocks]),
        window=np.concatenate([window_keys(windows.row_ids, windows.numbers) for windows, _found in encoder.found]),
        begin=np.concatenate(
            [windows.starts[:-1] + start for (windows, _found), start in zip(encoder.found, starts, strict=True)]
        ),
        summary=summary,
    )
