"""Where OpenAI's viewer looks for an autoencoder's features, and where those of other autoencoders are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder import paths
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.exports.sae_viewer_places import asked_in, atom_name, checked_place, place_of

OPENAI = "az://openaipublic/sparse-autoencoder/gpt2-small"
SHA = "0123456789abcdef" * 4
HERE = "gpt2-small/v5_32k/layer_6/resid_post_mlp"


def place(
    address: str, layer: int = 6, location: str = "resid_post_mlp", subject: str = "gpt2", sha256: str | None = SHA
) -> str:
    autoencoder = {"name": address, "address": address, "sha256": sha256}
    metadata = SimpleNamespace(subject={"name": subject}, autoencoder=autoencoder, layer_index=layer, location=location)
    return place_of(cast("Any", metadata))


@pytest.mark.parametrize(
    ("checkpoint", "layer", "location", "expected"),
    [
        ("resid_post_mlp_v5_32k/autoencoders/6.pt", 6, "resid_post_mlp", "v5_32k/layer_6/resid_post_mlp"),
        ("resid_post_attn_v5_128k/autoencoders/0.pt", 0, "resid_post_attn", "v5_128k/layer_0/resid_post_attn"),
        ("resid_delta_mlp_v4/autoencoders/11.pt", 11, "resid_delta_mlp", "v4/layer_11/resid_delta_mlp"),
        ("mlp_post_act/autoencoders/3.pt", 3, "mlp_post_act", "v1/layer_3/mlp_post_act"),
    ],
)
def test_openai_s_autoencoders_are_where_the_viewer_looks(
    checkpoint: str, layer: int, location: str, expected: str
) -> None:
    assert place(f"{OPENAI}/{checkpoint}", layer, location) == f"gpt2-small/{expected}"


def test_every_autoencoder_of_openai_s_has_a_place_of_its_own() -> None:
    known = [
        (address(location, layer), layer, location)
        for family, address in paths.FAMILIES.items()
        for location in paths.LOCATIONS_OF[family]
        for layer in range(paths.N_LAYERS)
    ]
    assert len({place(*one) for one in known}) == len(known) == 144


@pytest.mark.parametrize(
    ("address", "subject", "layer", "expected"),
    [
        ("runs/my sae.safetensors", "gpt2", 6, "gpt2-small/my_sae-01234567/layer_6/resid_post_mlp"),
        ("a.pt", "EleutherAI/pythia-70m", 3, "pythia-70m/a-01234567/layer_3/resid_post_mlp"),
        ("a.pt", "../models/", 3, "models/a-01234567/layer_3/resid_post_mlp"),
        # a file of OpenAI's, but read at another layer, or with another model
        (paths.v5_32k("resid_post_mlp", 6), "gpt2", 7, "gpt2-small/6-01234567/layer_7/resid_post_mlp"),
        (paths.v5_32k("resid_post_mlp", 6), "gpt2-medium", 6, "gpt2-medium/6-01234567/layer_6/resid_post_mlp"),
    ],
)
def test_another_one_s_place_says_what_it_is(address: str, subject: str, layer: int, expected: str) -> None:
    assert place(address, layer, subject=subject) == expected


def test_two_files_of_one_name_have_two_places() -> None:
    assert place("a.pt") != place("a.pt", sha256="f" * 64)


def test_a_run_that_does_not_know_its_file_s_hash_has_a_place_too() -> None:
    assert place("a.pt", sha256=None) == "gpt2-small/a/layer_6/resid_post_mlp"


@given(st.text(), st.text(), st.text(), st.integers(0, 200))
def test_whatever_a_run_says_its_place_is_below_the_folder(
    address: str, subject: str, location: str, layer: int
) -> None:
    found = place(address, layer, location, subject)
    assert checked_place(found) == found
    assert ".." not in found.split("/")
    assert asked_in(f"{found}/atoms/{atom_name(7, ablated=True)}") == (found, 7, True)


@pytest.mark.parametrize(
    "named",
    ["", "/", "a/b/c", "a/b/c/d/e", "../b/c/d", "/a/b/c", "a//c/d", "a/b/c/.d", "a/b/c/d\n", "a/b\0/c/d", "a/b/c/é"],
)
def test_a_place_of_another_form_is_refused(named: str) -> None:
    with pytest.raises(SaescopeError, match="is no place of OpenAI's viewer: it has four names"):
        checked_place(named)


def test_what_the_viewer_asks_for_is_understood() -> None:
    assert asked_in(f"{HERE}/atoms/1857.json") == (HERE, 1857, False)
    assert asked_in(f"{HERE}/atoms/0-ablated.json") == (HERE, 0, True)


@pytest.mark.parametrize(
    "path",
    [
        f"{HERE}/atoms/-1.json",
        f"{HERE}/atoms/01.json",
        f"{HERE}/atoms/1.5.json",
        f"{HERE}/atoms/NaN.json",
        f"{HERE}/atoms/1.json\n",
        f"{HERE}/atoms/1.json/..",
        f"{HERE}/atoms/{'9' * 30}.json",
        f"../{HERE}/atoms/1.json",
        "atoms/1.json",
        "",
    ],
)
def test_what_it_does_not_ask_for_is_not(path: str) -> None:
    assert asked_in(path) is None
