"""An aggregator that finds a damaged state goes on from the one before, for which everything is kept.

The aggregator, its summaries and its store (a directory) are real; nobody else is at the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

import pytest

from services.aggregator.merge_and_publish import Aggregator, Merged
from services.aggregator.summary_merging import SummaryMerging
from services.common.attempt_rule import AttemptRule, FailedAttempt
from services.common.dependency_interfaces import AttemptRecord, Dependencies, Hold, Service, Unfit
from services.common.run_json_files import Ingested, RunRequest
from services.common.run_workspace import Workspace
from services.common.settings import Settings
from services.common.tasks.messages import Message, Task
from sparse_autoencoder.data.rows_hash import NOTHING_READ, chained
from sparse_autoencoder.pipeline.chunk_outputs import ChunkResult
from sparse_autoencoder.runs.partial_format import Partial
from sparse_autoencoder.runs.provenance import PUBLISHING, versions
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.live_runs import LiveWriter

CHUNKS = 6


@dataclass
class Mine:
    """The port Hold."""

    lost: bool = False


class Alone:
    """All ports but the store, for one process that nothing happens to."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    @contextmanager
    def hold(self, name: str) -> Iterator[Hold | None]:
        yield Mine()

    def held(self, prefix: str) -> set[str]:
        return set()

    def begin(self, run_id: str, what: str, worker: str) -> AttemptRecord:
        return AttemptRecord({worker: 1})

    def failed(self, run_id: str, what: str, reason: str, at: float) -> None:
        pass

    def take_back(self, run_id: str, what: str, worker: str) -> None:
        pass

    def tried(self, run_id: str, what: str) -> AttemptRecord:
        return AttemptRecord({})

    def forget(self, run_id: str, what: str | None = None) -> None:
        pass

    def alive(self, service: Service) -> set[str]:
        return {"this-one"}

    def unfit(self, run_id: str) -> Mapping[str, Unfit]:
        return {}

    def say_unfit(self, run_id: str, worker: str, unfit: Unfit) -> None:
        raise AssertionError("nobody is unfit")

    def note(self, run_id: str, sentence: str) -> None:
        pass

    @contextmanager
    def watch(
        self, what: str, floor_s: float, usual_s: float, expired: Callable[[], None]
    ) -> Iterator[Callable[[], None]]:
        yield lambda: None

    def send(self, message: Message) -> None:
        self.sent.append(message)

    def waiting(self, task: Task) -> set[Message]:
        return set(self.sent)

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody is waited for")


@dataclass
class Encoded(LiveWriter):
    """Writes what ingest and encoders leave of a run of random rows."""

    parts: list[Partial] = field(default_factory=list)

    def _merge(self, chunk: int, result: ChunkResult) -> None:
        super()._merge(chunk, result)
        self.parts.append(Partial(result.partial))


@dataclass
class Run:
    """A run that services compute, encoded to its end."""

    space: Workspace
    encoded: Encoded
    world: Dependencies
    reported: list[FailedAttempt] = field(default_factory=list)

    def encode(self, chunks: range) -> None:
        """Have these chunks wait to be merged."""
        for chunk in chunks:
            self.space.put_chunk(chunk, b"rows")
            self.space.put_partial(chunk, self.encoded.parts[chunk].to_bytes())

    def aggregate(self) -> Merged | None:
        """What an aggregator that has just started does with a message."""
        aggregator: Aggregator[RunState] = Aggregator(self.world, SummaryMerging(), self.attempt_rule)
        return aggregator.aggregate(self.space.folder.run_id)

    @property
    def attempt_rule(self) -> AttemptRule:
        return AttemptRule(self.world, "aggregator", "this-one", self.reported.append, lambda: False)

    def damage(self, *states: int) -> None:
        for state in states:
            key = self.space.folder.state(state)
            data = self.world.store.get(key)
            self.world.store.put(key, data[:50] + bytes([data[50] ^ 1]) + data[51:])

    @property
    def states(self) -> list[int]:
        return self.space.folder.numbers("state")

    def published(self) -> dict[str, bytes]:
        store, folder = self.world.store, self.space.folder
        return {key: store.get(key) for key in store.list(folder.key("")) if key != folder.metadata}


