"""What is exported for OpenAI's viewer: all that its types and pages need, of all features of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.exports.sae_viewer_atoms import atom
from sparse_autoencoder.exports.sae_viewer_folder import ExportProgress, ViewerFolder
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.questions.answer_types import FeatureEffects
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.runs import DEAD, N_LATENTS, World, read_json, read_tables
from tests.support.sae_viewer import EFFECTS, check_feature_info, histogram, made_up_effects

pytestmark = pytest.mark.usefixtures("quick")
PLACE = "gpt2-small/v5_32k/layer_6/resid_post_mlp"


@pytest.fixture(scope="module")
def made(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, whose texts have long rows and characters of several tokens."""
    root = tmp_path_factory.mktemp("runs")
    return root / run(world.options(autoencoder=world.relu, bos="exclude"), DirectoryStore(root)).run_id


@pytest.fixture(scope="module")
def view(made: Path) -> RunView:
    return RunLibrary(DirectoryStore(made.parent)).newest()


@pytest.fixture(scope="module")
def effects(made: Path) -> dict[int, FeatureEffects]:
    """Effects of every third feature's examples."""
    records = read_tables(made, "features")
    return {feature: made_up_effects(feature, records[feature], feature) for feature in range(0, N_LATENTS, 3)}


@pytest.fixture(scope="module")
def exported(view: RunView, effects: dict[int, FeatureEffects], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all features' files."""
    folder = ViewerFolder.prepared(view, tmp_path_factory.mktemp("exported"))
    folder.write(range(N_LATENTS), effects.get, ExportProgress())
    return folder.path / "atoms"


def overview(made: Path) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = pq.read_table(made / "overview.parquet").to_pylist()
    return records


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sequences(info: Any) -> Iterator[Any]:
    yield from info["top"]
    yield from info["random"]


def test_the_viewer_can_draw_every_feature_the_dead_ones_too(exported: Path, made: Path) -> None:
    for feature in range(N_LATENTS):
        check_feature_info(read(exported / f"{feature}.json"))
    silent = {one["feature_id"] for one in overview(made) if one["num_active_tokens"] == 0}
    assert silent >= set(DEAD)
    for feature in range(N_LATENTS):
        assert (read(exported / f"{feature}.json")["hist"] == {"0": 0}) == (feature in silent)


def test_the_viewer_can_draw_every_feature_s_effects(exported: Path, effects: dict[int, FeatureEffects]) -> None:
    there = {path.name for path in exported.glob("*-ablated.json")}
    assert there == {f"{feature}-ablated.json" for feature in effects}
    for name in there:
        info = read(exported / name)
        check_feature_info(info)
        assert all(set(EFFECTS) <= sequence.keys() for sequence in sequences(info))


def test_a_file_with_effects_says_the_same_besides(exported: Path, effects: dict[int, FeatureEffects]) -> None:
    for feature in effects:
        info = read(exported / f"{feature}-ablated.json")
        for sequence in sequences(info):
            for name in EFFECTS:
                del sequence[name]
        assert info == read(exported / f"{feature}.json")


def test_statistics_are_those_of_the_run(exported: Path, made: Path) -> None:
    num_tokens = read_json(made, "metadata.json")["num_tokens"]
    for record in overview(made):
        info = read(exported / f"{record['feature_id']}.json")
        sums = [record[name] for name in ("sum_activation", *(f"sum_activation_{power}" for power in (2, 3, 4)))]
        mean, square, cube, fourth = (total / num_tokens for total in sums)
        assert info["density"] == record["num_active_tokens"] / num_tokens
        assert (info["mean_act"], info["mean_act_squared"]) == (mean, square)
        if record["num_active_tokens"]:
            assert info["skew"] == pytest.approx(cube / square**1.5, rel=1e-12)
            assert info["kurtosis"] == pytest.approx(fourth / square**2, rel=1e-12)
        assert sum(histogram(info["hist"])) == record["num_active_tokens"]


def test_texts_are_the_run_s_examples(exported: Path, made: Path) -> None:
    for feature, record in enumerate(read_tables(made, "features")):
        info = read(exported / f"{feature}.json")
        for kind in ("top", "random"):
            assert [(one["doc_id"], one["idx"], one["act"], one["acts"], one["token_ints"]) for one in info[kind]] == [
                (one["row_id"], one["position"], one["activation"], one["activations"], one["token_ids"])
                for one in record[kind]
            ]


def test_what_the_activation_makes_likelier_has_a_negative_loss_difference(
    exported: Path, made: Path, effects: dict[int, FeatureEffects]
) -> None:
    """The page paints the negative of it, so that is green; and tokens that are pushed up are the upvoted ones."""
    feature = next(one for one, found in effects.items() if any(example["pushed"] for example in found["examples"]))
    by_place = {(one["row_id"], one["offset"], one["idx"]): one for one in effects[feature]["examples"]}
    record, info = read_tables(made, "features")[feature], read(exported / f"{feature}-ablated.json")
    for example, sequence in zip(record["top"], info["top"], strict=True):
        found = by_place[example["row_id"], example["window_offset"], example["position"]]
        assert sequence["ablate_loss_diff"] == [-change for change in found["loss_change"]]
        assert sequence["kl"] == found["kl"]
        for after, pushed in enumerate(found["pushed"]):
            place = found["idx"] + after
            lists = (pushed["up_logits"], pushed["down_logits"], pushed["up_probs"], pushed["down_probs"])
            most = min(len(one["by"]) for one in lists)
            for side, shown in (("up", "upvote"), ("down", "downvote")):
                for kind in ("logits", "probs"):
                    expected = pushed[f"{side}_{kind}"]  # type: ignore[literal-required]
                    assert sequence[f"top_{shown}s_{kind}"][place] == expected["by"][:most]
                    assert sequence[f"top_{shown}_tokens_{kind}"][place] == expected["tokens"][:most]


def test_effects_of_some_examples_are_shown_for_these(view: RunView, effects: dict[int, FeatureEffects]) -> None:
    feature = next(feature for feature, found in effects.items() if len(found["examples"]) > 1)
    some: FeatureEffects = {"feature_id": feature, "examples": effects[feature]["examples"][:1]}
    info = atom(view, feature, some)
    check_feature_info(info)
    assert 0 < sum("kl" in sequence for sequence in sequences(info)) < len(list(sequences(info)))


def test_effects_of_another_window_are_refused(view: RunView, effects: dict[int, FeatureEffects]) -> None:
    feature, found = next((feature, found) for feature, found in effects.items() if found["examples"])
    first = found["examples"][0]
    wrong: FeatureEffects = {"feature_id": feature, "examples": [{**first, "kl": [*first["kl"], 0.0]}]}
    with pytest.raises(SaescopeError, match="are of another window than the example"):
        atom(view, feature, wrong)


def test_an_export_that_was_interrupted_goes_on_to_the_same_files(
    view: RunView, effects: dict[int, FeatureEffects], exported: Path, tmp_path: Path
) -> None:
    def until_ten(feature: int) -> FeatureEffects | None:
        if feature == 10:
            raise KeyboardInterrupt
        return effects.get(feature)

    progress = ExportProgress()
    with pytest.raises(KeyboardInterrupt):
        ViewerFolder.prepared(view, tmp_path).write(range(N_LATENTS), until_ten, progress)
    assert progress.features == 10
    again = ExportProgress()
    folder = ViewerFolder.prepared(view, tmp_path)
    (folder.path / "atoms" / "2.json").write_bytes(b"")  # as a power cut leaves it
    folder.write(range(N_LATENTS), effects.get, again)
    assert again.features == N_LATENTS
    assert again.written == N_LATENTS - 11 + 1 + len([one for one in effects if one <= 10])
    assert files_in(folder.path) == files_in(exported.parent)
