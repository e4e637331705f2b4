"""Runs of real services behind the viewer's pages, which tests hold at a chunk, let go on, and leave without an API.

Knows how such runs are started and held, nothing of what a page shows of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from services.common.run_workspace import Workspace
from tests.e2e.front import front_of
from tests.support.commands import free_port
from tests.support.proxy import Hold, S3Proxy, s3_proxy
from tests.support.services import AGGREGATOR, ENCODER, INGEST, TINY_ROWS, Cluster, Service, tiny_cluster, tiny_options

CHUNKS = 12
ROWS_PER_CHUNK = TINY_ROWS // CHUNKS


@dataclass
class HeldRun:
    """A run whose encoder waits with a chunk until it is let go on."""

    run_id: str
    _holds: list[Hold]

    def further(self) -> None:
        """Let one chunk more be merged."""
        self._holds.pop(0).over.set()

    def finish(self) -> None:
        """Let the run come to its end."""
        for hold in self._holds:
            hold.over.set()


@dataclass(frozen=True)
class Live:
    """Services, and the address of the pages that show them; the API is the service `api`."""

    url: str
    api: Service
    cluster: Cluster
    _proxy: S3Proxy  # the encoder's way to the store

    def ask(self, path: str, method: str = "GET", body: object = None) -> Any:
        """What the API answers."""
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def start_run(self, **changes: Any) -> str:
        """Ask for a run in the tiny world; its id."""
        run_id: str = self.ask("/api/runs", "POST", tiny_options(**changes).model_dump(exclude_unset=True))["id"]
        return run_id

    def finished_run(self, **changes: Any) -> str:
        """A run in the tiny world that came to its end, whatever that is; its id."""
        run_id = self.start_run(**changes)
        self.wait_for_end(run_id)
        return run_id

    def wait_for_end(self, run_id: str) -> None:
        """Return when nobody works on a run any more."""
        space = Workspace(self.cluster.store, run_id)
        self.cluster.wait(lambda: not space.active(), f"run {run_id} comes to its end")

    @contextmanager
    def held_run(self, after: int, **changes: Any) -> Iterator[HeldRun]:
        """A run that is held when `after` chunks are encoded; it has ended when the context has."""
        with ExitStack() as stack:
            # let go on first, then waited for, also when a test failed: the next one's holds are not for this run
            ended = stack.enter_context(ExitStack())
            holds = [
                stack.enter_context(self._proxy.hold("PUT", f"/partials/{chunk:06d}", patient=True))
                for chunk in range(after, CHUNKS)
            ]
            run_id = self.start_run(**changes)
            ended.callback(self.wait_for_end, run_id)
            holds[0].wait()
            yield HeldRun(run_id, holds)

    @contextmanager
    def api_away(self) -> Iterator[None]:
        """Nothing answers for the API in the block; it is killed before, and ready again after."""
        self.api.kill()
        before = len(self.api.said("ready"))
        try:
            yield
        finally:
            self.api.start()
            self.cluster.wait(lambda: len(self.api.said("ready")) > before, "the API is ready again")


@contextmanager
def live_services(folder: Path) -> Iterator[Live]:
    """One process of each service on servers of their own, in the tiny world; they end with the block."""
    port = str(free_port())
    with tiny_cluster(folder) as cluster, s3_proxy(cluster.s3.endpoint) as proxy:
        cluster.start(INGEST)
        cluster.start(AGGREGATOR)
        cluster.start_behind(proxy, ENCODER)
        api = cluster.start("services.api", "--host", "127.0.0.1", "--port", port)
        cluster.wait(lambda: api.said("ready") != [], "the API is ready")
        with front_of(f"http://127.0.0.1:{port}") as url:
            yield Live(url, api, cluster, proxy)
