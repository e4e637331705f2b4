"""What a chunk's files keep of its activations besides the summary: which fire (--keep-firings), or every one.

Blocks are noted as they come. What fires stays in memory until the chunk is encoded; every activation would be too
much, so it goes to a temporary file, written in another thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.kernels.torch_array_ops import sorted_order
from sparse_autoencoder.runs import firings_file
from sparse_autoencoder.runs.activations_file import ActivationColumns, ActivationsWriter
from sparse_autoencoder.runs.firings_file import Firings
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.temporary_files import spooled_file, writing_temporary_files
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.summaries.summarise_torch import DeviceActivations
from sparse_autoencoder.summaries.summariser_interface import Activations, token_windows
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.numpy_array_ops import bits_for, stable_argsort
from sparse_autoencoder.utils.prefetch import one_behind

_AT_ONCE = 1 << 17  # activations that are written at once


class Kept(Enum):
    """What a run's files keep of its activations."""

    NOTHING = "nothing"
    FIRINGS = "firings"
    ACTIVATIONS = "activations"  # which say what fires, too

    @classmethod
    def of(cls, options: RunOptions) -> Kept:
        """What a run with these options keeps."""
        if options.save_activations:
            return cls.ACTIVATIONS
        return cls.FIRINGS if options.keep_firings else cls.NOTHING


class KeptOfChunk:
    """What is kept of one chunk."""

    def __init__(self, keeps: Kept, policy: TokenPolicy, num_tokens: int) -> None:
        """`num_tokens` are the chunk's counted tokens."""
        self._policy = policy
        self._firings: list[Firings] | None = [] if keeps is Kept.FIRINGS else None
        self._file: BinaryIO | None = spooled_file() if keeps is Kept.ACTIVATIONS else None
        self._num_tokens = num_tokens

    def noting(self, blocks: Iterator[tuple[Windows, Activations]]) -> Iterator[tuple[Windows, Activations]]:
        """The blocks, of each of which what is to be kept is noted; SaescopeError if there is no room for it."""
        if self._file is not None:
            return self._saving(blocks, self._file)
        return blocks if self._firings is None else self._noting(blocks, self._firings)

    def firings_file(self) -> bytes | None:
        """The chunk's file of what fires, if that is kept and all blocks were noted."""
        return None if self._firings is None else firings_file.to_parquet(self._firings)

    def activations_file(self) -> BinaryIO | None:
        """The chunk's file of activations, if they are kept and all blocks were noted; whoever has it closes it."""
        return self._file

    def _noting(
        self, blocks: Iterator[tuple[Windows, Activations]], firings: list[Firings]
    ) -> Iterator[tuple[Windows, Activations]]:
        for block, activations in blocks:
            found = _sorted(activations)
            counted = np.zeros(len(block.tokens), bool)
            counted[block.counted_tokens] = True
            firings.append(Firings.of(found.token, found.feature, counted))
            yield block, activations

    def _saving(
        self, blocks: Iterator[tuple[Windows, Activations]], file: BinaryIO
    ) -> Iterator[tuple[Windows, Activations]]:
        with writing_temporary_files():
            writer = ActivationsWriter(file, self._num_tokens)
        try:
            with one_behind() as later:
                for block, activations in blocks:
                    later(partial(self._save, writer, block, _sorted(activations)))
                    yield block, activations
            with writing_temporary_files():
                writer.close()
                file.seek(0)
        except BaseException:
            writer.abandon()
            with suppress(OSError):  # what is still to be written meets the same full disk
                file.close()
            raise

    def _save(self, writer: ActivationsWriter, block: Windows, found: _Sorted) -> None:
        window = token_windows(block)
        place = _places(block, self._policy, window)
        row = block.row_ids[window]
        with writing_temporary_files():
            for begin in range(0, len(found.token), _AT_ONCE):
                some = slice(begin, begin + _AT_ONCE)
                token = found.token[some]
                writer.add(ActivationColumns(row[token], place[token], found.feature[some], found.value[some]))


@dataclass(frozen=True)
class _Sorted:
    """A block's activations by token, at each token by feature; [activations], on the host."""

    token: NDArray[np.int32]  # index into the block's flat tokens
    feature: NDArray[np.int32]
    value: NDArray[np.float32]


def _sorted(activations: Activations) -> _Sorted:
    if isinstance(activations, DeviceActivations):
        order = sorted_order(activations.token, activations.feature)
        columns = (activations.token[order], activations.feature[order], activations.value[order])
        return _Sorted(*(column.cpu().numpy() for column in columns))
    assert isinstance(activations, SparseActivations)  # noqa: S101
    token, feature = activations.token, activations.feature
    by = stable_argsort(*((key, bits_for(int(key.max(initial=0)))) for key in (token, feature)))
    return _Sorted(token[by], feature[by], activations.value[by])


def _places(block: Windows, policy: TokenPolicy, window: NDArray[np.int32]) -> NDArray[np.int32]:
    """Each token's place in its row; -1 for the marker before the row's first window, -2 before its second one, …"""
    bos = int(policy.prepends_bos)
    position = np.arange(len(block.tokens)) - block.starts[window]
    number = block.numbers[window]
    return np.where(position < bos, -1 - number, policy.window_offsets(number) + position - bos).astype(np.int32)
