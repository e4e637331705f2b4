"""`saescope serve` as a process: what it prints, that it answers, how it ends, and what it refuses."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.commands import COMMAND, environment, free_port, saescope, small_run
from tests.support.waiting import wait_until

STOP_TIMEOUT_S = 20.0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished run and a later one that failed."""
    root = tmp_path_factory.mktemp("runs")
    name = small_run(DirectoryStore(root), tmp_path_factory.mktemp("source"))
    failed = root / "20990101-000000_run-002"
    shutil.copytree(root / name, failed)
    metadata = json.loads((failed / "metadata.json").read_text(encoding="utf-8"))
    (failed / "metadata.json").write_text(json.dumps(metadata | {"run_id": failed.name, "status": "failed"}))
    return root


@contextmanager
def serving(
    runs: Path, port: int, home: Path, host: str = "127.0.0.1"
) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The command, once it listens, and the lines that it printed until then."""
    command = [*COMMAND, "serve", "--runs", str(runs), "--host", host, "--port", str(port)]
    with subprocess.Popen(
        command, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        try:
            printed = [process.stdout.readline().rstrip("\n") for _line in range(2)]
            yield process, printed
        finally:
            process.kill()


def get(port: int, path: str) -> dict[str, object]:
    """The JSON answer of a server that listens already, and may not yet answer."""
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=STOP_TIMEOUT_S) as response:
                content: dict[str, object] = json.load(response)
                return content
        except ConnectionError:
            if time.monotonic() > deadline:
                raise


def test_it_says_which_run_it_shows_and_where_and_answers_there(runs: Path, tmp_path: Path) -> None:
    port = free_port()
    newest_finished = min(path.name for path in runs.iterdir())
    with serving(runs, port, tmp_path) as (_process, printed):
        assert printed == [f"showing {newest_finished} of {runs}", f"http://127.0.0.1:{port}"]
        assert get(port, "/healthz") == {"status": "ok"}
        assert get(port, "/api/features")["run"] == newest_finished
        assert get(port, "/api/feature_info?id=3")["feature_id"] == 3


def test_an_ipv6_address_is_printed_as_browsers_take_it(runs: Path, tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    port = free_port()
    with serving(runs, port, tmp_path, "::1") as (_process, printed):
        assert printed[1] == f"http://[::1]:{port}"
        with urlopen(f"{printed[1]}/healthz", timeout=STOP_TIMEOUT_S) as response:
            assert response.status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_asked_to_also_while_a_client_stays_connected(
    runs: Path, tmp_path: Path, number: signal.Signals
) -> None:
    port = free_port()
    with serving(runs, port, tmp_path) as (process, _printed):
        get(port, "/healthz")
        with socket.create_connection(("127.0.0.1", port)) as idle:
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(100).startswith(b"HTTP/1.1 200")
            process.send_signal(number)
            _out, err = process.communicate(timeout=STOP_TIMEOUT_S)
    assert "Traceback" not in err
    assert process.returncode in {signal.SIGTERM: (0, -signal.SIGTERM), signal.SIGINT: (0, 130)}[number]


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_port_in_use_is_one_sentence_before_any_work(command: str, runs: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        folder = ["--runs", runs] if command == "serve" else ["--output", "out"]
        done = saescope(command, *folder, "--port", str(port), cwd=tmp_path, env=environment(tmp_path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1] == (
        f"saescope: can't listen on 127.0.0.1, port {port}: it is in use; choose another with --port"
    )
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "complaint"),
    [
        ("no.such.host.invalid", "can't listen on no.such.host.invalid, port 8765: "),
        ("a..b", "can't listen on 'a..b': it isn't a host name; choose another with --host"),
        ("203.0.113.9", "can't listen on 203.0.113.9, port 8765: "),
    ],
)
def test_an_address_that_cannot_be_listened_on_is_one_sentence(
    host: str, complaint: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from services.cli import main

    assert main(["serve", "--runs", str(runs), "--host", host]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"saescope: {complaint}")


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = saescope("serve", "--runs", "nowhere", cwd=tmp_path, env=environment(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "saescope: there is no folder nowhere: make runs with `saescope run`, or say --runs FOLDER\n"
    )


def test_with_no_run_yet_it_says_how_to_make_one_and_shows_it_when_it_comes(runs: Path, tmp_path: Path) -> None:
    port, empty = free_port(), tmp_path / "empty"
    empty.mkdir()
    with serving(empty, port, tmp_path) as (_process, printed):
        assert printed == [
            f"there is no run to show in {empty} yet: make one with `saescope run --output {empty}`, "
            "and it is shown when it comes",
            f"http://127.0.0.1:{port}",
        ]
        assert get(port, "/api/runs") == {"runs": []}
        finished = min(path for path in runs.iterdir())
        shutil.copytree(finished, empty / finished.name)
        assert get(port, "/api/features")["run"] == finished.name


def test_a_run_s_own_folder_is_served_without_the_runs_beside_it(runs: Path, tmp_path: Path) -> None:
    port = free_port()
    finished, failed = sorted(path for path in runs.iterdir())
    with serving(finished, port, tmp_path) as (_process, printed):
        assert printed[0] == f"showing {finished.name} of {finished}"
        listed: Any = get(port, "/api/runs")["runs"]
        assert [run["id"] for run in listed] == [finished.name]
        with pytest.raises(HTTPError) as refused:
            get(port, f"/api/runs/{failed.name}")
        assert refused.value.code == 404
        refused.value.close()


def test_the_browser_is_opened_on_the_address(runs: Path, tmp_path: Path) -> None:
    port, opened = free_port(), tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.part && mv {opened}.part {opened}\n')
    browser.chmod(0o755)
    command = [*COMMAND, "serve", "--runs", str(runs), "--port", str(port), "--open"]
    env = environment(tmp_path, BROWSER=f"{browser} %s")
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(opened.exists)
        finally:
            process.kill()
    assert opened.read_text() == f"http://127.0.0.1:{port}\n"


def test_mistaken_folders_are_answered_with_the_one_that_is_meant(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.cli import main

    runs = Path(shutil.copytree(runs, tmp_path / "runs"))  # in a folder in which nothing else is
    monkeypatch.chdir(tmp_path)
    finished = min(path.name for path in runs.iterdir())
    run = f"{runs.name}/{finished}"
    answers = {
        f"{run}/metadata.json": f"{run}/metadata.json is a file of a run: serve the run with --runs {run}",
        f"{run}/features": f"{run}/features is a part of a run: serve the run with --runs {run}",
        f"{runs.name}x": (
            f"there is no folder {runs.name}x: did you mean --runs {runs.name}? "
            "Else make runs with `saescope run`, or say --runs FOLDER"
        ),
        ".": f"there are no runs in . itself, but in a folder of it: say --runs {runs.name}",
    }
    for given, answer in answers.items():
        assert main(["serve", "--runs", given]) == 2
        assert capsys.readouterr() == ("", f"saescope: {answer}\n")
