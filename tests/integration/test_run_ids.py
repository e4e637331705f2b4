"""Every run gets an id of its own, however many begin at once; and one that never began is in nobody's way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from services.api.runs.run_changes import RunChanges
from services.api.runs.run_entries import RunEntries
from services.common.run_workspace import Workspace
from sparse_autoencoder import cli
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.single_process import resume, run
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.runs.folder_layout import run_ids
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore, NotFoundError, Store
from tests.support.api import Servers, backend_without_servers
from tests.support.runs import World, interrupted_run, read_json

pytestmark = pytest.mark.usefixtures("quick")

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT_S = 120
AT_ONCE = 6
ID = r"\d{8}-\d{6}_run-\d{3}"
NEVER_BEGAN = rf"^run {ID} never began: .*; in that case start a new run$"
# sends itself a signal when it opens the language model's weights; its id is taken by then
RUNNER = """
import os, sys
from sparse_autoencoder import cli
number, sent = int(sys.argv[1]), False
def watch(event, args):
    global sent
    if event == "open" and str(args[0]).endswith("config.json") and not sent:
        sent = True
        os.kill(os.getpid(), number)
sys.addaudithook(watch)
sys.exit(cli.main(sys.argv[2:]))
"""


def start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stopped_while_loading(world: World, output: Path, number: signal.Signals) -> subprocess.CompletedProcess[str]:
    """A run that is sent a signal before its models are loaded."""
    process = start(["-c", RUNNER, str(int(number)), *world.flags(output)])
    out, err = process.communicate(timeout=TIMEOUT_S)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def killed(world: World, tmp_path: Path) -> str:
    """The id of a run in `tmp_path` whose process was killed while it loaded models."""
    assert stopped_while_loading(world, tmp_path, signal.SIGKILL).returncode == -signal.SIGKILL
    (run_id,) = run_ids(DirectoryStore(tmp_path))
    return run_id


def test_runs_that_begin_at_once_in_one_folder_all_complete(world: World, tmp_path: Path) -> None:
    processes = [
        start(["sparse_autoencoder/main.py", *world.flags(tmp_path, seed=seed, max_rows=20)]) for seed in range(AT_ONCE)
    ]
    printed = {}
    for seed, process in enumerate(processes):
        out, err = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0, err
        printed[seed] = Path(out.splitlines()[0])
    assert len(set(printed.values())) == AT_ONCE
    assert sorted(tmp_path.iterdir()) == sorted(printed.values())
    for seed, folder in printed.items():
        metadata = read_json(folder, "metadata.json")
        assert (metadata["run_id"], metadata["status"]) == (folder.name, "complete")
        assert (metadata["options"]["seed"], metadata["num_records"]) == (seed, 20)


def test_runs_that_begin_one_after_the_other_are_numbered(world: World, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    found = [run(world.options(max_rows=10), store).run_id for _ in range(3)]
    assert [run_id[-8:] for run_id in found] == ["_run-001", "_run-002", "_run-003"]


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "nowhere.csv"},
        {"subject": "/nowhere"},
        {"autoencoder": "/nowhere.pt"},
        {"layer": 99},
        {"max_tokens": 9_999},
        {"text_column": "nothing"},
    ],
)
def test_a_run_that_can_not_be_loaded_leaves_no_folder(
    world: World, tmp_path: Path, changes: dict[str, object]
) -> None:
    store = DirectoryStore(tmp_path)
    with pytest.raises(SaescopeError):
        run(world.options(**changes), store)
    assert list(tmp_path.iterdir()) == []
    assert run(world.options(max_rows=10), store).run_id.endswith("_run-001")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_while_it_loads_leaves_no_folder(
    world: World, tmp_path: Path, number: signal.Signals
) -> None:
    done = stopped_while_loading(world, tmp_path, number)
    assert (done.returncode, done.stderr) == (130, "saescope: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_can_not_be_written_is_known_before_anything_is_loaded(world: World, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(SaescopeError, match=r"^can't write .*/taken/.*: Not a directory$"):
        run(world.options(subject="/nowhere"), DirectoryStore(tmp_path / "taken"))


# What is left of a run whose process was killed while it loaded models.


def test_resuming_a_run_that_never_began_says_so(
    killed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NotFoundError, match=NEVER_BEGAN):
        resume(killed, DirectoryStore(tmp_path))
    assert cli.main(["--resume", killed, "--output", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"saescope: run {killed} never began: ")


def test_a_run_that_never_began_is_in_nobodys_way(killed: str, world: World, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    later = run(world.options(max_rows=10), store).run_id
    assert (killed[-8:], later[-8:]) == ("_run-001", "_run-002")
    unfinished = interrupted_run(world.options(), tmp_path, "prompts/000002.parquet")
    resume(unfinished, store)
    assert [found.run_id for found in RunLibrary(store).all()] == [unfinished, later]
    assert RunLibrary(store).newest().metadata.run_id == unfinished


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """The API on `tmp_path`."""
    with TestClient(create_app(DirectoryStore(tmp_path))) as client:
        yield client


def test_the_api_lists_no_run_that_never_began_and_says_so_when_asked_for_it(
    killed: str, world: World, tmp_path: Path, client: TestClient
) -> None:
    later = run(world.options(max_rows=10), DirectoryStore(tmp_path)).run_id
    assert [entry["id"] for entry in client.get("/api/runs").json()["runs"]] == [later]
    assert client.get("/api/features").json()["run"] == later
    for path in (f"/api/runs/{killed}", f"/api/features?run={killed}"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "never began" in answer.json()["error"]


# Runs that services compute.


def controls(store: Store, data: Path, how_many: int) -> list[RunChanges]:
    """What so many API processes on one store start runs with."""
    backend = backend_without_servers(store, data)
    return [RunChanges(backend, RunEntries(store, RunLibrary(store), backend)) for _ in range(how_many)]


def started_at_once(api_processes: list[RunChanges]) -> list[str]:
    """Ids of runs that each process was asked for at the same moment, each with a seed of its own."""
    with ThreadPoolExecutor(len(api_processes)) as pool:
        seeds = range(len(api_processes))
        return list(pool.map(lambda seed: api_processes[seed].start(RunOptions(source="x.csv", seed=seed)), seeds))


def assert_each_has_its_own(store: Store, found: list[str]) -> None:
    assert len(set(found)) == len(found)
    assert [Workspace(store, run_id).request().options.seed for run_id in found] == list(range(len(found)))


class ListedAtOnce(DirectoryStore):
    """A directory whose folders the first so many who ask see before any of them goes on."""

    def __init__(self, root: Path, parties: int) -> None:
        super().__init__(root)
        self._left = parties
        self._lock = threading.Lock()
        self._all_have_seen = threading.Barrier(parties)

    def folders(self) -> list[str]:
        found = super().folders()
        with self._lock:
            self._left -= 1
            waits = self._left >= 0
        if waits:
            self._all_have_seen.wait(TIMEOUT_S)
        return found


def test_api_processes_on_one_store_give_ids_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("title\nx\n")
    store = ListedAtOnce(tmp_path / "runs", AT_ONCE)
    assert_each_has_its_own(store, started_at_once(controls(store, tmp_path, AT_ONCE)))


def test_api_processes_on_one_bucket_give_ids_of_their_own(servers: Servers, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("title\nx\n")
    stores = [servers.backend("ids/", tmp_path).deps.store for _ in range(3)]
    processes = [controls(store, tmp_path, 1)[0] for store in stores]
    assert_each_has_its_own(stores[0], started_at_once(processes))
