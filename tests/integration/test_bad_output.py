"""`saescope run` where it can't write, or is stopped: one sentence, a folder that says so, and a run to resume."""

from __future__ import annotations

import re
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from demo.headlines import generate
from services.cli import main
from tests.support.commands import (
    COMMAND,
    environment,
    metadata_of,
    one_sentence,
    run_flags,
    run_folders,
    write_random_autoencoder,
)
from tests.support.small_disk import small_disk
from tests.support.terminal import on_terminal
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("work")

ROWS = 100
DISK_BYTES = 4 * 2**20


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "news.txt"
    path.write_text("".join(f"{headline.title}\n" for headline in generate(ROWS, 1)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def command(source: Path) -> list[str]:
    """A run, but for where it goes."""
    autoencoder = write_random_autoencoder(source.with_name("autoencoder.pt"))
    return [*run_flags(autoencoder), "--source", str(source), "--chunk-size", "50"]


@pytest.fixture(scope="module")
def undisturbed(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the run when nothing goes wrong."""
    output = tmp_path_factory.mktemp("undisturbed")
    assert main([*command, "--output", str(output)]) == 0
    (run,) = output.iterdir()
    return files_of(run)


def files_of(run: Path) -> dict[str, bytes]:
    """A run's files, hidden ones too, but metadata.json, which has timings."""
    files = [path for path in run.rglob("*") if path.is_file() and path.name != "metadata.json"]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("room", "file"),
    [
        (28_000, "vocabulary.json"),  # what is left must hold metadata.json once more
        (58_000, "token_tables/000000.parquet"),
        (300_000, "features/00000.parquet"),
        (1_200_000, "feature_tokens.json"),
    ],
)
def test_a_run_that_fills_the_disk_fails_and_is_completed_to_the_same_bytes_when_there_is_room(
    room: int, file: str, command: list[str], undisturbed: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    disk = Path("disk")
    with small_disk(disk, DISK_BYTES):
        filler = disk / "filler"
        filler.write_bytes(bytes(DISK_BYTES - room))
        assert main([*command, "--output", "disk"]) == 2
        (run,) = (path for path in disk.iterdir() if path.is_dir())
        sentence = one_sentence(capsys.readouterr().err)
        assert sentence == f"can't write {run.resolve() / file}: No space left on device"
        assert (metadata_of(run)["status"], metadata_of(run)["error"]) == ("failed", sentence)
        filler.unlink()
        assert main(["run", "--output", "disk", "--resume", run.name]) == 0
        assert files_of(run) == undisturbed
        assert (metadata_of(run)["status"], metadata_of(run)["error"]) == ("complete", None)


def test_a_file_that_may_not_grow_fails_the_run_which_is_completed_later(
    command: list[str], undisturbed: dict[str, bytes], work: Path
) -> None:
    limited = subprocess.run(
        [*COMMAND, *command],
        cwd=work,
        env=environment(work),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)),
    )
    assert limited.returncode == 2
    (run,) = run_folders(work)
    sentence = one_sentence(limited.stderr)
    # on a slow machine the run's state is saved before anything is published
    files = r"logit_effects\.parquet|features/00000\.parquet|state/\d+"
    assert re.fullmatch(rf"can't write {run}/({files}): File too large", sentence)
    assert (metadata_of(run)["status"], metadata_of(run)["error"]) == ("failed", sentence)
    assert not list(run.rglob(".*"))  # no half-written file is left
    assert main(["run", "--resume", run.name]) == 0
    assert files_of(run) == undisturbed


def test_a_temporary_folder_without_room_fails_the_run_with_advice(
    command: list[str], work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(work / "tmp"))
    with small_disk(work / "tmp", 4096):
        assert main(command) == 2
    sentence = one_sentence(capsys.readouterr().err)
    assert sentence == (
        "can't write a temporary file: No space left on device; make room, or name another folder in TMPDIR"
    )
    (run,) = run_folders(work)
    assert (metadata_of(run)["status"], metadata_of(run)["error"]) == ("failed", sentence)


def test_a_temporary_folder_without_room_for_activations_fails_the_run_which_is_completed_later(
    command: list[str], work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saving = [*command, "--skip-directions", "--save-activations"]
    assert main([*saving, "--output", "undisturbed"]) == 0
    monkeypatch.setattr("sparse_autoencoder.runs.temporary_files._SPOOLED_BYTES", 1)
    monkeypatch.setattr("tempfile.tempdir", str(work / "tmp"))
    capsys.readouterr()
    with small_disk(work / "tmp", 4096):
        assert main(saving) == 2
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert "can't write a temporary file: No space left on device; make room, or name another folder" in sentence
    (run,) = (path for path in (work / "analysis_data").iterdir() if path.is_dir())
    assert metadata_of(run)["status"] == "failed"
    assert main(["run", "--resume", run.name]) == 0
    assert files_of(run) == files_of(next((work / "undisturbed").iterdir()))


def test_an_output_that_is_a_file_is_an_error(
    command: list[str], work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (work / "taken").touch()
    assert main([*command, "--output", "taken"]) == 2
    sentence = one_sentence(capsys.readouterr().err)
    assert sentence.startswith(f"can't write {work.resolve() / 'taken'}/")
    assert sentence.endswith("/metadata.json: Not a directory")


def test_a_demo_that_cannot_write_is_one_sentence(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "taken").touch()
    assert main(["demo", "--port", "0", "--output", "taken/demo"]) == 2
    assert one_sentence(capsys.readouterr().err) == (
        "can't write taken/demo/demo-headlines.csv: Not a directory; choose another folder with --output"
    )


def test_a_run_goes_on_when_nobody_reads_its_progress(
    command: list[str], work: Path, undisturbed: dict[str, bytes]
) -> None:
    with subprocess.Popen(
        [*COMMAND, *command], cwd=work, env=environment(work), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        process.stderr.close()
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    (run,) = run_folders(work)
    assert out.startswith(f"{run.relative_to(work)}\n")
    assert files_of(run) == undisturbed


def test_an_output_that_nobody_reads_is_not_an_error_s_traceback(command: list[str], work: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, *command], cwd=work, env=environment(work), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 141
    assert "Error" not in err
    (run,) = run_folders(work)
    assert metadata_of(run)["status"] == "complete"


def test_ctrl_c_is_one_line_and_the_run_says_how_far_it_came(command: list[str], source: Path, work: Path) -> None:
    many = source.with_name("many.txt")
    many.write_text(source.read_text(encoding="utf-8") * 200, encoding="utf-8")
    arguments = [*command, "--source", str(many), "--chunk-size", "10"]  # the last of a flag counts
    with on_terminal(work, *arguments) as (process, terminal):
        terminal.until("tokens/s")  # rows are being encoded
        wait_until(lambda: len(list((work / "analysis_data").glob("*/prompts/*.parquet"))) > 1)  # some are done
        process.send_signal(signal.SIGINT)
        out, _err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    (run,) = run_folders(work)
    assert terminal.lines[-1] == f"saescope: interrupted; go on with: saescope run --resume {run.name}"
    metadata = metadata_of(run)
    assert (metadata["status"], metadata["error"]) == ("interrupted", None)
    assert 0 < metadata["num_records"] < 200 * ROWS
    assert list((run / "state").iterdir())
