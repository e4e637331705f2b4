"""Real services whose store is down, silent, unreliable or full: they say so, and the bytes are the same in the end."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.common.redis.why_runs_wait import RunNotes
from services.common.tasks.celery_app import create_app
from services.common.tasks.celery_queue import CeleryQueue
from services.common.tasks.messages import Message
from sparse_autoencoder.runs.example_cutoffs import ExampleCutoffs, MergedChunks
from sparse_autoencoder.runs.partial_format import Partial
from sparse_autoencoder.summaries.feature_summary import CutoffKeys
from sparse_autoencoder.summaries.strength_bands import BANDS
from tests.support.proxy import EveryTenth, S3Proxy, s3_proxy
from tests.support.services import AGGREGATOR, ENCODER, INGEST, Cluster, expected_files, tiny_cluster, tiny_options
from tests.support.small_disk import small_disk

CHUNKS = 12
SILENT_S = 8.0  # longer than a lease, and than a request waits for its answer
DISK_BYTES = 24 << 20


def test_a_store_that_is_killed_in_mid_run_and_back_when_all_have_noticed(cluster: Cluster, proxy: S3Proxy) -> None:
    ingest, aggregator = cluster.run_only(INGEST, AGGREGATOR)
    encoder = cluster.start_behind(proxy, ENCODER)
    with proxy.hold("GET", "/chunks/000004", "after") as hold:
        space = cluster.new_run(tiny_options())
        hold.wait()
        cluster.s3.process.kill()
    cluster.wait(lambda: encoder.said("server_unavailable") != [], "the encoder has noticed")
    cluster.wait(lambda: aggregator.said("reconcile_failed") != [], "the aggregator has noticed")
    cluster.s3.process.start()
    assert cluster.finish(space) == expected_files()
    assert all(service.running for service in (ingest, encoder, aggregator))


def test_a_store_that_is_silent_for_a_while(cluster: Cluster, proxy: S3Proxy) -> None:
    services = [*cluster.run_only(INGEST, AGGREGATOR), cluster.start_behind(proxy, ENCODER)]
    with proxy.hold("GET", "/chunks/000004", "after") as hold:
        space = cluster.new_run(tiny_options())
        hold.wait()
        cluster.s3.process.pause()
    back_at = time.monotonic() + SILENT_S
    try:
        cluster.wait(lambda: time.monotonic() >= back_at, "it was silent for a while")
    finally:
        cluster.s3.process.resume()
    assert cluster.finish(space) == expected_files()
    assert all(service.running for service in services)


def test_a_store_that_fails_every_tenth_call_sometimes_for_longer_than_it_is_repeated(
    cluster: Cluster, proxy: S3Proxy
) -> None:
    cluster.run_only()
    services = [cluster.start_behind(proxy, module) for module in (INGEST, ENCODER, AGGREGATOR)]
    cluster.wait(lambda: all(service.said("ready") for service in services), "all are ready")
    proxy.trouble = trouble = EveryTenth()
    for _ in range(5):  # services that list the same share what keeps failing, so that each may get past it
        space = cluster.new_run(tiny_options())
        assert cluster.finish(space) == expected_files()
        assert trouble.troubles > 8
        if any(service.said("server_unavailable") or service.said("reconcile_failed") for service in services):
            break
    else:
        pytest.fail("no service ever saw a request fail for longer than it is repeated")
    assert all(service.running for service in services)


def fill(filler: Path) -> None:
    """Write until there is no room at all."""
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 16, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    room = os.statvfs(filler.parent)
    assert room.f_bavail == 0


def test_a_store_whose_disk_is_full_is_a_clear_error_and_the_run_goes_on_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with (
        small_disk(disk, DISK_BYTES),
        tiny_cluster(tmp_path, disk) as cluster,
        s3_proxy(cluster.s3.endpoint) as proxy,
    ):
        services = [*cluster.run_only(INGEST, AGGREGATOR), cluster.start_behind(proxy, ENCODER)]
        with proxy.hold("GET", "/chunks/000004", "after") as hold:
            space = cluster.new_run(tiny_options())
            hold.wait()
            fill(disk / "filler")
        cluster.wait(lambda: bool(services[-1].said("server_unavailable")), "the encoder can't write")
        (problem, *_) = [line["problem"] for line in services[-1].said("server_unavailable")]
        assert problem.startswith(f"the bucket runs at {proxy.endpoint} refused a request for {space.folder.run_id}/")
        assert problem.endswith("the S3 server's log says why: is its disk full?")
        assert RunNotes(cluster.redis.url).read(space.folder.run_id) is not None
        assert not space.finished()
        assert space.stopped() is None
        (disk / "filler").unlink()
        # SeaweedFS writes no more after its own books couldn't be written once, until it is started again.
        cluster.s3.process.restart()
        assert cluster.finish(space) == expected_files()
        assert all(service.running for service in services)


def test_damaged_partials_are_computed_again(cluster: Cluster) -> None:
    cluster.run_only(INGEST, ENCODER)
    space = cluster.new_run(tiny_options())
    cluster.wait(lambda: len(space.partials()) == CHUNKS, "all chunks are encoded")
    cut, flipped = space.partial(3), bytearray(space.partial(5))
    flipped[len(flipped) // 2] ^= 1
    space.put_partial(3, cut[:-100])
    space.put_partial(5, bytes(flipped))
    space.put_partial(7, space.partial(8))
    cluster.run_only(INGEST, ENCODER, AGGREGATOR)
    assert cluster.finish(space) == expected_files()


def test_a_chunk_leaves_out_examples_that_those_before_it_exclude(cluster: Cluster) -> None:
    cluster.run_only(INGEST, ENCODER)
    space = cluster.new_run(tiny_options())
    cluster.wait(lambda: len(space.partials()) == CHUNKS, "all chunks are encoded")
    whole = [Partial.from_bytes(space.partial(chunk)) for chunk in range(CHUNKS)]
    for chunk in range(6, CHUNKS):
        space.delete_partial(chunk)
    cluster.run_only(INGEST, AGGREGATOR)
    cluster.wait(lambda: space.cursor() == 6, "half of the chunks are merged and saved")
    cluster.run_only(ENCODER)
    queue = CeleryQueue(create_app(cluster.settings))
    for chunk in range(6, CHUNKS):  # the reconcile loop may have been ended before it did
        queue.send(Message(task="encode", run_id=space.folder.run_id, chunk=chunk))
    cluster.wait(lambda: set(range(6, CHUNKS)) <= set(space.partials()), "the other half is encoded")
    for chunk in range(6, CHUNKS):
        again = Partial.from_bytes(space.partial(chunk))
        assert again.cut_after == MergedChunks(next_chunk=6)
        assert 0 < len(again.state.summary.top) < len(whole[chunk].state.summary.top)
        assert 0 < len(again.state.summary.random) < len(whole[chunk].state.summary.random)
    cluster.run_only(INGEST, ENCODER, AGGREGATOR)
    assert cluster.finish(space) == expected_files()


def test_damaged_cutoffs_cut_nothing(cluster: Cluster) -> None:
    _ingest, encoder = cluster.run_only(INGEST, ENCODER)
    space = cluster.new_run(tiny_options())
    space.put_cutoffs(b"something else")
    cluster.wait(lambda: len(space.partials()) == CHUNKS, "all chunks are encoded")
    assert len(encoder.said("cutoffs_unreadable", run=space.folder.run_id)) == CHUNKS
    cluster.run_only(INGEST, ENCODER, AGGREGATOR)
    assert cluster.finish(space) == expected_files()


def test_a_chunk_that_was_cut_by_cutoffs_of_others_than_are_merged_is_computed_again(cluster: Cluster) -> None:
    cluster.run_only(INGEST, ENCODER)
    space = cluster.new_run(tiny_options())
    cluster.wait(lambda: len(space.partials()) == CHUNKS, "all chunks are encoded")
    first, second = (Partial.from_bytes(space.partial(chunk)) for chunk in (0, 1))
    # As if an aggregator that is gone had merged other chunks, whose examples nothing reaches.
    unreachable = np.zeros(first.state.summary.spec.n_features, np.uint32)
    keys = CutoffKeys(unreachable, unreachable, np.repeat(unreachable, BANDS))
    cutoffs = ExampleCutoffs(MergedChunks(next_chunk=1), keys)
    cut = second.cut_by(cutoffs)
    assert len(cut.state.summary.top) == 0
    space.put_cutoffs(cutoffs.to_bytes())
    space.put_partial(1, replace(cut, cut_after=MergedChunks(next_chunk=2)).to_bytes())
    cluster.run_only(INGEST, ENCODER, AGGREGATOR)
    assert cluster.finish(space) == expected_files()


def test_rows_that_are_damaged_on_their_way_end_the_run_with_a_sentence(cluster: Cluster) -> None:
    cluster.run_only(INGEST)
    space = cluster.new_run(tiny_options())
    cluster.wait(lambda: len(space.chunks()) == CHUNKS, "all chunks are read")
    space.put_chunk(3, b"something else")
    cluster.run_only(INGEST, ENCODER, AGGREGATOR)
    cluster.wait(lambda: space.stopped() is not None, "the run is stopped")
    stopped = space.stopped()
    assert stopped is not None
    assert stopped.status == "failed"
    assert str(stopped.error).startswith("the rows of chunk 3 can't be read: ")
