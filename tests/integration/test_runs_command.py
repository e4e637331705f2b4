"""`saescope runs`: what it lists and shows of a folder of runs, and what it removes and doesn't."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.api.app import create_app
from services.cli import main
from services.client.submit import URL_VARIABLE
from sparse_autoencoder.runs.run_lock import computing
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.api import serving
from tests.support.commands import COMMAND, environment, saescope, small_run

FINISHED, INTERRUPTED, KILLED = "20300101-000000_run-001", "20300102-000000_run-002", "20310101-000000_run-003"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    return root / small_run(DirectoryStore(root), tmp_path_factory.mktemp("source"))


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    """A folder with a finished run, an interrupted one, one whose process was killed, and things that are no runs."""
    root = tmp_path / "my runs"
    for run_id, status in ((FINISHED, "complete"), (INTERRUPTED, "interrupted"), (KILLED, "running")):
        shutil.copytree(made, root / run_id)
        file = root / run_id / "metadata.json"
        metadata = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps(metadata | {"run_id": run_id, "status": status}), encoding="utf-8")
    (root / "notes").mkdir()
    (root / "notes" / "mine.txt").write_text("not a run")
    return root


def asked(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    status = main(["runs", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def listed(capsys: pytest.CaptureFixture[str], runs: Path) -> list[dict[str, Any]]:
    status, out, err = asked(capsys, "ls", "--runs", runs, "--json")
    assert (status, err) == (0, "")
    entries: list[dict[str, Any]] = json.loads(out)
    return entries


def test_runs_are_listed_newest_first_with_what_they_are_made_of(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metadata = json.loads((runs / FINISHED / "metadata.json").read_text(encoding="utf-8"))
    status, out, err = asked(capsys, "ls", "--runs", runs)
    assert (status, err) == (0, "")
    heads, *lines = out.splitlines()
    assert heads.split() == ["RUN", "STATUS", "ROWS", "TOKENS", "SIZE", "DATASET", "MODEL", "SAE"]
    assert [line.split()[:2] for line in lines] == [
        [KILLED, "interrupted"],
        [INTERRUPTED, "interrupted"],
        [FINISHED, "complete"],
    ]
    assert lines[2].split()[2:4] == [f"{metadata['num_prompts']:,}", f"{metadata['num_tokens']:,}"]
    assert "  headlines.txt  " in lines[2]


def test_the_list_as_json_has_folders_and_their_sizes(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (entry,) = (entry for entry in listed(capsys, runs) if entry["id"] == FINISHED)
    files = [path for path in (runs / FINISHED).rglob("*") if path.is_file()]
    assert entry["folder"] == str(runs / FINISHED)
    assert entry["size_bytes"] == sum(path.stat().st_size for path in files)
    assert entry["num_features"] == 256


def test_a_run_that_is_computed_now_is_running(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with computing(DirectoryStore(runs), KILLED):
        assert [entry["status"] for entry in listed(capsys, runs)] == ["running", "interrupted", "complete"]
    assert listed(capsys, runs)[0]["status"] == "interrupted"


def test_a_folder_without_runs_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(capsys, "ls", "--runs", tmp_path) == (0, "", f"there are no runs in {tmp_path}\n")
    assert asked(capsys, "ls", "--runs", tmp_path, "--json") == (0, "[]\n", "")


@pytest.mark.parametrize(
    ("named", "meant"),
    [(FINISHED, FINISHED), ("20300101", FINISHED), ("2031", KILLED), ("latest", KILLED)],
)
def test_a_run_is_named_by_its_id_a_beginning_or_as_the_latest(
    named: str, meant: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _err = asked(capsys, "show", named, "--runs", runs)
    assert status == 0
    assert out.splitlines()[0].split() == ["run", meant]


def test_a_run_is_named_by_the_path_that_a_run_prints_at_its_end(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _err = asked(capsys, "show", runs / FINISHED, "--runs", runs)
    assert (status, out.splitlines()[0].split()) == (0, ["run", FINISHED])


@pytest.mark.parametrize(
    ("named", "answer"),
    [
        ("20300101-000000_run-01", f"there is no run '20300101-000000_run-01' in %s; did you mean {FINISHED}?"),
        ("lastest", "there is no run 'lastest' in %s; did you mean latest?"),
        ("2030", f"2 runs in %s begin with 2030, name one: {INTERRUPTED}, {FINISHED}"),
        ("notes", f"there is no run 'notes' in %s; there are {KILLED}, {INTERRUPTED}, {FINISHED}, latest"),
        ("../x\x1b[2J", "there is no run"),
    ],
)
def test_another_name_is_answered_with_what_may_be_meant(
    named: str, answer: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = asked(capsys, "show", named, "--runs", runs)
    assert (status, out) == (2, "")
    assert err.startswith(f"saescope: {answer}" if "%s" not in answer else f"saescope: {answer % runs}")
    assert "\x1b" not in err


def test_a_run_to_resume_is_named_with_what_may_be_meant(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--resume", "20300102-000000_run-2", "--output", str(runs)]) == 2
    assert capsys.readouterr().err.endswith(f"in {runs}; did you mean {INTERRUPTED}?\n")


def test_runs_are_removed_and_nothing_else(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = runs / f"{FINISHED}.failures.log"
    log.write_text("x")
    assert asked(capsys, "rm", FINISHED, "latest", "--runs", runs, "--yes") == (
        0,
        f"removed {FINISHED}\nremoved {KILLED}\n",
        "",
    )
    assert sorted(path.name for path in runs.iterdir()) == [INTERRUPTED, "notes"]


def test_what_is_no_run_is_not_removed(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "linked").symlink_to(runs / FINISHED)
    for name in ("notes", "linked", "..", ".", "", str(runs)):
        assert asked(capsys, "rm", name, "--runs", runs, "--yes")[0] == 2
    assert (runs / "notes" / "mine.txt").exists()
    assert len(listed(capsys, runs)) == 3


def test_what_links_in_a_run_lead_to_stays(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "mine.txt").write_text("mine")
    (runs / FINISHED / "link").symlink_to(kept)
    assert asked(capsys, "rm", FINISHED, "--runs", runs, "--yes")[0] == 0
    assert (kept / "mine.txt").read_text() == "mine"
    assert not (runs / FINISHED).exists()


def test_a_run_that_is_computed_is_not_removed(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with computing(DirectoryStore(runs), KILLED):
        status, out, err = asked(capsys, "rm", FINISHED, KILLED, "--runs", runs, "--yes")
    assert (status, out) == (2, "")
    assert err == f"saescope: run {KILLED} is being computed: stop it first, with Ctrl-C where it runs\n"
    assert (runs / FINISHED).exists()


def test_without_a_terminal_removing_needs_yes(runs: Path, tmp_path: Path) -> None:
    done = saescope("runs", "rm", FINISHED, "--runs", runs, cwd=tmp_path, env=environment(tmp_path), stdin="y\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("saescope: removing runs needs an answer, and there is no terminal to ask on: add --yes\n")
    assert (runs / FINISHED).exists()


@pytest.mark.parametrize(("answer", "removed"), [("y", True), ("yes", True), ("n", False), ("", False)])
def test_on_a_terminal_it_asks_before_it_removes(answer: str, removed: bool, runs: Path, tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    os.write(master, f"{answer}\n".encode())
    command = [*COMMAND, "runs", "rm", FINISHED, "--runs", str(runs)]
    done = subprocess.run(
        command, env=environment(tmp_path), stdin=terminal, capture_output=True, encoding="utf-8", timeout=60
    )
    os.close(master)
    os.close(terminal)
    assert f"remove this run of {runs} with all files? [y/N] " in done.stderr
    assert (done.returncode, (runs / FINISHED).exists()) == (0, not removed)


def test_a_run_that_another_process_computes_is_not_resumed(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with computing(DirectoryStore(runs), INTERRUPTED):
        assert main(["run", "--resume", INTERRUPTED, "--output", str(runs)]) == 2
    assert f"run {INTERRUPTED} is being computed by another process" in capsys.readouterr().err


def test_a_killed_process_leaves_its_run_free(runs: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from sparse_autoencoder.runs.run_lock import computing\n"
        "from sparse_autoencoder.runs.store import DirectoryStore\n"
        f"with computing(DirectoryStore(pathlib.Path(sys.argv[1])), {KILLED!r}):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    store = DirectoryStore(runs)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(runs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(Exception, match="is being computed by another process"), computing(store, KILLED):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    with computing(store, KILLED):
        pass
    assert not (runs / KILLED / ".computing").exists()


def test_an_api_that_does_not_answer_is_status_3(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:9")
    status, out, err = asked(capsys, "ls")
    assert (status, out) == (3, "")
    assert err.startswith("saescope: the API at http://127.0.0.1:9 doesn't answer; is it up? (")


def test_the_runs_of_an_api_are_listed_and_shown_and_where_they_can_not_be_removed_it_says_why(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(create_app(DirectoryStore(runs))) as url:
        status, out, _err = asked(capsys, "ls", "--url", url, "--json")
        assert (status, [entry["id"] for entry in json.loads(out)]) == (0, [KILLED, INTERRUPTED, FINISHED])
        assert asked(capsys, "show", "20300101", "--url", url)[1].splitlines()[0].split() == ["run", FINISHED]
        status, _out, err = asked(capsys, "rm", FINISHED, "--url", url, "--yes")
    assert status == 2
    assert err.startswith("saescope: no services are behind this API")
    assert (runs / FINISHED).exists()


def test_names_that_would_move_the_cursor_are_shown_as_what_they_are(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = runs / FINISHED / "metadata.json"
    metadata = json.loads(file.read_text(encoding="utf-8"))
    hostile = metadata | {"dataset_csv": "a\x1b[2Jb\u202ec.csv", "source": metadata["source"] | {"file": "a\x1b[2Jb"}}
    file.write_text(json.dumps(hostile), encoding="utf-8")
    for command in (["ls"], ["show", FINISHED]):
        _status, out, _err = asked(capsys, *command, "--runs", runs)
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert "a\\x1b[2Jb" in out
