"""`saescope export --to sae-viewer`: which features go where, what is refused, and how an export goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from services.cli import main
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.questions.answer_types import FeatureEffects
from sparse_autoencoder.runs import effects_file
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.commands import COMMAND, environment, one_sentence
from tests.support.runs import N_LATENTS, World, read_json, read_tables
from tests.support.sae_viewer import check_drawable, check_feature_info, made_up_effects
from tests.support.small_disk import small_disk
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("quick")
PLACE = "gpt2-small/v5_32k/layer_6/resid_post_mlp"


@pytest.fixture(scope="module")
def made(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, whose texts have long rows and characters of several tokens."""
    root = tmp_path_factory.mktemp("runs")
    return root / run(world.options(autoencoder=world.relu, bos="exclude"), DirectoryStore(root)).run_id


@pytest.fixture(scope="module")
def effects(made: Path) -> dict[int, FeatureEffects]:
    """Effects of every third feature's examples."""
    records = read_tables(made, "features")
    return {feature: made_up_effects(feature, records[feature], feature) for feature in range(0, N_LATENTS, 3)}


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def export(made: Path, output: Path, *flags: str) -> int:
    return main(["export", str(made), "--to", "sae-viewer", "--output", str(output), *flags])


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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


def test_all_features_of_the_demo_s_model_can_be_drawn(finished: Path, tmp_path: Path) -> None:
    assert export(finished, tmp_path, "--as", PLACE) == 0
    for feature in range(256):
        info = read(tmp_path / PLACE / "atoms" / f"{feature}.json")
        check_drawable(info)
        if feature % 25 == 0:
            check_feature_info(info)
    assert read(tmp_path / PLACE / "atoms" / "0.json")["top"] == []  # it never fires


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


def test_the_first_ones_of_the_pages_list_may_be_exported(made: Path, tmp_path: Path) -> None:

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
    assert one_sentence(capsys.readouterr().err).endswith("has nothing to show yet: it is interrupted")


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
        by_place = {(one["row_id"], one["offset"], one["idx"]): one["kl"] for one in effects[feature]["examples"]}
        record = read_tables(made, "features")[feature]
        for example, sequence in zip(record["top"] + record["random"], info["top"] + info["random"], strict=True):
            assert sequence["kl"] == by_place[example["row_id"], example["window_offset"], example["position"]]


def test_the_same_command_again_writes_nothing(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(made, tmp_path)
    before = files_in(tmp_path)
    assert export(made, tmp_path) == 0
    assert capsys.readouterr().out.splitlines()[3] == (
        f"0 features written, 0 B; {N_LATENTS} were there already; no effects are kept of them"
    )
    assert files_in(tmp_path) == before


def test_ctrl_c_says_that_the_same_command_goes_on(made: Path, tmp_path: Path) -> None:
    kept = Path(shutil.copytree(made, tmp_path / "runs" / made.name))
    blocking = kept / "effects" / "000010.json.gz"  # to read it is to wait for ever
    blocking.parent.mkdir()
    os.mkfifo(blocking)
    flags = ["export", str(kept), "--to", "sae-viewer", "--as", PLACE, "--output", str(tmp_path)]
    process = subprocess.Popen([*COMMAND, *flags], env=environment(tmp_path), stderr=subprocess.PIPE, encoding="utf-8")
    wait_until((tmp_path / PLACE / "atoms" / "10.json").exists)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1] == (
        "saescope: interrupted; what is written stays, and the same command goes on\n"
    )
    assert process.returncode == 130
    blocking.unlink()
    assert main(flags) == 0
    assert len(list((tmp_path / PLACE / "atoms").iterdir())) == N_LATENTS


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
