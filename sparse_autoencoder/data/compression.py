"""Decompresses files while they are read: gzip, bzip2, xz, Zstandard, LZ4 by their first bytes, and zip archives.

Memory stays bounded whatever a file claims: data is decompressed piece by piece, and a window or dictionary of more
than MAX_WINDOW_BYTES is refused.
"""

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from sparse_autoencoder.errors import DataError
from sparse_autoencoder.utils.failure_rule import first_line

MAX_WINDOW_BYTES = 2**28
_PIECE_BYTES = 2**16


class _XzStream(io.RawIOBase):
    """An xz (or lzma) file's content; unlike lzma.LZMAFile, with a limit of memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._start_stream()
        self._rest = b""

    def _start_stream(self) -> None:
        self._decompressor = lzma.LZMADecompressor(memlimit=MAX_WINDOW_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._decompressor.eof:
                self._rest = (self._decompressor.unused_data or self._file.read(_PIECE_BYTES)).lstrip(b"\0")
                if not self._rest:
                    return 0
                self._start_stream()
            elif self._decompressor.needs_input and not self._rest:
                self._rest = self._file.read(_PIECE_BYTES)
                if not self._rest:
                    raise EOFError
            piece = self._decompressor.decompress(self._rest, len(buffer))
            self._rest = b""
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)


def _arrow_stream(compression: str) -> Callable[[IO[bytes]], Any]:
    def opened(file: IO[bytes]) -> Any:
        import pyarrow as pa  # imported here because it is slow

        return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), compression)

    return opened


@dataclass(frozen=True)
class Compression:
    """A way of compressing a file: its name, its files' first bytes, their extensions, and how to read them."""

    name: str
    magic: bytes
    extensions: tuple[str, ...]
    open: Callable[[IO[bytes]], Any]


COMPRESSIONS = (
    Compression("gzip", b"\x1f\x8b", ("gz", "gzip"), lambda file: gzip.GzipFile(fileobj=file, mode="rb")),
    Compression("bzip2", b"BZh", ("bz2",), lambda file: bz2.BZ2File(file)),
    Compression("xz", b"\xfd7zXZ\0", ("xz",), _XzStream),
    Compression("zstd", b"\x28\xb5\x2f\xfd", ("zst", "zstd"), _arrow_stream("zstd")),
    Compression("lz4", b"\x04\x22\x4d\x18", ("lz4",), _arrow_stream("lz4")),
)
ZIP = "zip"
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
EXTENSIONS = {extension: kind.name for kind in COMPRESSIONS for extension in kind.extensions}


def compression_of(start: bytes) -> Compression | None:
    """The compression of a file that begins with these bytes; None if it isn't compressed (or is a zip archive)."""
    return next((kind for kind in COMPRESSIONS if start.startswith(kind.magic)), None)


# What the libraries raise at damaged files, zipfile most of all.
DAMAGE = (
    OSError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
)


@contextmanager
def readable(name: str, where: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Turn whatever a damaged file makes the block raise into a SaescopeError; `where` says how far it was read."""
    try:
        yield
    except EOFError as error:
        raise DataError(f"{name} is truncated: its compressed data ends early{where()}; copy it again") from error
    except DAMAGE as error:
        if "limit" in str(error).lower() and isinstance(error, lzma.LZMAError | MemoryError):
            raise DataError(
                f"{name} needs more than {MAX_WINDOW_BYTES >> 20} MiB to be decompressed: compress it again with a "
                "usual level"
            ) from error
        if "truncated" in str(error).lower():
            raise DataError(f"{name} is truncated: its compressed data ends early{where()}; copy it again") from error
        raise DataError(f"{name} can't be read on{where()}: {first_line(error)}") from error
