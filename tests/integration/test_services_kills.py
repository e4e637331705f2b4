"""Real services killed at the worst moments, on a real Redis and a real S3 server: the bytes are always the same.

A request to the store is held where a service is to be hit (tests/support/proxy.py); then it gets its SIGKILL.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from services.common.redis.leases import RedisLeases
from services.common.work_names import encode_lease
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.run_state import FailedChunk
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.proxy import Point, S3Proxy
from tests.support.runs import COLUMNS, break_token, files_of, make_world, one_thread
from tests.support.services import (
    AGGREGATOR,
    ENCODER,
    INGEST,
    TINY_ROWS,
    Cluster,
    Service,
    expected_files,
    tiny_options,
)

ELSEWHERE_S = 30.0  # in which the work of a killed worker is promised to go on elsewhere
LATER_STATE = r"/state/(?!000001)\d+"  # the first is saved after one chunk


def chunks_of(service: Service, run_id: str) -> list[int]:
    """The chunks that an encoder encoded, in order."""
    return [line["chunk"] for line in service.said("chunk_encoded", run=run_id)]


@pytest.mark.parametrize(
    ("method", "path", "point", "again"),
    [
        ("GET", r"/chunks/(\d+)", "after", True),
        ("PUT", r"/partials/(\d+)", "halfway", True),
        ("PUT", r"/partials/(\d+)", "after", False),  # its word to the aggregator is missing
    ],
)
def test_an_encoder_killed_in_mid_chunk(
    cluster: Cluster, proxy: S3Proxy, method: str, path: str, point: Point, again: bool
) -> None:
    _, _, other = cluster.run_only(INGEST, AGGREGATOR, ENCODER)
    victim = cluster.start_behind(proxy, ENCODER)
    cluster.wait(lambda: bool(victim.said("ready") and other.said("ready")), "both encoders are ready")
    with proxy.hold(method, path, point) as hold:
        space = cluster.new_run(tiny_options())
        found = re.search(path, hold.wait())
        assert found is not None
        chunk, run_id = int(found[1]), space.folder.run_id
        assert encode_lease(run_id, chunk) in RedisLeases.at(cluster.redis.url, 1.0).held("")
        victim.kill()
    assert cluster.finish(space) == expected_files()
    assert chunk not in chunks_of(victim, run_id)
    assert (chunk in chunks_of(other, run_id)) == again


def test_saved_activations_are_the_same_when_an_encoder_is_killed_writing_them(
    cluster: Cluster, proxy: S3Proxy
) -> None:
    _, _, other = cluster.run_only(INGEST, AGGREGATOR, ENCODER)
    victim = cluster.start_behind(proxy, ENCODER)
    cluster.wait(lambda: bool(victim.said("ready") and other.said("ready")), "both encoders are ready")
    with proxy.hold("PUT", r"/activations/\d+\.parquet", "halfway") as hold:
        space = cluster.new_run(tiny_options(save_activations=True))
        hold.wait()
        victim.kill()
    assert cluster.finish(space) == expected_files(save_activations=True)


def test_the_work_of_a_killed_encoder_goes_on_elsewhere_within_30_s_with_the_default_settings(
    cluster: Cluster,
) -> None:
    defaults = {"SAESCOPE_LEASE_S": "10", "SAESCOPE_REAP_EVERY_S": "3", "SAESCOPE_SAVE_EVERY_S": "5"}
    cluster.run_only()
    for module in (INGEST, AGGREGATOR):
        cluster.start(module, **defaults)
    victim = cluster.start(ENCODER, **defaults)
    space = cluster.new_run(tiny_options(chunk_size=TINY_ROWS))
    leases, lease = RedisLeases.at(cluster.redis.url, 1.0), encode_lease(space.folder.run_id, 0)
    cluster.wait(lambda: lease in leases.held(""), "a chunk is being encoded")
    victim.kill()
    assert chunks_of(victim, space.folder.run_id) == []
    other = cluster.start(ENCODER, **defaults)
    cluster.wait(lambda: chunks_of(other, space.folder.run_id) == [0], "it is encoded elsewhere", ELSEWHERE_S)
    assert cluster.finish(space) == expected_files(chunk_size=TINY_ROWS)


@pytest.mark.parametrize(
    ("method", "path", "point"),
    [
        ("GET", "/partials/000003", "after"),  # in mid-merge
        ("PUT", LATER_STATE, "halfway"),  # in mid-save
        ("PUT", LATER_STATE, "after"),
        ("DELETE", "/partials/000003", "after"),  # in tidying up after it
        ("PUT", r"/feature_tokens.json", "before"),  # in mid-publication
        ("PUT", r"/metadata.json", "after"),  # finished, and not tidied up
    ],
)
def test_an_aggregator_killed(cluster: Cluster, proxy: S3Proxy, method: str, path: str, point: Point) -> None:
    cluster.run_only(INGEST, ENCODER)
    with proxy.hold(method, path, point) as hold:
        victim = cluster.start_behind(proxy, AGGREGATOR)
        space = cluster.new_run(tiny_options())
        hold.wait()
        victim.kill()
    cluster.run_only(INGEST, ENCODER, AGGREGATOR)
    assert cluster.finish(space) == expected_files()


@pytest.mark.parametrize(
    ("path", "point"),
    [("/chunks/000003", "after"), ("/ingested.json", "before")],
)
def test_an_ingest_killed_in_mid_dataset(cluster: Cluster, proxy: S3Proxy, path: str, point: Point) -> None:
    cluster.run_only(ENCODER, AGGREGATOR)
    with proxy.hold("PUT", path, point) as hold:
        victim = cluster.start_behind(proxy, INGEST)
        space = cluster.new_run(tiny_options())
        hold.wait()
        victim.kill()
    cluster.run_only(ENCODER, AGGREGATOR, INGEST)
    assert cluster.finish(space) == expected_files()


def test_everything_ended_by_sigterm_in_mid_run_and_started_again(cluster: Cluster, proxy: S3Proxy) -> None:
    cluster.run_only(AGGREGATOR)
    few = {"SAESCOPE_MAX_WAITING_CHUNKS": "4"}  # so that ingest is in mid-dataset
    ingest = cluster.start(INGEST, **few)
    with proxy.hold("GET", "/chunks/000002", "after") as hold:
        cluster.start_behind(proxy, ENCODER)
        space = cluster.new_run(tiny_options())
        hold.wait()
        services = cluster.running
        for service in services:
            service.process.terminate()
    assert [service.process.wait(30) for service in services] == [0, 0, 0]
    assert space.ingested() is None
    cluster.redis.restart()
    cluster.s3.process.restart()
    cluster.start(INGEST, **few)
    cluster.run_only(ENCODER, AGGREGATOR, ingest.name)
    assert cluster.finish(space) == expected_files()


def test_a_chunk_that_always_kills_its_worker_is_named_and_the_run_completes_with_errors(
    cluster: Cluster, proxy: S3Proxy, tmp_path: Path
) -> None:
    cluster.run_only(INGEST, AGGREGATOR)
    encoder = cluster.start_behind(proxy, ENCODER)
    space = cluster.new_run(tiny_options(text_column="title"))
    with proxy.hold("PUT", "/prompts/000003.parquet") as hold:
        for _ in range(3):  # as a container that is restarted whenever it runs out of memory
            hold.wait()
            encoder.kill()
            encoder.start()
        files = cluster.finish(space)
    metadata = space.folder.read_metadata()
    assert metadata.status == "completed_with_errors"
    assert metadata.failed_chunks == [
        FailedChunk(
            chunk=3,
            first_row=60,
            last_row=79,
            num_rows=20,
            error="the worker was lost 3 times while it encoded this chunk: is there enough memory?",
        )
    ]
    # The others are what a run gives in which these rows say nothing, but keep their places.
    world = make_world(tmp_path / "world", TINY_ROWS)
    lines = world.rows.read_text(encoding="utf-8").splitlines()
    lines[60:80] = [json.dumps({})] * 20
    world.rows.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with one_thread():
        without = run(world.options(text_column="title"), DirectoryStore(tmp_path / "runs"))
    expected = files_of(tmp_path / "runs" / without.run_id)
    del expected["prompts/000003.parquet"]
    # rows with the text of a failed one count as its repetitions
    del expected["text_sums.parquet"], files["text_sums.parquet"]
    skipped = expected["skipped.jsonl"].splitlines(keepends=True)
    expected["skipped.jsonl"] = b"".join(line for line in skipped if not 60 <= json.loads(line)["row_id"] < 80)
    # from which the chunk can be tried again
    assert "before-failures/000003" in files
    kept = ("before-failures/", "token_tables/", "token_samples/")
    assert {name: data for name, data in files.items() if not name.startswith(kept)} == expected


def test_a_chunk_whose_encoding_fails_is_named_as_in_one_process(cluster: Cluster, tmp_path: Path) -> None:
    cluster.run_only(INGEST, ENCODER, AGGREGATOR)
    world = make_world(cluster.data / "broken", TINY_ROWS)
    break_token(world, "#")
    with one_thread():
        alone = run(world.options(), DirectoryStore(tmp_path))
    paths = {"source": "broken/rows.jsonl", "subject": "broken/subject", "autoencoder": "broken/topk.pt"}
    space = cluster.new_run(tiny_options(**paths, **COLUMNS))
    assert cluster.finish(space) == files_of(tmp_path / alone.run_id)
    metadata = space.folder.read_metadata()
    assert metadata.status == "completed_with_errors"
    assert metadata.failed_chunks == alone.failed_chunks
    assert [chunk.chunk for chunk in metadata.failed_chunks] == [1]
