"""Damages bytes: what a bad disk, a bad download, or somebody who means harm might do to a file."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_NASTY = [
    b"\0",
    b'"',
    b"'",
    b"\n",
    b"\r",
    b",",
    b";",
    b"[",
    b"{",
    b"}",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"NaN",
    b"Infinity",
    b"1e999",
    b"-1",
    b"\\ud800",
    b"../",
    b"9" * 400,
]


def damaged(content: bytes, others: Sequence[bytes], chooser: random.Random) -> bytes:
    """The content after a few random changes; pieces may come from `others`."""
    for _ in range(chooser.choice([0, 1, 1, 2, 4, 16])):
        content = chooser.choice(_WAYS)(content, others, chooser)
    return content


def _flip(content: bytes, _others: Sequence[bytes], chooser: random.Random) -> bytes:
    if not content:
        return content
    changed = bytearray(content)
    changed[chooser.randrange(len(changed))] ^= 1 << chooser.randrange(8)
    return bytes(changed)


def _cut(content: bytes, _others: Sequence[bytes], chooser: random.Random) -> bytes:
    return content[: chooser.randrange(len(content) + 1)]


def _remove(content: bytes, _others: Sequence[bytes], chooser: random.Random) -> bytes:
    at = chooser.randrange(len(content) + 1)
    return content[:at] + content[at + chooser.choice([1, 2, 8, 100]) :]


def _repeat(content: bytes, _others: Sequence[bytes], chooser: random.Random) -> bytes:
    at = chooser.randrange(len(content) + 1)
    piece = content[at : at + chooser.choice([1, 4, 100])]
    return content[:at] + piece * chooser.choice([2, 100, 10_000 // max(1, len(piece))]) + content[at:]


def _insert(content: bytes, _others: Sequence[bytes], chooser: random.Random) -> bytes:
    at = chooser.randrange(len(content) + 1)
    return (
        content[:at]
        + chooser.choice([chooser.choice(_NASTY), chooser.randbytes(chooser.choice([1, 4, 40]))])
        + content[at:]
    )


def _number(content: bytes, _others: Sequence[bytes], chooser: random.Random) -> bytes:
    """A length or an offset that is far too large, or negative, in the middle of a binary format."""
    if len(content) < 8:
        return content
    at = chooser.randrange(len(content) - 7)
    value = chooser.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1])
    return content[:at] + value.to_bytes(8, "little")[: chooser.choice([4, 8])] + content[at + chooser.choice([4, 8]) :]


def _splice(content: bytes, others: Sequence[bytes], chooser: random.Random) -> bytes:
    other = chooser.choice(others)
    at, begin = chooser.randrange(len(content) + 1), chooser.randrange(len(other) + 1)
    return content[:at] + other[begin : begin + chooser.choice([8, 100, len(other)])] + content[at:]


_WAYS: list[Callable[[bytes, Sequence[bytes], random.Random], bytes]] = [
    _flip,
    _cut,
    _remove,
    _repeat,
    _insert,
    _number,
    _splice,
]
