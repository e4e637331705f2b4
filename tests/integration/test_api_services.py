"""A run that is asked for over HTTP and computed by the real services, from its first event to its published files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.api.app import create_app
from services.api.runs.run_entries import Backend
from services.common.real_dependencies import real_dependencies
from services.common.redis.why_runs_wait import RunNotes
from services.common.run_workspace import Workspace
from tests.support.api import serving
from tests.support.commands import environment, one_sentence, saescope
from tests.support.proxy import S3Proxy
from tests.support.services import AGGREGATOR, ENCODER, INGEST, Cluster, expected_files, tiny_cluster, tiny_options


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with tiny_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.run_only(INGEST, ENCODER, AGGREGATOR)
        yield cluster


@pytest.fixture(scope="module")
def url(cluster: Cluster) -> Iterator[str]:
    backend = Backend(real_dependencies(cluster.settings), RunNotes(cluster.settings.redis_url), cluster.data)
    with serving(create_app(backend.deps.store, backend=backend)) as url:
        yield url


def flags(url: str, **changes: object) -> list[str]:
    options = tiny_options(**changes).model_dump(exclude_unset=True)
    given = [part for name, value in options.items() for part in ("--" + name.replace("_", "-"), str(value))]
    return ["submit", "--url", url, *given]


def test_a_submitted_run_is_followed_to_the_files_of_one_process(cluster: Cluster, url: str, tmp_path: Path) -> None:
    done = saescope(*flags(url), cwd=tmp_path, env=environment(tmp_path, OMP_NUM_THREADS="1"))
    assert done.returncode == 0, done.stderr + cluster.logs()
    run_id, read, summary = done.stdout.splitlines()[:3]
    assert read == "read the column 'title' of rows.jsonl"
    assert "features fired" in summary
    cluster.wait(lambda: not cluster.store.list(f"{run_id}/request.json"), "the run is cleaned up")
    assert cluster.files(run_id) == expected_files()


def test_a_run_whose_models_cannot_be_loaded_fails_with_the_reason(cluster: Cluster, url: str, tmp_path: Path) -> None:
    done = saescope(*flags(url, layer=7), cwd=tmp_path, env=environment(tmp_path))
    assert done.returncode == 2, cluster.logs()
    assert " is failed: " in one_sentence(done.stderr)


def test_failed_chunks_that_are_tried_again_end_in_the_bytes_of_a_run_that_never_failed(
    cluster: Cluster, url: str, proxy: S3Proxy, tmp_path: Path
) -> None:
    cluster.run_only(INGEST, AGGREGATOR)
    store = {"SAESCOPE_S3_ENDPOINT": f"http://{proxy.endpoint}"}
    encoder = cluster.start(ENCODER, **store, SAESCOPE_CHUNK_ATTEMPTS="1")
    with proxy.hold("PUT", "/prompts/000003.parquet") as hold:
        run_id = saescope(*flags(url), "--no-follow", cwd=tmp_path, env=environment(tmp_path)).stdout.strip()
        hold.wait()
        encoder.kill()
    encoder.start()
    space = Workspace(cluster.store, run_id)
    assert cluster.finish(space) != expected_files()
    assert [chunk.chunk for chunk in space.folder.read_metadata().failed_chunks] == [3]
    num_encoded = len(encoder.said("chunk_encoded", run=run_id))
    retry = ["submit", "--url", url, "--retry-failed", run_id]
    done = saescope(*retry, cwd=tmp_path, env=environment(tmp_path))
    assert done.returncode == 0, done.stderr + cluster.logs()
    name, what, _read, summary = done.stdout.splitlines()[:4]
    assert (name, what) == (run_id, "chunk 3 and all after it are computed again; what came before was kept")
    assert "features fired" in summary
    assert cluster.finish(space) == expected_files()
    assert space.folder.read_metadata().status == "complete"
    again = [line["chunk"] for line in encoder.said("chunk_encoded", run=run_id)[num_encoded:]]
    assert sorted(again) == list(range(3, 12))
