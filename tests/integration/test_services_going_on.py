"""Services go on with a run with the models, rows and processor that it was begun with, or say what is another."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from services.common.run_workspace import Workspace
from services.encoder.loaded_models import ModelComputer
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.processor_fingerprint import fingerprint
from sparse_autoencoder.pipeline.processor_kind import name_of
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.provenance import OtherProcessorError
from sparse_autoencoder.runs.rows_file_format import chunk_from_parquet, chunk_to_parquet, chunk_tokens
from sparse_autoencoder.runs.store import DirectoryStore
from tests.integration.test_going_on import other_config, other_rows, other_tokenizer, other_weights
from tests.support.inline import Inline
from tests.support.runs import InterruptedStore, World, make_world
from tests.support.servers import RedisServer
from tests.support.services import reference, tiny_options

pytestmark = pytest.mark.usefixtures("quick")

SHORT = r"[0-9a-f]{12}…"
CHUNKS = 5  # of 20 rows


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A tiny world in the services' data folder, whose files may be changed."""
    return make_world(tmp_path / "data")


@pytest.fixture
def services(world: World, tmp_path: Path, server: RedisServer) -> Inline:
    return Inline(server.url, DirectoryStore(tmp_path / "store"), tmp_path / "data")


def other_autoencoder(world: World) -> None:
    """Written over in place, as torch.save does."""
    world.topk.write_bytes(make_world(world.rows.parent.parent / "other", seed=1).topk.read_bytes())


def failure(space: Workspace) -> str:
    stopped = space.stopped()
    assert stopped is not None
    assert stopped.status == "failed"
    return str(stopped.error)


def files(services: Inline, space: Workspace) -> dict[str, bytes]:
    """A run's files but for metadata.json."""
    store, prefix = services.world.store, space.folder.key("")
    keys = [key for key in store.list(prefix) if not key.endswith("/metadata.json")]
    return {key.removeprefix(prefix): store.get(key) for key in keys}


def change_plan(space: Workspace, **changes: Any) -> RunMetadata:
    """Write a run's plan with something else in it."""
    plan = space.folder.read_metadata().model_copy(update=changes)
    space.folder.write_plan(plan)
    return plan


# -- ingest ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_rows, r"^rows.jsonl has changed since it was read: it no longer begins with the 60 rows"),
        (other_tokenizer, rf"^the tokenizer changed while the source was read \(tokenizer.json was {SHORT} and is"),
        (other_config, rf"^the tokenizer changed while the source was read \(config.json was {SHORT} and is {SHORT}"),
    ],
)
def test_an_ingest_that_starts_again_reads_the_same_rows_with_the_same_tokenizer(
    services: Inline, world: World, change: Callable[[World], None], said: str
) -> None:
    space = services.submit(tiny_options())
    services.ingest(space, until=3)
    assert space.chunks() == [0, 1, 2]
    change(world)
    services.ingest(space)
    assert space.chunks() == [0, 1, 2]
    assert re.search(said, failure(space))


@pytest.mark.parametrize("before", ["chunks/000003", "reading.json", "ingested.json"])
def test_an_ingest_that_was_killed_at_any_moment_is_taken_up_to_the_same_rows(
    services: Inline, tmp_path: Path, server: RedisServer, before: str
) -> None:
    whole = services.submit(tiny_options())
    services.ingest(whole)
    killed = Inline(server.url, InterruptedStore(tmp_path / "killed", before), services.data)
    space = killed.submit(tiny_options())
    with suppress(KeyboardInterrupt):
        killed.ingest(space)
    again = Inline(server.url, DirectoryStore(tmp_path / "killed"), services.data)
    again.ingest(Workspace(again.world.store, space.folder.run_id))
    assert Workspace(again.world.store, space.folder.run_id).ingested() == whole.ingested()
    assert whole.ingested() is not None


