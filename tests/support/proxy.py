"""A proxy in front of an S3 server that holds requests at a point of a test's choice, or makes them fail.

The services behind it are the real ones: a request that is held stops them exactly there, to be killed or to have the
world changed under them. Requests pass unchanged, so signatures stay right. This file knows HTTP, and no runs.
"""

from __future__ import annotations

import http.client
import queue
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import unquote

PATIENCE_S = 60.0
_UPSTREAM_S = 60.0
_ASK_EVERY_S = 2.0  # less than the clients' patience
# Where a request is held: before the server hears of it; when half of its body has been sent, which then is all there
# ever is; when the server has done it, and its answer is not passed on.
Point = Literal["before", "halfway", "after"]
# How a request fails: with an answer instead of the server's; its connection cut before the server hears of it, or
# after the server did what it asks.
Failure = Literal["500", "503", "cut before", "cut after"]
Trouble = Callable[[str, str], Failure | None]
Answer = tuple[int, list[tuple[str, str]], bytes]  # status, headers, body
# What a stricter server would say to a method, a path with its query, and headers; None to ask the server behind.
Rule = Callable[[str, str, Mapping[str, str]], Answer | None]


@dataclass
class Hold:
    """The requests of one method whose path matches are held at a point, until released.

    Clients give up after a while, but not if it is `patient`: then they are told again and again to wait.
    """

    method: str
    path: re.Pattern[str]
    point: Point
    patient: bool = False
    over: threading.Event = field(default_factory=threading.Event)
    _held: queue.Queue[str] = field(default_factory=queue.Queue)

    def wait(self) -> str:
        """The path of the next request that is held; AssertionError if none comes."""
        try:
            return self._held.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise AssertionError(f"no {self.method} of {self.path.pattern} came") from None

    def reached(self, path: str, ask_to_wait: Callable[[], None]) -> None:
        """Hold the request that asks this."""
        self._held.put(path)
        while not self.over.wait(_ASK_EVERY_S):
            if self.patient:
                ask_to_wait()


class S3Proxy:
    """The S3 server at `upstream`, at another `endpoint` (both host:port)."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.trouble: Trouble = lambda _method, _path: None
        self.rule: Rule = lambda _method, _path, _headers: None
        self.ignores: frozenset[str] = frozenset()  # headers, in lower case, that the server never gets
        self._holds: list[Hold] = []
        methods = {f"do_{method}": _Handler.pass_on for method in ("GET", "HEAD", "PUT", "POST", "DELETE")}
        handler = type("Handler", (_Handler,), {"proxy": self} | methods)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.endpoint = f"127.0.0.1:{self._server.server_port}"

    def serve(self) -> None:
        """Pass on requests until `close`."""
        self._server.serve_forever(0.05)

    def close(self) -> None:
        """Let go of what is held, and end."""
        for hold in self._holds:
            hold.over.set()
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def hold(self, method: str, path: str, point: Point = "before", *, patient: bool = False) -> Iterator[Hold]:
        """Hold requests while in the block; `path` is a regular expression for the end of the path."""
        hold = Hold(method, re.compile(path + "$"), point, patient)
        self._holds.append(hold)
        try:
            yield hold
        finally:
            self._holds.remove(hold)
            hold.over.set()

    def held(self, method: str, path: str) -> Hold | None:
        """The hold that a request falls under."""
        return next((hold for hold in list(self._holds) if hold.method == method and hold.path.search(path)), None)


@contextmanager
def s3_proxy(upstream: str) -> Iterator[S3Proxy]:
    """A proxy in front of the S3 server at `upstream`."""
    proxy = S3Proxy(upstream)
    serving = threading.Thread(target=proxy.serve, name="proxy")
    serving.start()
    try:
        yield proxy
    finally:
        proxy.close()
        serving.join()


class EveryTenth:
    """Trouble for every tenth request, of all kinds in turn; every eighth of those keeps failing, longer than clients
    repeat it."""

    stubborn_times = 5  # ObjectStore tries 1 + 4 times

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = 0
        self.troubles = 0
        self._stubborn: dict[tuple[str, str], int] = {}

    def __call__(self, method: str, path: str) -> Failure | None:
        """How this request is to fail, if it is."""
        kinds: tuple[Failure, ...] = ("503", "cut before", "500", "cut after")
        with self._lock:
            left = self._stubborn.get((method, path), 0)
            if left:
                self._stubborn[method, path] = left - 1
                return "503"
            self._requests += 1
            if self._requests % 10:
                return None
            self.troubles += 1
            if self.troubles % 8 == 0:
                self._stubborn[method, path] = self.stubborn_times - 1
            return kinds[self.troubles % 4]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: S3Proxy

    def setup(self) -> None:
        super().setup()
        self._upstream: http.client.HTTPConnection | None = None

    def finish(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        super().finish()

    def log_message(self, *_: object) -> None:
        """Quietly."""

    def pass_on(self) -> None:
        """Answer one request, if client and server stay until it is answered."""
        try:
            self._pass_on()
        except OSError:  # they needn't: tests kill them
            self.close_connection = True

    def _pass_on(self) -> None:
        path = unquote(self.path.partition("?")[0])
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        failure = self.proxy.trouble(self.command, path)
        if failure in ("500", "503"):
            self._answer(int(failure), [], b"")
            return
        if failure == "cut before":
            raise ConnectionError
        if (refusal := self.proxy.rule(self.command, self.path, dict(self.headers))) is not None:
            self._answer(*refusal)
            return
        hold = self.proxy.held(self.command, path)
        if hold is None:
            answer = self._ask(body)
        elif hold.point == "halfway":
            self._send_half(body)
            hold.reached(path, self._ask_to_wait)
            raise ConnectionError
        elif hold.point == "before":
            hold.reached(path, self._ask_to_wait)
            self._check_client()
            answer = self._ask(body)
        else:
            answer = self._ask(body)
            hold.reached(path, self._ask_to_wait)
        if failure == "cut after":
            raise ConnectionError
        self._answer(*answer)

    def _ask_to_wait(self) -> None:
        """An interim answer, after which the client waits as long again (RFC 9110, 15.2.1)."""
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _check_client(self) -> None:
        """ConnectionError if the client is gone: the server must not hear of what it asked from now on."""
        self.connection.setblocking(False)
        try:
            if self.connection.recv(1, socket.MSG_PEEK) == b"":
                raise ConnectionError
        except BlockingIOError:  # it is there, and silent
            pass
        finally:
            self.connection.setblocking(True)

    def _connection(self) -> http.client.HTTPConnection:
        if self._upstream is None:
            self._upstream = http.client.HTTPConnection(self.proxy.upstream, timeout=_UPSTREAM_S)
            self._upstream.connect()
            self._upstream.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._upstream

    def _send_head(self, connection: http.client.HTTPConnection) -> None:
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in self.proxy.ignores:
                connection.putheader(name, value)
        connection.endheaders()

    def _send_half(self, body: bytes) -> None:
        connection = self._connection()
        self._send_head(connection)
        connection.send(body[: len(body) // 2])

    def _ask(self, body: bytes) -> Answer:
        """What the server answers."""
        try:
            connection = self._connection()
            self._send_head(connection)
            connection.send(body)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        except (OSError, http.client.HTTPException):
            if self._upstream is not None:
                self._upstream.close()
                self._upstream = None
            raise ConnectionError from None

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        # That of an answer to HEAD is the object's, and no body follows.
        self.send_header("Content-Length", lengths[0] if self.command == "HEAD" and lengths else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
