"""Waiting for a condition with a deadline. This file knows nothing of what is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 60.0
_POLL_S = 0.01


def wait_until(condition: Callable[[], Any]) -> None:
    """Return when the condition is true; AssertionError if it isn't in time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(_POLL_S)
