"""A tiny GPT-2, whole on our code and on TransformerLens, and autoencoders for each of its hook points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sparse_autoencoder.subjects.hugging_face_hub import model_files
from sparse_autoencoder.subjects.load_whole_model import load_whole
from sparse_autoencoder.subjects.subject import load_subject
from sparse_autoencoder.subjects.whole_model import WholeModel
from sparse_autoencoder.utils.file_hashes import FileHashes
from tests.support.changed_by_hand import HookedByHand
from tests.support.runs import WIDTH, World, make_world, one_thread

Load = Callable[..., WholeModel]
WIDTHS = {"mlp_post_act": 4 * WIDTH}


@pytest.fixture(scope="package")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with one_thread():
        yield make_world(tmp_path_factory.mktemp("world"), n_rows=5)


@pytest.fixture(scope="package")
def by_hand(tiny: World) -> HookedByHand:
    return HookedByHand(tiny.subject)


@pytest.fixture(scope="package")
def whole_of(tiny: World) -> Load:
    """Loads the whole model at a hook point; each kind of subject only once."""
    files = FileHashes(model_files(tiny.subject)).result()
    subjects = {}

    def load(location: str, layer: int, implementation: str = "gpt2", folder: Path = tiny.subject) -> WholeModel:
        if (implementation, layer) not in subjects:
            subjects[implementation, layer] = load_subject(folder, implementation=implementation, last_layer=layer)
        return load_whole(subjects[implementation, layer], folder, files, (location, layer))

    return load
