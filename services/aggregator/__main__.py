"""`python -m services.aggregator`: the worker that merges and publishes, and the watch beside it."""

from __future__ import annotations

import logging
import sys
import threading

from services.aggregator.merging import SummaryMerging
from services.aggregator.watch import Watch
from services.aggregator.work import Aggregator
from services.common import metrics
from services.common.celery_app import QUEUES
from services.common.logs import about, log
from services.common.messages import Message
from services.common.problems import Problems
from services.common.process import noting, with_settings
from services.common.queue import CeleryQueue
from services.common.settings import Settings
from services.common.worker import run_worker
from services.common.world import real_world
from sparse_autoencoder.errors import SaescopeError


def work(settings: Settings) -> int:
    """Be the worker until a signal."""
    stopping = threading.Event()
    aggregator = Aggregator(real_world(settings), SummaryMerging())

    def handle(message: Message) -> None:
        merged = aggregator.aggregate(message.run_id)
        if merged is None or not (merged.num_chunks or merged.finished):
            return
        metrics.CHUNK_SECONDS.labels("merge").observe(merged.seconds / max(1, merged.num_chunks))
        log(
            "run finished" if merged.finished else "chunks merged",
            run=message.run_id,
            chunks=merged.num_chunks,
            next_chunk=merged.next_chunk,
            seconds=round(merged.seconds, 3),
            save_seconds=round(merged.save_seconds, 3),
        )

    return run_worker(
        "aggregator",
        ["aggregate"],
        {"aggregate": noting(handle, Problems(settings.redis_url))},
        settings,
        beside=[lambda: watch(settings, stopping)],
        stopping=stopping,
    )


def watch(settings: Settings, stopping: threading.Event) -> None:
    """Look after all runs every `reap_every_s` until the process stops; trouble is logged, and the next look comes."""
    world = real_world(settings)
    watching = Watch(world)
    while not stopping.wait(settings.reap_every_s):
        try:
            sent = watching.look()
            assert isinstance(world.queue, CeleryQueue)  # noqa: S101
            for queue in QUEUES:
                metrics.QUEUE_DEPTH.labels(queue).set(world.queue.depth(queue))
        except SaescopeError as error:
            log("can't watch", logging.WARNING, problem=str(error))
            continue
        for problem in sent.problems:
            log("can't watch", logging.WARNING, problem=problem)
        for message in sent.messages:
            lost = message in sent.lost
            if message.task == "encode":
                metrics.RETRIES.inc()
            if lost:
                metrics.LEASE_LOSSES.inc()
            log("sent again", **about(message), worker_lost=lost)


if __name__ == "__main__":
    sys.exit(with_settings(work))
