"""Runs whose windows overlap (`--context`): killed, resumed and by services the same, and shown for what they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from sparse_autoencoder.pipeline.single_process import resume, run
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.inline import Inline
from tests.support.runs import MAX_TOKENS, N_LATENTS, World, files_of, interrupted_run, read_json, read_tables
from tests.support.servers import RedisServer

pytestmark = pytest.mark.usefixtures("quick")

CONTEXT = 3


@pytest.fixture(scope="module")
def finished(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    root = tmp_path_factory.mktemp("runs")
    return root / run(options_of(world), DirectoryStore(root)).run_id


@pytest.fixture(scope="module")
def api(finished: Path) -> Iterator[TestClient]:
    with TestClient(create_app(DirectoryStore(finished.parent))) as client:
        yield client


def options_of(world: World) -> RunOptions:
    return world.options(context=CONTEXT)


def test_the_context_is_recorded(finished: Path) -> None:
    assert read_json(finished, "metadata.json")["options"]["context"] == CONTEXT


def test_a_killed_run_goes_on_with_its_context(finished: Path, world: World, tmp_path: Path) -> None:
    run_id = interrupted_run(options_of(world), tmp_path, "prompts/000002.parquet")
    resume(run_id, DirectoryStore(tmp_path))
    assert files_of(tmp_path / run_id) == files_of(finished)


def test_examples_say_from_which_token_on_they_count(api: TestClient) -> None:
    shown = [
        example
        for feature in range(N_LATENTS)
        for info in [api.get("/api/feature_info", params={"id": feature, "top_k": 1000}).json()]
        for example in (*info["top"], *info["random"])
    ]
    assert {(bool(example["offset"]), example["first_counted"]) for example in shown} == {
        (False, 1),
        (True, 1 + CONTEXT),
    }
    for example in shown:
        assert example["idx"] >= example["first_counted"]
        assert not any(example["acts"][: example["first_counted"]])


def test_a_row_says_where_the_windows_that_count_its_tokens_begin(finished: Path, api: TestClient) -> None:
    room = MAX_TOKENS - 1
    for record in read_tables(finished, "prompts"):
        row = api.get(f"/api/prompts/{record['row_id']}").json()
        length = len(record["tokens"] or [])
        assert row["windows"] == ([0, *range(room, length, room - CONTEXT)] if length else [])


def test_services_publish_the_same(finished: Path, world: World, tmp_path: Path, server: RedisServer) -> None:
    services = Inline(server.url, DirectoryStore(tmp_path), world.rows.parent)
    space = services.submit(options_of(world))
    services.ingest(space)
    services.encoder().encode(space, *space.chunks())
    metadata = services.aggregate(space)
    assert metadata is not None
    assert metadata.options.context == CONTEXT
    assert files_of(tmp_path / space.folder.run_id) == files_of(finished)
