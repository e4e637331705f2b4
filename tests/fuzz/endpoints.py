"""Fuzzes every endpoint: made-up requests to a real server, on a sound run and on one whose files are damaged."""

from __future__ import annotations

import atexit
import json
import random
import socket
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from urllib.parse import quote

from services.api.app import ENDPOINTS, create_app
from sparse_autoencoder.runs.store import DirectoryStore
from tests.fuzz.mutations import damaged
from tests.support.api import backend_without_servers, serving
from tests.support.live_runs import LiveWriter
from tests.support.readable_inputs import written

_TIMEOUT_S = 30.0
_SOUND, _DAMAGED = "20310101-000000_run-001", "20310101-000000_run-009"
_VALUES = [
    "0",
    "1",
    "5",
    "-1",
    "99999999999999999999",
    "1e9",
    "nan",
    "true",
    "desc",
    "max_activation",
    "a",
    "",
    "é",
    "%ED%A0%80",
    "%00",
    "../..",
    "x" * 3000,
]
_HEADERS = [
    b"",
    b"",
    b"Accept-Encoding: gzip\r\n",
    b'If-None-Match: "x", *\r\n',
    b"Origin: http://evil.example\r\n",
    b"Authorization: Bearer \xff\r\n",
    b"Cookie: saescope_session=\xe9;;=\r\n",
    b"Content-Type: application/json\r\n",
    b"Range: bytes=-1\r\n",
    b"X: " + b"y" * 9000 + b"\r\n",
]
_BODIES = [
    b"",
    b"{}",
    b"[]",
    b"{",
    b'{"source": "a.csv"}',
    b'{"layer": 1e999}',
    b'{"\\ud800": 1}',
    b'{"source": "\\ud800"}',
    b"[" * 50_000,
    b'{"layer": ' + b"9" * 5000 + b"}",
    b"\xff\xfe",
    b'{"token": "x"}',
    b'{"path": "az://openaipublic/sparse-autoencoder/viewer/random/random/layer_6/resid_post_mlp/atoms/1.json"}',
    b'{"path": "az://openaipublic/sparse-autoencoder/viewer/random/random/layer_6/resid_post_mlp/atoms/2-ablated.json"}',
]


@cache
def _served() -> tuple[str, Path, dict[str, bytes]]:
    """A server's address, the folder of its runs, and the sound files of one run."""
    stack = ExitStack()
    atexit.register(stack.close)
    root = Path(stack.enter_context(_folder()))
    store = DirectoryStore(root / "runs")
    writer = LiveWriter.start(store, _SOUND)
    writer.add(50)
    writer.finish()
    run = root / "runs" / _SOUND
    files = {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    app = create_app(store, backend=backend_without_servers(store, root))
    return stack.enter_context(serving(app)), root / "runs", files


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="saescope-fuzz-")


def try_one(folder: Path, seed: int) -> None:
    """Make one request; raises if the answer is a 500, isn't whole, isn't JSON where it should be, or doesn't come."""
    chooser = random.Random(seed)
    url, runs, files = _served()
    if chooser.random() < 0.05:  # as requests delete runs, and after a while nothing is sound
        for run in (_SOUND, _DAMAGED):
            written(files, runs / run)
    if chooser.random() < 0.3:
        name = chooser.choice(list(files))
        damage = damaged(files[name], list(files.values()), chooser)
        (folder / "damage").write_bytes(damage)
        path = runs / _DAMAGED / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damage)
    request = _request(chooser, [path.name for path in runs.iterdir()])
    (folder / "request").write_bytes(request)
    answer = _answer(url, request)
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head[9:12] or b"0")
    assert 200 <= status < 600, f"no answer: {answer[:200]!r}"
    assert status != 500, f"status 500: {body[:500]!r}"
    if status >= 400 and b"application/json" in head and b"gzip" not in head and body:
        assert set(json.loads(body)) <= {"error", "field"}, body[:300]


def _request(chooser: random.Random, run_ids: list[str]) -> bytes:
    endpoint = chooser.choice(ENDPOINTS)
    values = [*_VALUES, *run_ids, *run_ids]
    path = endpoint.path
    names = list(endpoint.parameters.model_fields)
    for name in names:
        path = path.replace(f"{{{name}}}", quote(chooser.choice(values)))
    query = "&".join(
        f"{name}={quote(chooser.choice(values), safe='%')}"
        for name in [*names, "nothing"]
        if chooser.random() < (0.7 if name != "nothing" else 0.05)
    )
    if chooser.random() < 0.3 and "run" in names:
        query = f"run={chooser.choice(run_ids)}"
        query += "".join(f"&{name}={chooser.choice(['0', '1', '3'])}" for name in names if name in ("id", "row_id"))
    method = (
        endpoint.method
        if chooser.random() < 0.9
        else chooser.choice(["GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS", "BREW"])
    )
    if endpoint.path.endswith("/events") and method == "GET":
        method = "HEAD"
    body = chooser.choice(_BODIES) if method in ("POST", "DELETE", "PUT") else b""
    head = f"{method} {path}{'?' if query else ''}{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode(
        "latin-1", "replace"
    )
    if body and chooser.random() < 0.8:
        head += b"Content-Type: application/json\r\n"
    return head + chooser.choice(_HEADERS) + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def _answer(url: str, request: bytes) -> bytes:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=_TIMEOUT_S) as connection:
        connection.sendall(request)
        received = b""
        while piece := connection.recv(1 << 16):
            received += piece
        return received
