"""A public Azure container on 127.0.0.1, as far as blobfile can tell, with faults to order.

It speaks what reading needs: listing a container, HEAD, and GET with Range and If-Match. Point a program to it with
SAESCOPE_AZURE_ENDPOINT. It serves bytes or files; it knows nothing of checkpoints.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

_DATE = "Mon, 03 Jun 2024 10:00:00 GMT"
_PIECE_BYTES = 2**20


@dataclass
class Faults:
    """What goes wrong, from now on; a counter goes down with each request that it spoils."""

    unavailable: int = 0  # requests answered with status 503
    drops: int = 0  # downloads whose connection is closed halfway
    missing_bytes: int = 0  # how much shorter the content is than the length that HEAD declares
    wrong_md5: bool = False
    no_md5: bool = False
    before_chunk: threading.Event | None = None  # downloads wait for it
    chunk_asked: threading.Event = field(default_factory=threading.Event)  # set when a download begins


@dataclass(frozen=True)
class _Blob:
    path: Path
    size: int
    md5: bytes


class BlobServer(ThreadingHTTPServer):
    """Serves what was `put`; `requests` lists what was asked, as "METHOD /path"."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.blobs: dict[str, _Blob] = {}
        self.requests: list[str] = []
        self.authorizations: list[str] = []
        self.faults = Faults()
        self._folder = folder

    @property
    def endpoint(self) -> str:
        """The value for SAESCOPE_AZURE_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def downloads(self) -> int:
        """How many requests for content there were."""
        return sum(request.startswith("GET") and "comp=list" not in request for request in self.requests)

    def put(self, name: str, content: bytes | Path) -> None:
        """Publish content as `ACCOUNT/CONTAINER/PATH`."""
        if isinstance(content, bytes):
            path = self._folder / hashlib.sha256(name.encode()).hexdigest()
            path.write_bytes(content)
        else:
            path = content
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, "md5").digest()
        self.blobs[f"/{name}"] = _Blob(path, path.stat().st_size, md5)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error here."""


@contextmanager
def blob_server(folder: Path) -> Iterator[BlobServer]:
    """A running server, whose bytes are kept in `folder`."""
    with BlobServer(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BlobServer

    def do_HEAD(self) -> None:
        blob = self._found()
        if blob is not None:
            self._answer(200, blob, blob.size)

    def do_GET(self) -> None:
        blob = self._found()
        if blob is None:
            return
        if self.headers.get("If-Match", self._etag(blob)) != self._etag(blob):
            self._empty(412, {"x-ms-error-code": "ConditionNotMet"})
            return
        start, end = self._range(blob)
        if start >= end:
            self._empty(416)
            return
        faults = self.server.faults
        faults.chunk_asked.set()
        if faults.before_chunk is not None:
            faults.before_chunk.wait(30)
        self._answer(206, blob, end - start, {"Content-Range": f"bytes {start}-{end - 1}/{blob.size}"})
        drop = faults.drops > 0
        faults.drops -= drop
        with blob.path.open("rb") as file:
            file.seek(start)
            self._send(file, (end - start) // 2 if drop else end - start)
        if drop:
            self.close_connection = True

    def _send(self, file: BinaryIO, remaining: int) -> None:
        while remaining:
            piece = file.read(min(_PIECE_BYTES, remaining))
            self.wfile.write(piece)
            remaining -= len(piece)

    def _found(self) -> _Blob | None:
        """The blob that is asked for; None if the request has been answered already."""
        server = self.server
        server.requests.append(f"{self.command} {self.path}")
        if "Authorization" in self.headers:
            server.authorizations.append(self.headers["Authorization"])
        path, _, query = self.path.partition("?")
        if server.faults.unavailable > 0:
            server.faults.unavailable -= 1
            self._empty(503)
        elif "comp=list" in query:
            self._empty(200)
        else:
            blob = server.blobs.get(path.replace("%2F", "/"))
            if blob is not None:
                return blob
            self._empty(404)
        return None

    def _range(self, blob: _Blob) -> tuple[int, int]:
        start, _, end = self.headers["Range"].removeprefix("bytes=").partition("-")
        available = blob.size - self.server.faults.missing_bytes
        return int(start), min(available, int(end) + 1 if end else available)

    def _etag(self, blob: _Blob) -> str:
        return f'"{blob.md5.hex()}"'

    def _answer(self, status: int, blob: _Blob, length: int, more: dict[str, str] | None = None) -> None:
        faults = self.server.faults
        md5 = hashlib.md5(b"other").digest() if faults.wrong_md5 else blob.md5
        headers = {
            "Content-Length": str(length),
            "ETag": self._etag(blob),
            "Last-Modified": _DATE,
            "x-ms-creation-time": _DATE,
            **({} if faults.no_md5 else {"Content-MD5": base64.b64encode(md5).decode()}),
            **(more or {}),
        }
        self._head(status, headers)

    def _empty(self, status: int, headers: dict[str, str] | None = None) -> None:
        self._head(status, {"Content-Length": "0", **(headers or {})})

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet: `requests` is the log."""
