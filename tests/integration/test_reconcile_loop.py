"""The reconcile loop beside the aggregator on real servers: what it tells Prometheus.

What it has done again is seen in test_services_kills.py and the simulation.
"""

from __future__ import annotations

import threading
from typing import Any

from prometheus_client import REGISTRY

from services.aggregator.__main__ import reconcile
from services.common.object_store import ObjectStore
from services.common.tasks.celery_queue import CeleryQueue
from tests.support.api import Servers
from tests.support.waiting import wait_until
from tests.support.workers import chunk


def depths() -> dict[str, Any]:
    return {
        name: REGISTRY.get_sample_value("saescope_queue_depth", {"queue": name})
        for name in ("ingest", "encode", "aggregate", "probe")
    }


def test_the_depth_of_every_queue_is_a_metric(servers: Servers, queue: CeleryQueue) -> None:
    settings = servers.settings().model_copy(update={"reap_every_s": 0.05})
    ObjectStore.from_settings(settings).create_bucket()
    queue.send(chunk("run-1", 0))
    queue.send(chunk("run-1", 1))
    stopping = threading.Event()
    watching = threading.Thread(target=reconcile, args=(settings, stopping))
    watching.start()
    try:
        wait_until(lambda: depths() == {"ingest": 0, "encode": 2, "aggregate": 0, "probe": 0})
    finally:
        stopping.set()
        watching.join()
