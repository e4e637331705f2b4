"""SHA-256 of files, computed in a background thread, with a check that the files did not change meanwhile.

Start hashing a file before you load it, and ask for the result afterwards. The hash is then that of the content that
was loaded, or there is an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.time_limit import in_daemon_thread

# Large pieces: after each one this thread may wait 5 ms for the interpreter's lock while another thread computes.
_PIECE = 1 << 24


@dataclass(frozen=True, slots=True)
class FileState:
    """A file's identity and timestamps: they differ after the file was written to, or replaced by another one."""

    path: Path
    size: int
    _identity: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> FileState:
        """The file's state now; raises OSError."""
        status = path.stat()
        return cls(path, status.st_size, (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns))

    def check(self) -> None:
        """Raise SaescopeError if the file has changed."""
        try:
            unchanged = FileState.of(self.path) == self
        except OSError:
            unchanged = False
        if not unchanged:
            raise SaescopeError(f"{self.path} was changed while it was read: try again when nobody writes to it")


class FileHashes:
    """Hashes files in a thread that starts at once; `files` has a name for each file, which `result` uses too.

    Raises SaescopeError if a file can't be read.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        try:
            self._states = [FileState.of(path) for path in files.values()]
        except OSError as error:
            raise _unreadable(error) from error
        # in a daemon thread, so that the process can end without it when loading fails
        self._hashes = in_daemon_thread(lambda: {name: sha256_of(path) for name, path in files.items()})

    def result(self) -> dict[str, str]:
        """Wait for all hashes, in hexadecimal; SaescopeError if a file can't be read, or has changed meanwhile."""
        try:
            hashes = self._hashes.result()
        except OSError as error:
            raise _unreadable(error) from error
        for state in self._states:
            state.check()
        return hashes


def _unreadable(error: OSError) -> SaescopeError:
    return SaescopeError(f"{error.filename} can't be read: {error.strerror}")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal; raises OSError."""
    hashing, piece = hashlib.sha256(), bytearray(_PIECE)
    with path.open("rb", buffering=0) as file:
        while length := file.readinto(piece):
            hashing.update(memoryview(piece)[:length])
    return hashing.hexdigest()
