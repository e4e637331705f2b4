"""The arrays of the original script's full save, written of a single text by --save-arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.cli import main
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.reading.original_arrays import NAMES, write_original_arrays
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.commands import one_sentence
from tests.support.reference import Reference
from tests.support.runs import N_LATENTS, World, tiny_tokenizer

pytestmark = pytest.mark.usefixtures("quick")
TEXT = "A raises target price of Apple to buy"
MORE = ["--skip-directions", "--save-arrays"]


def saved(world: World, root: Path, **changes: Any) -> Path:
    """The folder of a run over one text."""
    (root / "prompt.txt").write_text(TEXT)
    options = {"prompt_file": str(root / "prompt.txt"), "precision": "float64", "max_tokens": 32} | changes
    flags = world.flags(root / "runs", **options)
    source = flags.index("--source")
    assert main(["run", *flags[:source], *flags[source + 2 :], *MORE]) == 0
    (run,) = (root / "runs").iterdir()
    return run


def test_they_are_what_the_original_script_saved(
    world: World, reference: Reference, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = saved(world, tmp_path, bos="include")
    tokens = [int(reference.bos_token_id or 0), *tiny_tokenizer().encode(TEXT, add_special_tokens=False).ids]
    latents, ids = np.load(run / "latent_activations.npy"), np.load(run / "tokens.npy")
    assert (latents.dtype, latents.shape) == (np.float32, (len(tokens), N_LATENTS))
    assert latents.tolist() == reference.latents("topk", tuple(tokens)).tolist()
    assert (ids.dtype, ids.tolist()) == (np.int64, [tokens])
    assert (run / "prompt.txt").read_text() == TEXT
    printed = capsys.readouterr().out.splitlines()
    assert {f"wrote {run / name}" for name in NAMES} <= set(printed)


def test_without_counted_markers_they_begin_with_the_text(world: World, reference: Reference, tmp_path: Path) -> None:
    run = saved(world, tmp_path)
    own = tiny_tokenizer().encode(TEXT, add_special_tokens=False).ids
    assert np.load(run / "tokens.npy").tolist() == [own]
    whole = reference.latents("topk", (int(reference.bos_token_id or 0), *own))
    assert np.load(run / "latent_activations.npy").tolist() == whole[1:].tolist()


def test_an_array_beyond_the_stated_size_names_both(world: World, tmp_path: Path) -> None:
    run = saved(world, tmp_path)
    folder = RunFolder(DirectoryStore(run.parent), run.name)
    with pytest.raises(SaescopeError, match=r"as a dense array take \d\.\d kB, more than 500 B: take fewer"):
        write_original_arrays(folder, at_most=500)


def test_one_row_of_many_is_named(world: World, reference: Reference, tmp_path: Path) -> None:
    assert main(["run", *world.flags(tmp_path), "--save-activations", "--skip-directions"]) == 0
    (run,) = tmp_path.iterdir()
    folder = RunFolder(DirectoryStore(tmp_path), run.name)
    with pytest.raises(SaescopeError, match=r"are of one text, and run .* has 8\d rows: name one"):
        write_original_arrays(folder)
    write_original_arrays(folder, row_id=7)
    assert (run / "prompt.txt").read_text() == reference.texts[7]


def test_a_dataset_is_refused_before_anything_is_computed(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *world.flags(tmp_path / "runs"), "--save-arrays"]) == 2
    assert one_sentence(capsys.readouterr().err).startswith("--save-arrays is for a single text, so name one with")
    assert not (tmp_path / "runs").exists()
