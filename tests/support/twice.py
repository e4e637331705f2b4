"""A service in which every message is queued twice: `python -m tests.support.twice services.encoder`.

It is the real one but for its queue. This file knows nothing of what the messages are about.
"""

from __future__ import annotations

import runpy
import sys

from services.common.tasks.celery_queue import CeleryQueue
from services.common.tasks.messages import Message

_send = CeleryQueue.send


def send_twice(self: CeleryQueue, message: Message) -> None:
    """Queue a message, and once more."""
    _send(self, message)
    _send(self, message)


if __name__ == "__main__":
    CeleryQueue.send = send_twice  # type: ignore[method-assign]
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
