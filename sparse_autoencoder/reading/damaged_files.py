"""Error messages for a run's files that are missing or damaged."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.format_version import NewerFormatError
from sparse_autoencoder.runs.store import NotFoundError, TooLargeError

# what reading a truncated, changed or foreign file raises
DAMAGE = (
    pa.ArrowException,
    OSError,
    KeyError,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    RecursionError,
    MemoryError,
    OverflowError,
    TooLargeError,
)


@contextmanager
def readable(folder: RunFolder, key: str) -> Iterator[None]:
    """Turn errors of reading one file in this block into a SaescopeError that names the file.

    Raises NotFoundError if the whole run was deleted.
    """
    try:
        yield
    except NotFoundError as error:
        folder.read_metadata()  # raises the NotFoundError of a run that was deleted
        raise unreadable(folder, key, "is missing") from error
    except NewerFormatError as error:
        raise SaescopeError(f"run {folder.run_id} can't be shown: {error}") from error
    except DAMAGE as error:
        raise unreadable(folder, key, "is damaged") from error


def unreadable(folder: RunFolder, key: str, problem: str) -> SaescopeError:
    """The error that a run can't be shown because of a problem with one of its files."""
    return SaescopeError(f"run {folder.run_id} can't be shown, its file {key} {problem}: run it again")
