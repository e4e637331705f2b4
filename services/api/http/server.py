"""Serving the application with uvicorn until a signal, which also ends event streams that would go on for ever."""

import asyncio
import errno
import socket
from typing import Any

import h11
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from sparse_autoencoder.errors import SaescopeError

HEAD_TIMEOUT_S = 20.0
"""How long a client may take to send a request's first line and headers."""

MAX_CONNECTIONS = 1000
"""More at once are answered with 503; event streams count."""

_GRACE_S = 10  # for requests that are being answered


class TimedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, which closes connections whose request doesn't arrive."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._stop_watching()
        super().connection_lost(exc)

    def _watch_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:  # the head has arrived
            self._stop_watching()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def _stop_watching(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()


class ApiServer(uvicorn.Server):
    """A server of an application of `create_app`; `settings` are uvicorn's."""

    def __init__(self, app: Starlette, **settings: Any) -> None:
        config = uvicorn.Config(
            app,
            http=TimedProtocol,
            log_level="warning",
            timeout_graceful_shutdown=_GRACE_S,
            limit_concurrency=MAX_CONNECTIONS,
            **settings,
        )
        super().__init__(config)
        self._events, self._models = app.state.events, app.state.models

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, which waits for all answers to come to their end."""
        self._events.close()
        await self._models.close()
        await super().shutdown(sockets)


def serve_app(app: Starlette, listening: socket.socket, **settings: Any) -> None:
    """Serve an application of `create_app` on a socket until SIGTERM or SIGINT, which is raised again at the end."""
    ApiServer(app, **settings).run(sockets=[listening])


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens; SaescopeError if that address can't be had."""
    try:
        # the first of the addresses that the name stands for
        family, _kind, _protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address, family=family, backlog=128)
    except OSError as error:
        reason = "it is in use" if error.errno == errno.EADDRINUSE else str(error.strerror or error)
        raise SaescopeError(f"can't listen on {host}, port {port}: {reason}; choose another with --port") from error
    except UnicodeError as error:  # a name that can't be looked up, such as "a..b"
        raise SaescopeError(f"can't listen on {host!r}: it isn't a host name; choose another with --host") from error
    # Connections inherit it. Without it an answer's body waits 40 ms for the client to acknowledge its header.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
