"""The self-check of runs with the demo's autoencoder: which mistakes it finds, and which it can't."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient

from demo import AUTOENCODER, LAYER, LOCATION, SUBJECT
from demo.headlines import generate
from services.api.app import create_app
from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.model import Autoencoder, normalised
from sparse_autoencoder.pipeline.single_process import resume, run
from sparse_autoencoder.runs.first_chunk_checks import FormulaCheck
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.self_check import SelfCheck
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.utils.file_hashes import sha256_of
from tests.support.inline import Inline
from tests.support.runs import World, interrupted_run, make_world, one_thread
from tests.support.servers import RedisServer
from tests.support.services import tiny_options


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def headlines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of one headline each."""
    path = tmp_path_factory.mktemp("rows") / "headlines.txt"
    path.write_text("\n".join(headline.title for headline in generate(150, 77)), encoding="utf-8")
    return path


def finished(source: Path, folder: Path, **changes: Any) -> RunMetadata:
    settings: dict[str, Any] = {"source": str(source), "subject": str(SUBJECT), "autoencoder": str(AUTOENCODER)}
    settings |= {"layer": LAYER, "location": LOCATION, "device": "cpu", "top_feature_count": 5}
    return run(RunOptions(**settings | changes), DirectoryStore(folder))


def checked(source: Path, folder: Path, **changes: Any) -> SelfCheck:
    """The self-check of a run that compares its place with those beside it."""
    found = finished(source, folder, **{"check_neighbours": True} | changes).self_check
    assert found is not None
    assert found.checks.problems == []
    return found


def test_the_right_place_fits(headlines: Path, tmp_path: Path) -> None:
    found = checked(headlines, tmp_path)
    assert (found.verdict, found.reasons) == (
        "fits",
        ["of its own place and 11 others beside it, it gives back its own one best"],
    )
    assert found.fvu == pytest.approx(0.057, abs=0.005)
    assert found.mean_l0 == 4.0


@pytest.mark.parametrize(
    ("location", "layer"),
    [(LOCATION, LAYER - 1), (LOCATION, LAYER + 1), ("resid_post_attn", LAYER), ("resid_delta_mlp", LAYER)],
)
def test_another_place_is_doubtful(headlines: Path, tmp_path: Path, location: str, layer: int) -> None:
    metadata = finished(headlines, tmp_path, location=location, layer=layer, check_neighbours=True)
    found = metadata.self_check
    assert found is not None
    assert found.verdict == "doubtful"
    assert f"it gives back {LOCATION} of layer {LAYER} better than {location} of layer {layer}" in found.reasons[0]
    assert metadata.warnings == [f"the self-check is doubtful: {found.reasons[0]}"]


