"""Windows as the distinct beginnings that they share, and back."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparse_autoencoder.subjects.prefix_tree import PrefixTree


def random_tokens(batch: int, positions: int, values: int, seed: int) -> Tensor:
    return torch.randint(values, (batch, positions), generator=torch.Generator().manual_seed(seed))


SHAPES = st.tuples(st.integers(0, 6), st.integers(1, 6), st.integers(1, 3), st.integers(0, 99))


@given(SHAPES)
def test_what_was_made_flat_comes_back(shape: tuple[int, int, int, int]) -> None:
    tokens = random_tokens(*shape)
    tree = PrefixTree.of(tokens)
    assert torch.equal(tree.per_window(tree.flat(tokens)[:, None])[..., 0], tokens)


@given(SHAPES)
def test_there_is_one_node_for_each_distinct_beginning(shape: tuple[int, int, int, int]) -> None:
    windows = [tuple(window) for window in random_tokens(*shape).tolist()]
    tree = PrefixTree.of(random_tokens(*shape))
    node_of: dict[tuple[int, ...], int] = {}
    for window, nodes in zip(windows, tree.node_of.tolist(), strict=True):
        for end, node in enumerate(nodes, 1):
            assert node_of.setdefault(window[:end], node) == node
    assert sorted(node_of.values()) == list(range(len(tree.first)))


@given(SHAPES)
def test_nodes_come_by_position(shape: tuple[int, int, int, int]) -> None:
    tree = PrefixTree.of(random_tokens(*shape))
    for position, (begin, end) in enumerate(zip(tree.starts[:-1], tree.starts[1:], strict=True)):
        assert set(tree.node_of[:, position].tolist()) == set(range(begin, end))
        assert (tree.first[begin:end] % shape[1] == position).all()


def test_token_ids_beyond_16_bits_are_told_apart() -> None:
    assert len(PrefixTree.of(torch.tensor([[1, 0], [1 + 2**16, 0], [2**30, 0]])).first) == 6


@given(SHAPES)
def test_windows_that_share_nothing_have_a_node_at_each_place(shape: tuple[int, int, int, int]) -> None:
    tokens = random_tokens(*shape)
    tree = PrefixTree.of_all(*tokens.shape)
    assert sorted(tree.node_of.flatten().tolist()) == list(range(tokens.numel()))
    assert torch.equal(tree.flat(tokens), tokens.t().flatten())
    assert torch.equal(tree.per_window(tree.flat(tokens)[:, None])[..., 0], tokens)
