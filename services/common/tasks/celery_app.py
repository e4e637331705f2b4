"""The Celery app: its settings, and the names of queues and tasks.

Tasks are sent by name, so no service imports another. Redis holds the messages that wait, those that workers have
taken, and the workers' names for Celery's remote control. It holds no results and no events, so it stays small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.common.settings import Settings

if TYPE_CHECKING:
    from celery import Celery

QUEUES = ("ingest", "encode", "aggregate", "probe")
# A message that was taken and not acknowledged is delivered again after this time. It is long because a task that takes
# longer would run twice. Lost work doesn't wait for it: the reconcile loop notices within seconds that the worker's
# lease is gone, and requeues the task.
VISIBILITY_TIMEOUT_S = 24 * 3600
SOCKET_TIMEOUT_S = 5.0  # for Redis to answer a command
CONNECT_TIMEOUT_S = 2.0


def task_name(task: str) -> str:
    """The name of a task in Celery."""
    return f"saescope.{task}"


def create_app(settings: Settings) -> Celery:
    """An app on the settings' Redis; it doesn't connect yet."""
    from celery import Celery  # here because it takes 0.15 s, and many import only the names above

    app = Celery("saescope", set_as_current=False, amqp="services.common.tasks.broker_connection:Broker")
    app.conf.update(
        broker_url=_verified(settings.redis_url),
        broker_transport_options={
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "priority_steps": [0],  # one list per queue
            "socket_timeout": SOCKET_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_keepalive": True,
            "max_retries": 0,  # sending fails at once; whoever sends decides when to try again
            "health_check_interval": 5,  # a connection that was cut silently is noticed within three times this
        },
        # At its start the process waits for Redis before it starts Celery (SAESCOPE_START_TIMEOUT_S); later for ever.
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,  # a Redis that is full or read-only ends no worker
        task_queues={name: {} for name in QUEUES},
        task_create_missing_queues=False,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        # A message is acknowledged when its task has ended, also if it failed. A worker takes no more messages than it
        # works on; the others stay in the queue for other workers.
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,  # also right after a reconnection, when kombu doesn't count running tasks
        # Threads, not forked processes: loading torch in a forked process hangs, and a GPU has one context.
        worker_pool="threads",
        # `celery -b $SAESCOPE_REDIS_URL inspect active` and the like; two connections and a PING every 5 s each.
        worker_enable_remote_control=True,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_disable_rate_limits=True,
    )
    return app


def _verified(url: str) -> str:
    """The URL; if it is one of TLS without ssl_cert_reqs, with the certificate verified: kombu's default is not to."""
    if not url.startswith("rediss:") or "ssl_cert_reqs=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=required"
