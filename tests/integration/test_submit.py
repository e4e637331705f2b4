"""`saescope submit` as a process, to an API on real servers whose workers' part the tests play."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.api.app import create_app
from services.api.http.access import Access
from services.api.runs.run_entries import Backend
from services.common.run_json_files import MergeProgress
from services.common.run_workspace import Workspace, now
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.run_state import FailedChunk, RunState
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.runs.warnings import self_check_line
from sparse_autoencoder.summaries.feature_summary import Summary
from tests.support.api import Servers, make_finished, metadata_of, serving, waiting
from tests.support.commands import COMMAND, environment, free_port, one_sentence, saescope
from tests.support.terminal import Terminal, on_terminal

PATIENCE_S = 60.0
TOKEN = "the-hidden-token"


@pytest.fixture
def backend(servers: Servers, tmp_path: Path) -> Backend:
    servers.redis.flush()
    (tmp_path / "rows.csv").write_text("title\nx\n")
    return servers.backend(f"{tmp_path.name}/", tmp_path)


@pytest.fixture
def url(backend: Backend) -> Iterator[str]:
    with serving(create_app(backend.deps.store, backend=backend)) as url:
        yield url


def submit(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return saescope("submit", *arguments, cwd=home, env=environment(home, **variables))


def refusal(home: Path, *arguments: str) -> str:
    """The one sentence of a command that must end with status 2."""
    done = submit(home, *arguments)
    assert done.returncode == 2
    return one_sentence(done.stderr)


@dataclass
class Submitting:
    """The command, once it has printed the run's name, and the terminal that shows its progress."""

    process: subprocess.Popen[str]
    run_id: str
    terminal: Terminal


@contextmanager
def submitting(home: Path, *arguments: str) -> Iterator[Submitting]:
    with on_terminal(home, "submit", *arguments) as (process, terminal):
        assert process.stdout is not None
        yield Submitting(process, process.stdout.readline().rstrip("\n"), terminal)


def progress(space: Workspace, records: int) -> None:
    space.write_progress(
        MergeProgress(
            next_chunk=1,
            num_records=records,
            num_tokens=100,
            num_skipped_rows=0,
            num_failed_chunks=2,
            at=now(),
        )
    )


def test_a_run_is_followed_to_its_end_and_told_as_saescope_run_does(
    backend: Backend, url: str, finished: Path, tmp_path: Path
) -> None:
    with submitting(tmp_path, "--url", url, "--source", "rows.csv", "--max-rows", "60") as going:
        space = Workspace(backend.deps.store, going.run_id)
        assert space.request().options.max_rows == 60
        progress(space, 41)
        line = going.terminal.until("2 chunks failed").replace("\r", "\n").splitlines()[-1]
        assert line.startswith("41 of about 60 rows (68%), ")
        assert "0 at work, 2 chunks failed" in line
        make_finished(backend.deps.store, finished, going.run_id)
        out, _err = going.process.communicate(timeout=PATIENCE_S)
    assert going.process.returncode == 0
    metadata = json.loads((finished / "metadata.json").read_text())
    assert out.splitlines() == [
        f"60 rows, {metadata['num_tokens']:,} tokens: {metadata['num_active_features']:,} of 256 features fired",
        *about_the_autoencoder(metadata),
    ]


def about_the_autoencoder(metadata: dict[str, Any]) -> list[str]:
    """The lines of a random autoencoder's self-check, of which there is a warning."""
    (warning,) = metadata["warnings"]
    return [self_check_line(metadata["self_check"]), f"warning: {warning}"]


def test_what_is_missing_is_told_at_the_end(backend: Backend, url: str, finished: Path, tmp_path: Path) -> None:
    with submitting(tmp_path, "--url", url, "--source", "rows.csv") as going:
        chunk = {"chunk": 3, "first_row": 30, "last_row": 39, "num_rows": 10, "error": "out of memory"}
        metadata = metadata_of(finished, going.run_id, status="completed_with_errors", skipped_rows={"no text": 1200})
        metadata = metadata.model_validate(metadata.model_dump() | {"failed_chunks": [chunk]})
        Workspace(backend.deps.store, going.run_id).folder.write_metadata(metadata)
        out, _err = going.process.communicate(timeout=PATIENCE_S)
    assert going.process.returncode == 0
    assert out.splitlines()[1:] == [
        "skipped 1,200 rows: no text",
        "missing: rows 30 to 39, chunk 3 failed: out of memory",
        *about_the_autoencoder(metadata.model_dump()),
        f"try what is missing again: saescope submit --retry-failed {going.run_id}",
    ]


