"""A server as a container, for tests where a container engine is at hand: the same calls as for a plain process.

The engine must be on this machine, and have the image already: tests pull nothing. TEST_SERVERS=processes asks for
plain processes wherever the tests run. This file knows nothing of what the server does.
"""

from __future__ import annotations

import functools
import os
import socket
import time
from collections.abc import Callable, Sequence

import docker  # type: ignore[import-untyped]
from docker.errors import DockerException  # type: ignore[import-untyped]
from docker.models.containers import Container  # type: ignore[import-untyped]
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

VARIABLE = "TEST_SERVERS"
_POLL_S = 0.02
# The container that would remove ours if the tests are killed takes an image of its own.
testcontainers_config.ryuk_disabled = True


@functools.cache
def has_image(image: str) -> bool:
    """Whether an engine on this machine has the image, and containers are wanted."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "processes"):
        raise RuntimeError(f"{VARIABLE} can't be {wanted!r}: it is empty, or `processes`")
    if wanted or not _engine_listens():
        return False
    try:
        client = docker.from_env(timeout=5)
    except DockerException:
        return False
    try:
        return bool(client.ping() and client.images.get(image))
    except (DockerException, OSError):
        return False
    finally:
        client.close()


def _engine_listens() -> bool:
    """Whether somebody is at the engine's Unix socket: through one the engine is here, and its host's network is ours.

    Asked before the docker library is, which leaves the socket of a failed connection open for the garbage collector.
    """
    scheme, _, path = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").partition("://")
    with socket.socket(socket.AF_UNIX) as there:
        try:
            there.connect(path)
        except OSError:
            return False
    return scheme == "unix"


class ServerContainer:
    """One server in a container on this machine's network; killed and started again, it keeps its data."""

    def __init__(self, image: str, command: Sequence[str], answers: Callable[[], bool], *, start_s: float) -> None:
        self._made = DockerContainer(image).with_command(list(command)).with_kwargs(network_mode="host")
        self._answers = answers
        self._start_s = start_s
        self._container: Container | None = None

    def start(self) -> None:
        """Start it, on the data that it has; RuntimeError, with its log, if it takes `start_s`."""
        if self._container is None:
            self._container = self._made.start().get_wrapped_container()
        else:
            self._container.start()
        deadline = time.monotonic() + self._start_s
        while not self._answers():
            if time.monotonic() > deadline:
                log = self._container.logs().decode(errors="replace")[-2000:]
                raise RuntimeError(
                    f"the container of {self._made.image} didn't answer within {self._start_s} s; "
                    f"{VARIABLE}=processes does without:\n{log}"
                )
            time.sleep(_POLL_S)

    def kill(self) -> None:
        """End it with SIGKILL, in the middle of whatever it does; its being gone already is fine."""
        if self._container is not None:
            self._container.reload()
            if self._container.status in ("running", "paused"):
                self._container.kill()
                self._container.wait()

    def stop(self) -> None:
        """End it and remove it with its data."""
        self._made.stop()
        self._container = None

    def restart(self) -> None:
        """Kill it and start it again on the same port and data."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Let it keep its connections and answer nothing, until `resume`."""
        self._running().pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._running().unpause()

    def _running(self) -> Container:
        if self._container is None:
            raise RuntimeError("the server was never started")
        return self._container
