"""A whole model on TransformerLens with vectors at one hook point changed: each window is computed completely.

Windows of a batch are padded on the right, which a causal model's earlier tokens don't see.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.precision import multiplying
from sparse_autoencoder.subjects.places import Place
from sparse_autoencoder.subjects.transformer_lens_subject import BridgeSubject
from sparse_autoencoder.subjects.whole_model import Change, CleanRun, Generation, Tail, check_windows


class WholeBridge:
    """A model on TransformerLens. Satisfies whole_model.WholeModel."""

    def __init__(self, subject: BridgeSubject, place: Place, *, tf32: bool = False) -> None:
        self.subject = subject
        self.place = place
        self.tf32 = tf32
        self.name = subject.name
        self.vocab_size = subject.vocab_size
        self.max_positions = subject.max_positions
        self.device = subject.device

    def run(self, windows: Sequence[Sequence[int]]) -> CleanRun:
        """See WholeModel.run."""
        check_windows(self.subject, self.place, windows)
        return BridgeRun(self, windows)

    def generation(self, num_texts: int, most: int, change: Change) -> Generation:
        """See WholeModel.generation."""
        check_windows(self.subject, self.place, [[0] * most])
        return BridgeGeneration(self, num_texts, most, change)

    def vectors(self, tokens: Tensor) -> Tensor:
        """The vectors at the hook point: [batch, pos, width] for tokens [batch, pos]."""
        with multiplying(tf32=self.tf32):
            return self.subject.activations(tokens, *self.place)

    def logits(self, tokens: Tensor, difference: Tensor | None, place: Place | None = None) -> Tensor:
        """The logits [batch, pos, vocab] with `difference` [batch, pos, width] added at a place, or the hook point."""
        with multiplying(tf32=self.tf32):
            return self.subject.logits_adding(tokens, *(place or self.place), difference)


class BridgePredictions:
    """Predictions of whole windows. Satisfies whole_model.Predictions."""

    def __init__(self, logits: Tensor, row: Tensor, position: Tensor) -> None:
        self._logits = logits  # [batch, pos, vocab]
        self._row = row  # [tokens]
        self._position = position  # [tokens]

    @torch.inference_mode()
    def logits(self, tokens: Tensor) -> Tensor:
        """See Predictions.logits."""
        tokens = tokens.to(self._row.device)
        found = self._logits[self._row[tokens], self._position[tokens]]
        return found.to(torch.promote_types(found.dtype, torch.float32))


class BridgeRun:
    """Windows, and their vectors at the hook point. Satisfies whole_model.CleanRun."""

    def __init__(self, whole: WholeBridge, windows: Sequence[Sequence[int]]) -> None:
        self._whole = whole
        self._lengths = [len(window) for window in windows]
        self.starts = [0, *torch.tensor(self._lengths).cumsum(0).tolist()]
        longest = max(self._lengths)
        padded = [[*window, *[window[-1]] * (longest - len(window))] for window in windows]
        self._tokens = torch.tensor(padded, device=whole.device)
        row, position = self._flat([(number, 0) for number in range(len(windows))])
        self.vectors = whole.vectors(self._tokens)[row, position]

    @property
    def predictions(self) -> BridgePredictions:
        """See CleanRun.predictions."""
        beginnings = [(number, 0) for number in range(len(self._lengths))]
        return BridgePredictions(self._whole.logits(self._tokens, None), *self._flat(beginnings))

    @torch.inference_mode()
    def changed(self, tails: Sequence[Tail]) -> BridgePredictions:
        """See CleanRun.changed."""
        chosen = self._chosen(tails)
        width = tails[0].difference.shape[1]
        difference = self._whole.subject.zeros(*chosen.shape, width)
        for row, tail in enumerate(tails):
            difference[row, tail.begin : tail.begin + len(tail.difference)] = tail.difference
        logits = self._whole.logits(chosen, difference)
        return BridgePredictions(logits, *self._flat([(tail.window, tail.begin) for tail in tails]))

    @torch.inference_mode()
    def direct_logits(self, tails: Sequence[Tail]) -> Tensor:
        """See CleanRun.direct_logits."""
        subject = self._whole.subject
        first = torch.stack([tail.difference[0] for tail in tails]).to(subject.device, subject.dtype)
        added = subject.to_residual(first, *self._whole.place)
        chosen, begins = self._chosen(tails), torch.tensor([tail.begin for tail in tails], device=subject.device)
        rows = torch.arange(len(tails), device=subject.device)
        difference = subject.zeros(*chosen.shape, added.shape[1])
        difference[rows, begins] = added
        logits = self._whole.logits(chosen, difference, ("resid_post_mlp", subject.n_layers - 1))[rows, begins]
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def _chosen(self, tails: Sequence[Tail]) -> Tensor:
        """The tokens of the tails' windows, [tails, pos]."""
        return self._tokens[torch.tensor([tail.window for tail in tails], device=self._tokens.device)]

    def _flat(self, tails: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """For each token of tails (window, begin): the number of its tail, and its position."""
        lengths = [self._lengths[window] - begin for window, begin in tails]
        row = torch.repeat_interleave(torch.arange(len(tails)), torch.tensor(lengths))
        position = torch.cat(
            [torch.arange(begin, begin + length) for (_, begin), length in zip(tails, lengths, strict=True)]
        )
        return row.to(self._whole.device), position.to(self._whole.device)


class BridgeGeneration:
    """Texts that are being continued; each step computes them completely. Satisfies whole_model.Generation."""

    def __init__(self, whole: WholeBridge, num_texts: int, most: int, change: Change) -> None:
        self._whole = whole
        self._most = most
        self._change = change
        self._tokens = torch.zeros((num_texts, 0), dtype=torch.int64, device=whole.device)

    @torch.inference_mode()
    def logits(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        """See Generation.logits."""
        self._tokens = torch.cat([self._tokens, torch.tensor(tokens, device=self._tokens.device)], dim=1)
        texts, length = self._tokens.shape
        if length > self._most:
            raise SaescopeError(f"there is room for {self._most} tokens in a text, and not for {length}")
        vectors = self._whole.vectors(self._tokens)
        numbers = torch.arange(texts * length, device=vectors.device)
        difference = self._change(vectors.flatten(0, 1), numbers // length, numbers % length)
        logits = self._whole.logits(self._tokens, difference.view_as(vectors))[:, -1]
        return logits.to(torch.promote_types(logits.dtype, torch.float32))
