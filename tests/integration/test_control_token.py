"""Where the API has a token, whoever writes must send it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from services.api.http.access import Access
from tests.support.api import Servers

RUN = "20260101-000000_run-001"  # there is none
HEADERS = (None, "", "Bearer", "Bearer ", "Bearer wrong", "Bearer s3cre", "Basic s3cret", "s3cret", "Bearer \xe9")


@pytest.fixture
def guarded(servers: Servers, tmp_path: Path) -> Iterator[TestClient]:
    """A client of an API whose token it isn't given."""
    (tmp_path / "rows.csv").write_text("title\nx\n")
    servers.redis.flush()
    backend = servers.backend(f"guarded-{uuid4().hex}/", tmp_path)
    with TestClient(create_app(backend.deps.store, backend=backend, access=Access("s3cret"))) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ""),
        *(("POST", f"/{RUN}/{what}") for what in ("cancel", "resume", "retry")),
        ("DELETE", f"/{RUN}"),
    ],
)
def test_nobody_writes_without_the_token(guarded: TestClient, method: str, path: str) -> None:
    for header in HEADERS:
        headers = [(b"Content-Type", b"application/json")]
        if header is not None:
            headers.append((b"Authorization", header.encode("latin-1")))
        response = guarded.request(method, f"/api/runs{path}", headers=headers, content=b"{}")
        assert response.status_code == 401
        assert response.json()["error"].startswith("this needs the API's token")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert guarded.get("/api/runs").json() == {"runs": []}


def test_whoever_has_the_token_writes_and_everybody_may_read(guarded: TestClient) -> None:
    response = guarded.post("/api/runs", json={"source": "rows.csv"}, headers={"Authorization": "bearer s3cret"})
    assert response.status_code == 201
    assert len(guarded.get("/api/runs").json()["runs"]) == 1
    assert guarded.get("/api/options").json()["needs_token"] is True
