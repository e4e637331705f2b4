"""Temporary files for what may be larger than memory."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, cast

from sparse_autoencoder.errors import SaescopeError

_SPOOLED_BYTES = 1 << 26  # a file of at most so many bytes stays in memory


@contextmanager
def temporary_file() -> Iterator[BinaryIO]:
    """A temporary file, removed afterwards; SaescopeError if it can't be created or written."""
    with writing_temporary_files(), tempfile.TemporaryFile() as file:
        yield file


def spooled_file() -> BinaryIO:
    """A temporary file that is in memory while it is small; write it within `writing_temporary_files`.

    Closing it removes it, and so does forgetting it.
    """
    return cast(BinaryIO, _Spooled(_SPOOLED_BYTES))


@contextmanager
def writing_temporary_files() -> Iterator[None]:
    """Turn the OSErrors of writing to temporary files into a SaescopeError that says what to do."""
    try:
        yield
    except OSError as error:
        raise SaescopeError(
            f"can't write a temporary file: {error.strerror or error}; make room, or name another folder in TMPDIR"
        ) from error


class _Spooled(tempfile.SpooledTemporaryFile[bytes]):
    """What a run that is interrupted doesn't need any more is nobody's mistake, so it is closed without a warning."""

    def __del__(self) -> None:
        with suppress(OSError):
            self.close()
