"""What files hold: their SHA-256, worked out beside other work, and whether they are still the files that were hashed.

Whoever loads a file begins to hash it first, and asks for the result when it is loaded: then the hash is that of what
was loaded, or there is an error. This file knows nothing of what is in files.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparse_autoencoder.errors import SaescopeError

# In large pieces, because taking the interpreter's lock back may cost 5 ms each while another thread computes.
_PIECE = 1 << 24


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells a file from one that is put in its place, and from itself after something was written to it."""

    path: Path
    size: int
    _told_by: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> FileState:
        """A file as it is now; raises OSError."""
        status = path.stat()
        return cls(path, status.st_size, (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns))

    def check(self) -> None:
        """SaescopeError if the file isn't as it was."""
        try:
            unchanged = FileState.of(self.path) == self
        except OSError:
            unchanged = False
        if not unchanged:
            raise SaescopeError(f"{self.path} was changed while it was read: try again when nobody writes to it")


class FileHashes:
    """The SHA-256 of files, by the names that they are given here; a thread works them out from here on."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)
        self._states: list[FileState] = []
        self._hashes: dict[str, str] = {}
        self._error: OSError | None = None
        try:
            self._states += [FileState.of(path) for path in self._files.values()]
        except OSError as error:
            self._error = error
            return
        # A daemon, because nobody waits for it when loading fails.
        self._thread = threading.Thread(target=self._hash, name="file hashes", daemon=True)
        self._thread.start()

    def result(self) -> dict[str, str]:
        """All hashes, in hexadecimal; SaescopeError if a file can't be read, or isn't what it was at the beginning."""
        if self._error is None:
            self._thread.join()
        if self._error is not None:
            raise SaescopeError(f"{self._error.filename} can't be read: {self._error.strerror}") from self._error
        for state in self._states:
            state.check()
        return dict(self._hashes)

    def _hash(self) -> None:
        try:
            for name, path in self._files.items():
                self._hashes[name] = sha256_of(path)
        except OSError as error:
            self._error = error


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal; raises OSError."""
    hashing, piece = hashlib.sha256(), bytearray(_PIECE)
    with path.open("rb", buffering=0) as file:
        while length := file.readinto(piece):
            hashing.update(memoryview(piece)[:length])
    return hashing.hexdigest()
