"""What predictions lose by the autoencoder, against Hugging Face's GPT-2 with the vectors replaced by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.autoencoders.openai_checkpoint import load_autoencoder
from sparse_autoencoder.model import Autoencoder
from sparse_autoencoder.pipeline.cross_entropy import check_cross_entropy
from sparse_autoencoder.runs.first_chunk_checks import CrossEntropyCheck
from sparse_autoencoder.subjects.hugging_face_hub import model_files
from sparse_autoencoder.subjects.load_whole_model import load_whole
from sparse_autoencoder.subjects.subject import load_subject
from sparse_autoencoder.subjects.whole_model import WholeModel
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows, windows_of
from sparse_autoencoder.utils.file_hashes import FileHashes
from tests.support.runs import World, make_world, one_thread

LAYER = 1
POLICY = TokenPolicy(bos_token_id=0, max_tokens=12)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with one_thread():
        yield make_world(tmp_path_factory.mktemp("world"), n_rows=5)


def whole_of(tiny: World, location: str, implementation: str, dtype: torch.dtype = torch.float32) -> WholeModel:
    subject = load_subject(tiny.subject, dtype=dtype, implementation=implementation, last_layer=LAYER)
    files = FileHashes(model_files(tiny.subject)).result()
    return load_whole(subject, tiny.subject, files, (location, LAYER))


def windows(policy: TokenPolicy = POLICY) -> Windows:
    """Windows of several lengths, of one token and with equal beginnings too."""
    lengths = np.array([5, 1, 8, 8, 20])
    tokens = np.random.default_rng(0).integers(0, 4, lengths.sum()).astype(np.int32)
    return windows_of(np.arange(len(lengths)), tokens, np.cumsum([0, *lengths]), policy)


def by_hand(folder: Path, layer: int, first: int, block: Windows, replace: Callable[[Tensor], Tensor]) -> float:
    """The mean loss of Hugging Face's model in float64, window by window; vectors after a block are replaced."""
    from transformers import GPT2LMHeadModel  # takes seconds

    model = GPT2LMHeadModel.from_pretrained(folder).double()

    def hook(_module: Any, _inputs: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        changed = torch.cat([hidden[:, :first], replace(hidden[:, first:])], dim=1)
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    handle = model.transformer.h[layer].register_forward_hook(hook)
    losses = []
    for begin, end in zip(block.starts[:-1], block.starts[1:], strict=True):
        tokens = torch.from_numpy(block.tokens[begin:end].astype(np.int64))[None]
        with torch.no_grad():
            logits = model(tokens).logits[0, first:-1]
        losses.append(functional.cross_entropy(logits, tokens[0, first + 1 :], reduction="none"))
    handle.remove()
    return float(torch.cat(losses).mean())


def given_back(autoencoder: Autoencoder) -> Callable[[Tensor], Tensor]:
    exact = autoencoder.double().requires_grad_(False)
    return lambda vectors: exact.decode(*exact.encode(vectors))


@pytest.mark.parametrize("bos", ["exclude", "include"])
def test_it_is_what_hugging_face_s_model_loses(tiny: World, bos: Any) -> None:
    policy = TokenPolicy(bos_token_id=0, max_tokens=12, bos=bos)
    block, first = windows(policy), policy.first_counted
    latents = LatentEncoder(load_autoencoder(tiny.topk).double())
    whole = whole_of(tiny, "resid_post_mlp", "gpt2", torch.float64)
    found = check_cross_entropy(whole, latents, block, policy)
    ways = {
        "clean": lambda vectors: vectors,
        "replaced": given_back(load_autoencoder(tiny.topk)),
        "zeroed": torch.zeros_like,
    }
    for name, replace in ways.items():
        expected = by_hand(tiny.subject, LAYER, first, block, replace)
        assert getattr(found, name) == pytest.approx(expected, rel=1e-6), name
    assert found.num_rows == 5
    assert found.num_tokens == sum(max(0, int(length) - 1 - first) for length in block.lengths)


def test_what_is_recovered_is_a_share_of_what_zeros_cost() -> None:
    found = CrossEntropyCheck(num_rows=1, num_tokens=9, clean=3.0, replaced=3.5, zeroed=5.0)
    assert (found.increase, found.recovered) == (0.5, 0.75)
    assert CrossEntropyCheck(num_rows=1, num_tokens=9, clean=3.0, replaced=3.5, zeroed=2.0).recovered is None


@pytest.mark.parametrize("location", ["resid_post_mlp", "resid_post_attn", "resid_delta_attn", "resid_delta_mlp"])
def test_transformer_lens_gives_the_same(tiny: World, location: str) -> None:
    latents = LatentEncoder(load_autoencoder(tiny.topk))
    found, other = (
        check_cross_entropy(whole_of(tiny, location, implementation), latents, windows(), POLICY)
        for implementation in ("gpt2", "transformer_lens")
    )
    for name in ("clean", "replaced", "zeroed"):
        assert getattr(found, name) == pytest.approx(getattr(other, name), rel=1e-4), name
