"""Store: the calls through which a run's files are read and written, and the one on a plain directory.

Keys are relative paths with forward slashes. A `put` or `create` becomes visible whole or not at all, so a reader never
sees half a file. This file knows nothing of what the files hold.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from sparse_autoencoder.errors import SaescopeError

_UNFINISHED = ".part"
_ATTEMPTS = 20  # at a folder that others remove when it is empty


class NotFoundError(SaescopeError):
    """There is no object under the key that was asked for."""


class Store(Protocol):
    """What a run needs of the place that holds its files."""

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """Write an object, or replace it, atomically; an open file is streamed from its current position."""

    def create(self, key: str, data: bytes) -> bool:
        """Write an object if there is none of this key, atomically; whether this call did.

        Of several calls at once, from several machines too, one is told True. Whoever competes puts something of its
        own into the data: where an answer can get lost, that tells its own success from somebody else's.
        """

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read an object's bytes from `offset`, at most `length` of them; NotFoundError if there is none."""

    def size(self, key: str) -> int:
        """An object's size in bytes; NotFoundError if there is none."""

    def folders(self) -> list[str]:
        """The parts of keys before their first slash, sorted; there may be names of which no object is left."""

    def list(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted."""

    def delete(self, key: str) -> None:
        """Remove an object; there being none is fine."""


class DirectoryStore:
    """A Store in a directory: keys are paths below it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def path(self, key: str) -> Path:
        """Where an object is; ValueError for a key that isn't a plain relative path.

        NotFoundError if a link leads out of the directory: what is there is none of the store's objects.
        """
        check_key(key)
        path = self.root / key
        if not path.resolve().is_relative_to(self.root):
            raise NotFoundError(f"{path} leads out of {self.root} by a link, so it isn't used")
        return path

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """See Store.put."""
        path = self.path(key)
        with _written(path, io.BytesIO(data) if isinstance(data, bytes) else data) as unfinished:
            unfinished.replace(path)

    def create(self, key: str, data: bytes) -> bool:
        """See Store.create."""
        path = self.path(key)
        with _written(path, io.BytesIO(data)) as unfinished:
            return _move_if_free(unfinished, path)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """See Store.get."""
        path = self.path(key)
        try:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(-1 if length is None else length)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFoundError(f"there is no file {path}") from None
        except OSError as error:
            raise SaescopeError(f"can't read {path}: {error.strerror or error}") from error

    def size(self, key: str) -> int:
        """See Store.size."""
        path = self.path(key)
        if not path.is_file():
            raise NotFoundError(f"there is no file {path}")
        return path.stat().st_size

    def folders(self) -> list[str]:
        """See Store.folders."""
        try:
            with os.scandir(self.root) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise SaescopeError(f"can't read {self.root}: {error.strerror or error}") from error

    def list(self, prefix: str = "") -> list[str]:
        """See Store.list."""
        folder = self.root / prefix.rpartition("/")[0]
        keys = []
        for parent, _folders, names in os.walk(folder):
            relative = Path(parent).relative_to(self.root)
            keys += [(relative / name).as_posix() for name in names if not name.startswith(".")]
        return sorted(key for key in keys if key.startswith(prefix))

    def remove_unfinished(self, prefix: str) -> None:
        """Remove what killed writers left behind below a folder; nobody may be writing there."""
        for path in (self.root / prefix).rglob(f".*{_UNFINISHED}"):
            path.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        """See Store.delete; folders that become empty are removed too."""
        path = self.path(key)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty, or somebody else was quicker
            for folder in path.parents:
                if folder == self.root:
                    break
                folder.rmdir()


@contextlib.contextmanager
def _written(path: Path, content: BinaryIO) -> Iterator[Path]:
    """A file beside `path` with this content, safe on the disk, for the block to give it that name.

    What is left of it afterwards is removed. SaescopeError, which names `path`, for what the system refuses.
    """
    try:
        above = [folder.parent for folder in path.parents if not folder.exists()]
        descriptor, name = _unfinished_beside(path)
        unfinished = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            unfinished.chmod(0o644)
            yield unfinished
        finally:
            unfinished.unlink(missing_ok=True)
        for folder in (path.parent, *above):
            _sync_folder(folder)
    except OSError as error:
        raise SaescopeError(f"can't write {path}: {error.strerror or error}") from error


def _unfinished_beside(path: Path) -> tuple[int, str]:
    """A new open file beside `path`, and its name, whose leading dot keeps it out of `list`."""
    attempts = 0
    while True:
        attempts += 1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return tempfile.mkstemp(dir=path.parent, prefix=".", suffix=_UNFINISHED)
        except (FileNotFoundError, FileExistsError):  # `delete`, elsewhere, has removed the empty folder meanwhile
            if attempts == _ATTEMPTS:
                raise


def _move_if_free(unfinished: Path, path: Path) -> bool:
    """Give a file this name if no other has it; whether it has the name now."""
    try:
        path.hardlink_to(unfinished)
    except FileExistsError:
        # over a network that is also said to who asked again, after an answer that was lost
        return unfinished.stat().st_nlink > 1
    except OSError:  # this file system has no hard links
        return _move_if_free_by_lock(unfinished, path)
    return True


def _move_if_free_by_lock(unfinished: Path, path: Path) -> bool:
    """The same by a lock on the folder, which ends with the process."""
    try:
        import fcntl
    except ImportError:  # Windows, whose renaming never replaces a file
        return _move_if_free_by_name(unfinished, path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists():
            return False
        unfinished.replace(path)
        return True
    finally:
        os.close(descriptor)


def _move_if_free_by_name(unfinished: Path, path: Path) -> bool:
    """The same where a file can't be renamed to a name that is taken."""
    try:
        unfinished.rename(path)
    except FileExistsError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder outlast a power cut, as far as its file system knows how."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # of a folder that may not be listed; or of any, on Windows
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def check_key(key: str) -> None:
    """Raise ValueError unless `key` is a plain relative path: no empty, `.` or `..` parts, no NUL, no backslash."""
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in key or "\\" in key or PurePosixPath(key).is_absolute():
        raise ValueError(f"{key!r} is not a plain relative path")


class StoreFile(io.RawIOBase):
    """An object of a store as a seekable, read-only file, so that Parquet is read by ranges."""

    def __init__(self, store: Store, key: str) -> None:
        super().__init__()
        self._store = store
        self._key = key
        self._size = store.size(key)
        self._position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The current position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position; see io.IOBase.seek."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes, or all that are left."""
        left = max(0, self._size - self._position)
        data = self._store.get(self._key, self._position, left if size < 0 else min(size, left)) if left else b""
        self._position += len(data)
        return data

    def readinto(self, buffer: object) -> int:
        """Fill a writable buffer; see io.RawIOBase.readinto."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)
