"""One rule for what fails in the services: what counts as an attempt, who makes the next, and when it is enough.

The work of each message is a call in this process, around a real Redis (tests/support/inline.py); what raises is put in
the place of the models' arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from services.aggregator.merge_and_publish import Aggregator
from services.aggregator.reconcile_loop import ReconcileLoop
from services.aggregator.summary_merging import SummaryMerging
from services.common import work_names
from services.common.attempt_rule import Moved
from services.common.dependency_interfaces import UnavailableError, Unfit
from services.common.redis.worker_presence import RedisWorkers
from services.common.run_workspace import Workspace
from services.common.tasks.messages import Message
from services.encoder.encode_chunks import ChunkOutput
from services.encoder.loaded_models import ModelComputer
from services.ingest.read_source import Dataset, ingest
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.inline import Inline
from tests.support.runs import World, make_world
from tests.support.servers import RedisServer
from tests.support.services import tiny_options
from tests.unit.utils.test_failure_rule import panic

pytestmark = pytest.mark.usefixtures("quick")

CHUNKS = 5  # of 20 rows
ALL = range(CHUNKS)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "data")


@pytest.fixture
def services(world: World, tmp_path: Path, server: RedisServer) -> Inline:
    return Inline(server.url, DirectoryStore(tmp_path / "store"), tmp_path / "data")


class Raising(ModelComputer):
    """Encodes as it should, or raises what `errors` gives for a chunk."""

    def __init__(self, data: Path, errors: Callable[[int], BaseException | None]) -> None:
        super().__init__(data)
        self._errors = errors

    def encode(
        self, plan: RunMetadata, chunk: int, data: bytes, cutoffs: Callable[[], bytes | None], moved: Moved
    ) -> ChunkOutput:
        error = self._errors(chunk)
        if error is not None:
            raise error
        return super().encode(plan, chunk, data, cutoffs, moved)


@contextmanager
def alive(services: Inline, *workers: str) -> Iterator[None]:
    """Have encoders of these names say that they are alive."""
    registered = services.world.workers
    assert isinstance(registered, RedisWorkers)
    with ExitStack() as stack:
        for worker in workers:
            stack.enter_context(registered.present("encoder", worker))
        while not set(workers) <= registered.alive("encoder"):
            pass
        yield


def begun(services: Inline, **changes: object) -> Workspace:
    """A run whose source is read."""
    space = services.submit(tiny_options(**changes))
    services.ingest(space)
    return space


def finished(services: Inline, space: Workspace) -> RunMetadata:
    """The metadata of a run, of which all chunks are encoded."""
    services.aggregate(space)  # the state is saved before it is published
    metadata = services.aggregate(space) or space.folder.read_metadata()
    assert space.finished(), space.stopped()
    return metadata


# -- what is an attempt ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "MemoryError"),
        (IndexError("list index out of range"), "IndexError: list index out of range"),
        (RuntimeError(), "RuntimeError"),
        (panic(), "PanicException: Onig: Regex search error: retry-limit-in-match over"),
    ],
)
def test_whatever_a_chunk_raises_is_an_attempt_and_after_three_it_is_missing(
    services: Inline, error: BaseException, told: str
) -> None:
    space = begun(services)
    encoder = services.encoder(computer=Raising(services.data, lambda chunk: error if chunk == 1 else None))
    for _ in ALL:
        encoder.encode(space, 1)  # which of them is up to the encoder: the other chunks come first or later
    for _ in range(3):
        encoder.encode(space, *ALL)
    metadata = finished(services, space)
    assert metadata.status == "completed_with_errors"
    assert [(chunk.chunk, chunk.error) for chunk in metadata.failed_chunks] == [(1, told)]
    assert [reported.failure.reason for reported in services.reported] == [told] * 3
    assert all(reported.failure.traceback for reported in services.reported)


def test_that_the_store_is_away_is_no_attempt(services: Inline) -> None:
    space = begun(services)
    encoder = services.encoder(computer=Raising(services.data, lambda chunk: UnavailableError("the store is away")))
    for _ in range(5):
        with pytest.raises(UnavailableError):
            encoder.encode(space, 0)
    assert services.world.attempts.tried(space.folder.run_id, work_names.encoding(0)).total == 0
    services.encoder("another").encode(space, *ALL)
    assert finished(services, space).status == "complete"


def test_an_encoder_that_is_told_to_stop_gives_its_chunk_back_at_once(services: Inline) -> None:
    space = begun(services)
    for _ in range(4):
        encoder = services.encoder()
        encoder.stopping = True
        encoder.encode(space, 0)
        assert not space.has_partial(0)
        assert Message(task="encode", run_id=space.folder.run_id, chunk=0) in services.world.queue.waiting("encode")
        assert services.world.leases.held("encode/") == set()
    assert services.reported == []
    assert services.world.attempts.tried(space.folder.run_id, work_names.encoding(0)).total == 0


# -- who makes the next ------------------------------------------------------------------------------------------------


def test_with_a_broken_worker_beside_sound_ones_no_chunk_is_given_up(services: Inline) -> None:
    space = begun(services)
    broken = services.encoder("broken", Raising(services.data, lambda chunk: RuntimeError("CUDA error: broken")))
    sound = [services.encoder("sound-1"), services.encoder("sound-2")]
    with alive(services, "broken", "sound-1", "sound-2"):
        for _ in range(4):  # the broken one is always the quickest
            broken.encode(space, *ALL)
        assert len(services.reported) == CHUNKS  # once each
        assert space.partials() == []
        for encoder in sound:
            encoder.encode(space, *ALL)
    assert finished(services, space).status == "complete"


def test_where_all_workers_have_failed_at_a_chunk_it_is_given_up(services: Inline) -> None:
    space = begun(services)
    encoders = {
        name: services.encoder(name, Raising(services.data, lambda chunk: MemoryError() if chunk == 0 else None))
        for name in ("one", "two")
    }
    with alive(services, *encoders):
        for _ in range(4):
            for encoder in encoders.values():
                encoder.encode(space, *ALL)
    metadata = finished(services, space)
    assert [chunk.chunk for chunk in metadata.failed_chunks] == [0]
    by = [reported.run_id for reported in services.reported]
    assert len(by) == 3


def test_a_worker_comes_back_fresh_after_an_error_of_cuda_or_two_chunks_in_a_row_or_as_the_only_one(
    services: Inline,
) -> None:
    errors: list[BaseException | None] = [MemoryError(), None, MemoryError(), MemoryError()]
    space = begun(services)
    with alive(services, "one", "other"):
        encoder = services.encoder("one", Raising(services.data, lambda chunk: errors.pop(0)))
        reasons = [encoded.start_fresh for encoded in encoder.encode(space, 0, 1, 2, 3) if encoded is not None]
        assert reasons == [None, None, None, "two different chunks failed one after the other"]
        cuda = services.encoder("one", Raising(services.data, lambda chunk: RuntimeError("CUDA error: lost")))
        (encoded,) = cuda.encode(space, 4)
        assert encoded is not None
        assert encoded.start_fresh == "after this error nothing that this process computes can be trusted"
    alone = services.encoder("alone", Raising(services.data, lambda chunk: MemoryError()))
    (encoded,) = alone.encode(space, 4)
    assert encoded is not None
    assert encoded.start_fresh == "the next attempt is this worker's too, as no other is alive"


def test_runs_take_turns_however_many_chunks_are_waiting(services: Inline) -> None:
    large = begun(services, skip_directions=True)
    small = [begun(services, max_rows=1, skip_directions=True) for _ in range(6)]
    encoder = services.encoder()
    order = [
        encoded.message.run_id
        for _ in range(CHUNKS + len(small))
        for encoded in encoder.encode(large, 0)
        if encoded is not None
    ]
    assert set(order[:7]) == {space.folder.run_id for space in [large, *small]}
    assert order[7:] == [large.folder.run_id] * (CHUNKS - 1)


# -- ingest and aggregator ---------------------------------------------------------------------------------------------


@contextmanager
def breaking(options: RunOptions) -> Iterator[Dataset]:
    raise IndexError("a mistake in the reader")
    yield


def test_reading_that_breaks_again_and_again_fails_the_run_with_the_reason(services: Inline) -> None:
    space = services.submit(tiny_options())
    for attempt in range(3):
        assert space.active(), attempt
        ingest(space.folder.run_id, services.world, breaking, services.attempt_rule("ingest"))
    stopped = space.stopped()
    assert stopped is not None
    assert (stopped.status, stopped.error) == ("failed", "IndexError: a mistake in the reader")
    assert len(services.reported) == 3


def test_attempts_before_some_progress_are_not_held_against_reading(services: Inline) -> None:
    space = services.submit(tiny_options())
    for round_ in range(3):
        for _ in range(2):
            ingest(space.folder.run_id, services.world, breaking, services.attempt_rule("ingest"))
        services.ingest(space, until=round_ + 1)
    assert space.active()
    assert len(space.chunks()) >= 3


class BreakingMerging(SummaryMerging):
    """Merges two chunks, and then breaks."""

    def merge(self, state: RunState, partial: bytes) -> RunState:
        if state.next_chunk == 2:
            raise MemoryError
        return super().merge(state, partial)


def test_merging_that_breaks_again_and_again_fails_the_run_with_the_reason(services: Inline) -> None:
    space = begun(services)
    services.encoder().encode(space, *ALL)
    for attempt in range(3):
        assert space.active(), attempt
        Aggregator(services.world, BreakingMerging(), services.attempt_rule("aggregator")).aggregate(
            space.folder.run_id
        )
    stopped = space.stopped()
    assert stopped is not None
    assert (stopped.status, stopped.error) == ("failed", "MemoryError")


# -- other kinds of processors -----------------------------------------------------------------------------------------


def of_another_kind(space: Workspace) -> None:
    """Have a run been begun on another processor."""
    plan = space.folder.read_metadata()
    space.folder.write_plan(plan.model_copy(update={"processor": plan.processor | {"fingerprint": "0" * 16}}))


def test_an_encoder_of_another_kind_takes_no_chunk_and_says_why(services: Inline) -> None:
    space = begun(services)
    services.encoder("first").encode(space, 0)
    of_another_kind(space)
    services.encoder("other").encode(space, 1)
    assert space.partials() == [0]
    unfit = services.world.workers.unfit(space.folder.run_id)["other"]
    assert unfit.other_kind
    assert "processor" in unfit.why
    assert Message(task="encode", run_id=space.folder.run_id, chunk=1) in services.world.queue.waiting("encode")
    assert services.reported == []


def test_a_run_fails_for_which_there_are_only_encoders_of_other_kinds(services: Inline) -> None:
    space = begun(services)
    services.encoder("first").encode(space, 0)
    of_another_kind(space)
    services.encoder("other").encode(space, 1)
    settings = services.world.settings.model_copy(update={"other_kind_s": 0.0})
    with alive(services, "other"):
        ReconcileLoop(replace(services.world, settings=settings)).run_once()
    stopped = space.stopped()
    assert stopped is not None
    assert stopped.status == "failed"
    assert "no encoder that is running can go on with this run" in str(stopped.error)


def test_a_run_waits_while_an_encoder_of_its_kind_or_none_at_all_is_alive(services: Inline) -> None:
    space = begun(services)
    settings = services.world.settings.model_copy(update={"other_kind_s": 0.0})
    loop = ReconcileLoop(replace(services.world, settings=settings))
    loop.run_once()
    services.world.workers.say_unfit(space.folder.run_id, "other", Unfit("another kind", other_kind=True))
    with alive(services, "other", "sound"):
        loop.run_once()
    assert space.active()
