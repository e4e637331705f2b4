"""Vectors at several places at once are those at each place, in the order of the windows' tokens."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.subjects.hook_points import LOCATIONS
from sparse_autoencoder.subjects.places import counted_vectors
from sparse_autoencoder.subjects.subject import load_subject
from sparse_autoencoder.tokens.token_policy import Bos, TokenPolicy
from sparse_autoencoder.tokens.windows import Windows, windows_of
from tests.support.runs import World, make_world

PLACES = [(location, layer) for layer in (0, 1) for location in LOCATIONS]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"), n_rows=1)


def windows(policy: TokenPolicy) -> Windows:
    lengths = np.array([5, 1, 8, 0, 8, 20])
    tokens = np.random.default_rng(0).integers(0, 3, lengths.sum()).astype(np.int32)
    return windows_of(np.arange(len(lengths)), tokens, np.cumsum([0, *lengths]), policy)


@pytest.mark.parametrize("implementation", ["gpt2", "transformer_lens"])
@pytest.mark.parametrize("bos", ["exclude", "none"])
def test_each_place_has_its_own_vectors(world: World, bos: Bos, implementation: str) -> None:
    policy = TokenPolicy(bos_token_id=0, max_tokens=12, bos=bos)
    subject = load_subject(world.subject, dtype=torch.float64, implementation=implementation)
    block = windows(policy)
    found = counted_vectors(subject, block, PLACES)
    for place in PLACES:
        expected = [
            subject.activations(torch.from_numpy(block.tokens[begin:end].astype(np.int64))[None], *place)
            for begin, end in zip(block.starts[:-1], block.starts[1:], strict=True)
        ]
        each = torch.cat([vectors[0, policy.first_counted :] for vectors in expected])
        torch.testing.assert_close(found[place], each, rtol=1e-9, atol=1e-9)


def test_a_layer_that_is_not_loaded_is_refused(world: World) -> None:
    policy = TokenPolicy(bos_token_id=0, max_tokens=12)
    subject = load_subject(world.subject, last_layer=0)
    with pytest.raises(SaescopeError, match="isn't in memory: it was loaded up to layer 0"):
        counted_vectors(subject, windows(policy), PLACES)
