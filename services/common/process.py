"""What the `__main__` of every worker service does alike: settings, and tasks whose troubles are noted for people.

This file knows nothing of what the tasks do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from services.common.messages import Message
from services.common.ports import UnavailableError
from services.common.problems import Problems
from services.common.settings import Settings, read_settings
from services.common.worker import GAVE_UP, Handler
from sparse_autoencoder.errors import SaescopeError


def with_settings(main: Callable[[Settings], int]) -> int:
    """Run a service with the environment's settings; each that is wrong is a sentence on stderr, and status 2."""
    try:
        settings = read_settings()
    except SaescopeError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"saescope: {line}\n")
        return GAVE_UP
    return main(settings)


def noting(handler: Handler, problems: Problems) -> Handler:
    """A handler that leaves a note for whoever looks at the run when store, queue or leases are unavailable."""

    def handle(message: Message) -> None:
        try:
            handler(message)
        except UnavailableError as error:
            problems.note(message.run_id, str(error))
            raise

    return handle
