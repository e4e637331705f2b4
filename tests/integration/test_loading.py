"""What a run's models were loaded from is recorded, and is what was loaded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from sparse_autoencoder.autoencoders import openai_checkpoint
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.chunk_outputs import encode_chunk
from sparse_autoencoder.pipeline.load_inputs import load_models, load_tokens, open_rows
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.subjects.gpt2 import Gpt2
from sparse_autoencoder.tokens.chunks import tokenise
from tests.support.hf_cache import COMMIT, cache_entry
from tests.support.runs import World, make_world

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A tiny world whose files may be changed."""
    return make_world(tmp_path / "world")


def test_metadata_says_what_a_run_is_made_of(world: World, tmp_path: Path) -> None:
    metadata = run(world.options(), DirectoryStore(tmp_path / "runs"))
    names = ["config.json", "tokenizer.json", "model.safetensors"]
    hashes = {name: hashlib.sha256((world.subject / name).read_bytes()).hexdigest() for name in names}
    assert metadata.subject["files"] == hashes
    assert metadata.subject["commit"] is None
    assert metadata.autoencoder["sha256"] == hashlib.sha256(world.topk.read_bytes()).hexdigest()
    assert list(metadata.versions) == ["saescope", "numpy", "pyarrow", "tokenizers", "torch"]
    assert metadata.processor["device"] == "cpu"
    assert len(metadata.processor["fingerprint"]) == 32
    assert len(metadata.rows_hash) == 64


def test_a_model_of_the_hub_is_recorded_with_its_commit(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = cache_entry(tmp_path / "hub", "someone/tiny")
    snapshot.rmdir()
    world.subject.rename(snapshot)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert load_models(world.options(subject="someone/tiny")).commit == COMMIT


def test_a_model_that_is_replaced_while_it_is_loaded_is_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_world(tmp_path / "other", seed=1)
    load = Gpt2.load

    def load_and_replace(*arguments: Any, **settings: Any) -> Gpt2:
        found = load(*arguments, **settings)
        (other.subject / "model.safetensors").replace(world.subject / "model.safetensors")
        return found

    monkeypatch.setattr(Gpt2, "load", load_and_replace)
    with pytest.raises(SaescopeError, match=r"model.safetensors was changed while it was read: try again"):
        load_models(world.options())


def test_an_autoencoder_that_is_replaced_while_it_is_loaded_is_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_world(tmp_path / "other", seed=1)
    load = openai_checkpoint.load_autoencoder

    def replace_and_load(*arguments: Any) -> Any:
        other.topk.replace(world.topk)
        return load(*arguments)

    monkeypatch.setattr(openai_checkpoint, "load_autoencoder", replace_and_load)
    with pytest.raises(SaescopeError, match=r"topk.pt was changed while it was read: try again"):
        load_models(world.options())


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_models_stay_what_they_were_when_their_files_are_written_over(
    world: World, tmp_path: Path, precision: str
) -> None:
    options = world.options(precision=precision)
    models, tokens = load_models(options), load_tokens(options)
    with open_rows(options) as source:
        rows = list(source)
        chunk = tokenise(1, rows, tokens.tokenizer, tokens.policy)
        metadata = models.metadata(options, "run-1", source.describe(), "")
    before = encode_chunk(models.encoder(metadata), chunk, tokens.policy)
    other = make_world(tmp_path / "other", seed=1)
    for path, others in (
        (world.topk, other.topk),
        (world.subject / "model.safetensors", other.subject / "model.safetensors"),
    ):
        path.write_bytes(others.read_bytes())
    after = encode_chunk(models.encoder(metadata), chunk, tokens.policy)
    assert (after.partial.to_bytes(), after.prompts) == (before.partial.to_bytes(), before.prompts)
    # only that the first chunk's check reads the autoencoder's file again, and says that it can't
    first = encode_chunk(models.encoder(metadata), tokenise(0, rows, tokens.tokenizer, tokens.policy), tokens.policy)
    assert first.prompts == before.prompts
    assert first.partial.checks.formula is None
    (problem,) = first.partial.checks.problems
    assert problem.startswith("the autoencoder's formula could not be checked: ")
    assert "topk.pt was changed" in problem


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="this system doesn't list what is mapped")
def test_no_file_stays_mapped_that_models_were_loaded_from(world: World) -> None:
    models = load_models(world.options())
    assert str(world.rows.parent) not in Path("/proc/self/maps").read_text()
    assert models.num_features == 48


def test_encoders_of_several_runs_share_the_models(world: World) -> None:
    models = load_models(world.options())
    one = models.metadata(world.options(), "run-1", {"file": "rows"}, "")
    other = models.metadata(world.options(seed=5, top_tokens_per_feature=2), "run-2", {"file": "rows"}, "")
    first, second = models.encoder(one), models.encoder(other)
    assert (first.spec, second.spec) == (one.spec, other.spec)
    assert first.latents is second.latents
