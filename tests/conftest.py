"""Fixtures that several test folders share."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says something about the machine, not about the code.
settings.register_profile("saescope", parent=settings.default, deadline=None, max_examples=30)
settings.register_profile("thorough", parent=settings.default, deadline=None, max_examples=1000)  # --hypothesis-profile
settings.register_profile("short", parent=settings.default, deadline=None, max_examples=25)  # where time is short
settings.load_profile("saescope")

# A script has what it starts in the background ignore Ctrl-C, and programs inherit that; tests send it to programs.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What runs keep for further runs goes into a folder of the session's, not into the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAESCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def gpt2_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Hugging Face cache (what HF_HUB_CACHE names) with a full-size random `gpt2`, made once a session; read only."""
    from tests.support.hf_cache import seed_gpt2_cache  # imports torch, which most test runs of one file don't need

    root = tmp_path_factory.mktemp("hugging-face-cache")
    seed_gpt2_cache(root)
    yield root
    shutil.rmtree(root)  # half a gigabyte, which pytest would keep for three sessions
