"""SHA-256 of files, computed in a background thread, with a check that the files did not change meanwhile.

Start hashing a file before you load it, and ask for the result afterwards. The hash is then that of the content that
was loaded, or there is an error.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparse_autoencoder.errors import SaescopeError

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
    """Hashes files in a thread that starts at once; `files` has a name for each file, which `result` uses too."""

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
        # A daemon, so that the process can end without it when loading fails.
        self._thread = threading.Thread(target=self._hash, name="file hashes", daemon=True)
        self._thread.start()

    def result(self) -> dict[str, str]:
        """Wait for all hashes, in hexadecimal; SaescopeError if a file can't be read, or has changed meanwhile."""
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
