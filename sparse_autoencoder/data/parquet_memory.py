"""Bounds the memory that a Parquet file takes, before anything of it is decoded.

A file of a few hundred bytes may decode to gigabytes: a page decompresses to the size that its header says, a
dictionary holds a value once that all rows refer to, and run lengths repeat a value for millions of rows. pyarrow
decodes all of a batch before anyone can look at it.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np

from sparse_autoencoder.data.parquet_pages import DICTIONARY_PAGE, ColumnChunk, DamagedParquetError, pages, row_groups
from sparse_autoencoder.errors import DataError, SaescopeError
from sparse_autoencoder.utils.numpy_array_ops import Ints

BATCH_ROWS = 256
"""Rows that are decoded at once, if pages have usual sizes."""

MAX_PAGE_BYTES = 2**26  # when decompressed; writers make pages of about 1 MiB
MAX_REPEATED_VALUES = 2**24  # that a row group may have in a column of lists; they may all be in one row
_MAX_BATCH_BYTES = 2**26  # of the pages that a batch's rows are in


def rows_at_once(file: IO[bytes], schema: Any, leaves: Sequence[int], name: str) -> int:
    """How many rows of these columns can be decoded at once: BATCH_ROWS, or 1 if pages are large.

    Raises SaescopeError if not even one row can, or if the footer or a page's header is damaged.
    """
    most = 0
    try:
        for group in row_groups(file):
            for leaf in leaves:
                if schema.column(leaf).max_repetition_level > 0 and group[leaf].num_values > MAX_REPEATED_VALUES:
                    what = f"a row group has {group[leaf].num_values:,} values in lists"
                    raise _refusal(name, f"{what}, and {MAX_REPEATED_VALUES:,} may be")
                most = max(most, _most_at_once(_page_sizes(file, group[leaf], name)))
    except (DamagedParquetError, IndexError, OSError) as error:
        raise DataError(f"{name} is damaged: {error}") from error
    return BATCH_ROWS if most <= _MAX_BATCH_BYTES else 1


def check_memory(file: IO[bytes], most: int) -> None:
    """Raise ValueError if a Parquet file would take more than so many bytes when all of it is decompressed."""
    total = 0
    for group in row_groups(file):
        for chunk in group:
            for page in pages(file, chunk):
                total += page.uncompressed_bytes + 8 * page.num_values
                if total > most:
                    raise ValueError(f"it would take more than {most:,} bytes")


def sizes(array: Any) -> Ints:
    """About how many bytes each element of an Arrow array would take as a Python value, nested ones included."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        of_values = np.append(sizes(array.dictionary), 0)
        given: Ints = array.indices.drop_null().to_numpy(zero_copy_only=False)
        if len(given) and not 0 <= given.min() <= given.max() < len(array.dictionary):
            raise ValueError("a dictionary lacks the value that a row refers to")
        numbers: Ints = array.indices.fill_null(len(array.dictionary)).to_numpy(zero_copy_only=False)
        found: Ints = of_values[numbers]
        return found
    if pa.types.is_struct(kind):
        of_structs: Ints = np.sum([np.full(len(array), 8), *map(sizes, array.flatten())], axis=0)
        return of_structs
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        totals = np.append(0, np.cumsum(sizes(array.values) + 8))
        offsets: Ints = array.offsets.to_numpy()
        of_lists: Ints = totals[offsets[1:]] - totals[offsets[:-1]]
        return of_lists
    if is_text(kind) and not pa.types.is_string_view(kind):
        lengths: Ints = pc.binary_length(array).fill_null(0).to_numpy(zero_copy_only=False)
        return lengths.astype(np.int64)
    return np.full(len(array), 8)


def is_text(kind: Any) -> bool:
    """Whether an Arrow type is text or bytes, which may be text."""
    from pyarrow import types

    return any(
        is_kind(kind)
        for is_kind in (
            types.is_string,
            types.is_large_string,
            types.is_string_view,
            types.is_binary,
            types.is_large_binary,
        )
    )


def _page_sizes(file: IO[bytes], chunk: ColumnChunk, name: str) -> Iterator[tuple[int, int]]:
    """(values, bytes when decompressed) of each data page."""
    for page in pages(file, chunk):
        if page.uncompressed_bytes > MAX_PAGE_BYTES:
            raise _refusal(name, f"a page has {page.uncompressed_bytes:,} bytes, and {MAX_PAGE_BYTES:,} may be")
        if page.kind != DICTIONARY_PAGE:
            yield page.num_values, page.uncompressed_bytes


def _most_at_once(data_pages: Iterator[tuple[int, int]]) -> int:
    """The most bytes that the pages of BATCH_ROWS consecutive values have together."""
    window: deque[tuple[int, int]] = deque()
    values = held = most = 0
    for page in data_pages:
        window.append(page)
        values, held = values + page[0], held + page[1]
        # the batch may begin with the last value of the first page
        while len(window) > 1 and values - window[0][0] - page[0] >= BATCH_ROWS - 1:
            first = window.popleft()
            values, held = values - first[0], held - first[1]
        most = max(most, held)
    return most


def _refusal(name: str, why: str) -> SaescopeError:
    return SaescopeError(f"{name} would take too much memory: {why}; write it again with pages of the usual size")
