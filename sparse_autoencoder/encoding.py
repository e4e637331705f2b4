"""Windows -> sparse activations -> a chunk's summary.

Windows of equal length form a batch, so that there is no padding and no mask; windows with the same tokens are computed
once. What is in a batch depends on the chunk alone, never on timing or on other chunks: rounding differs between batch
shapes, and a chunk must give the same bytes wherever and whenever it is encoded. No dense [tokens, features] array
leaves a batch. This file knows nothing of files, queues or how models are loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sparse_autoencoder.arrays import Ints, ranges
from sparse_autoencoder.blocks import BLOCK_TOKENS, RowFeatures, SparseActivations, summarise_blocks
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.latents import LatentEncoder
from sparse_autoencoder.model import Autoencoder
from sparse_autoencoder.subject import Subject
from sparse_autoencoder.summary import Summary, SummarySpec
from sparse_autoencoder.windows import Chunk, TokenPolicy, Windows, cut_windows

BATCH_TOKENS = 4096  # tokens that go through the subject model at once
SAE_TOKENS = 256  # tokens whose dense pre-activations exist at once


@dataclass(frozen=True)
class EncodedChunk:
    """What encoding a chunk gives: its summary, and its rows' strongest features (a long row may come in parts)."""

    summary: Summary
    row_features: list[RowFeatures]
    num_windows: int


class Encoder:
    """A subject model and an autoencoder at one hook point, ready to encode chunks."""

    def __init__(
        self,
        subject: Subject,
        autoencoder: Autoencoder,
        *,
        location: str,
        layer_index: int,
        policy: TokenPolicy,
        spec: SummarySpec,
    ) -> None:
        width = subject.width(location)
        if autoencoder.n_inputs != width:
            raise SaescopeError(
                f"the autoencoder takes vectors of width {autoencoder.n_inputs}, but {location} of {subject.name} "
                f"is {width} wide: choose the autoencoder, --layer and --location that belong together"
            )
        self._subject = subject
        self._latents = LatentEncoder(autoencoder.to(device=subject.device, dtype=subject.dtype))
        self._location = location
        self._layer_index = layer_index
        self._policy = policy
        self._spec = spec

    def encode(self, chunk: Chunk, features_per_row: int) -> EncodedChunk:
        """Encode and summarise a chunk; SaescopeError if an activation isn't finite."""
        windows = cut_windows(chunk, self._policy)
        summary, row_features = summarise_blocks(
            ((block, self.activations(block)) for block in windows.blocks(BLOCK_TOKENS)),
            self._spec,
            first_counted=self._policy.first_counted,
            per_row=features_per_row,
        )
        return EncodedChunk(summary, row_features, len(windows))

    def activations(self, block: Windows) -> SparseActivations:
        """All positive activations at the counted tokens of a block."""
        _, first, occurrence = np.unique(block.texts, return_index=True, return_inverse=True)
        parts = [self._encode_batch(block, batch) for batch in _batches(block, np.sort(first))]
        token = np.concatenate([part[0] for part in parts])
        feature = np.concatenate([part[1] for part in parts])
        value = np.concatenate([part[2] for part in parts])
        repeats = np.flatnonzero(first[occurrence] != np.arange(len(block)))
        source, target = _copies(block, token, repeats, first[occurrence[repeats]])
        return SparseActivations(
            np.concatenate([token, target]).astype(np.int32),
            np.concatenate([feature, feature[source]]),
            np.concatenate([value, value[source]]),
        )

    @torch.inference_mode()
    def _encode_batch(self, block: Windows, batch: Ints) -> tuple[Ints, NDArray[np.int32], NDArray[np.float32]]:
        """Flat token, feature and value of the positive activations in windows of equal length."""
        length = int(block.lengths[batch[0]])
        flat = block.starts[batch][:, None] + np.arange(length)
        tokens = torch.from_numpy(block.tokens[flat].astype(np.int64)).to(self._subject.device)
        hidden = self._subject.activations(tokens, self._location, self._layer_index)
        first_counted = self._policy.first_counted
        vectors = hidden[:, first_counted:].reshape(-1, hidden.shape[-1])
        flat_counted = flat[:, first_counted:].reshape(-1)
        parts = [self._latents.sparse(part) for part in torch.split(vectors, SAE_TOKENS)]
        row = np.concatenate([part[0] + number * SAE_TOKENS for number, part in enumerate(parts)] or [np.zeros(0, int)])
        feature = np.concatenate([part[1] for part in parts] or [np.zeros(0, np.int32)])
        value = np.concatenate([part[2] for part in parts] or [np.zeros(0, np.float32)])
        return flat_counted[row], feature, value


def _batches(block: Windows, windows: Ints) -> Iterator[Ints]:
    """Split windows (their numbers) into batches of equal length and at most BATCH_TOKENS tokens."""
    lengths = block.lengths[windows]
    for length in np.unique(lengths):
        same = windows[lengths == length]
        size = max(1, BATCH_TOKENS // int(length))
        yield from (same[begin : begin + size] for begin in range(0, len(same), size))


def _copies(block: Windows, token: Ints, repeats: Ints, originals: Ints) -> tuple[Ints, Ints]:
    """For windows that repeat an original's tokens: which activations they share, and at which tokens."""
    order = np.argsort(token, kind="stable")
    begin = np.searchsorted(token, block.starts[originals], sorter=order)
    end = np.searchsorted(token, block.starts[originals + 1], sorter=order)
    source = order[ranges(begin, end - begin)]
    shift = np.repeat(block.starts[repeats] - block.starts[originals], end - begin)
    return source, token[source] + shift
