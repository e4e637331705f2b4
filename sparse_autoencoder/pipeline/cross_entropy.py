"""`--check-rows`: what the model's predictions of the next token lose if vectors are replaced by their reconstructions.

The whole model runs three times over some windows: as it is, with the vectors at the counted tokens replaced by their
reconstructions, and by zeros. Positions that don't count (BOS) keep their vectors. The loss is the mean cross entropy
of the next token, in nats, over the predictions from counted tokens.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.first_chunk_checks import CrossEntropyCheck
from sparse_autoencoder.subjects.whole_model import CleanRun, Tail, WholeModel
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows

Replace = Callable[[Tensor], Tensor]  # vectors [n, width] to others
_BATCH_TOKENS = 512  # as the logits of a token are a vector of the vocabulary's size


@torch.inference_mode()
def check_cross_entropy(
    whole: WholeModel,
    latents: LatentEncoder,
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
            run = whole.run(tokens.tolist())
            for name, replace in ways.items():
                total[name] += _loss(run, tokens, first, replace)
            moved()
    if not num_tokens:
        raise SaescopeError("no counted token in those rows is followed by another one")
    return CrossEntropyCheck(
        num_rows=len(np.unique(block.row_ids)),
        num_tokens=num_tokens,
        **{name: loss / num_tokens for name, loss in total.items()},
    )


def _loss(run: CleanRun, tokens: Tensor, first: int, replace: Replace | None) -> float:
    """The summed loss of a run over tokens [batch, pos] if their vectors from position `first` on are replaced."""
    vectors = run.vectors.view(*tokens.shape, -1)[:, first:]
    if replace is None:
        predictions, numbers = run.predictions, torch.arange(tokens.numel()).view(tokens.shape)[:, first:]
    else:
        difference = replace(vectors.flatten(0, 1)).view_as(vectors) - vectors
        predictions = run.changed([Tail(window, first, one) for window, one in enumerate(difference)])
        numbers = torch.arange(vectors.shape[0] * vectors.shape[1]).view(vectors.shape[:2])
    logits = predictions.logits(numbers[:, :-1].flatten())
    target = tokens[:, first + 1 :].to(logits.device)
    return float(functional.cross_entropy(logits, target.flatten(), reduction="sum"))
