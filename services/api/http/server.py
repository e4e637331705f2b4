"""Serving the application with uvicorn until a signal, which also ends event streams that would go on for ever."""

import errno
import socket
from typing import Any

import uvicorn
from starlette.applications import Starlette

from sparse_autoencoder.errors import SaescopeError

_GRACE_S = 10  # for requests that are being answered


class ApiServer(uvicorn.Server):
    """A server of an application of `create_app`; `settings` are uvicorn's."""

    def __init__(self, app: Starlette, **settings: Any) -> None:
        super().__init__(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_GRACE_S, **settings))
        self._events = app.state.events

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, which waits for all answers to come to their end."""
        self._events.close()
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
