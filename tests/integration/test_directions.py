"""What follows from the weights, in a run's files and in the API: right, kept for further runs, never in the way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from starlette.testclient import TestClient

from services.api.app import create_app
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.single_process import resume, run
from sparse_autoencoder.runs.checksums import seal, unseal
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.runs import LAYER, N_LATENTS, WIDTH, World, files_of, interrupted_run, make_world, read_json

pytestmark = pytest.mark.usefixtures("quick")
EFFECTS, NEIGHBOURS, ELSEWHERE = "logit_effects.parquet", "neighbours.parquet", "neighbours_of.parquet"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; the folder of what is kept in it."""
    monkeypatch.setenv("SAESCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@dataclass(frozen=True)
class Made:
    """A run, by its files and in the API."""

    folder: Path

    @classmethod
    def of(cls, options: RunOptions, root: Path) -> Made:
        return cls(root / run(options, DirectoryStore(root)).run_id)

    @property
    def files(self) -> dict[str, bytes]:
        return files_of(self.folder)

    def info(self, feature: int) -> Any:
        client = TestClient(create_app(DirectoryStore(self.folder.parent)), raise_server_exceptions=False)
        response = client.get("/api/feature_info", params={"run": self.folder.name, "id": feature})
        assert response.status_code == 200, response.text
        return response.json()


def decoder(path: Path) -> torch.Tensor:
    weights: torch.Tensor = torch.load(path, weights_only=True)["decoder.weight"]
    return weights.T.double()


def test_the_api_says_what_the_weights_say(world: World, tmp_path: Path) -> None:
    made = Made.of(world.options(neighbours_of=str(world.relu)), tmp_path)
    weights = load_file(world.subject / "model.safetensors")
    x = decoder(world.topk)
    effects = (weights["ln_f.weight"] * (x - x.mean(dim=1, keepdim=True))) @ weights["wte.weight"].double().T
    effects -= effects.mean(dim=1, keepdim=True)
    unit, other = (one / one.norm(dim=1, keepdim=True) for one in (x, decoder(world.relu)))
    vocabulary = read_json(made.folder, "vocabulary.json")
    for feature in (0, N_LATENTS - 1):
        info = made.info(feature)
        shown = info["logit_effects"]
        for ends, sign in (("promoted", 1), ("suppressed", -1)):
            tokens = (sign * effects[feature]).argsort(descending=True)[:10].tolist()
            assert [end["token_id"] for end in shown[ends]] == tokens
            assert [end["token"] for end in shown[ends]] == [vocabulary[token] for token in tokens]
            assert [end["value"] for end in shown[ends]] == pytest.approx(effects[feature, tokens].tolist(), rel=1e-5)
        assert sum(shown["histogram"]["heights"]) == len(vocabulary)
        assert shown["std"] == pytest.approx(float(effects[feature].std(correction=0)), rel=1e-5)
        cosines = unit @ unit[feature]
        near = [one for one in cosines.argsort(descending=True).tolist() if one != feature][:10]
        assert [one["feature_id"] for one in info["neighbours"]] == near
        assert [one["cosine"] for one in info["neighbours"]] == pytest.approx(cosines[near].tolist(), rel=1e-5)
        elsewhere = info["neighbours_elsewhere"]
        cosines = other @ unit[feature]
        assert [one["feature_id"] for one in elsewhere["features"]] == cosines.argsort(descending=True)[:10].tolist()
        assert (elsewhere["autoencoder"], elsewhere["num_features"]) == (str(world.relu), N_LATENTS)
        assert "missing" not in info


def test_a_second_run_takes_what_is_kept_and_another_autoencoder_does_not(
    world: World, tmp_path: Path, cache: Path
) -> None:
    first = Made.of(world.options(), tmp_path / "runs")
    kept = {path.name: path.read_bytes() for path in cache.iterdir()}
    assert sorted(unseal("weights", data) for data in kept.values()) == sorted(
        first.files[name] for name in (EFFECTS, NEIGHBOURS)
    )
    notes = read_json(first.folder, "metadata.json")["weights"]
    place = cache / f"{notes['neighbours']['key']}.parquet"
    # what nobody would compute, to see where it comes from
    table = pq.read_table(first.folder / NEIGHBOURS)
    marked = table.set_column(1, table.schema.field(1), table["cosines"].take(list(range(N_LATENTS))[::-1]))
    pq.write_table(marked, tmp_path / "marked.parquet")
    place.write_bytes(seal("weights", (tmp_path / "marked.parquet").read_bytes()))
    second = Made.of(world.options(max_rows=20, seed=5, max_tokens=7), tmp_path / "runs")
    assert second.files[NEIGHBOURS] == (tmp_path / "marked.parquet").read_bytes()
    assert second.files[EFFECTS] == first.files[EFFECTS]
    other = Made.of(world.options(autoencoder=world.relu), tmp_path / "runs")
    assert len(list(cache.iterdir())) == 4
    assert other.files[EFFECTS] != first.files[EFFECTS]


@pytest.mark.parametrize("damage", ["cut", "another's", "not writable"])
def test_damaged_files_are_computed_again(world: World, tmp_path: Path, cache: Path, damage: str) -> None:
    first = Made.of(world.options(), tmp_path / "runs")
    paths = sorted(cache.iterdir())
    contents = [path.read_bytes() for path in paths]
    for path, other in zip(paths, contents[::-1], strict=True):
        path.write_bytes(path.read_bytes()[:-1] if damage == "cut" else other)
    if damage == "not writable":
        for path in paths:
            path.unlink()
        cache.rmdir()
        cache.write_text("no folder")
    second = Made.of(world.options(), tmp_path / "runs")
    assert second.files == first.files
    if damage != "not writable":
        assert [path.read_bytes() for path in paths] == contents


def test_a_run_that_was_interrupted_has_the_same_files(world: World, tmp_path: Path) -> None:
    whole = Made.of(world.options(), tmp_path / "runs")
    for name in ("prompts/000003.parquet", EFFECTS, NEIGHBOURS, "overview.parquet"):
        run_id = interrupted_run(world.options(), tmp_path / "runs", name)
        resume(run_id, DirectoryStore(tmp_path / "runs"))
        assert Made(tmp_path / "runs" / run_id).files == whole.files


def test_a_model_without_a_head_is_no_failure(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world", n_rows=20)
    weights = load_file(world.subject / "model.safetensors")
    del weights["ln_f.weight"]
    save_file(weights, world.subject / "model.safetensors", metadata={"format": "pt"})
    made = Made.of(world.options(), tmp_path / "runs")
    info = made.info(1)
    assert info["logit_effects"] is None
    assert "have no final layer norm" in info["missing"]["logit_effects"]
    assert len(info["neighbours"]) == 10
    noted = read_json(made.folder, "metadata.json")
    assert noted["status"] == "complete"
    assert "have no final layer norm" in noted["weights"]["logit_effects"]["missing"]


def test_they_can_be_left_out_and_earlier_runs_lack_them(world: World, tmp_path: Path, cache: Path) -> None:
    made = Made.of(world.options(skip_directions=True), tmp_path / "runs")
    assert not {EFFECTS, NEIGHBOURS} & made.files.keys()
    assert not cache.exists()
    assert "--skip-directions" in made.info(1)["missing"]["neighbours"]
    made = Made.of(world.options(), tmp_path / "runs")
    (made.folder / EFFECTS).unlink()
    info = made.info(1)
    assert info["logit_effects"] is None
    assert "run it again" in info["missing"]["logit_effects"]


def test_while_a_run_is_going_they_are_still_to_come(world: World, tmp_path: Path) -> None:
    run_id = interrupted_run(world.options(neighbours_of=str(world.relu)), tmp_path / "runs", EFFECTS)
    info = Made(tmp_path / "runs" / run_id).info(1)
    assert info["live"]
    keys = ["logit_effects", "neighbours", "neighbours_elsewhere"]
    assert info["missing"] == dict.fromkeys(keys, "it is computed when all rows are encoded")


def test_another_dictionary_must_read_the_same_vectors(world: World, tmp_path: Path) -> None:
    state = torch.load(world.topk, weights_only=True)
    state |= {"encoder.weight": torch.ones(9, WIDTH + 1), "decoder.weight": torch.ones(WIDTH + 1, 9)}
    state |= {"pre_bias": torch.zeros(WIDTH + 1), "latent_bias": torch.zeros(9)}
    torch.save(state, tmp_path / "wide.pt")
    with pytest.raises(SaescopeError, match=f"--neighbours-of .*wide.pt can't be used: .* width {WIDTH + 1}"):
        run(world.options(neighbours_of=str(tmp_path / "wide.pt")), DirectoryStore(tmp_path / "runs"))
    elsewhere = "az://openaipublic/sparse-autoencoder/gpt2-small/resid_post_mlp_v5_32k/autoencoders/7.pt"
    sentence = f"is the v5_32k autoencoder of resid_post_mlp in layer 7, and the run's reads .* in layer {LAYER}"
    with pytest.raises(SaescopeError, match=sentence):
        run(world.options(neighbours_of=elsewhere), DirectoryStore(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists() or list((tmp_path / "runs").iterdir()) == []


def test_what_is_written_can_be_read_as_it_is(world: World, tmp_path: Path) -> None:
    made = Made.of(world.options(), tmp_path)
    table = pq.read_table(made.folder / EFFECTS)
    raw = np.array(table["raw_histogram"].to_pylist())
    assert raw.shape == (N_LATENTS, 50)
    note = json.loads(table.schema.metadata[b"saescope.weights"])
    assert note == read_json(made.folder, "metadata.json")["weights"]["logit_effects"]
    assert note["made_of"]["autoencoder"] == read_json(made.folder, "metadata.json")["autoencoder"]["sha256"]