@pytest.mark.parametrize(
    ("kept", "sentence"),
    [
        (True, "chunk 3 and all after it are computed again; what came before was kept"),
        (False, "everything is computed again, as nothing was kept from before the failed chunks"),
    ],
)
def test_failed_chunks_are_tried_again_with_a_word_on_what_is_computed_again(
    backend: Backend, url: str, finished: Path, tmp_path: Path, kept: bool, sentence: str
) -> None:
    run_id = submit(tmp_path, "--url", url, "--source", "rows.csv", "--no-follow").stdout.strip()
    space = Workspace(backend.deps.store, run_id)
    chunk = FailedChunk(chunk=3, first_row=30, last_row=39, num_rows=10, error="out of memory")
    changes = {"status": "completed_with_errors", "failed_chunks": [chunk], "options": RunOptions(source="rows.csv")}
    metadata = metadata_of(finished, run_id, **changes)
    space.folder.write_metadata(metadata)
    if kept:
        state = RunState(Summary.empty(metadata.spec), next_chunk=3)
        space.keep_before_failures(3, state.to_bytes())
    with submitting(tmp_path, "--url", url, "--retry-failed", run_id) as going:
        assert going.process.stdout is not None
        assert (going.run_id, going.process.stdout.readline()) == (run_id, f"{sentence}\n")
        going.terminal.until("0 at work")
        make_finished(backend.deps.store, finished, run_id, retries=1)
        out, _err = going.process.communicate(timeout=PATIENCE_S)
    assert going.process.returncode == 0
    assert out.startswith("60 rows, ")
    assert out.splitlines()[1:] == about_the_autoencoder(metadata.model_dump())  # nothing is missing


def test_a_run_that_fails_is_one_sentence_and_status_2(backend: Backend, url: str, tmp_path: Path) -> None:
    with submitting(tmp_path, "--url", url, "--source", "rows.csv") as going:
        Workspace(backend.deps.store, going.run_id).stop("failed", "rows.csv has no rows")
        out, _err = going.process.communicate(timeout=PATIENCE_S)
    assert (going.process.returncode, out) == (2, "")
    assert going.terminal.lines[-1] == f"saescope: run {going.run_id} is failed: rows.csv has no rows"


def test_ctrl_c_leaves_the_run_going_and_says_how_to_cancel_it(backend: Backend, url: str, tmp_path: Path) -> None:
    with submitting(tmp_path, "--url", url, "--source", "rows.csv") as going:
        going.terminal.until("0 at work")
        going.process.send_signal(signal.SIGINT)
        _out, _err = going.process.communicate(timeout=PATIENCE_S)
    assert going.process.returncode == 130
    assert (
        going.terminal.lines[-1]
        == f"saescope: run {going.run_id} goes on; cancel it: saescope submit --cancel {going.run_id}"
    )
    assert Workspace(backend.deps.store, going.run_id).active()