# -- encoders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_weights, rf"its subject model has changed: model.safetensors was {SHORT} and is {SHORT}; put back"),
        (other_tokenizer, rf"its subject model has changed: tokenizer.json was {SHORT} and is {SHORT}; put back"),
        (other_config, rf"its subject model has changed: config.json was {SHORT} and is {SHORT}; put back"),
        (other_autoencoder, rf"its autoencoder has changed: sha256 was {SHORT} and is {SHORT}; put back"),
    ],
)
def test_an_encoder_that_starts_again_goes_on_with_the_same_models(
    services: Inline, world: World, change: Callable[[World], None], said: str
) -> None:
    space = services.submit(tiny_options())
    services.ingest(space)
    services.encoder().encode(space, 0, 1)
    assert space.partials() == [0, 1]
    change(world)
    for _attempt in range(services.world.settings.chunk_attempts):
        services.encoder().encode(space, 2)
    assert space.partials() == [0, 1]
    assert re.search(f"^run {space.folder.run_id} can't be resumed, {said}", failure(space))


@pytest.mark.parametrize("change", [other_tokenizer, other_config])
def test_an_encoder_makes_no_plan_for_rows_that_another_tokenizer_read(
    services: Inline, world: World, change: Callable[[World], None]
) -> None:
    space = services.submit(tiny_options())
    services.ingest(space)
    change(world)
    for _attempt in range(services.world.settings.chunk_attempts):
        services.encoder().encode(space, 0)
    assert space.partials() == []
    assert "its rows were tokenised with another model than this one: " in failure(space)


def test_an_encoder_that_has_the_models_goes_on_with_them_and_begins_new_runs_with_the_new_ones(
    services: Inline, world: World, tmp_path: Path
) -> None:
    old_files = reference(world.options(), tmp_path / "expected")
    old, encoder = services.submit(tiny_options()), services.encoder()
    services.ingest(old)
    encoder.encode(old, 0, 1)
    other_autoencoder(world)
    other_weights(world)
    new = services.submit(tiny_options())
    services.ingest(new)
    for chunk in range(CHUNKS):  # in turns
        encoder.encode(new, chunk)
        encoder.encode(old, chunk)
    for space, expected in ((old, old_files), (new, reference(world.options(), tmp_path / "expected"))):
        assert services.aggregate(space) is not None
        assert files(services, space) == expected
    plans = [space.folder.read_metadata() for space in (old, new)]
    assert plans[0].autoencoder["sha256"] != plans[1].autoencoder["sha256"]
    assert plans[0].subject["files"] != plans[1].subject["files"]


def test_a_process_reads_models_once_however_many_chunks_and_runs_take_turns(services: Inline, world: World) -> None:
    read: Counter[str] = Counter()
    listening = True

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        if listening and event == "open":
            read[str(arguments[0])] += 1

    sys.addaudithook(count)  # for good: there is no taking it off
    encoder = services.encoder()
    spaces = [services.submit(tiny_options(**options)) for options in ({}, {"seed": 1}, {"autoencoder": "relu.pt"})]
    for space in spaces:
        services.ingest(space)
    read.clear()
    for chunk in range(CHUNKS):
        for space in spaces:
            encoder.encode(space, chunk)
    listening = False
    assert [space.partials() for space in spaces] == [list(range(CHUNKS))] * 3
    # loaded for the first and the third run, and looked at for the second's plan; by us: safetensors are opened unseen
    assert read[str(world.subject / "model.safetensors")] == 3


def test_a_chunk_that_another_tokenizer_read_is_not_encoded(services: Inline) -> None:
    space = services.submit(tiny_options())
    services.ingest(space)
    data = space.chunk(1)
    tokens = chunk_tokens(data, 1)
    assert tokens == space.reading().tokens  # type: ignore[union-attr]
    space.put_chunk(1, chunk_to_parquet(chunk_from_parquet(data, 1), tokens | {"tokenizer.json": "0" * 64}))
    encoder = services.encoder()
    encoder.encode(space, *CHUNKS * services.world.settings.chunk_attempts * [1])
    metadata = services.aggregate(space)
    assert metadata is not None
    (failed,) = metadata.failed_chunks
    assert failed.chunk == 1
    assert re.search(
        rf"tokenised with another model than this one: tokenizer.json was 0{{12}}… and is {SHORT}", failed.error
    )


# -- processors --------------------------------------------------------------------------------------------------------


