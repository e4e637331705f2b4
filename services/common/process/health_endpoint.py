"""A worker process over HTTP: `/healthz` for liveness probes, `/metrics` for Prometheus.

Healthy means that the running work has made progress within its deadline, or that there is none. A process whose
interpreter hangs doesn't answer at all.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from sparse_autoencoder.errors import SaescopeError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


def serve_health(port: int, overdue: Callable[[], list[str]]) -> int:
    """Serve on a port (0: any free one) of all network interfaces, in threads; returns the port.

    `overdue` lists the work that hangs. SaescopeError if the port can't be used.
    """
    metrics = make_wsgi_app()

    def answer(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environment["PATH_INFO"] != "/healthz":
            return metrics(environment, start)  # type: ignore[no-any-return]
        stuck = overdue()
        start("503 Service Unavailable" if stuck else "200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{line}\n".encode() for line in stuck or ["ok"]]

    try:
        server = make_server("0.0.0.0", port, answer, _Server, _QuietHandler)  # noqa: S104  # other containers ask
    except OSError as error:
        raise SaescopeError(
            f"can't serve metrics on port {port} ({error.strerror or error}): "
            "set SAESCOPE_METRICS_PORT to a free port, or to 0 for none"
        ) from error
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return int(server.server_port)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    address_family = socket.AF_INET


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Log nothing: a probe comes every few seconds."""
