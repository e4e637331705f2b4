"""`saescope export --to sae-viewer`: what OpenAI's viewer needs, of all features of a run; and how exports go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from services.cli import main
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.exports.sae_viewer_atoms import atom
from sparse_autoencoder.exports.sae_viewer_folder import ExportProgress, ViewerFolder
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.questions.answer_types import FeatureEffects
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs import effects_file
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.commands import one_sentence
from tests.support.runs import DEAD, N_LATENTS, World, read_json, read_tables
from tests.support.sae_viewer import EFFECTS, check_feature_info, histogram, made_up_effects
from tests.support.small_disk import small_disk

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


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def export(made: Path, output: Path, *flags: str) -> int:
    return main(["export", str(made), "--to", "sae-viewer", "--output", str(output), *flags])


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sequences(info: Any) -> Iterator[Any]:
    yield from info["top"]
    yield from info["random"]


# What is in the files.


def test_the_viewer_can_draw_every_feature_the_dead_ones_too(exported: Path) -> None:
    for feature in range(N_LATENTS):
        check_feature_info(read(exported / f"{feature}.json"))
    assert {feature for feature in range(N_LATENTS) if read(exported / f"{feature}.json")["hist"] == {"0": 0}} == set(
        DEAD
    )


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
    for record in pq.read_table(made / "overview.parquet").to_pylist():
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
            most = min(len(one["by"]) for one in pushed.values())  # type: ignore[attr-defined]
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


# The command.


def test_a_run_goes_where_its_model_and_autoencoder_say(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(made, tmp_path) == 0
    sha256 = read_json(made, "metadata.json")["autoencoder"]["sha256"]
    path = tmp_path / "subject" / f"relu-{sha256[:8]}" / "layer_1" / "resid_post_mlp"
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == str(path)
    assert printed[1].startswith(f"{N_LATENTS} features written, ")
    assert len(list((path / "atoms").iterdir())) == N_LATENTS
    assert read(path / "saescope.json")["run"] == made.name


def test_openai_s_place_may_be_given_another_run(made: Path, tmp_path: Path) -> None:
    assert export(made, tmp_path, "--as", PLACE, "--features", "3") == 0
    check_feature_info(read(tmp_path / PLACE / "atoms" / "3.json"))


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [("0", [0]), ("1,5,1", [1, 5]), ("2-4, 40", [2, 3, 4, 40])],
)
def test_some_features_may_be_exported(chosen: str, expected: list[int], made: Path, tmp_path: Path) -> None:
    assert export(made, tmp_path, "--as", PLACE, "--features", chosen) == 0
    assert sorted(int(path.stem) for path in (tmp_path / PLACE / "atoms").iterdir()) == expected


def test_the_first_ones_of_the_pages_list_may_be_exported(made: Path, view: RunView, tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    from services.api.app import create_app

    with TestClient(create_app(DirectoryStore(made.parent))) as client:
        listed = [one["feature_id"] for one in client.get("/api/features?limit=3").json()["features"]]
    assert export(made, tmp_path, "--as", PLACE, "--features", "top:3") == 0
    assert sorted(int(path.stem) for path in (tmp_path / PLACE / "atoms").iterdir()) == sorted(listed)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--features", "48"), "has the features 0 to 47"),
        (("--features", "5-3"), "has the features 0 to 47"),
        (("--features", "x"), "--features x is neither a list, as 1,5,10-19, nor top:N, as top:20"),
        (("--features", ""), "is neither a list"),
        (("--as", "../../x/y"), "'../../x/y' is no place of OpenAI's viewer"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    flags: tuple[str, ...], sentence: str, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(made, tmp_path / "out", *flags) == 2
    assert sentence in one_sentence(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_not_finished_is_refused(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unfinished = Path(shutil.copytree(made, tmp_path / "runs" / made.name))
    changed(unfinished, status="interrupted")
    assert export(unfinished, tmp_path / "out") == 2
    assert one_sentence(capsys.readouterr().err).endswith(
        "is exported when it is finished, as its examples still change"
    )


def changed(made: Path, **changes: Any) -> None:
    file = made / "metadata.json"
    file.write_text(json.dumps(read(file) | changes), encoding="utf-8")


def test_names_that_lead_elsewhere_lead_nowhere(made: Path, tmp_path: Path) -> None:
    hostile = Path(shutil.copytree(made, tmp_path / "runs" / made.name))
    metadata = read(hostile / "metadata.json")
    names = {"subject": metadata["subject"] | {"name": "../../.."}, "location": "../../../.."}
    changed(hostile, **names, autoencoder=metadata["autoencoder"] | {"name": "/etc/\x1b[2J.pt", "sha256": "../.."})
    assert export(hostile, tmp_path / "a" / "b" / "c" / "out", "--features", "0") == 0
    written = [path for path in tmp_path.rglob("*.json") if "runs" not in path.parts]
    assert all(path.is_relative_to(tmp_path / "a" / "b" / "c" / "out") for path in written)
    assert len(written) == 2


def test_effects_that_are_kept_are_exported(
    made: Path, effects: dict[int, FeatureEffects], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = Path(shutil.copytree(made, tmp_path / "runs" / made.name))
    folder = RunFolder(DirectoryStore(kept.parent), kept.name)
    for feature in (0, 6):
        folder.store.put(folder.effects(feature), effects_file.to_bytes(feature, effects[feature]["examples"]))
    assert export(kept, tmp_path / "out", "--as", PLACE, "--features", "0-10") == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("; 2 with effects")
    atoms = tmp_path / "out" / PLACE / "atoms"
    assert sorted(path.name for path in atoms.glob("*-ablated.json")) == ["0-ablated.json", "6-ablated.json"]
    for feature in (0, 6):
        info = read(atoms / f"{feature}-ablated.json")
        check_feature_info(info)
        by_place = {(one["row_id"], one["idx"]): one["kl"] for one in effects[feature]["examples"]}
        for sequence in sequences(info):
            assert sequence["kl"] == by_place[sequence["doc_id"], sequence["idx"]]


# Going on.


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


def test_the_same_command_again_writes_nothing(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(made, tmp_path)
    before = files_in(tmp_path)
    assert export(made, tmp_path) == 0
    assert capsys.readouterr().out.splitlines()[3] == (
        f"0 features written, 0 B; {N_LATENTS} were there already; no effects are kept of them"
    )
    assert files_in(tmp_path) == before


def test_files_of_two_runs_never_mix(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(made, tmp_path / "out", "--as", PLACE)
    other = Path(shutil.copytree(made, tmp_path / "runs" / "20310101-000000_run-001"))
    changed(other, run_id=other.name)
    before = files_in(tmp_path / "out")
    assert export(other, tmp_path / "out", "--as", PLACE, "--features", "3") == 2
    sentence = one_sentence(capsys.readouterr().err)
    assert sentence == (
        f"{tmp_path / 'out' / PLACE} holds files of run {made.name!r}: give another --output, or --replace to remove "
        "them first"
    )
    assert files_in(tmp_path / "out") == before
    (tmp_path / "out" / PLACE / "atoms" / "mine.txt").write_text("mine")
    assert export(other, tmp_path / "out", "--as", PLACE, "--features", "3", "--replace") == 0
    assert sorted(files_in(tmp_path / "out" / PLACE)) == ["atoms/3.json", "atoms/mine.txt", "saescope.json"]


def test_files_that_nobody_knows_are_not_written_over(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    atoms = tmp_path / PLACE / "atoms"
    atoms.mkdir(parents=True)
    (atoms / "3.json").write_text("{}")
    assert export(made, tmp_path, "--as", PLACE) == 2
    assert "holds files of something else" in capsys.readouterr().err
    assert files_in(tmp_path) == {f"{PLACE}/atoms/3.json": b"{}"}


def test_a_full_disk_is_a_sentence_and_the_export_goes_on_when_there_is_room(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, 256 << 10):
        filler = disk / "filler"
        filler.write_bytes(bytes(128 << 10))
        assert export(made, disk, "--as", PLACE) == 2
        sentence = one_sentence(capsys.readouterr().err)
        assert sentence.startswith(f"can't write {disk / PLACE / 'atoms'}/")
        assert sentence.endswith(".json: No space left on device; what is written stays, and the same command goes on")
        assert not [name for name in files_in(disk) if name.endswith(".part")]
        filler.unlink()
        assert export(made, disk, "--as", PLACE, "--features", "0-20") == 0
        for feature in range(21):
            check_feature_info(read(disk / PLACE / "atoms" / f"{feature}.json"))


def test_a_folder_that_cannot_be_written_is_a_sentence(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gpt2-small").write_text("a file")
    assert export(made, tmp_path, "--as", PLACE) == 2
    assert one_sentence(capsys.readouterr().err) == f"can't write {tmp_path / PLACE}: Not a directory"
