"""`python -m services.aggregator`: the worker that merges and publishes, and the reconcile loop beside it."""

import logging
import sys
import threading

from services.aggregator.merge_and_publish import Aggregator, Merged
from services.aggregator.reconcile_loop import ReconcileLoop
from services.aggregator.summary_merging import SummaryMerging
from services.common import prometheus_metrics, work_names
from services.common.logs import about, log
from services.common.process.fresh_process import something_worked
from services.common.process.service_main import attempt_rule, run_with_settings, with_run_notes
from services.common.real_dependencies import real_dependencies
from services.common.settings import Settings
from services.common.tasks.celery_app import QUEUES, create_app
from services.common.tasks.celery_queue import CeleryQueue
from services.common.tasks.messages import Message
from services.common.tasks.worker_process import run_worker
from sparse_autoencoder.errors import SaescopeError


def work(settings: Settings) -> int:
    """Run the worker until it is told to stop."""
    stopping = threading.Event()
    deps = real_dependencies(settings)
    aggregator = Aggregator(deps, SummaryMerging(), attempt_rule(deps, "aggregator", stopping.is_set))

    def handle(message: Message) -> None:
        merged = aggregator.aggregate(message.run_id)
        if merged is not None:
            something_worked()
            _report(message.run_id, merged)

    return run_worker(
        "aggregator",
        ["aggregate"],
        {"aggregate": with_run_notes(handle, deps.notes)},
        settings,
        beside=[lambda: reconcile(settings, stopping)],
        stopping=stopping,
    )


def _report(run_id: str, merged: Merged) -> None:
    """Log what was merged, and count it for Prometheus."""
    for problem in merged.damaged:
        log("state_damaged", logging.WARNING, run=run_id, problem=problem, going_on_from_chunk=merged.next_chunk)
    first = merged.next_chunk - len(merged.chunk_seconds)
    for chunk, seconds in enumerate(merged.chunk_seconds, first):
        prometheus_metrics.CHUNK_SECONDS.labels("merge").observe(seconds)
        log("chunk_merged", run=run_id, chunk=chunk, seconds=round(seconds, 3))
    if merged.finished:
        log("run_finished", run=run_id, seconds=round(merged.seconds, 3), save_seconds=round(merged.save_seconds, 3))


def reconcile(settings: Settings, stopping: threading.Event) -> None:
    """Run the reconcile loop every `reap_every_s` seconds until the process stops; what goes wrong in a pass is logged.

    Each pass also shows autoscalers what is being encoded, and Prometheus how long the queues are.
    """
    deps = real_dependencies(settings)
    loop = ReconcileLoop(deps)
    queues = CeleryQueue(create_app(settings))  # depths aren't part of the interface Queue
    while not stopping.wait(settings.reap_every_s):
        try:
            queues.show_taken("encode", deps.leases.held(work_names.ENCODE_LEASES))
            requeued = loop.run_once()
            for queue in QUEUES:
                prometheus_metrics.QUEUE_DEPTH.labels(queue).set(queues.depth(queue))
        except SaescopeError as error:
            log("reconcile_failed", logging.WARNING, problem=str(error))
            continue
        for problem in requeued.problems:
            log("reconcile_failed", logging.WARNING, problem=problem)
        for message in requeued.messages:
            lost = message in requeued.lost
            if message.task == "encode":
                prometheus_metrics.RETRIES.inc()
            if lost:
                prometheus_metrics.LEASE_LOSSES.inc()
            log("task_requeued", **about(message), worker_lost=lost)


if __name__ == "__main__":
    sys.exit(run_with_settings(work))