def make_run(root: Path) -> Run:
    """A run with a plan, of which nothing is merged."""
    store = DirectoryStore(root)
    encoded = Encoded.start(store)
    assert isinstance(encoded, Encoded)
    for _ in range(CHUNKS):
        encoded.add(12)
    space = Workspace(store, encoded.folder.run_id)
    options = encoded.metadata.options.model_copy(update={"skip_directions": True})
    space.create_request(RunRequest(options=options, created_at="2030-01-01T00:00:00+00:00"))
    changes = {"versions": versions(PUBLISHING), "options": options}
    encoded.folder.write_plan(encoded.metadata.model_copy(update=changes))
    store.delete(encoded.folder.metadata)
    rows_hash = reduce(chained, (part.state.rows_hash for part in encoded.parts), NOTHING_READ)
    space.write_ingested(Ingested(num_chunks=CHUNKS, num_records=12 * CHUNKS, rows_hash=rows_hash))
    alone = Alone()
    settings = Settings(max_waiting_chunks=2).model_copy(update={"save_every_s": 0.0})
    return Run(space, encoded, Dependencies(store, alone, alone, alone, alone, alone, alone, alone, settings))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Four chunks were merged, and a state was saved after each."""
    run = make_run(tmp_path / "run")
    run.encode(range(4))
    assert run.aggregate() is not None
    assert run.states == [3, 4]
    return run


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    run = make_run(tmp_path_factory.mktemp("undisturbed"))
    run.encode(range(CHUNKS))
    merged = run.aggregate()
    assert merged is not None
    assert merged.finished
    return run.published()


def test_what_the_older_state_lacks_is_kept(run: Run) -> None:
    assert (run.space.chunks(), run.space.partials()) == ([3], [3])


def test_nothing_is_removed_until_two_states_hold_it(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.encode(range(1))
    run.aggregate()
    assert (run.states, run.space.chunks(), run.space.partials()) == ([1], [0], [0])


def test_a_damaged_state_is_removed_and_merged_again_from_the_one_before(
    run: Run, undisturbed: dict[str, bytes]
) -> None:
    run.damage(4)
    merged = run.aggregate()
    assert merged is not None
    assert (merged.next_chunk, len(merged.chunk_seconds)) == (4, 1)
    (problem,) = merged.damaged
    assert problem.endswith("/state/000004 can't be used, this state file is damaged: its checksum is wrong")
    run.encode(range(4, CHUNKS))
    finished = run.aggregate()
    assert finished is not None
    assert (finished.finished, finished.damaged) == (True, ())
    assert run.published() == undisturbed


def test_a_state_in_anothers_place_is_damaged(run: Run) -> None:
    run.world.store.put(run.space.folder.state(4), run.world.store.get(run.space.folder.state(3)))
    merged = run.aggregate()
    assert merged is not None
    (problem,) = merged.damaged
    assert problem.endswith("/state/000004 can't be used, it holds the state of chunk 3")
    assert merged.next_chunk == 4


def test_a_run_whose_first_state_is_damaged_begins_anew(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    run = make_run(tmp_path)
    run.encode(range(2))
    run.world.store.put(run.space.folder.state(1), b"damaged")
    run.encode(range(2, CHUNKS))
    merged = run.aggregate()
    assert merged is not None
    assert merged.finished
    assert run.published() == undisturbed


def test_a_run_whose_states_are_all_damaged_has_failed_and_says_so_whenever_it_is_resumed(run: Run) -> None:
    run.damage(3, 4)
    for _ in range(2):
        assert run.aggregate() is None
        stopped = run.space.stopped()
        assert stopped is not None
        assert stopped.status == "failed"
        assert stopped.error is not None
        assert "can't go on, its saved states are damaged: start a new run (" in stopped.error
        run.space.go_on()
    assert run.states == [3, 4]


def test_a_state_of_an_earlier_version_fails_the_run_and_stays(run: Run) -> None:
    unsealed = run.world.store.get(run.space.folder.state(4)).partition(b"\n")[2]
    run.world.store.put(run.space.folder.state(4), unsealed)
    assert run.aggregate() is None
    stopped = run.space.stopped()
    assert stopped is not None
    assert "an earlier version of saescope wrote this state file" in str(stopped.error)
    assert run.states == [3, 4]
