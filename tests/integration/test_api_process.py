"""`python -m services.api` as a process on a real Redis and a real S3 server: its start, its first run, its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from services.common.logs import Event
from services.common.object_store import ObjectStore
from services.common.real_dependencies import real_dependencies
from services.common.run_workspace import Workspace
from sparse_autoencoder.runs.folder_layout import run_ids
from tests.support.api import Servers, listening, wait_until, waiting
from tests.support.commands import free_port
from tests.support.servers import redis_server, s3_server

PATIENCE_S = 60.0
TOKEN = "the-hidden-token"
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with redis_server(tmp_path_factory.mktemp("redis")) as redis, s3_server(tmp_path_factory.mktemp("s3")) as s3:
        yield Servers(redis, s3)


@dataclass
class Process:
    """The API as a process."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def events(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def said(self, event: Event) -> list[dict[str, Any]]:
        assert self.process.poll() is None, self.log.read_text()
        return [line for line in self.events() if line["event"] == event]

    def get(self, path: str) -> Any:
        response = urllib3.PoolManager(retries=False).request("GET", self.url + path, timeout=PATIENCE_S)
        assert response.status == 200, response.data
        return response.json()


@contextmanager
def api(folder: Path, environment: dict[str, str]) -> Iterator[Process]:
    """The process, as soon as it is ready."""
    port, log = free_port(), folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.api", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    made = Process(process, f"http://127.0.0.1:{port}", log)
    try:
        wait_until(lambda: made.said("ready"))
        yield made
    finally:
        process.kill()
        process.wait()


def bucket(servers: Servers, name: str, folder: Path, **more: str) -> dict[str, str]:
    """Settings with a bucket of its own, and a data folder with a file."""
    (folder / "rows.csv").write_text("title\nx\n")
    return servers.environment(SAESCOPE_S3_BUCKET=name, SAESCOPE_DATA_FOLDER=str(folder), **more)


def test_it_makes_the_bucket_starts_the_first_run_once_and_serves(servers: Servers, tmp_path: Path) -> None:
    servers.redis.flush()
    flags = "--source rows.csv --max-rows 9 --text-column 'a title'"
    environment = bucket(servers, "first", tmp_path, SAESCOPE_FIRST_RUN=flags)
    with api(tmp_path, environment) as process:
        (entry,) = process.get("/api/runs")["runs"]
        assert (entry["status"], entry["options"]["max_rows"], entry["options"]["text_column"]) == (
            "queued",
            9,
            "a title",
        )
        assert process.get("/readyz") == {"status": "ready"}
        assert [line["run"] for line in process.said("first_run_started")] == [entry["id"]]
    with api(tmp_path, environment) as process:
        assert [one["id"] for one in process.get("/api/runs")["runs"]] == [entry["id"]]
        assert process.said("first_run_started") == []
    settings = servers.settings().model_copy(update={"s3_bucket": "first"})
    assert waiting(real_dependencies(settings)) == [entry["id"]]


@pytest.mark.parametrize(
    ("number", "flags", "sentence"),
    [
        (1, "--max-rows none", "argument --max-rows: 'none' is not a whole number"),
        (2, "--rows 9", "unrecognized arguments: --rows 9"),
        (3, "--source 'x", "No closing quotation"),
        (4, "--output here", "leave out --output: the services keep runs in their own store"),
        (5, "--source ../x.csv", "source can't be '../x.csv', that is outside the data folder"),
        (6, "--help", "unrecognized arguments: --help"),
        (7, "--location attic", "location can't be 'attic'"),
    ],
)
def test_a_mistake_in_the_first_run_is_said_and_keeps_nothing_from_being_served(
    servers: Servers, tmp_path: Path, number: int, flags: str, sentence: str
) -> None:
    with api(tmp_path, bucket(servers, f"mistake-{number}", tmp_path, SAESCOPE_FIRST_RUN=flags)) as process:
        (line,) = process.said("first_run_failed")
        assert line["problem"].startswith(f"SAESCOPE_FIRST_RUN: {sentence}")
        assert process.get("/api/runs") == {"runs": []}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_ends_when_it_is_told_to_also_with_open_streams(
    servers: Servers, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    flags = {"SAESCOPE_FIRST_RUN": "--source rows.csv"}
    with api(tmp_path, bucket(servers, f"end-{status}", tmp_path, **flags)) as process:
        run_id = process.get("/api/runs")["runs"][0]["id"]
        with listening(process.url, run_id) as events:
            assert next(events).entry["status"] == "queued"
            process.process.send_signal(number)
            assert list(events) == []
        assert process.process.wait(PATIENCE_S) == status
        assert "Traceback" not in process.log.read_text()


def test_a_stream_over_the_real_store_tells_of_every_change(servers: Servers, tmp_path: Path) -> None:
    environment = bucket(servers, "stream", tmp_path, SAESCOPE_FIRST_RUN="--source rows.csv")
    with api(tmp_path, environment) as process:
        run_id = process.get("/api/runs")["runs"][0]["id"]
        settings = servers.settings().model_copy(update={"s3_bucket": "stream"})
        space = Workspace(ObjectStore.from_settings(settings), run_id)
        with listening(process.url, run_id) as events:
            assert next(events).entry["status"] == "queued"
            space.stop("failed", "there is no title")
            last = next(events)
        assert (last.name, last.entry["status"], last.entry["error"]) == ("end", "failed", "there is no title")


def test_the_token_is_in_no_log(servers: Servers, tmp_path: Path) -> None:
    with api(tmp_path, bucket(servers, "token", tmp_path, SAESCOPE_API_TOKEN=TOKEN)) as process:
        http = urllib3.PoolManager(retries=False)
        for given in (TOKEN, TOKEN + "x"):
            headers = {"Authorization": f"Bearer {given}", "Content-Type": "application/json"}
            body = b'{"source": "rows.csv"}'
            response = http.request("POST", f"{process.url}/api/runs", headers=headers, body=body)
            assert response.status == (201 if given == TOKEN else 401)
            assert TOKEN.encode() not in response.data
        process.process.terminate()
        assert process.process.wait(PATIENCE_S) == 0
        assert TOKEN not in process.log.read_text()


def test_no_process_that_serves_imports_torch() -> None:
    program = "import sys, services.api.__main__; print('torch' in sys.modules, 'celery' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_a_port_that_cannot_be_had_is_a_sentence(servers: Servers, tmp_path: Path) -> None:
    with api(tmp_path, bucket(servers, "taken", tmp_path)) as process:
        port = process.url.rpartition(":")[2]
        done = subprocess.run(
            [sys.executable, "-m", "services.api", "--host", "127.0.0.1", "--port", port],
            env=os.environ | bucket(servers, "taken", tmp_path),
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    assert done.returncode == 2
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert line["problem"] == f"can't listen on 127.0.0.1, port {port}: it is in use; choose another with --port"


def test_an_empty_first_run_is_none(servers: Servers, tmp_path: Path) -> None:
    with api(tmp_path, bucket(servers, "empty", tmp_path, SAESCOPE_FIRST_RUN=" ")) as process:
        assert process.get("/api/runs") == {"runs": []}
    settings = servers.settings().model_copy(update={"s3_bucket": "empty"})
    assert run_ids(ObjectStore.from_settings(settings)) == []
