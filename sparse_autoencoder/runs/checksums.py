"""Sealed files: the first line says what kind of file it is, and has a checksum of the whole content.

Files of an unfinished run are sealed. Any damage raises DamagedError: flipped bits, a missing end, another file's
bytes. The checksum is 16 bytes of BLAKE2b, which takes less than 1 ms per MB.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from sparse_autoencoder.errors import DamagedError, OtherVersionError, SaescopeError

FORMAT = 4  # of all kinds of files; formats 1 and 2 had no seal
_MAGIC = b"saescope"
_LONGEST_LINE = 100
# how the files of formats 1 and 2 began: cutoffs and partials, chunks
_UNSEALED = (b'{"next_chunk"', b"PAR1")
_UNSEALED_STATE = b"\x28\xb5\x2f\xfd"  # and states, from the eighth byte on


def seal(kind: str, data: bytes) -> bytes:
    """A sealed file with these bytes; `kind` is one word that says what they are."""
    head = b"%s %s %d " % (_MAGIC, kind.encode(), FORMAT)
    return b"%s%s\n%s" % (head, _checksum(head, data), data)


def unseal(kind: str, data: bytes) -> bytes:
    """The bytes in a sealed file of this kind.

    Raises OtherVersionError if another version of saescope wrote it, DamagedError if it is damaged.
    """
    line, newline, _ = data[:_LONGEST_LINE].partition(b"\n")
    words = line.split(b" ")
    if not newline or len(words) != 4 or words[0] != _MAGIC:
        if data.startswith(_UNSEALED) or data[8:12] == _UNSEALED_STATE:
            raise OtherVersionError(
                f"an earlier version of saescope wrote this {kind} file, in a format without checksums"
            )
        raise DamagedError(f"this {kind} file is damaged: its first line is wrong")
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
    """Turn any exception of reading unsealed bytes into a DamagedError, except MemoryError.

    With a valid checksum this happens only if the format was changed without increasing FORMAT.
    """
    try:
        yield
    except (SaescopeError, MemoryError):
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise DamagedError(f"this {kind} file can't be understood, though its checksum is right ({reason})") from error


def _checksum(head: bytes, data: bytes) -> bytes:
    digest = blake2b(head, digest_size=16)
    digest.update(data)
    return digest.hexdigest().encode()
