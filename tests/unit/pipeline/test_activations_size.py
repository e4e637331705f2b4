"""What is said of the room that saved activations take, by what is known beforehand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sparse_autoencoder.pipeline.activations_size import activations_size


@pytest.mark.parametrize(
    ("tokens", "active", "said"),
    [
        (1_000_000, 32, "about 150 MB, 150 B for each of about 1,000,000 tokens"),
        (None, 32, "about 150 B a token; how many tokens there are isn't known yet"),
        (1_000_000, None, "about 5 B an activation; how many fire at a token isn't known yet"),
        (None, None, "about 5 B an activation; how many fire at a token isn't known yet"),
    ],
)
def test_it_is_tokens_times_what_fires_times_bytes_as_far_as_they_are_known(
    tokens: float | None, active: float | None, said: str, tmp_path: Path
) -> None:
    found = activations_size(tokens, active, tmp_path / "not" / "there")
    assert re.fullmatch(rf"{said}; there is room for [\d.]+ [kMGT]?B", found)
