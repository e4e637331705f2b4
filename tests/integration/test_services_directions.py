"""What follows from the weights, made by services: after all chunks, kept in the store, never a reason to fail."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow import BufferReader

from services.common.attempt_rule import Moved
from services.common.run_workspace import Workspace
from services.common.turn_of_weights import turn_of_weights
from services.encoder.loaded_models import KEPT_PREFIX, ModelComputer
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.checksums import seal, unseal
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore, Store
from sparse_autoencoder.runs.weights_notes import note_in
from tests.support.inline import Inline
from tests.support.runs import World, files_of
from tests.support.servers import RedisServer

pytestmark = pytest.mark.usefixtures("quick")
FILES = ("logit_effects.parquet", "neighbours.parquet")


@pytest.fixture
def services(tmp_path: Path, server: RedisServer, world: World) -> Inline:
    return Inline(server.url, DirectoryStore(tmp_path / "bucket"), world.rows.parent)


def options(world: World, **changes: object) -> RunOptions:
    return world.options(source="rows.jsonl", subject="subject", autoencoder="topk.pt", chunk_size=50, **changes)


def ingested(services: Inline, world: World, **changes: object) -> Workspace:
    space = services.submit(options(world, **changes))
    services.ingest(space)
    return space


def written(space: Workspace) -> dict[str, bytes]:
    there = set(space.folder.store.list(space.folder.key("")))
    return {name: space.folder.store.get(key) for name in FILES if (key := space.folder.key(name)) in there}


def test_they_come_after_all_chunks_and_are_those_of_one_process(
    services: Inline, world: World, tmp_path: Path
) -> None:
    space, encoder = ingested(services, world), services.encoder()
    turn = turn_of_weights(space)
    assert turn == 2
    encoder.encode(space, 0)
    services.aggregate(space)
    assert space.saved_cursor() == 1  # there is something to show
    assert written(space) == {}
    encoder.encode(space, 1, turn)
    metadata = services.aggregate(space)
    assert metadata is not None
    one = run(world.options(), DirectoryStore(tmp_path / "one"))
    expected = files_of(tmp_path / "one" / one.run_id)
    assert written(space) == {name: expected[name] for name in FILES}
    assert metadata.weights["neighbours"]["missing"] is None
    assert turn_of_weights(space, metadata.options) is None
    assert encoder.encode(space, turn) == [None]


def test_they_are_kept_in_the_store_for_further_runs(services: Inline, world: World, tmp_path: Path) -> None:
    store = services.world.store
    first = ingested(services, world)
    services.encoder().encode(first, 0, 1, 2)
    kept = [key for key in store.list(KEPT_PREFIX) if unseal("weights", store.get(key)) == written(first)[FILES[1]]]
    table = pq.read_table(BufferReader(written(first)[FILES[1]]))
    marked = table.set_column(1, table.schema.field(1), table["cosines"].take(list(range(len(table)))[::-1]))
    pq.write_table(marked, tmp_path / "marked.parquet")
    data = (tmp_path / "marked.parquet").read_bytes()
    (key,) = kept
    store.put(key, seal("weights", data))
    second = ingested(services, world, seed=3)
    services.encoder().encode(second, 0, 1, 2)
    assert written(second) == {FILES[0]: written(first)[FILES[0]], FILES[1]: data}


class WithoutWeights(ModelComputer):
    """A computer that fails at what follows from the weights."""

    tried = 0

    def of_weights(self, plan: RunMetadata, store: Store, moved: Moved) -> dict[str, bytes]:
        self.tried += 1
        raise MemoryError("too little of it")


def test_what_fails_for_good_is_said_in_the_files_and_fails_no_run(services: Inline, world: World) -> None:
    space, computer = ingested(services, world), WithoutWeights(services.data)
    encoder = services.encoder(computer=computer)
    encoder.encode(space, 0, 1, 2, 2)
    assert services.world.queue.waiting("encode")
    assert written(space) == {}
    encoder.encode(space, 2)
    assert computer.tried == 3
    metadata = services.aggregate(space)
    assert metadata is not None
    assert metadata.status == "complete"
    for data in written(space).values():
        note = note_in(pq.read_schema(BufferReader(data)))
        assert note.missing == "it could not be computed: MemoryError: too little of it"


def test_another_dictionary_is_looked_for_in_the_data_folder_and_checked_before_the_run(
    services: Inline, world: World
) -> None:
    space = ingested(services, world, neighbours_of="relu.pt")
    services.encoder().encode(space, 0, 1, 2)
    metadata = services.aggregate(space)
    assert metadata is not None
    assert metadata.weights["neighbours_of"]["made_of"]["name"] == "relu.pt"
    space = ingested(services, world, neighbours_of="rows.jsonl")
    services.encoder().encode(space, *3 * [0])
    stopped = space.stopped()
    assert stopped is not None
    assert "rows.jsonl can't be used" in str(stopped.error)


def test_runs_may_leave_them_out(services: Inline, world: World) -> None:
    space = ingested(services, world, skip_directions=True)
    assert turn_of_weights(space) is None
    services.encoder().encode(space, 0, 1)
    metadata = services.aggregate(space)
    assert metadata is not None
    assert (metadata.weights, written(space)) == ({}, {})
    with pytest.raises(SaescopeError):
        space.folder.store.size(space.folder.key(FILES[0]))


@pytest.mark.parametrize(("option", "name"), [("keep_firings", "firings"), ("save_activations", "activations")])
def test_services_keep_what_fires_as_one_process_does(
    services: Inline, world: World, tmp_path: Path, option: str, name: str
) -> None:
    asked = {option: True, "skip_directions": True, "chunk_size": 50}
    space = services.submit(world.options(source="rows.jsonl", subject="subject", autoencoder="topk.pt", **asked))
    services.ingest(space)
    services.encoder().encode(space, 0, 1)
    assert services.aggregate(space) is not None
    one = run(world.options(**asked), DirectoryStore(tmp_path / "one"))
    expected = files_of(tmp_path / "one" / one.run_id)
    for chunk in (0, 1):
        file = f"{name}/{chunk:06d}.parquet"
        assert space.folder.store.get(space.folder.key(file)) == expected[file]
