"""Marks a run of a folder as being computed, so that no other process goes on with it or removes it meanwhile.

The mark is a lock on a hidden file of the run's folder. The system releases it when the process ends, however it ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.store import DirectoryStore

LOCK = ".computing"
# what is raised where there are no locks: by the file system, or as Python lacks what they need on this system
_NO_LOCK = (OSError, NotImplementedError, AttributeError)


class RunGoingError(SaescopeError):
    """Another process computes this run."""


@contextmanager
def computing(store: DirectoryStore, run_id: str) -> Iterator[None]:
    """Hold the run's lock in this block; RunGoingError if another process has it.

    Where no lock can be had, as in a folder that can't be written, there is none: what the block does will say why.
    """
    lock = FileLock(_path(store, run_id))
    held = False
    try:
        lock.acquire(timeout=0)
        held = True
    except Timeout:
        raise RunGoingError(
            f"run {run_id} is being computed by another process: wait until it has ended, or stop that with Ctrl-C"
        ) from None
    except _NO_LOCK:
        pass
    try:
        yield
    finally:
        if held:
            with suppress(OSError):  # on Windows an open file can't be removed
                _path(store, run_id).unlink(missing_ok=True)
            lock.release()


def is_computed_now(store: DirectoryStore, run_id: str) -> bool:
    """Whether a process computes the run at this moment; nothing is written to find out."""
    path = _path(store, run_id)
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except _NO_LOCK:
        return False
    lock.release()
    return False


def _path(store: DirectoryStore, run_id: str) -> Path:
    return store.path(f"{run_id}/{LOCK}")
