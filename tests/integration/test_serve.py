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
from urllib.request import urlopen

import pytest

from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.commands import COMMAND, environment, free_port, saescope, small_run

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


def test_a_folder_without_a_finished_run_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from services.cli import main

    assert main(["serve", "--runs", str(tmp_path), "--port", str(free_port())]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1] == ("saescope: there is no finished run yet: start one with `saescope run`")
