"""How much each client may ask of the models: so many questions at once, and so many a minute.

A client is an address. This is fairness among people, no defence: how many questions wait in all is limited too.
"""

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from math import ceil

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

AT_ONCE = 4
PER_MINUTE = 120
_MINUTE_S = 60.0
_MOST_CLIENTS = 1024


@dataclass
class _Client:
    now: int = 0  # questions that it waits for
    begun: deque[float] = field(default_factory=deque)  # when it asked, in the last minute


class ClientLimits:
    """Counts questions by client; of one event loop."""

    def __init__(
        self, at_once: int = AT_ONCE, per_minute: int = PER_MINUTE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._at_once = at_once
        self._per_minute = per_minute
        self._clock = clock
        self._clients: OrderedDict[str, _Client] = OrderedDict()  # whoever asked last is last

    def enter(self, name: str) -> Callable[[], None]:
        """Count a question that begins; to be called when it ends. HTTPException 429 if that is too many."""
        client = self._clients.get(name)
        if client is None:
            client = _Client()
        now = self._clock()
        while client.begun and client.begun[0] <= now - _MINUTE_S:
            client.begun.popleft()
        if client.now >= self._at_once:
            raise _too_many(f"you wait for {client.now} answers already: ask again when one is there", 1)
        if len(client.begun) >= self._per_minute:
            wait_s = max(1, ceil(client.begun[0] + _MINUTE_S - now))
            raise _too_many(f"you have asked {len(client.begun)} times within a minute: wait {wait_s} s", wait_s)
        client.now += 1
        client.begun.append(now)
        self._clients[name] = client
        self._clients.move_to_end(name)
        self._forget_some()

        def leave() -> None:
            client.now -= 1

        return leave

    def __len__(self) -> int:
        """How many clients are known."""
        return len(self._clients)

    def _forget_some(self) -> None:
        """Keep the table small; those that wait for something are kept, and they are few (MOST_WAITING and more)."""
        for name in list(islice(self._clients, max(0, len(self._clients) - _MOST_CLIENTS))):
            if self._clients[name].now:
                self._clients.move_to_end(name)
            else:
                del self._clients[name]


def client_of(request: HTTPConnection) -> str:
    """The address that a request comes from; behind a proxy of the same network, what that says in X-Forwarded-For."""
    peer = "" if request.client is None else request.client.host
    forwarded = request.headers.getlist("X-Forwarded-For")
    if forwarded and _is_private(peer):
        return forwarded[-1].rpartition(",")[2].strip()[:64]
    return peer


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False


def _too_many(sentence: str, wait_s: int) -> HTTPException:
    return HTTPException(429, sentence, {"Retry-After": str(wait_s)})
