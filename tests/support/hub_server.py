"""A small HTTP server that answers as the Hugging Face hub does for one repository."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

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
    with _server(_answers(f"/api/models/{name}", f"/{name}", name, {"main": files}, None), f"/{name}/resolve/") as hub:
        yield hub


@contextmanager
def dataset_server(
    name: str, revisions: Mapping[str, Mapping[str, bytes]], card: Mapping[str, Any] | None = None
) -> Iterator[Hub]:
    """Serve a dataset's files at each of its revisions, with the metadata of its card."""
    answers = _answers(f"/api/datasets/{name}", f"/datasets/{name}", name, revisions, card)
    with _server(answers, f"/datasets/{name}/resolve/") as hub:
        yield hub


@contextmanager
def _server(answers: Mapping[str, bytes], downloads: str) -> Iterator[Hub]:
    downloaded: list[str] = []

    def is_known(path: str) -> bool:
        """Whether a path is about the repository, whatever is asked of it."""
        return any(path.startswith(f"{answer}/revision/") for answer in answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.send_head()
            path = self.path.partition("?")[0]
            if path.startswith(downloads):
                downloaded.append(path.removeprefix(downloads).partition("/")[2])
            self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.send_head()

        def send_head(self) -> bytes:
            path = self.path.partition("?")[0]
            body = answers.get(path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            if body is None:
                self.send_header("X-Error-Code", "RevisionNotFound" if is_known(path) else "RepoNotFound")
            else:
                self.send_header("ETag", f'"{_tag(body)}"')
                self.send_header("X-Repo-Commit", path.removeprefix(downloads).partition("/")[0])
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


def commit_of(revision: str) -> str:
    """The commit that a revision's name stands for."""
    return REVISION if revision == "main" else hashlib.sha1(revision.encode(), usedforsecurity=False).hexdigest()


def _answers(
    about: str, page: str, name: str, revisions: Mapping[str, Mapping[str, bytes]], card: Mapping[str, Any] | None
) -> dict[str, bytes]:
    """The hub's answers about a repository and its files, by path."""
    answers: dict[str, bytes] = {}
    for revision, files in revisions.items():
        commit = commit_of(revision)
        info = {"id": name, "sha": commit, "siblings": [{"rfilename": file} for file in files], "cardData": card}
        tree = [{"type": "file", "path": file, "size": len(body), "oid": _tag(body)} for file, body in files.items()]
        if revision == "main":
            answers[about] = json.dumps(info).encode()
        for word in (revision, commit):
            answers[f"{about}/revision/{quote(word, safe='')}"] = json.dumps(info).encode()
        answers[f"{about}/tree/{commit}"] = json.dumps(tree).encode()
        answers |= {f"{page}/resolve/{commit}/{quote(file)}": body for file, body in files.items()}
    return answers


def _tag(body: bytes) -> str:
    return hashlib.sha1(body, usedforsecurity=False).hexdigest()
