"""Celery's connection to Redis: kombu's, with three differences for which there is no setting.

It reconnects quickly. It drops and counts queue entries that are no messages; kombu's would end the worker. It
reconnects when an acknowledgement fails; Celery would only log that. What is replaced are public methods and class
attributes of kombu; tests/integration/test_worker.py notices if one of them is not used any more.
"""

import logging
from collections.abc import Callable
from typing import Any, Self

import kombu.connection
from celery.app import amqp
from celery.exceptions import WorkerShutdown
from kombu.exceptions import ChannelError, ContentDisallowed, DecodeError
from kombu.serialization import loads, prepare_accept_content
from kombu.transport import redis

from services.common import prometheus_metrics
from services.common.logs import log
from services.common.process.sigterm import NO_MORE_TASKS

# Seconds between attempts to reconnect. Celery's are 2, 2 and 30: it could stay away for half a minute after Redis is
# back.
RECONNECT = {"interval_start": 0.2, "interval_step": 0.2, "interval_max": 2.0}
_JSON_ONLY = prepare_accept_content(["json"])
# What kombu and Celery raise for an entry that doesn't have their form.
_MALFORMED = (ValueError, TypeError, LookupError, AttributeError, ContentDisallowed, DecodeError)


def drop_malformed(problem: str) -> None:
    """Log and count a queue entry that is dropped because it can't be understood."""
    prometheus_metrics.BAD_MESSAGES.inc()
    log("malformed_message", logging.ERROR, problem=problem)


def end_if_asked() -> None:
    """Raise WorkerShutdown, by which Celery ends a worker when its tasks are done, if NO_MORE_TASKS is set."""
    if NO_MORE_TASKS.is_set():
        log("stopping")
        raise WorkerShutdown(0)


class Channel(redis.Channel):
    """A channel that drops malformed messages, and fails when a message can't be acknowledged."""

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Callable[[Any], object], consumer_tag: str, **options: Any
    ) -> None:
        """Consume from a queue; a message that can't be decoded, or that Celery doesn't understand, is dropped."""

        def receive(message: Any) -> None:
            if NO_MORE_TASKS.is_set():
                message.requeue()
                end_if_asked()
            try:
                loads(message.body, message.content_type, message.content_encoding, accept=_JSON_ONLY)
                callback(message)
            except _MALFORMED as error:
                drop_malformed(f"a message can't be understood: {type(error).__name__}: {error}")
                if not message.acknowledged:  # by Celery, before it raised
                    message.reject()

        super().basic_consume(queue, no_ack, receive, consumer_tag=consumer_tag, **options)  # type: ignore[no-untyped-call]

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Acknowledge a message; ChannelError if that fails, at which Celery reconnects.

        It would only log a connection error. The message would still count as being worked on, so the worker would ask
        for no other one, never notice that its connection is gone, and be idle for ever.
        """
        try:
            super().basic_ack(delivery_tag, multiple)  # type: ignore[no-untyped-call]
        except self.connection_errors as error:
            if NO_MORE_TASKS.is_set():
                raise
            raise ChannelError(f"a message could not be acknowledged: {error}") from error


class Transport(redis.Transport):
    """A transport that drops a queue entry from which no message can be made, and then reconnects."""

    Channel = Channel

    def on_readable(self, fileno: int) -> None:  # type: ignore[override]  # kombu's own overrides it so
        """Take what has arrived; an entry is off its queue by the time kombu raises because of it."""
        try:
            super().on_readable(fileno)  # type: ignore[no-untyped-call]
        except _MALFORMED as error:
            problem = f"an entry of a queue is no message: {type(error).__name__}: {error}"
            drop_malformed(problem)
            raise ConnectionError(problem) from error  # in what state kombu is now isn't known


class Connection(kombu.connection.Connection):
    """A connection that is made again quickly, for as long as it takes or until the worker is to stop."""

    def get_transport_cls(self) -> type[Transport]:
        """The transport, whatever the URL."""
        return Transport

    def ensure_connection(self, errback: object = None, max_retries: int | None = None, **options: Any) -> Self:
        """Connect; logs an outage once, and its end. Celery's `errback` is left out: it logs every attempt."""
        failures = 0

        def failed(error: Exception, interval_s: float) -> None:
            nonlocal failures
            if not failures:
                log("redis_disconnected", logging.WARNING, problem=str(error))
            failures += 1
            end_if_asked()

        super().ensure_connection(failed, max_retries, **(options | RECONNECT))  # type: ignore[no-untyped-call]
        if failures:
            log("redis_reconnected", attempts=failures + 1)
        return self


class Broker(amqp.AMQP):  # type: ignore[misc]
    """Where a Celery app takes the class of its connections from."""

    Connection = Connection
