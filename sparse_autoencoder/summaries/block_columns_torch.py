"""A block's tokens and windows on a device, for summarise_torch.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_autoencoder.kernels.torch_array_ops import to_device
from sparse_autoencoder.summaries.position_counts import token_places
from sparse_autoencoder.summaries.summariser_interface import block_draws, first_occurrences, row_numbers, token_windows
from sparse_autoencoder.tokens.windows import Windows


@dataclass(frozen=True)
class BlockColumns:
    """A block's tokens and windows on the device."""

    token_id: Tensor  # [tokens]
    window: Tensor  # [tokens], the window's index in the block
    draw: Tensor  # [tokens]
    place: Tensor  # [tokens], see position_counts.token_places
    start: Tensor  # [windows + 1]
    row_id: Tensor  # [windows]
    row: Tensor  # [windows], the row's index in the block
    number: Tensor  # [windows], the window's index in its row
    token_hash: Tensor  # [windows]
    text: Tensor  # [windows], the number of the window's tokens among the block's different ones
    first_occurrence: Tensor  # [windows], mask

    @classmethod
    def of(cls, block: Windows, seed: int, device: torch.device) -> BlockColumns:
        """A block's columns; `seed` is that of the draws."""
        window = token_windows(block)
        arrays: dict[str, NDArray[Any]] = {
            "token_id": block.tokens,
            "window": window,
            "draw": block_draws(block, window, seed),
            "place": token_places(block),
            "start": block.starts,
            "row_id": block.row_ids,
            "row": row_numbers(block),
            "number": block.numbers,
            "token_hash": block.token_hashes,
            "text": np.unique(block.token_hashes, return_inverse=True)[1],
            "first_occurrence": first_occurrences(block),
        }
        return cls(**{name: to_device(array, device) for name, array in arrays.items()})
