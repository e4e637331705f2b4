"""Activations at several hook points (places) at once, for comparing places; a place is a location and a layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sparse_autoencoder.subjects.gpt2 import Gpt2
from sparse_autoencoder.subjects.prefix_tree import PrefixTree
from sparse_autoencoder.subjects.subject import Subject, distinct_activations
from sparse_autoencoder.tokens.windows import Windows

Place = tuple[str, int]
_BATCH_TOKENS = 2048


@torch.inference_mode()
def counted_vectors(subject: Subject, windows: Windows, places: Sequence[Place]) -> dict[Place, Tensor]:
    """The vectors of the windows' counted tokens at each place, [counted tokens, width], in the tokens' order.

    Windows of equal length are computed together.
    """
    counted = np.zeros(len(windows.tokens), bool)
    counted[windows.counted_tokens] = True
    found: dict[Place, list[Tensor]] = {place: [] for place in places}
    at: list[torch.Tensor] = []
    for length in np.unique(windows.lengths):
        same = np.flatnonzero(windows.lengths == length)
        tokens_at = windows.starts[same][:, None] + np.arange(length)
        for batch in np.array_split(tokens_at, max(1, tokens_at.size // _BATCH_TOKENS)):
            ids = torch.from_numpy(windows.tokens[batch].astype(np.int64))
            by_place, tree = _at_places(subject, ids, places)
            wanted = counted[batch]
            nodes = tree.node_of[torch.from_numpy(wanted)].to(subject.device)
            for place in places:
                found[place].append(by_place[place][nodes])
            at.append(torch.from_numpy(batch[wanted]))
    order = torch.argsort(torch.cat(at)).to(subject.device)
    return {place: torch.cat(parts)[order] for place, parts in found.items()}


def _at_places(subject: Subject, tokens: Tensor, places: Sequence[Place]) -> tuple[dict[Place, Tensor], PrefixTree]:
    """The vectors at each place per distinct prefix [nodes, width], and the tree on the host."""
    if isinstance(subject, Gpt2) and len(places) > 1:
        return subject.at_places(tokens, places)
    by_place, tree = {}, None
    for location, layer in places:
        by_place[location, layer], tree = distinct_activations(subject, tokens, location, layer)
    if tree is None:
        raise ValueError("no place was asked for")
    return by_place, tree
