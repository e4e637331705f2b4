"""A small HTTP server that answers as the Hugging Face hub does for one model, for clients whose HF_ENDPOINT it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

REVISION = "89abcdef0123456789abcdef0123456789abcdef"


@dataclass
class Hub:
    """The server's address, and which files were downloaded from it so far."""

    address: str
    downloaded: list[str]


@contextmanager
def hub_server(name: str, folder: Path) -> Iterator[Hub]:
    """Serve the files of `folder` on 127.0.0.1 as the hub's model `name`; any other model is not found."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    downloads = f"/{name}/resolve/{REVISION}/"
    answers = _listings(name, files) | {downloads + file: content for file, content in files.items()}
    downloaded: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.send_head()
            path = self.path.partition("?")[0]
            if path.startswith(downloads):
                downloaded.append(path.removeprefix(downloads))
            self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.send_head()

        def send_head(self) -> bytes:
            body = answers.get(self.path.partition("?")[0])
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            if body is None:
                self.send_header("X-Error-Code", "RepoNotFound")
            else:
                self.send_header("ETag", f'"{_tag(body)}"')
                self.send_header("X-Repo-Commit", REVISION)
            self.end_headers()
            return body or b""

        def log_message(self, *_arguments: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Hub(f"http://127.0.0.1:{server.server_address[1]}", downloaded)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _listings(name: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """The hub's answers about the model and its files, by path."""
    model = {"id": name, "sha": REVISION, "siblings": [{"rfilename": file} for file in files]}
    tree = [{"type": "file", "path": file, "size": len(body), "oid": _tag(body)} for file, body in files.items()]
    about = f"/api/models/{name}"
    contents = {about: model, f"{about}/revision/main": model, f"{about}/tree/{REVISION}": tree}
    return {path: json.dumps(content).encode() for path, content in contents.items()}


def _tag(body: bytes) -> str:
    return hashlib.sha1(body, usedforsecurity=False).hexdigest()
