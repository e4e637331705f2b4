"""A damaged state costs the work since the one before it, and nothing else; if both are damaged, the run says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sparse_autoencoder import cli
from sparse_autoencoder.errors import DamagedError, OtherVersionError
from sparse_autoencoder.pipeline import single_process
from sparse_autoencoder.pipeline.single_process import resume, run
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.runs import World, files_of, interrupted_run

pytestmark = pytest.mark.usefixtures("quick")

EARLIER = Path(__file__).parents[1] / "fixtures" / "runs-without-format"
INTERRUPTED = "20261128-213204_run-002"


@pytest.fixture
def stopped(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was interrupted at its fourth chunk, and had saved its state after each before."""
    monkeypatch.setattr(single_process, "SAVE_EVERY_S", 0.0)
    folder = tmp_path / interrupted_run(world.options(), tmp_path, "prompts/000003.parquet")
    assert states(folder)[-1] == "000003"
    return folder


def states(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "state").iterdir())


def flip(data: bytes) -> bytes:
    return data[:-100] + bytes([data[-100] ^ 4]) + data[-99:]


def damage(folder: Path, state: str, how: Callable[[bytes], bytes] = flip) -> None:
    path = folder / "state" / state
    path.write_bytes(how(path.read_bytes()))


@pytest.fixture(scope="module")
def undisturbed(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run that nothing happened to."""
    root = tmp_path_factory.mktemp("undisturbed")
    return files_of(root / run(world.options(), DirectoryStore(root)).run_id)


@pytest.mark.parametrize("how", [flip, lambda data: data[:-1], lambda data: b""])
def test_a_run_whose_last_state_is_damaged_goes_on_from_the_one_before(
    stopped: Path,
    undisturbed: dict[str, bytes],
    capsys: pytest.CaptureFixture[str],
    how: Callable[[bytes], bytes],
) -> None:
    assert len(states(stopped)) == 2
    before = int(states(stopped)[0])
    damage(stopped, "000003", how)
    assert cli.main(["--resume", stopped.name, "--output", str(stopped.parent)]) == 0
    said = capsys.readouterr().err.splitlines()[0]
    assert said.startswith(f"saescope: {stopped.name}/state/000003 can't be used, this state file is damaged: ")
    assert said.endswith(f"; going on from chunk {before} instead")
    assert files_of(stopped) == undisturbed


def test_a_run_whose_only_state_is_damaged_begins_anew(stopped: Path, undisturbed: dict[str, bytes]) -> None:
    (stopped / "state" / states(stopped)[0]).unlink()
    damage(stopped, "000003")
    resume(stopped.name, DirectoryStore(stopped.parent))
    assert files_of(stopped) == undisturbed


def test_a_run_whose_states_are_both_damaged_says_so_and_what_to_do(stopped: Path) -> None:
    kept = states(stopped)
    for state in kept:
        damage(stopped, state)
    expected = f"^run {stopped.name} can't go on, both of its saved states are damaged: start a new run "
    for _ in range(2):
        with pytest.raises(DamagedError, match=expected):
            resume(stopped.name, DirectoryStore(stopped.parent))
    assert states(stopped) == kept


def test_a_state_of_other_settings_is_damage(stopped: Path) -> None:
    damage(stopped, "000003")
    metadata = (stopped / "metadata.json").read_text()
    (stopped / "metadata.json").write_text(metadata.replace('"seed": 0', '"seed": 1'))
    with pytest.raises(DamagedError, match=rf"/{states(stopped)[0]} belongs to a run with other settings"):
        resume(stopped.name, DirectoryStore(stopped.parent))


def test_a_run_with_a_damaged_state_is_shown_as_of_the_one_before(stopped: Path) -> None:
    damage(stopped, "000003")
    view = RunLibrary(DirectoryStore(stopped.parent)).open(stopped.name)
    assert view.metadata.num_records == 20 * int(states(stopped)[0])
    view.feature(0)


def test_a_run_of_an_earlier_version_is_not_resumed_and_says_why(tmp_path: Path) -> None:
    shutil.copytree(EARLIER / INTERRUPTED, tmp_path / INTERRUPTED)
    expected = (
        f"^run {INTERRUPTED} can't go on here, {INTERRUPTED}/state/000002 can't be used, an earlier version of "
        "saescope wrote this state file, in a format without checksums: start a new run$"
    )
    with pytest.raises(OtherVersionError, match=expected):
        resume(INTERRUPTED, DirectoryStore(tmp_path))
    with pytest.raises(OtherVersionError, match="an earlier version of saescope wrote this state file"):
        RunLibrary(DirectoryStore(tmp_path)).open(INTERRUPTED)
