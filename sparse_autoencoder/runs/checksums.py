"""Files of an unfinished run under a seal: a first line that says what they are, with a checksum of everything in them.

What is not exactly what was written is a DamagedError, whatever happened to it: flipped bits, a cut end, another file's
bytes. The checksum is 16 bytes of BLAKE2b, over 1 GB/s. This file doesn't know what is sealed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from sparse_autoencoder.errors import DamagedError, OtherVersionError, SaescopeError

FORMAT = 3  # of all kinds; 1 and 2 were without a seal
_MAGIC = b"saescope"
_LONGEST_LINE = 100
# how files of the formats without a seal begin: limits and partials, chunks, states
_UNSEALED = (b'{"next_chunk"', b"PAR1")
_UNSEALED_STATE = b"\x28\xb5\x2f\xfd"  # from the eighth byte on


def seal(kind: str, data: bytes) -> bytes:
    """The file of this kind (a word) that holds these bytes."""
    head = b"%s %s %d " % (_MAGIC, kind.encode(), FORMAT)
    return b"%s%s\n%s" % (head, _checksum(head, data), data)


def unseal(kind: str, data: bytes) -> bytes:
    """The bytes in a file of this kind; OtherVersionError if another version wrote it, else DamagedError."""
    line, newline, _ = data[:_LONGEST_LINE].partition(b"\n")
    words = line.split(b" ")
    if not newline or len(words) != 4 or words[0] != _MAGIC:
        if data.startswith(_UNSEALED) or data[8:12] == _UNSEALED_STATE:
            raise OtherVersionError(
                f"an earlier version of saescope wrote this {kind} file, in a format without checksums"
            )
        raise DamagedError(f"this {kind} file is damaged: it doesn't begin as one")
    content = data[len(line) + 1 :]
    if words[3] != _checksum(line[: -len(words[3])], content):
        raise DamagedError(f"this {kind} file is damaged: its checksum is wrong")
    if words[1] != kind.encode():
        raise DamagedError(f"this {kind} file is damaged: it holds a {words[1].decode()}")
    if words[2] != b"%d" % FORMAT:
        raise OtherVersionError(
            f"another version of saescope wrote this {kind} file, in format {words[2].decode()} instead of {FORMAT}"
        )
    return content


@contextmanager
def understood(kind: str) -> Iterator[None]:
    """Make a DamagedError of whatever reading the bytes in a file raises, but for a lack of memory.

    Under a sound seal they mean something else only if a version of saescope wrote them that forgot to count FORMAT on.
    """
    try:
        yield
    except (SaescopeError, MemoryError):
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise DamagedError(
            f"this {kind} file can't be understood, though it is as it was written ({reason})"
        ) from error


def _checksum(head: bytes, data: bytes) -> bytes:
    digest = blake2b(head, digest_size=16)
    digest.update(data)
    return digest.hexdigest().encode()
