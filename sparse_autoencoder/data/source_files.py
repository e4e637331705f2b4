"""Finds the files that a source names: one file, a folder, a pattern, shards, a file in a zip archive.

Files of a folder or a pattern are read one after the other, in the order of their names, with numbers in them taken as
numbers. Shards, as in `train-00000-of-00003.parquet`, must be complete.
"""

import glob
import os
import re
import stat
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sparse_autoencoder.data.compression import ZIP_MAGIC, readable
from sparse_autoencoder.data.file_formats import format_by_name
from sparse_autoencoder.errors import DataError, SaescopeError
from sparse_autoencoder.utils.printable import listed, printable

_SHARD = re.compile(r"(?P<stem>.*?)-(?P<number>\d{3,6})-of-(?P<count>\d{3,6})(?P<end>\..*)?", re.DOTALL)
_HIDDEN = (".", "_")  # how files begin that programs leave beside the data
_NOT_DATA = ("readme", "license", "dataset_infos.json", "state.json", "dataset_info.json", "metadata.json")


@dataclass(frozen=True)
class SourceFile:
    """A file to be read; `member` is the file's name in it if it is a zip archive."""

    path: Path
    member: str | None = None

    @property
    def name(self) -> str:
        """The name for messages, and for the format."""
        return printable(self.path.name if self.member is None else f"{self.path.name}/{self.member}")


def local_files(where: str) -> list[SourceFile]:
    """The files that a path or a pattern names, in the order of reading.

    Raises SaescopeError if there are none, if a folder holds files of several kinds, or if shards are missing.
    """
    path = Path(where)
    if _exists(path):
        if not path.is_dir():
            return [SourceFile(path)]
        return _files_of_folder(path)
    if glob.has_magic(where):
        found = [match for match in glob.glob(where, recursive=True) if not Path(match).is_dir()]  # noqa: PTH207
        if not found:
            raise SaescopeError(f"no file matches {printable(where)}; check the pattern given as the source")
        return checked_shards([SourceFile(Path(match)) for match in in_order(found)])
    for parent in path.parents:
        if parent.is_file() and zipfile.is_zipfile(parent):
            return [_member(parent, path.relative_to(parent).as_posix())]
    raise SaescopeError(f"there is no file {printable(where)}; check the path given as the source")


def checked_shards(files: Sequence[SourceFile]) -> list[SourceFile]:
    """The files; SaescopeError if some of a set of shards are missing."""
    sets: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for file in files:
        if shard := _SHARD.fullmatch(file.path.name):
            sets[shard["stem"], shard["count"], shard["end"] or ""].add(int(shard["number"]))
    for (stem, count, end), numbers in sets.items():
        missing = sorted(set(range(int(count))) - numbers)
        if missing:
            names = [f"{stem}-{number:0{len(count)}}-of-{count}{end}" for number in missing]
            raise DataError(f"the shards are incomplete, {listed(names)} is missing: download them again")
    return list(files)


def other_shards(path: Path) -> str | None:
    """The pattern of all shards if a path is one of several; None for other files."""
    shard = _SHARD.fullmatch(path.name)
    if shard is None or int(shard["count"]) < 2:
        return None
    return f"{shard['stem']}-*-of-{shard['count']}{shard['end'] or ''}"


def only_member(archive: Path) -> str:
    """The name of the only file with data in a zip archive; SaescopeError if there isn't exactly one."""
    names = _members(archive)
    data = [name for name in names if format_by_name(name) is not None] or names
    if len(data) == 1:
        return data[0]
    if not data:
        raise DataError(f"{printable(archive.name)} is an empty zip archive")
    raise SaescopeError(
        f"{printable(archive.name)} is a zip archive with {listed(data)}; name one, as in --source "
        f"{printable(str(archive))}/{printable(data[0])}"
    )


def size_of(path: Path) -> int | None:
    """A regular file's size in bytes; None for anything else, such as a pipe."""
    status = path.stat()
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def is_zip(start: bytes) -> bool:
    """Whether a file that begins with these bytes is a zip archive."""
    return start.startswith(ZIP_MAGIC)


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError as error:  # a NUL in the path
        raise DataError(f"{printable(str(path))} can't be read: {error}") from error


def _member(archive: Path, member: str) -> SourceFile:
    names = _members(archive)
    if member not in names:
        raise SaescopeError(f"{printable(archive.name)} holds no file {printable(member)}; it holds {listed(names)}")
    return SourceFile(archive, member)


def _members(archive: Path) -> list[str]:
    with readable(printable(archive.name)), zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
    if "[Content_Types].xml" in names:
        raise SaescopeError(
            f"{printable(archive.name)} is an Office document, such as an Excel workbook: save it as CSV"
        )
    return [name for name in names if not name.endswith("/") and not is_beside(name)]


def _files_of_folder(folder: Path) -> list[SourceFile]:
    try:
        names = [path.name for path in folder.iterdir() if path.is_file() and not is_beside(path.name)]
    except OSError as error:
        raise SaescopeError(f"the folder {printable(str(folder))} can't be read: {error.strerror}") from error
    data = [name for name in in_order(names) if format_by_name(name) is not None]
    kinds: dict[tuple[str | None, str], list[SourceFile]] = defaultdict(list)
    for name in data:
        shard = _SHARD.fullmatch(name)
        kinds[format_by_name(name), shard["stem"] if shard else ""].append(SourceFile(folder / name))
    if not kinds:
        raise SaescopeError(
            f"the folder {printable(str(folder))} holds no file that can be read by its name; give a file, or a "
            f"pattern, as in --source '{printable(str(folder))}/*'"
        )
    if len(kinds) > 1:
        raise SaescopeError(
            f"the folder {printable(str(folder))} holds files of several kinds, {listed(data)}; "
            f"give a pattern, as in --source '{printable(str(folder))}/{_pattern(Path(data[0]))}'"
        )
    return checked_shards(next(iter(kinds.values())))


def _pattern(path: Path) -> str:
    return other_shards(path) or f"*{''.join(path.suffixes)}"


def is_beside(name: str) -> bool:
    """Whether a file, by its name, only accompanies data, as a README or a hidden file does."""
    parts = name.split("/")
    return any(part.startswith(_HIDDEN) for part in parts) or parts[-1].lower().startswith(_NOT_DATA)


def in_order(names: Sequence[str]) -> list[str]:
    """Names of files in the order of reading: numbers in them are taken as numbers, 2 before 10."""
    return sorted(names, key=_order)


def _order(name: str) -> list[tuple[int, int, str]]:
    pieces = re.split(r"(\d+)", name)
    return [(0, int(piece), "") if piece.isascii() and piece.isdecimal() else (1, 0, piece) for piece in pieces]
