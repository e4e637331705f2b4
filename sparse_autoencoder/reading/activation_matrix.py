"""Activations as a matrix of tokens and features: compressed by rows, for scipy, or dense within a stated size."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.numpy_array_ops import Ints
from sparse_autoencoder.utils.sizes import size_in_words

DENSE_BYTES = 1_000_000_000
"""The size that a dense matrix may have unless somebody asks for another."""

_AT_ONCE = 1 << 25  # bytes of dense lines that are made at once


@dataclass(frozen=True)
class ActivationMatrix:
    """A float32 matrix [tokens, features] in compressed sparse rows, and what its lines and columns stand for.

    Line t has the values `data[indptr[t]:indptr[t + 1]]` in the columns `indices[indptr[t]:indptr[t + 1]]`. `row` and
    `token` [tokens] say of each line which counted token it is; `feature` [columns] are the columns' features.
    """

    indptr: Ints  # [tokens + 1]
    indices: NDArray[np.int32]  # [activations]
    data: NDArray[np.float32]  # [activations]
    row: Ints
    token: NDArray[np.int32]  # place in the row; -1 for the marker before its first window, -2 before its second, …
    feature: NDArray[np.int32]

    @property
    def shape(self) -> tuple[int, int]:
        """Tokens and features."""
        return len(self.row), len(self.feature)

    def scipy(self) -> Any:
        """A scipy.sparse.csr_array; SaescopeError if scipy isn't installed."""
        sparse = needed("scipy.sparse", "indptr, indices and data, or dense()")
        return sparse.csr_array((self.data, self.indices, self.indptr), shape=self.shape)

    def dense(self, at_most: int = DENSE_BYTES) -> NDArray[np.float32]:
        """A numpy array [tokens, features]; SaescopeError if it takes more than `at_most` bytes."""
        self.check_size(at_most)
        return np.concatenate([np.zeros((0, self.shape[1]), np.float32), *self.dense_lines()])

    def dense_lines(self) -> Iterator[NDArray[np.float32]]:
        """The dense matrix some lines at a time: [lines, features]."""
        step = max(1, _AT_ONCE // max(4 * self.shape[1], 1))
        for first in range(0, self.shape[0], step):
            last = min(first + step, self.shape[0])
            lines = np.zeros((last - first, self.shape[1]), np.float32)
            some = slice(int(self.indptr[first]), int(self.indptr[last]))
            line = np.repeat(np.arange(last - first), np.diff(self.indptr[first : last + 1]))
            lines[line, self.indices[some]] = self.data[some]
            yield lines

    def check_size(self, at_most: int) -> None:
        """Raise SaescopeError if the dense matrix takes more than so many bytes; it names both sizes."""
        size = 4 * self.shape[0] * self.shape[1]
        if size > at_most:
            raise SaescopeError(
                f"all activations of {self.shape[0]:,} tokens and {self.shape[1]:,} features as a dense array take "
                f"{size_in_words(size)}, more than {size_in_words(at_most)}: take fewer, or the sparse form"
            )


def needed(module: str, instead: str) -> Any:
    """A package that saescope doesn't depend on; SaescopeError, with what to do, if it isn't installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise SaescopeError(f"{name} isn't installed: pip install {name}, or take {instead}") from error
