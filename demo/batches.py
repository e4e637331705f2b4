"""Generated headlines as batches of token ids, each batch of one length, so that nothing is padded or masked.

This file knows the generator and a tokenizer; it knows no model.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator

import torch
from tokenizers import Tokenizer
from torch import Tensor

from demo.headlines import generate

BOS_TOKEN = "<|endoftext|>"  # noqa: S105 (not a secret: GPT-2's name for the token before every text)
_POOL_ROWS = 20_000  # rows that are sorted into lengths together


def bos_id(tokenizer: Tokenizer) -> int:
    """The id of the token before every text; ValueError if the tokenizer has none."""
    token_id = tokenizer.token_to_id(BOS_TOKEN)
    if token_id is None:
        raise ValueError(f"the tokenizer has no token {BOS_TOKEN}")
    return int(token_id)


def token_batches(tokenizer: Tokenizer, seed: int, batch_tokens: int) -> Iterator[Tensor]:
    """Endless batches [rows, pos] of BOS-prepended headlines, about `batch_tokens` tokens each, in a seeded order."""
    bos = bos_id(tokenizer)
    shuffle = random.Random(seed)
    headlines = generate(2**62, seed)
    while True:
        titles = [next(headlines).title for _ in range(_POOL_ROWS)]
        by_length: dict[int, list[list[int]]] = defaultdict(list)
        for encoding in tokenizer.encode_batch(titles):
            by_length[len(encoding.ids)].append([bos, *encoding.ids])
        batches = [
            rows[start : start + max(1, batch_tokens // (length + 1))]
            for length, rows in by_length.items()
            for start in range(0, len(rows), max(1, batch_tokens // (length + 1)))
        ]
        shuffle.shuffle(batches)
        yield from (torch.tensor(batch) for batch in batches)
