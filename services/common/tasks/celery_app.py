"""The Celery app: queues and tasks by name in Redis, and nothing else there.

Tasks are sent by name, so no service imports another. Redis holds the messages that wait and those that workers have
taken; no results, events or remote control, so it stays as small as what waits. This file knows nothing of what tasks
do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.common.settings import Settings

if TYPE_CHECKING:
    from celery import Celery

QUEUES = ("ingest", "encode", "aggregate", "probe")
# A message whose worker died comes back after this time. It is long because a task that takes longer would run twice;
# lost work needn't wait for it, as the watch notices within seconds that its lease is gone and sends it again.
VISIBILITY_TIMEOUT_S = 24 * 3600
SOCKET_TIMEOUT_S = 5.0  # how long a Redis that is silent is waited for
CONNECT_TIMEOUT_S = 2.0


def task_name(task: str) -> str:
    """What Celery calls a task."""
    return f"saescope.{task}"


def create_app(settings: Settings) -> Celery:
    """An app on the settings' Redis; nothing is asked of the server yet."""
    from celery import Celery  # 0.15 s, which what only reads these names needn't spend

    app = Celery("saescope", set_as_current=False)
    app.conf.update(
        broker_url=_verified(settings.redis_url),
        broker_transport_options={
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "priority_steps": [0],  # one list per queue
            "socket_timeout": SOCKET_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_keepalive": True,
            "max_retries": 0,  # who sends is told at once
            "health_check_interval": 5,  # a connection that was cut without a word is noticed in three times this
        },
        # That Redis is there at the start is waited for before Celery starts; from then on, for ever.
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,  # Redis being full, or read-only for a while, ends no worker
        task_queues={name: {} for name in QUEUES},
        task_create_missing_queues=False,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        # A message is a worker's from its taking until the task's end, and a worker takes no more than it works
        # on: the others stay in the queue, for other workers. A task that fails is acknowledged all the same.
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,  # also right after a reconnection, when running tasks no longer count
        # Loading torch in a forked process hangs, and a device has one context. With threads no pool process can be
        # lost, so task_reject_on_worker_lost has no meaning.
        worker_pool="threads",
        worker_consumer="services.common.tasks.celery_consumer:QuickConsumer",
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_disable_rate_limits=True,
    )
    return app


def _verified(url: str) -> str:
    """The URL, with TLS asking for a certificate to be verified if it says nothing of that: kombu wouldn't."""
    if not url.startswith("rediss:") or "ssl_cert_reqs=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=required"
