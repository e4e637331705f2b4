"""Store: the interface through which a run's files are read and written, and its implementation on a directory.

Keys are relative paths with forward slashes. `put` and `create` are atomic: a reader never sees half a file. The
services have an implementation on S3.
"""

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
_ATTEMPTS = 20  # to create a file in a folder that other processes remove when it is empty


class NotFoundError(SaescopeError):
    """There is no object under this key."""


class TooLargeError(SaescopeError):
    """An object is larger than what could be meant."""


class Store(Protocol):
    """The interface to the place that holds runs' files."""

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """Write or replace an object, atomically; an open file is streamed from its current position."""

    def create(self, key: str, data: bytes) -> bool:
        """Write an object if there is none under this key, atomically; whether this call wrote it.

        Of several calls at once, also from different machines, exactly one returns True. Each caller must put something
        unique into the data: if an answer is lost, that shows whose write succeeded.
        """

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read at most `length` bytes of an object, from `offset`; NotFoundError if there is none."""

    def size(self, key: str) -> int:
        """An object's size in bytes; NotFoundError if there is none."""

    def folders(self) -> list[str]:
        """The parts of keys before the first slash, sorted; some may have no object any more."""

    def list(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted."""

    def delete(self, key: str) -> None:
        """Remove an object, if there is one."""


def get_at_most(store: Store, key: str, most: int) -> bytes:
    """A whole object of at most so many bytes; NotFoundError if there is none, TooLargeError for a larger one."""
    data = store.get(key, 0, most + 1)
    if len(data) > most:
        raise TooLargeError(f"{key} has more than {most:,} bytes, which is more than any run writes")
    return data


class DirectoryStore:
    """A Store on a directory; keys are paths below it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def path(self, key: str) -> Path:
        """The path of an object.

        Raises ValueError if the key isn't a plain relative path, NotFoundError if a symbolic link leads out of the
        directory.
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
        """Remove temporary files that killed writers left below a folder. Nobody may be writing there."""
        for path in (self.root / prefix).rglob(f".*{_UNFINISHED}"):
            path.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        """See Store.delete; empty folders are removed too."""
        path = self.path(key)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty, or removed by another process
            for folder in path.parents:
                if folder == self.root:
                    break
                folder.rmdir()


@contextlib.contextmanager
def _written(path: Path, content: BinaryIO) -> Iterator[Path]:
    """A temporary file beside `path` with this content, synced to disk; the block renames it to `path`.

    It is removed afterwards if it is still there. OSErrors become a SaescopeError that names `path`.
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
    """A new open file beside `path`, and its name; the name begins with a dot, which `list` ignores."""
    attempts = 0
    while True:
        attempts += 1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return tempfile.mkstemp(dir=path.parent, prefix=".", suffix=_UNFINISHED)
        except (FileNotFoundError, FileExistsError):  # another process's `delete` removed the empty folder meanwhile
            if attempts == _ATTEMPTS:
                raise


def _move_if_free(unfinished: Path, path: Path) -> bool:
    """Rename a file if no file has this name; whether it succeeded."""
    try:
        path.hardlink_to(unfinished)
    except FileExistsError:
        # On a network file system our own link may have succeeded, and the answer got lost before a retry.
        return unfinished.stat().st_nlink > 1
    except OSError:  # this file system has no hard links
        return _move_if_free_by_lock(unfinished, path)
    return True


def _move_if_free_by_lock(unfinished: Path, path: Path) -> bool:
    """The same with a lock on the folder, which the system releases when the process ends."""
    try:
        import fcntl
    except ImportError:  # Windows, whose renaming never replaces a file
        with contextlib.suppress(FileExistsError):
            unfinished.rename(path)
        return not unfinished.exists()
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists():
            return False
        unfinished.replace(path)
        return True
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Sync a folder, so that its file names survive a power cut, if the file system supports that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder without read permission; on Windows any folder
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def check_key(key: str) -> None:
    """Raise ValueError unless `key` is a plain relative path: no empty, `.` or `..` part, no NUL, no backslash."""
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in key or "\\" in key or PurePosixPath(key).is_absolute():
        raise ValueError(f"{key!r} is not a plain relative path")


class StoreFile(io.RawIOBase):
    """An object of a store as a seekable, read-only file, so that Parquet readers fetch only the ranges they need."""

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

    def readinto(self, buffer: object) -> int:
        """Fill a writable buffer; see io.RawIOBase.readinto."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        wanted = min(len(view), max(0, self._size - self._position))
        data = self._store.get(self._key, self._position, wanted) if wanted else b""
        self._position += len(data)
        view[: len(data)] = data
        return len(data)
