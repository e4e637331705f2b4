"""Reads structs in Thrift's compact protocol, as far as Parquet's footers and page headers need it.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from collections.abc import Iterator, Mapping
from typing import Any

_MAX_DEPTH = 16
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)
_FIXED_BYTES = {_TRUE: 0, _FALSE: 0, _BYTE: 1, _DOUBLE: 8}

NUMBER = object()
"""In the place of a field that is wanted and is a whole number."""


class ThriftError(ValueError):
    """The bytes aren't a struct in this protocol."""


class CompactReader:
    """Reads structs from bytes; IndexError if these are too few, ThriftError if they are something else."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def struct(self, wanted: Mapping[int, Any], depth: int = 0) -> dict[int, Any]:
        """Read a struct: those of its fields that are wanted and there, by their numbers; the others are skipped.

        What is wanted of a field is NUMBER, or again such a mapping for a struct, or that in a list for a list of them.
        """
        found: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != _STOP:
            kind, step = head & 15, head >> 4
            number = number + step if step else self._zigzag()
            inner = wanted.get(number)
            if inner is NUMBER and kind in (_I16, _I32, _I64):
                found[number] = self._zigzag()
            elif isinstance(inner, Mapping) and kind == _STRUCT:
                found[number] = self.struct(inner, depth + 1)
            elif isinstance(inner, list) and kind == _LIST:
                found[number] = list(self._structs(inner[0], depth + 1))
            else:
                self._skip(kind, depth)
        return found

    def _structs(self, wanted: Mapping[int, Any], depth: int) -> Iterator[dict[int, Any]]:
        kind, count = self._list_head()
        if kind != _STRUCT:
            raise ThriftError("it has a list of something else than structs")
        for _ in range(count):
            yield self.struct(wanted, depth)

    def _list_head(self) -> tuple[int, int]:
        """The type of a list's elements, and how many there are."""
        head = self._byte()
        return head & 15, head >> 4 if head >> 4 < 15 else self._varint()

    def _zigzag(self) -> int:
        """Read a signed number."""
        raw = self._varint()
        return (raw >> 1) ^ -(raw & 1)

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ThriftError("it has a number that doesn't end")

    def _byte(self) -> int:
        value = self._data[self.at]
        self.at += 1
        return value

    def _skip(self, kind: int, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ThriftError("it is nested too deeply")
        if kind in _FIXED_BYTES:
            self.at += _FIXED_BYTES[kind]
        elif kind in (_I16, _I32, _I64):
            self._varint()
        elif kind == _BINARY:
            length = self._varint()
            self.at += length
        elif kind == _STRUCT:
            self.struct({}, depth + 1)
        elif kind == _MAP:
            self._skip_map(depth)
        elif kind in (_LIST, _SET):
            inner, count = self._list_head()
            for _ in range(count):
                self._skip_element(inner, depth)
        else:
            raise ThriftError(f"it has a field of an unknown type {kind}")

    def _skip_map(self, depth: int) -> None:
        count = self._varint()
        kinds = self._byte() if count else 0
        for _ in range(count):
            self._skip_element(kinds >> 4, depth)
            self._skip_element(kinds & 15, depth)

    def _skip_element(self, kind: int, depth: int) -> None:
        """Skip an element of a list or map, in which a truth value has a byte of its own."""
        if self.at >= len(self._data):
            raise IndexError
        self._skip(_BYTE if kind in (_TRUE, _FALSE) else kind, depth + 1)
