"""What becomes of a run when work on it fails. This file knows nothing of the work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from services.common.ports import Hold, UnavailableError
from services.common.workspace import Workspace
from sparse_autoencoder.errors import SaescopeError


@contextmanager
def stopped_by_failure(space: Workspace, hold: Hold) -> Iterator[None]:
    """A SaescopeError ends the block, and the run as failed; an UnavailableError, nobody's mistake, is raised on.

    The run is left alone if somebody else is at it by now, or it is finished or stopped: the error may come of that.
    """
    try:
        yield
    except UnavailableError:
        raise
    except SaescopeError as error:
        if not hold.lost and space.active():
            space.stop("failed", str(error))
