"""The names that the package gives, which are loaded when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest


def printed_by(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_the_package_gives_autoencoder_and_paths_when_they_are_asked_for() -> None:
    program = (
        "import sys, sparse_autoencoder\n"
        "print(sparse_autoencoder.paths.__name__, 'torch' in sys.modules)\n"
        "print(sparse_autoencoder.Autoencoder.__name__, 'torch' in sys.modules)"
    )
    assert printed_by(program).splitlines() == ["sparse_autoencoder.paths False", "Autoencoder True"]


def test_a_name_that_the_package_does_not_have_is_an_attribute_error() -> None:
    import sparse_autoencoder

    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = sparse_autoencoder.Nothing
