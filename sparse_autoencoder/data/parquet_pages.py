"""The sizes of a Parquet file's column chunks and pages, from its footer and its pages' headers; nothing is decoded.

pyarrow has the same of column chunks, but ends the process at some damaged footers where it is asked for one, and says
nothing of pages. The format: https://parquet.apache.org/docs/file-format/
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from sparse_autoencoder.data.thrift_compact import NUMBER, CompactReader, ThriftError

DICTIONARY_PAGE = 2
_HEADER_BYTES = 2**14  # what is read for a header; one may hold the smallest and the largest value
_MAX_HEADER_BYTES = 2**24
_FOOTER_TAIL = 8  # its length, and the magic number
_TYPE, _UNCOMPRESSED, _COMPRESSED = 1, 2, 3  # fields of struct PageHeader
_PAGE_STRUCTS = (5, 7, 8)  # its structs for a data page, a dictionary page, a data page of version 2
_PAGE_HEADER = {_TYPE: NUMBER, _UNCOMPRESSED: NUMBER, _COMPRESSED: NUMBER, **{i: {1: NUMBER} for i in _PAGE_STRUCTS}}
_ROW_GROUPS, _COLUMNS, _COLUMN_METADATA = 4, 1, 3  # of structs FileMetaData, RowGroup and ColumnChunk
_VALUES, _TOTAL_COMPRESSED, _DATA_OFFSET, _DICTIONARY_OFFSET = 5, 7, 9, 11  # of struct ColumnMetaData
_COLUMN = {_VALUES: NUMBER, _TOTAL_COMPRESSED: NUMBER, _DATA_OFFSET: NUMBER, _DICTIONARY_OFFSET: NUMBER}
_FOOTER = {_ROW_GROUPS: [{_COLUMNS: [{_COLUMN_METADATA: _COLUMN}]}]}


class DamagedParquetError(ValueError):
    """A footer or a page's header isn't what the format asks for."""


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """A column's part of a row group: where it begins, its size as stored, and its number of values."""

    begin: int
    compressed_bytes: int
    num_values: int


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a column chunk."""

    kind: int
    num_values: int
    uncompressed_bytes: int


def row_groups(file: IO[bytes]) -> list[list[ColumnChunk]]:
    """The column chunks of each row group; a column that is nested has one for each of its leaves."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _FOOTER_TAIL))
    length = int.from_bytes(file.read(4), "little")
    if length + _FOOTER_TAIL > size:
        raise DamagedParquetError("its footer is cut off")
    file.seek(size - _FOOTER_TAIL - length)
    try:
        footer = CompactReader(file.read(length)).struct(_FOOTER)
        return [
            [_column_chunk(column[_COLUMN_METADATA]) for column in group[_COLUMNS]]
            for group in footer.get(_ROW_GROUPS, [])
        ]
    except (IndexError, KeyError, ThriftError) as error:
        raise DamagedParquetError("its footer can't be understood") from error


def pages(file: IO[bytes], chunk: ColumnChunk) -> Iterator[Page]:
    """The pages of a column chunk; as pyarrow does, until there are as many values as the chunk says that it has."""
    at, end, values = chunk.begin, chunk.begin + chunk.compressed_bytes, 0
    while at < end and values < chunk.num_values:
        page, length = _page_at(file, at)
        at += length
        if page.kind != DICTIONARY_PAGE:
            values += page.num_values
        yield page


def _column_chunk(column: dict[int, Any]) -> ColumnChunk:
    offsets = [column[_DATA_OFFSET], column.get(_DICTIONARY_OFFSET) or column[_DATA_OFFSET]]
    chunk = ColumnChunk(min(offsets), column[_TOTAL_COMPRESSED], column[_VALUES])
    if min(chunk.begin, chunk.compressed_bytes, chunk.num_values) < 0:
        raise DamagedParquetError("its footer has a negative size")
    return chunk


def _page_at(file: IO[bytes], at: int) -> tuple[Page, int]:
    """The page that begins at a place in the file, and its size with its header, as stored."""
    size = _HEADER_BYTES
    while True:
        file.seek(at)
        data = file.read(size)
        reader = CompactReader(data)
        try:
            header = reader.struct(_PAGE_HEADER)
        except IndexError as error:
            if len(data) < size or size >= _MAX_HEADER_BYTES:
                raise DamagedParquetError("a page's header is cut off") from error
            size *= 8
            continue
        except ThriftError as error:
            raise DamagedParquetError(f"a page's header can't be understood: {error}") from error
        return _page(header), reader.at + header[_COMPRESSED]


def _page(header: dict[int, Any]) -> Page:
    if not header.keys() >= {_TYPE, _UNCOMPRESSED, _COMPRESSED}:
        raise DamagedParquetError("a page's header lacks its size")
    values = sum(header[part].get(1, 0) for part in _PAGE_STRUCTS if part in header)
    if min(header[_UNCOMPRESSED], header[_COMPRESSED], values) < 0:
        raise DamagedParquetError("a page's header has a negative size")
    return Page(header[_TYPE], values, header[_UNCOMPRESSED])
