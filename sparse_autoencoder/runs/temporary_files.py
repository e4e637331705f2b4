"""Temporary files for publishing, which may be larger than memory."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from sparse_autoencoder.errors import SaescopeError


@contextmanager
def temporary_file() -> Iterator[BinaryIO]:
    """A temporary file, removed afterwards; SaescopeError if it can't be created or written."""
    try:
        with tempfile.TemporaryFile() as file:
            yield file
    except OSError as error:
        raise SaescopeError(
            f"can't write a temporary file: {error.strerror or error}; make room, or name another folder in TMPDIR"
        ) from error
