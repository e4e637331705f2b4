"""What is kept of a chunk's activations is the same whatever the order and the kind of arrays they come in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparse_autoencoder.pipeline.kept_activations import Kept, KeptOfChunk
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.summaries.summarise_torch import DeviceActivations
from sparse_autoencoder.summaries.summariser_interface import Activations
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows, windows_of

POLICY = TokenPolicy(9, max_tokens=4, bos="include")
Columns = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]


def on_host(*columns: NDArray[Any]) -> Activations:
    return SparseActivations(*columns)


def on_device(*columns: NDArray[Any]) -> Activations:
    return DeviceActivations(*(torch.tensor(column) for column in columns))


def file_of(keeps: Kept, windows: Windows, columns: Columns, kind: Callable[..., Activations], block: int) -> bytes:
    """What is kept of these activations, which come in blocks of at most so many tokens."""

    def blocks() -> Any:
        first = 0
        for part in windows.blocks(block):
            inside = (columns[0] >= first) & (columns[0] < first + len(part.tokens))
            yield part, kind(columns[0][inside] - np.int32(first), columns[1][inside], columns[2][inside])
            first += len(part.tokens)

    kept = KeptOfChunk(keeps, POLICY, len(windows.counted_tokens))
    assert sum(len(part) for part, _activations in kept.noting(blocks())) == len(windows)
    if keeps is Kept.FIRINGS:
        return kept.firings_file() or b""
    file = kept.activations_file()
    assert file is not None
    with file:
        return file.read()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_the_file_depends_on_the_activations_alone(lengths: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    windows = windows_of(
        np.arange(len(lengths)) * 3, random.integers(0, 9, starts[-1]).astype(np.int32), starts, POLICY
    )
    token, feature = np.nonzero(random.random((len(windows.tokens), 6)) < 0.5)
    columns = (token.astype(np.int32), feature.astype(np.int32), random.random(len(token), np.float32))
    order = random.permutation(len(token))
    shuffled = (columns[0][order], columns[1][order], columns[2][order])
    expected = file_of(Kept.ACTIVATIONS, windows, columns, on_host, 10**6)
    for kind in (on_host, on_device):
        assert file_of(Kept.ACTIVATIONS, windows, shuffled, kind, 7) == expected
        firings = file_of(Kept.FIRINGS, windows, columns, on_host, 10**6)
        assert file_of(Kept.FIRINGS, windows, shuffled, kind, 10**6) == firings


def test_markers_of_later_windows_have_tokens_of_their_own() -> None:
    windows = windows_of(np.array([5]), np.arange(7, dtype=np.int32), np.array([0, 7]), POLICY)
    everywhere = np.arange(len(windows.tokens), dtype=np.int32)
    columns = (everywhere, np.zeros_like(everywhere), everywhere.astype(np.float32) + 1)
    kept = KeptOfChunk(Kept.ACTIVATIONS, POLICY, len(everywhere))
    assert len(list(kept.noting(iter([(windows, on_host(*columns))])))) == 1
    file = kept.activations_file()
    assert file is not None
    with file:
        assert pq.read_table(file)["token"].to_pylist() == [-1, 0, 1, 2, -2, 3, 4, 5, -3, 6]


def test_a_chunk_that_fails_leaves_no_file_behind() -> None:
    def failing() -> Any:
        raise MemoryError
        yield

    kept = KeptOfChunk(Kept.ACTIVATIONS, POLICY, 1)
    with pytest.raises(MemoryError):
        list(kept.noting(failing()))
    file = kept.activations_file()
    assert file is not None
    assert file.closed
