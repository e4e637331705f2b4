"""`--check-rows`: what the model's predictions of the next token lose if vectors are replaced by their reconstructions.

The whole model runs three times over some windows: as it is, with the vectors at the counted tokens replaced by their
reconstructions, and by zeros. Positions that don't count (BOS) keep their vectors. The loss is the mean cross entropy
of the next token, in nats, over the predictions from counted tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.first_chunk_checks import CrossEntropyCheck
from sparse_autoencoder.subjects.gpt2 import Gpt2
from sparse_autoencoder.subjects.gpt2_weights import Head
from sparse_autoencoder.subjects.places import Place
from sparse_autoencoder.subjects.prefix_tree import PrefixTree
from sparse_autoencoder.subjects.subject import Subject
from sparse_autoencoder.subjects.transformer_lens_subject import BridgeSubject
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows

Replace = Callable[[Tensor], Tensor]  # vectors [n, width] to others
_BATCH_TOKENS = 512  # as the logits of a token are a vector of the vocabulary's size


class Predictions(Protocol):
    """A whole model with one hook point at which vectors can be replaced."""

    def logits(self, tokens: Tensor, place: Place, first: int, replace: Replace | None) -> Tensor:
        """The logits [batch, pos, vocab] for tokens [batch, pos], with vectors replaced from position `first` on."""


@dataclass(frozen=True)
class Gpt2Predictions:
    """Predictions of a GPT-2 of which all layers are loaded."""

    subject: Gpt2
    head: Head

    def logits(self, tokens: Tensor, place: Place, first: int, replace: Replace | None) -> Tensor:
        """See Predictions."""

        def replaced(vectors: Tensor, tree: PrefixTree) -> Tensor:
            kept = int(tree.starts[first])  # nodes are in the order of positions
            return vectors if replace is None else torch.cat([vectors[:kept], replace(vectors[kept:])])

        residual, tree = self.subject.replacing(tokens, *place, replaced)
        return tree.to(self.subject.device).per_window(self.head.logits(residual))


@dataclass(frozen=True)
class BridgePredictions:
    """Predictions of a model on TransformerLens."""

    subject: Subject

    def logits(self, tokens: Tensor, place: Place, first: int, replace: Replace | None) -> Tensor:
        """See Predictions."""
        if not isinstance(self.subject, BridgeSubject):
            raise SaescopeError(f"the model in {self.subject.name} gives no predictions")

        def replaced(vectors: Tensor) -> Tensor:
            if replace is None:
                return vectors
            counted = replace(vectors[:, first:].flatten(0, 1)).view_as(vectors[:, first:])
            return torch.cat([vectors[:, :first], counted], dim=1)

        return self.subject.logits_replacing(tokens, *place, replaced)


@torch.inference_mode()
def check_cross_entropy(
    predictions: Predictions,
    latents: LatentEncoder,
    place: Place,
    block: Windows,
    policy: TokenPolicy,
    moved: Callable[[], None] = lambda: None,
) -> CrossEntropyCheck:
    """Measure it on some windows; `moved` is called after each batch.

    Raises SaescopeError if no token in them is followed by another one.
    """
    ways: dict[str, Replace | None] = {"clean": None, "replaced": latents.reconstructed, "zeroed": torch.zeros_like}
    total = dict.fromkeys(ways, 0.0)
    num_tokens = 0
    kinds = np.stack([block.lengths, block.first_counted], axis=1)
    for length, first in np.unique(kinds[block.counted_lengths > 1], axis=0).tolist():
        same = block.starts[:-1][(kinds == (length, first)).all(axis=1)][:, None] + np.arange(length)
        for places in np.array_split(same, -(-same.size // _BATCH_TOKENS)):
            tokens = torch.from_numpy(block.tokens[places].astype(np.int64))
            num_tokens += tokens[:, first + 1 :].numel()
            for name, replace in ways.items():
                logits = predictions.logits(tokens, place, first, replace)[:, first:-1].float()
                target = tokens[:, first + 1 :].to(logits.device)
                loss = functional.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="sum")
                total[name] += float(loss)
            moved()
    if not num_tokens:
        raise SaescopeError("no counted token in those rows is followed by another one")
    return CrossEntropyCheck(
        num_rows=len(np.unique(block.row_ids)),
        num_tokens=num_tokens,
        **{name: loss / num_tokens for name, loss in total.items()},
    )
