"""Examples: windows shown for a feature, flat, and the two orders by which they are chosen.

The strongest examples of a feature are those with the largest activation, one per text. The random ones are a uniform
sample of its positive activations: those with the smallest `draw`, a hash of (seed, feature, row, position), so that
the sample doesn't depend on who saw the activation or when. Ties go to the earlier (row, window, position).
An example refers to its window by (row id, window number); the text itself is in the run's prompts files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.utils.arrays import Ints, ranges, starts_of


@dataclass(frozen=True)
class Examples:
    """Examples in chosen order: by feature, then by rank. Example e's activations are a slice of the `act_` arrays."""

    feature: NDArray[np.int32]  # [examples]
    value: NDArray[np.float32]  # [examples], the feature's activation at `position`
    row_id: Ints  # [examples]
    window: NDArray[np.int32]  # [examples], number of the window in its row
    position: NDArray[np.int32]  # [examples], token of the window
    token: NDArray[np.int32]  # [examples], the token id at `position`
    text: NDArray[np.uint64]  # [examples], hash of the window's token ids
    draw: NDArray[np.uint64]  # [examples], the random order
    act_starts: Ints  # [examples + 1]
    act_position: NDArray[np.int32]  # [activations], token of the window
    act_value: NDArray[np.float32]  # [activations], the feature's activation there

    def __len__(self) -> int:
        return len(self.feature)

    @classmethod
    def empty(cls) -> Examples:
        """No examples."""
        return cls(
            feature=np.zeros(0, np.int32),
            value=np.zeros(0, np.float32),
            row_id=np.zeros(0, np.int64),
            window=np.zeros(0, np.int32),
            position=np.zeros(0, np.int32),
            token=np.zeros(0, np.int32),
            text=np.zeros(0, np.uint64),
            draw=np.zeros(0, np.uint64),
            act_starts=np.zeros(1, np.int64),
            act_position=np.zeros(0, np.int32),
            act_value=np.zeros(0, np.float32),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Examples]) -> Examples:
        """The parts' examples one after the other."""
        ends = np.cumsum([len(part.act_position) for part in parts])
        shifted = [part.act_starts[1:] + end - len(part.act_position) for part, end in zip(parts, ends, strict=True)]
        arrays = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(cls)
            if field.name != "act_starts"
        }
        return cls(**arrays, act_starts=np.concatenate([np.zeros(1, np.int64), *shifted]))

    def take(self, index: Ints | NDArray[np.bool_]) -> Examples:
        """The examples at `index` (numbers or a mask), in that order."""
        if index.dtype == np.bool_:
            index = np.flatnonzero(index)
        lengths = np.diff(self.act_starts)[index]
        flat = ranges(self.act_starts[index], lengths)
        arrays = {
            field.name: getattr(self, field.name)[index] for field in fields(self) if not field.name.startswith("act_")
        }
        return Examples(
            **arrays,
            act_starts=starts_of(lengths),
            act_position=self.act_position[flat],
            act_value=self.act_value[flat],
        )