def test_an_input_that_should_be_normalised_and_is_not_is_doubtful(
    headlines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = LatentEncoder.__init__

    def make_wrongly(self: LatentEncoder, autoencoder: Autoencoder) -> None:
        made(self, autoencoder)
        self.normalises = False

    monkeypatch.setattr(LatentEncoder, "__init__", make_wrongly)
    found = checked(headlines, tmp_path)
    assert found.verdict == "doubtful"
    assert any("better with its input normalised" in reason for reason in found.reasons)
    assert found.checks.formula is not None
    assert found.checks.formula.num_different > 0  # the plain formula is read from the file again
    assert found.mean_l0 == 4.0  # which L0 can't show


@pytest.mark.parametrize(
    ("bos", "said"), [("include", "BOS is counted, and it"), ("none", "windows begin without BOS")]
)
def test_first_tokens_unlike_the_others_are_doubtful(headlines: Path, tmp_path: Path, bos: str, said: str) -> None:
    found = checked(headlines, tmp_path, bos=bos)
    assert found.verdict == "doubtful"
    assert any(reason.startswith(said) for reason in found.reasons)


def test_a_context_that_is_too_long_is_doubtful(tmp_path: Path) -> None:
    titles = [headline.title for headline in generate(400, 78)]
    (tmp_path / "long.txt").write_text("\n".join(" ".join(titles[i : i + 8]) for i in range(0, 400, 8)))
    found = checked(tmp_path / "long.txt", tmp_path / "runs", max_tokens=128)
    assert found.verdict == "doubtful"
    assert any(reason.startswith("from position 8 of a window on") for reason in found.reasons)
    assert found.by_position[-1].fvu is not None
    assert found.by_position[0].fvu is not None
    assert found.by_position[-1].fvu > 3 * found.by_position[0].fvu


def test_without_a_comparison_there_is_no_reference(headlines: Path, tmp_path: Path) -> None:
    metadata = finished(headlines, tmp_path)
    assert metadata.self_check is not None
    assert (metadata.self_check.verdict, metadata.self_check.reasons, metadata.warnings) == ("no reference", [], [])
    assert metadata.self_check.checks.formula == FormulaCheck(num_tokens=32, num_different=0)


def test_what_predictions_lose_is_little_beside_what_zeros_cost(headlines: Path, tmp_path: Path) -> None:
    found = checked(headlines, tmp_path, check_neighbours=False, check_rows=30)
    assert found.delta_cross_entropy is not None
    assert found.cross_entropy_recovered is not None
    assert 0 < found.delta_cross_entropy < 0.5
    assert 0.9 < found.cross_entropy_recovered < 1


# References


def test_an_earlier_run_of_the_same_autoencoder_is_a_reference(headlines: Path, tmp_path: Path) -> None:
    earlier = finished(headlines, tmp_path)
    reference = tmp_path / earlier.run_id / "metadata.json"
    (tmp_path / "others.txt").write_text("\n".join(headline.title for headline in generate(100, 99)))
    found = checked(tmp_path / "others.txt", tmp_path, check_neighbours=False, check_reference=str(reference))
    assert found.verdict == "fits"
    assert found.reasons[0].startswith(
        f"FVU is that of the reference (run {earlier.run_id}, --max-tokens 64, --bos exc"
    )
    other_bos = checked(headlines, tmp_path, check_neighbours=False, check_reference=str(reference), bos="none")
    assert other_bos.verdict == "doubtful"
    assert other_bos.reasons[-1].startswith("FVU is 0.1")


def test_a_reference_of_something_else_is_refused(headlines: Path, tmp_path: Path) -> None:
    earlier = finished(headlines, tmp_path)
    reference = tmp_path / earlier.run_id / "metadata.json"
    with pytest.raises(SaescopeError, match="is of another autoencoder, hook point or model than this run"):
        finished(headlines, tmp_path, layer=LAYER + 1, check_reference=str(reference))


# What can't be seen without a reference


def test_a_dictionary_that_is_a_little_worse_is_not_seen_without_a_reference(headlines: Path, tmp_path: Path) -> None:
    reference = tmp_path / finished(headlines, tmp_path).run_id / "metadata.json"
    state = torch.load(AUTOENCODER, weights_only=True)
    generator = torch.Generator().manual_seed(0)
    weight = state["decoder.weight"]
    weight += 0.03 * torch.randn(weight.shape, generator=generator)
    torch.save(state, tmp_path / "worse.pt")
    worse = checked(headlines, tmp_path, autoencoder=str(tmp_path / "worse.pt"))
    sound = checked(headlines, tmp_path)
    assert worse.fvu is not None
    assert sound.fvu is not None
    assert worse.fvu > 1.5 * sound.fvu
    assert worse.verdict == "fits"  # its own place is still the best one
    recorded = json.loads(reference.read_text())
    recorded["autoencoder"]["sha256"] = sha256_of(tmp_path / "worse.pt")  # as if measured before it was damaged
    reference.write_text(json.dumps(recorded))
    found = checked(
        headlines,
        tmp_path,
        autoencoder=str(tmp_path / "worse.pt"),
        check_neighbours=False,
        check_reference=str(reference),
    )
    assert found.verdict == "doubtful"


def test_a_mistake_that_the_formula_shares_is_not_seen_without_a_reference(headlines: Path, tmp_path: Path) -> None:
    state = torch.load(AUTOENCODER, weights_only=True)
    state["activation_state_dict"]["k"] = 3  # a file that says another k than the one it was trained with
    torch.save(state, tmp_path / "other_k.pt")
    found = checked(headlines, tmp_path, autoencoder=str(tmp_path / "other_k.pt"))
    assert found.verdict == "fits"
    assert found.mean_l0 == 3.0
    assert found.checks.formula == FormulaCheck(num_tokens=32, num_different=0)


def test_normalising_twice_changes_nothing_that_could_be_seen() -> None:
    generator = torch.Generator().manual_seed(1)
    once, _info = normalised(torch.randn(50, 128, generator=generator, dtype=torch.float64) * 40)
    twice, _info = normalised(once)
    assert float((twice - once).abs().max()) < 1e-4


def test_the_family_s_autoencoder_of_another_layer_in_its_place_is_told(headlines: Path, tmp_path: Path) -> None:
    """The sound one lies beside it under the other layer's name."""
    state = torch.load(AUTOENCODER, weights_only=True)
    torch.save(state, tmp_path / f"{LAYER + 1}.pt")
    weight = state["decoder.weight"]
    weight += 0.03 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    torch.save(state, tmp_path / f"{LAYER}.pt")
    found = checked(headlines, tmp_path, autoencoder=str(tmp_path / f"{LAYER}.pt"))
    assert found.verdict == "doubtful"
    assert (
        f"the autoencoder of layer {LAYER + 1}, {tmp_path / f'{LAYER + 1}.pt'}, gives back this place"
        in found.reasons[0]
    )


# Runs that aren't finished


def test_an_unfinished_run_has_the_self_check_of_what_is_merged_and_goes_on_to_that_of_the_whole(
    world: World, tmp_path: Path
) -> None:
    whole = run(world.options(), DirectoryStore(tmp_path / "whole"))
    store = DirectoryStore(tmp_path / "runs")
    run_id = interrupted_run(world.options(), store.root, "prompts/000003.parquet")
    with TestClient(create_app(store)) as client:
        shown = client.get(f"/api/runs/{run_id}").json()
        assert shown["status"] == "interrupted"
        assert 0 < shown["self_check"]["num_tokens"] < whole.num_tokens
        assert shown["self_check"]["checks"]["formula"] == {"num_tokens": 32, "num_different": 0, "problem": None}
    resumed = resume(run_id, store)
    assert resumed.self_check == whole.self_check
    with TestClient(create_app(store)) as client:
        entry = client.get(f"/api/runs/{run_id}").json()
        assert entry["self_check"] == json.loads(resumed.model_dump_json())["self_check"]


def test_services_come_to_the_same_self_check_whoever_encodes_which_chunk(tmp_path: Path, server: RedisServer) -> None:
    tiny = make_world(tmp_path / "data")
    checks = {"check_neighbours": True, "check_rows": 9, "check_reference": "earlier.json", "chunk_size": 30}
    earlier = run(tiny.options(), DirectoryStore(tmp_path / "alone"))
    recorded = json.loads(earlier.model_dump_json())
    recorded["self_check"]["verdict"] = "no reference"  # though a random autoencoder's is doubtful
    (tmp_path / "data" / "earlier.json").write_text(json.dumps(recorded))
    services = Inline(server.url, DirectoryStore(tmp_path / "store"), tmp_path / "data")
    space = services.submit(tiny_options(**checks))
    services.ingest(space)
    for chunk in (2, 0, 1):
        services.encoder(f"encoder {chunk}").encode(space, chunk)
    metadata = services.aggregate(space)
    alone = run(
        tiny.options(**checks | {"check_reference": str(tmp_path / "data" / "earlier.json")}),
        DirectoryStore(tmp_path / "alone"),
    )
    assert metadata is not None
    assert alone.self_check is not None
    assert metadata.self_check == alone.self_check
    assert alone.self_check.checks.neighbours is not None
    assert alone.self_check.checks.cross_entropy is not None
    assert alone.self_check.reference is not None
