"""What a worker says over HTTP to whoever watches over it: whether its work moves, and what it has measured."""

from __future__ import annotations

import socket

import pytest
import urllib3

from services.common.process.health_endpoint import serve_health
from sparse_autoencoder.errors import SaescopeError


def ask(port: int, path: str) -> tuple[int, str]:
    answer = urllib3.request("GET", f"http://127.0.0.1:{port}{path}", retries=False)
    return answer.status, answer.data.decode()


def test_a_worker_is_healthy_while_its_work_moves_and_says_what_does_not() -> None:
    overdue: list[str] = []
    port = serve_health(0, lambda: overdue)
    assert ask(port, "/healthz") == (200, "ok\n")
    overdue.append("encode/000003 of run 1")
    assert ask(port, "/healthz") == (503, "encode/000003 of run 1\n")


def test_metrics_are_beside_it() -> None:
    status, text = ask(serve_health(0, list), "/metrics")
    assert status == 200
    assert "saescope_failed_attempts_total" in text


def test_a_port_that_is_taken_is_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        with pytest.raises(SaescopeError, match=r"^can't serve metrics on port \d+ \(.*\): set SAESCOPE_METRICS_PORT"):
            serve_health(taken.getsockname()[1], list)