def test_an_encoder_says_its_kind_and_takes_no_chunk_of_a_run_of_another(services: Inline) -> None:
    space, encoder = services.submit(tiny_options()), services.encoder()
    services.ingest(space)
    encoder.encode(space, 0)
    plan = space.folder.read_metadata()
    assert isinstance(encoder.computer, ModelComputer)
    assert encoder.computer.kind("float32", "cpu") == fingerprint("cpu", "float32") == plan.processor["fingerprint"]
    assert encoder.computer.unfit(plan) is None
    other = {"fingerprint": "0" * 32, "name": "Another Processor", "device": "cpu"}
    plan = change_plan(space, processor=other)
    why = (
        f"run {space.folder.run_id} can't be resumed here: it was begun on Another Processor (kind 00000000), and this "
        f"is {name_of('cpu')} (kind "
    )
    assert str(encoder.computer.unfit(plan)).startswith(why)
    with pytest.raises(OtherProcessorError, match=re.escape(why)):
        encoder.computer.load_models(plan)
    services.encoder().encode(space, 1)
    assert space.partials() == [0]
    assert space.stopped() is None


def test_an_encoder_without_the_plans_device_is_of_another_kind(services: Inline) -> None:
    space, encoder = services.submit(tiny_options()), services.encoder()
    services.ingest(space)
    encoder.encode(space, 0)
    gpu = {"fingerprint": "0" * 32, "name": "NVIDIA H200", "device": "cuda:77"}
    plan = change_plan(space, processor=gpu, options=tiny_options(device="cuda:77"))
    assert isinstance(encoder.computer, ModelComputer)
    assert encoder.computer.kind("float32", "cuda:77") == "no such device"
    assert "begun on NVIDIA H200 (kind 00000000), and this is a machine that has no cuda:77 for float32" in str(
        encoder.computer.unfit(plan)
    )


def test_a_device_that_is_there_but_has_no_memory_left_is_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = mock.Mock(side_effect=SaescopeError("the memory of cpu:0 is too small"))
    monkeypatch.setattr("sparse_autoencoder.pipeline.processor_fingerprint.hash_of_results", full)
    with pytest.raises(SaescopeError, match="the memory of cpu:0 is too small"):
        ModelComputer(tmp_path).kind("float32", "cpu:0")


# -- the end -----------------------------------------------------------------------------------------------------------


def test_rows_that_were_encoded_and_are_not_the_sources_fail_the_run(
    services: Inline, world: World, tmp_path: Path, server: RedisServer
) -> None:
    """As when an ingest that was frozen wakes up, and writes what it had read before the source was replaced."""
    frozen = Inline(server.url, DirectoryStore(tmp_path / "frozen"), services.data)
    old = frozen.submit(tiny_options())
    frozen.ingest(old, until=1)
    other_rows(world)
    space, encoder = services.submit(tiny_options()), services.encoder()
    services.ingest(space)
    space.put_chunk(0, old.chunk(0))
    encoder.encode(space, *range(CHUNKS))
    assert services.aggregate(space) is None
    assert failure(space).startswith("the source changed while it was read: rows were encoded that are not in it any")


@pytest.mark.parametrize("package", ["numpy", "pyarrow", "saescope"])
def test_an_aggregator_of_other_versions_does_not_go_on_with_a_run(services: Inline, package: str) -> None:
    space, encoder = services.submit(tiny_options()), services.encoder()
    services.ingest(space)
    encoder.encode(space, *range(CHUNKS))
    plan = space.folder.read_metadata()
    change_plan(space, versions=plan.versions | {package: "0.0.1"})
    assert services.aggregate(space) is None
    assert f"its software has changed: {package} was 0.0.1 and is {plan.versions[package]}; give all" in failure(space)


def test_a_run_that_an_earlier_version_planned_says_why_it_can_not_go_on(services: Inline) -> None:
    space, encoder = services.submit(tiny_options()), services.encoder()
    services.ingest(space)
    encoder.encode(space, 0)
    plan = space.folder.read_metadata()
    change_plan(space, subject={name: value for name, value in plan.subject.items() if name != "files"}, processor={})
    for _attempt in range(services.world.settings.chunk_attempts):
        services.encoder().encode(space, 1)
    assert "begun by a version of saescope that did not record the hashes of its models" in failure(space)
