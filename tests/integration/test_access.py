"""Who may read: other sites' pages, other names than the server's, whoever has no token; behind a prefix; slowly."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from services.api.http import server, write_requests
from services.api.http.access import Access
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.api import backend_without_servers, listening, serving

TOKEN = "correct horse battery staple"
READS = ["/api/runs", "/api/features", "/api/feature_info?id=0", "/api/prompts", "/api/options", "/api/openapi.json"]
OPEN = ["/healthz", "/readyz"]
OWN_NAMES = [
    "localhost",
    "localhost:1234",
    "127.0.0.1:8765",
    "[::1]:8765",
    "api:8765",
    "192.168.1.5",
    "LOCALHOST",
    "gpu_1",
]
DOMAINS = [
    "evil.example",
    "evil.example:8765",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example.",
    "a.b",
]
BROKEN = [
    "a{b.evil.example",
    "evil.example/",
    "a b",
    "evil.example,localhost",
    "localhost:x",
    "",
    "@localhost",
    "localhost:1:2",
    "[::1",
    "é",
]


@pytest.fixture
def runs(finished: Path, tmp_path: Path) -> Path:
    """A folder with a finished run, and a page beside it."""
    shutil.copytree(finished, tmp_path / "runs" / finished.name)
    viewer = tmp_path / "viewer"
    viewer.mkdir()
    (viewer / "index.html").write_text(
        '<!doctype html><html><head><base href="/"><script src="a.js"></script></head></html>'
    )
    (viewer / "a.js").write_text("1;" * 5000)
    return tmp_path / "runs"


@contextmanager
def client(runs: Path, access: Access | None = None, root_path: str = "") -> Iterator[TestClient]:
    app = create_app(DirectoryStore(runs), runs.parent / "viewer", access=access, root_path=root_path)
    with TestClient(app) as opened:
        yield opened


def status(client: TestClient, path: str, **headers: str) -> int:
    return client.get(path, headers=headers).status_code


# Names


@pytest.mark.parametrize("host", OWN_NAMES)
def test_addresses_and_undotted_names_are_answered(runs: Path, host: str) -> None:
    with client(runs) as opened:
        assert [status(opened, path, Host=host) for path in READS] == [200] * len(READS)


@pytest.mark.parametrize("host", DOMAINS)
def test_other_names_read_nothing_and_are_told_how_to_be_allowed(runs: Path, host: str) -> None:
    with client(runs) as opened:
        for path in [*READS, "/", "/a.js", "/api/nothing"]:
            answer = opened.get(path, headers={"Host": host})
            assert answer.status_code == 403
            assert "SAESCOPE_ALLOWED_HOSTS=" in answer.json()["error"]
        assert [status(opened, path, Host=host) for path in OPEN] == [200, 200]


@pytest.mark.parametrize("host", BROKEN)
def test_a_header_that_is_no_name_is_refused(runs: Path, host: str) -> None:
    with client(runs) as opened:
        for path in READS:
            assert opened.get(path, headers=[(b"Host", host.encode("latin-1"))]).status_code == 400


@pytest.mark.parametrize("host", [b"a{b.evil.example", b"evil.example\r\nHost: localhost"])
def test_the_raw_header_counts(runs: Path, host: bytes) -> None:
    with serving(create_app(DirectoryStore(runs))) as url:
        assert answer_to(url, b"GET /api/runs HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")[9:12] in (b"400", b"403")


@pytest.mark.parametrize(
    ("allowed", "host", "expected"),
    [
        ("node.lab.org", "node.lab.org", 200),
        ("node.lab.org", "NODE.lab.org:8765", 200),
        ("node.lab.org", "other.lab.org", 403),
        ("node.lab.org", "node.lab.org.evil.example", 403),
        ("*.lab.org", "node.lab.org", 200),
        ("*.lab.org", "lab.org", 403),
        ("*.lab.org", "evillab.org", 403),
        ("*", "evil.example", 200),
    ],
)
def test_names_that_are_allowed_are_answered(runs: Path, allowed: str, host: str, expected: int) -> None:
    with client(runs, Access(hosts=(allowed,))) as opened:
        assert status(opened, "/api/runs", Host=host) == expected


# Other sites


@pytest.mark.parametrize("path", [*READS, "/", "/api/nothing"])
def test_no_other_site_s_page_may_read(runs: Path, path: str) -> None:
    with client(runs) as opened:
        for answer in (
            opened.get(path, headers={"Origin": "https://evil.example"}),
            opened.options(path, headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}),
        ):
            assert [name for name in answer.headers if name.startswith("access-control-")] == []


def test_pages_of_origins_that_are_allowed_may_read_and_no_others(runs: Path) -> None:
    with client(runs, Access(origins=("http://localhost:3000",))) as opened:
        good = opened.get("/api/runs", headers={"Origin": "http://localhost:3000"})
        assert good.headers["access-control-allow-origin"] == "http://localhost:3000"
        other = opened.get("/api/runs", headers={"Origin": "http://localhost:3001"})
        assert "access-control-allow-origin" not in other.headers


# The token


def test_with_a_token_for_reading_nothing_is_read_without_it(runs: Path) -> None:
    with client(runs, Access(TOKEN, guards_reading=True)) as opened:
        for path in READS:
            answer = opened.get(path)
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert status(opened, path, Authorization="Bearer wrong") == 401
            assert status(opened, path, Authorization=f"Bearer {TOKEN}") == 200
        assert [status(opened, path) for path in (*OPEN, "/", "/a.js")] == [200] * 4


def test_without_a_token_for_reading_everybody_reads(runs: Path) -> None:
    with client(runs, Access(TOKEN)) as opened:
        assert [status(opened, path) for path in READS] == [200] * len(READS)


def test_whoever_gives_the_token_gets_a_cookie_that_stands_for_it(runs: Path) -> None:
    with client(runs, Access(TOKEN, guards_reading=True)) as opened:
        answer = opened.post("/api/session", json={"token": TOKEN})
        cookie = answer.headers["Set-Cookie"]
        assert answer.status_code == 204
        assert TOKEN not in cookie
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert [status(opened, path) for path in READS] == [200] * len(READS)
        opened.delete("/api/session")
        assert status(opened, "/api/runs") == 401


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"token": "wrong"}', 401),
        ('{"token": "\\ud800"}', 401),
        ('{"token": 1}', 400),
        ("{}", 400),
        ("[]", 400),
        ("nonsense", 400),
        ("[" * 10_000, 400),
    ],
)
def test_whoever_gives_something_else_gets_none(runs: Path, content: str, expected: int) -> None:
    with client(runs, Access(TOKEN, guards_reading=True)) as opened:
        answer = opened.post("/api/session", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (expected, False)


@pytest.mark.parametrize(
    "cookie", ["saescope_session=", "saescope_session=\xe9", f"saescope_session={'0' * 64}", ";;=", "a=b"]
)
def test_another_cookie_opens_nothing(runs: Path, cookie: str) -> None:
    with client(runs, Access(TOKEN, guards_reading=True)) as opened:
        assert opened.get("/api/runs", headers=[(b"Cookie", cookie.encode("latin-1"))]).status_code == 401


def test_the_token_takes_the_place_of_the_name(runs: Path) -> None:
    with client(runs, Access(TOKEN)) as opened:
        assert status(opened, "/api/runs", Host="node.lab.org", Authorization=f"Bearer {TOKEN}") == 200


def test_an_event_stream_comes_with_the_cookie(runs: Path, tmp_path: Path) -> None:
    access = Access(TOKEN, guards_reading=True)
    store = DirectoryStore(runs)
    (run,) = [path.name for path in runs.iterdir()]
    cookie = {"Cookie": f"saescope_session={access.session}"}
    app = create_app(store, backend=backend_without_servers(store, tmp_path), access=access)
    with serving(app) as url, listening(url, run, cookie) as events:
        assert next(event.name for event in events if event.name) == "end"


# Behind a prefix


@pytest.mark.parametrize("prefix", ["", "/user/ada/proxy/8765"])
@pytest.mark.parametrize(("path", "base"), [("/", "./"), ("/runs", "./"), ("/feature/7", "../"), ("/runs/new", "../")])
def test_the_page_s_addresses_are_relative_to_where_it_begins(runs: Path, prefix: str, path: str, base: str) -> None:
    with client(runs, root_path=prefix) as opened:
        for asked in (path, f"{prefix}{path}"):  # a proxy may take the prefix off
            answer = opened.get(asked)
            assert f'<base href="{base}">' in answer.text
            assert "base-uri 'self'" in answer.headers["Content-Security-Policy"]


def test_everything_is_there_under_a_prefix(runs: Path) -> None:
    with client(runs, root_path="/saescope/") as opened:
        for path in [*READS, "/a.js", "/healthz"]:
            assert opened.get(f"/saescope{path}").status_code == opened.get(path).status_code == 200
        assert opened.get("/saescopes/api/runs").status_code == 200  # one of the page's own addresses, not a prefix
        assert opened.get("/saescopes/api/runs").headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing", "/api/runs/", "/api/features/1", "/api/../api/x"])
def test_what_the_api_does_not_have_is_404_as_json(runs: Path, path: str) -> None:
    with serving(create_app(DirectoryStore(runs), runs.parent / "viewer")) as url:
        head, _, body = answer_to(url, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()).partition(
            b"\r\n\r\n"
        )
        assert head.startswith(b"HTTP/1.1 404"), head
        assert set(json.loads(body)) == {"error"}


# Size and time


def test_answers_are_compressed_for_whoever_takes_that(runs: Path) -> None:
    with client(runs) as opened:
        for path in ("/api/features", "/a.js"):
            plain = opened.get(path, headers={"Accept-Encoding": "identity"})
            packed = opened.get(path, headers={"Accept-Encoding": "gzip"})
            assert (plain.headers.get("Content-Encoding"), packed.headers["Content-Encoding"]) == (None, "gzip")
            assert packed.content == plain.content
            assert int(packed.headers["Content-Length"]) < len(plain.content) / 2


def test_a_request_that_does_not_arrive_is_given_up(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_TIMEOUT_S", 0.2)
    with serving(create_app(DirectoryStore(runs))) as url:
        for begun in (
            b"",
            b"GET / HT",
            b"GET /healthz HTTP/1.1\r\nHost: local",
            b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /",
        ):
            with connected(url) as connection:
                connection.sendall(begun)
                while connection.recv(1 << 16):  # until it is closed
                    pass


def test_a_body_that_does_not_arrive_is_given_up(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_requests, "BODY_TIMEOUT_S", 0.2)
    store = DirectoryStore(runs)
    head = (
        b"POST /api/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    )
    with serving(create_app(store, backend=backend_without_servers(store, tmp_path))) as url:
        assert answer_to(url, head).startswith(b"HTTP/1.1 408")


def test_more_connections_than_the_most_are_turned_away(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 5)
    with serving(create_app(DirectoryStore(runs))) as url:
        idle = [socket.create_connection(address_of(url)) for _ in range(8)]
        try:
            assert answer_to(url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 503")
        finally:
            for connection in idle:
                connection.close()


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    with socket.create_connection(address_of(url), timeout=30) as connection:
        yield connection


def address_of(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


def answer_to(url: str, request: bytes) -> bytes:
    """All that is answered, until the server has nothing more to say."""
    with connected(url) as connection:
        connection.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received or not _is_whole(received):
            piece = connection.recv(1 << 16)
            if not piece:
                break
            received += piece
        return received


def _is_whole(received: bytes) -> bool:
    head, _, body = received.partition(b"\r\n\r\n")
    lengths: list[Any] = [
        line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    ]
    return not lengths or len(body) >= int(lengths[0])
