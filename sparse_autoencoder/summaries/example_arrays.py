"""Examples: windows that are shown for a feature, in flat arrays.

The top examples of a feature have its largest activations, one per distinct text. The random examples are a reservoir
sample of its positive activations: those with the smallest `draw`, which is a hash of (seed, feature, row, window,
position). So the sample doesn't depend on which process saw an activation, or when. Ties go to the earlier (row,
window, position). An example refers to its window by (row id, window number); the text is in the run's prompts files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.utils.numpy_array_ops import Ints, ranges, starts_of


@dataclass(frozen=True)
class Examples:
    """Examples, sorted by feature and then by rank.

    Example e's activations are `act_starts[e]` to `act_starts[e + 1]` of the other two `act_` arrays.
    """

    feature: NDArray[np.int32]  # [examples]; in examples of bands it also says which band (strength_bands.py)
    value: NDArray[np.float32]  # [examples], the feature's activation at `position`
    row_id: Ints  # [examples]
    window: NDArray[np.int32]  # [examples], number of the window in its row
    position: NDArray[np.int32]  # [examples], token of the window
    token: NDArray[np.int32]  # [examples], the token id at `position`
    token_hash: NDArray[np.uint64]  # [examples], hash of the window's token ids (Windows.token_hashes)
    draw: NDArray[np.uint64]  # [examples], random sort key
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
            token_hash=np.zeros(0, np.uint64),
            draw=np.zeros(0, np.uint64),
            act_starts=np.zeros(1, np.int64),
            act_position=np.zeros(0, np.int32),
            act_value=np.zeros(0, np.float32),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Examples]) -> Examples:
        """The examples of all parts, one part after the other."""
        ends = np.cumsum([len(part.act_position) for part in parts])
        shifted = [part.act_starts[1:] + end - len(part.act_position) for part, end in zip(parts, ends, strict=True)]
        arrays = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(cls)
            if field.name != "act_starts"
        }
        return cls(**arrays, act_starts=np.concatenate([np.zeros(1, np.int64), *shifted]))

    def take(self, index: Ints | NDArray[np.bool_]) -> Examples:
        """The examples at `index` (indices or a mask), in that order."""
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
