"""The interface Queue on Celery's queues, which are lists in Redis.

Messages are sent through Celery; which ones wait is read from the lists, without taking any.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import redis
from kombu.exceptions import KombuError
from kombu.serialization import prepare_accept_content
from kombu.transport.virtual import Base64
from kombu.transport.virtual import Message as VirtualMessage
from kombu.utils.json import loads

from services.common.dependency_interfaces import UnavailableError
from services.common.redis.redis_client import redis_client
from services.common.tasks.celery_app import CONNECT_TIMEOUT_S, SOCKET_TIMEOUT_S, task_name
from services.common.tasks.messages import Message, Task, parse_message
from sparse_autoencoder.errors import SaescopeError

if TYPE_CHECKING:
    from celery import Celery

_JSON_ONLY = prepare_accept_content(["json"])
TAKEN_KEPT_S = 60  # longer than a restart of the aggregator, which writes it


class CeleryQueue:
    """The interface Queue (services/common/dependency_interfaces.py), usable from several threads.

    Every call raises UnavailableError if Redis refuses, accepts no connection for CONNECT_TIMEOUT_S or doesn't
    answer for SOCKET_TIMEOUT_S. Nothing is tried again here.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._redis = redis_client(app.conf.broker_url, timeout_s=SOCKET_TIMEOUT_S, connect_timeout_s=CONNECT_TIMEOUT_S)

    def send(self, message: Message) -> None:
        with _sentences(message.task):
            self._app.send_task(
                task_name(message.task),
                args=(message.model_dump(),),
                queue=message.task,
                ignore_result=True,
                add_to_parent=False,  # else a task keeps a record of every message that it sent
                retry=False,
            )

    def waiting(self, task: Task) -> set[Message]:
        """Entries that are no messages of this version are left out."""
        with _sentences(task):
            entries = cast("list[bytes]", self._redis.lrange(task, 0, -1))
        messages = {_message(entry) for entry in entries}
        return {message for message in messages if message is not None and message.task == task}

    def depth(self, queue: str) -> int:
        """How many entries wait in a queue, malformed ones included."""
        with _sentences(queue):
            return self._redis.llen(queue)

    def show_taken(self, queue: str, names: set[str]) -> None:
        """Show autoscalers (KEDA) what workers are at, as a set of names in Redis that expires after TAKEN_KEPT_S.

        Messages that wait they count themselves, by the length of the queue's list.
        """
        key = taken_key(queue)
        with _sentences(queue), self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(key)
            if names:
                pipe.sadd(key, *names)
                pipe.expire(key, TAKEN_KEPT_S)
            pipe.execute()


def taken_key(queue: str) -> str:
    """The key of the set in Redis that show_taken writes."""
    return f"saescope:taken:{queue}"


def _message(entry: bytes) -> Message | None:
    """The message in an entry of a Redis list; None if there is none in it.

    kombu decodes the entry. Its body is Celery's [args, kwargs, options], protocol version 2 of
    https://docs.celeryq.dev/en/stable/internals/protocol.html.
    """
    try:
        args, _, _ = VirtualMessage(loads(entry.decode()), channel=_Decoder, accept=_JSON_ONLY).decode()
        (content,) = args
        return parse_message(content)
    except (SaescopeError, KombuError, ValueError, TypeError, LookupError, AttributeError):
        return None


class _Decoder:
    """The part of a kombu channel that decoding a message needs; a whole one would connect to Redis."""

    @staticmethod
    def decode_body(body: str, encoding: str | None = None) -> bytes | str:
        """The body as it was before it was put into JSON."""
        return Base64().decode(body) if encoding == "base64" else body


@contextmanager
def _sentences(queue: str) -> Iterator[None]:
    try:
        yield
    except (KombuError, redis.RedisError, OSError, RuntimeError) as error:
        raise UnavailableError(f"Redis can't be used for the queue {queue}; is it up? ({error})") from error