def test_a_server_that_goes_away_and_comes_back_is_found_again(
    backend: Backend, finished: Path, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as up:
        up.enter_context(serving(create_app(backend.deps.store, backend=backend), port))
        with submitting(tmp_path, "--url", url, "--source", "rows.csv") as going:
            going.terminal.until("0 at work")
            up.close()
            going.terminal.until("trying again: ")
            make_finished(backend.deps.store, finished, going.run_id)
            with serving(create_app(backend.deps.store, backend=backend), port):
                out, _err = going.process.communicate(timeout=PATIENCE_S)
    assert going.process.returncode == 0
    assert out.startswith("60 rows, ")


def test_without_following_the_run_s_name_is_all_there_is(backend: Backend, url: str, tmp_path: Path) -> None:
    done = submit(tmp_path, "--url", url, "--source", "rows.csv", "--no-follow")
    assert (done.returncode, done.stderr) == (0, f"saescope: on {url}: starting a run\n")
    assert waiting(backend.deps) == [done.stdout.strip()]


def test_the_url_may_come_from_the_environment(backend: Backend, url: str, tmp_path: Path) -> None:
    done = submit(tmp_path, "--source", "rows.csv", "--no-follow", SAESCOPE_API_URL=url)
    assert waiting(backend.deps) == [done.stdout.strip()]


def test_a_run_is_cancelled_and_resumed_by_its_name(backend: Backend, url: str, tmp_path: Path) -> None:
    run_id = submit(tmp_path, "--url", url, "--source", "rows.csv", "--no-follow").stdout.strip()
    space = Workspace(backend.deps.store, run_id)
    done = submit(tmp_path, "--url", url, "--cancel", run_id)
    assert done.stdout == f"cancelled {run_id}; go on with it: saescope submit --resume {run_id}\n"
    assert not space.active()
    done = submit(tmp_path, "--url", url, "--resume", run_id, "--no-follow")
    assert done.stdout == f"{run_id}\n"
    assert space.active()
    assert (
        refusal(tmp_path, "--url", url, "--resume", run_id) == f"run {run_id} is queued, so there is nothing to resume"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--source", "none.csv"], "source can't be 'none.csv', there is nothing of that name in "),
        (["--location", "attic"], "location can't be 'attic'; it is one of "),
        (["--cancel", "nobody"], "there is no run 'nobody'"),
        (["--cancel", "../x"], "there is nothing at /api/runs/../x/cancel"),
        (["--retry-failed", "nobody"], "there is no run 'nobody'"),
    ],
)
def test_what_the_api_says_is_shown_as_it_is(url: str, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    assert refusal(tmp_path, "--url", url, *arguments).startswith(sentence)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--output", "x"], "leave out --output: the services keep runs in their own store"),
        (["--cancel", "x", "--max-rows", "3"], "--cancel takes everything from the run, so give it alone"),
        (["--cancel", "x", "--resume", "y"], "--resume takes everything from the run, so give it alone"),
        (["--retry-failed", "x", "--seed", "1"], "--retry-failed takes everything from the run, so give it alone"),
        (["--url", "here"], "'here' is no address of an API: write it as http://127.0.0.1:8765"),
        (["--url", "ftp://x"], "'ftp://x' is no address of an API"),
        (["--url", "http://x:port"], "'http://x:port' is no address of an API"),
        (["--token", "é"], "the token has characters that can't be sent"),
    ],
)
def test_flags_that_make_no_sense_are_refused_at_once(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    assert refusal(tmp_path, *arguments).startswith(sentence)


def test_an_api_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    port = free_port()
    done = submit(tmp_path, "--url", f"http://127.0.0.1:{port}")
    assert done.returncode == 3
    assert one_sentence(done.stderr).startswith(f"the API at http://127.0.0.1:{port} doesn't answer; is it up? (")


def test_another_server_at_the_address_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        process = subprocess.Popen(
            [*COMMAND, "submit", "--url", f"http://127.0.0.1:{other.getsockname()[1]}"],
            cwd=tmp_path,
            env=environment(tmp_path),
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        with process, other.accept()[0] as connection:
            connection.recv(100_000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhi!\n")
            _out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert "is not the API of saescope: check the address" in one_sentence(err)


def test_the_token_comes_from_a_flag_or_the_environment_and_is_never_shown(servers: Servers, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("title\nx\n")
    backend = servers.backend(f"{tmp_path.name}/", tmp_path)
    with serving(create_app(backend.deps.store, backend=backend, access=Access(TOKEN))) as url:
        rest = ["--url", url, "--source", "rows.csv", "--no-follow"]
        assert "this needs the API's token" in refusal(tmp_path, *rest)
        assert "this needs the API's token" in refusal(tmp_path, *rest, "--token", "wrong")
        for done in (submit(tmp_path, *rest, "--token", TOKEN), submit(tmp_path, *rest, SAESCOPE_API_TOKEN=TOKEN)):
            assert done.returncode == 0
            assert TOKEN not in done.stdout + done.stderr


def test_a_folder_of_runs_takes_none(tmp_path: Path) -> None:
    with serving(create_app(DirectoryStore(tmp_path))) as url:
        assert refusal(tmp_path, "--url", url).startswith(
            f"the saescope at {url} shows runs and has no services that compute them"
        )
