"""Plain text -> records, one per line; and reading lines of bounded length, for all text formats."""

from collections.abc import Iterator
from functools import partial
from typing import TextIO

from sparse_autoencoder.data.row_skip_rules import MAX_ROW_CHARS, Record, record_of, too_long

TOO_LONG = None
"""In the place of a physical line of more than MAX_ROW_CHARS characters, which was skipped."""


def physical_lines(stream: TextIO) -> Iterator[str | None]:
    """The lines of a stream, each with its newline; TOO_LONG for each line of more than MAX_ROW_CHARS characters."""
    most = MAX_ROW_CHARS + len("\r\n")
    for piece in iter(partial(stream.readline, most), ""):
        if len(piece) < most or piece.endswith("\n"):
            yield piece
            continue
        while piece and not piece.endswith("\n"):
            piece = stream.readline(most)
        yield TOO_LONG


def read_text(stream: TextIO) -> Iterator[Record]:
    """Records of plain text, one per line."""
    for row_id, line in enumerate(physical_lines(stream)):
        yield too_long(row_id) if line is None else record_of(row_id, line)
