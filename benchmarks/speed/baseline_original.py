"""The loop of the scripts that saescope grew out of, done anew to be timed: what it did, not how it was written.

One row at a time through TransformerLens, all layers and the unembedding, every activation cached; dense latents of the
autoencoder, copied to the CPU as float64; statistics of all features from those; of each token the few strongest
features go into Python heaps, one a feature. BOS counts like any token, as it did.
"""

from __future__ import annotations

import heapq
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sparse_autoencoder.model import Autoencoder
from sparse_autoencoder.subjects.hook_points import hook_name

TOP_TOKENS = 20  # kept for each feature
FEATURES_PER_TOKEN = 5  # that may enter a feature's heap

_Entry = tuple[float, int, int, int]  # activation, a number that no other entry has, row, position


class OriginalLoop:
    """All statistics of the features, filled row by row."""

    def __init__(self, subject_folder: Path, autoencoder: Autoencoder, location: str, layer: int, device: str) -> None:
        from transformer_lens.model_bridge import TransformerBridge

        self._model = TransformerBridge.boot_transformers(str(subject_folder), device=device, dtype=torch.float32)
        self._autoencoder = autoencoder
        self._hook = hook_name(location, layer)
        self._device = device
        n_features = autoencoder.n_latents
        self.n_tokens = 0
        self.sums = np.zeros(n_features)
        self.sums_of_squares = np.zeros(n_features)
        self.counts = np.zeros(n_features, np.int64)
        self.maxima = np.zeros(n_features)
        self.heaps: list[list[_Entry]] = [[] for _feature in range(n_features)]

    @torch.inference_mode()
    def add_row(self, row: int, tokens: list[int]) -> None:
        """Run a row's tokens, BOS before them, and count what fires."""
        _logits, cache = self._model.run_with_cache(torch.tensor([tokens], device=self._device))
        dense, _info = self._autoencoder.encode(cache[self._hook][0])
        latents: NDArray[np.float64] = dense.to("cpu", torch.float64).numpy()
        self.n_tokens += len(latents)
        self.sums += latents.sum(axis=0)
        self.sums_of_squares += (latents**2).sum(axis=0)
        self.counts += (latents > 0).sum(axis=0)
        self.maxima = np.maximum(self.maxima, latents.max(axis=0))
        for position, of_token in enumerate(latents):
            for feature in np.argpartition(of_token, -FEATURES_PER_TOKEN)[-FEATURES_PER_TOKEN:].tolist():
                self._offer(feature, float(of_token[feature]), row, position)

    def _offer(self, feature: int, activation: float, row: int, position: int) -> None:
        if activation <= 0:
            return
        heap = self.heaps[feature]
        entry = (activation, -self.n_tokens - position, row, position)
        if len(heap) < TOP_TOKENS:
            heapq.heappush(heap, entry)
        elif activation > heap[0][0]:
            heapq.heapreplace(heap, entry)
