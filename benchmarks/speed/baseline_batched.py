"""The straightforward way to do it in batches: what one would write first, done well, to be compared with.

TransformerLens up to the hook, rows padded to their batch's longest, dense latents, dense statistics on the device, and
the strongest tokens by torch.topk over each feature, joined with those of the batches before.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sparse_autoencoder.model import Autoencoder
from sparse_autoencoder.subjects.transformer_lens_subject import BridgeSubject

TOP_TOKENS = 20  # kept for each feature
BATCH_ROWS = {"cpu": 32, "cuda": 256}  # whose latents exist at once


class PlainBatched:
    """All statistics of the features, filled batch by batch."""

    def __init__(
        self, subject: BridgeSubject, autoencoder: Autoencoder, location: str, layer: int, first_counted: int
    ) -> None:
        self._subject = subject
        self._autoencoder = autoencoder
        self._location, self._layer = location, layer
        self._first_counted = first_counted
        n_features, device = autoencoder.n_latents, subject.device
        self.n_tokens = 0
        self.sums = torch.zeros(n_features, dtype=torch.float64, device=device)
        self.sums_of_squares = torch.zeros_like(self.sums)
        self.counts = torch.zeros(n_features, dtype=torch.int64, device=device)
        self.top_values = torch.zeros(TOP_TOKENS, n_features, dtype=subject.dtype, device=device)
        self.top_tokens = torch.zeros(TOP_TOKENS, n_features, dtype=torch.int64, device=device)  # counted in order

    def add_rows(self, rows: list[list[int]]) -> None:
        """Run rows of tokens, BOS before each, and count what fires."""
        size = BATCH_ROWS[self._subject.device.type]
        for begin in range(0, len(rows), size):
            self._add_batch(rows[begin : begin + size])

    @torch.inference_mode()
    def _add_batch(self, rows: list[list[int]]) -> None:
        longest = max(map(len, rows))
        # what is padded comes after a row's tokens, which therefore don't see it
        padded = torch.tensor([row + [row[0]] * (longest - len(row)) for row in rows], device=self._subject.device)
        lengths = torch.tensor([len(row) for row in rows], device=self._subject.device)
        position = torch.arange(longest, device=self._subject.device)
        counted = (position >= self._first_counted) & (position < lengths[:, None])
        hidden = self._subject.activations(padded, self._location, self._layer)
        latents, _info = self._autoencoder.encode(hidden[counted])
        self._count(latents)

    def _count(self, latents: Tensor) -> None:
        """Add dense latents [tokens, features]."""
        self.sums += latents.sum(dim=0, dtype=torch.float64)
        self.sums_of_squares += latents.square().sum(dim=0, dtype=torch.float64)
        self.counts += (latents > 0).sum(dim=0)
        values, tokens = torch.topk(latents, min(TOP_TOKENS, len(latents)), dim=0)
        values = torch.cat([self.top_values, values])
        tokens = torch.cat([self.top_tokens, tokens + self.n_tokens])
        self.top_values, kept = torch.topk(values, TOP_TOKENS, dim=0)
        self.top_tokens = tokens.gather(0, kept)
        self.n_tokens += len(latents)
