"""Plain text -> records, one a line; and the lines of any text, each of bounded length."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TextIO

from sparse_autoencoder.data.skipped_rows import MAX_ROW_CHARS, Record, record_of, too_long

TOO_LONG = None
"""Stands for a physical line of more than MAX_ROW_CHARS characters, which was read past and dropped."""


def physical_lines(stream: TextIO) -> Iterator[str | None]:
    """The lines of a stream, each with its newline; TOO_LONG in the place of a line beyond MAX_ROW_CHARS."""
    most = MAX_ROW_CHARS + len("\r\n")
    for piece in iter(partial(stream.readline, most), ""):
        if len(piece) < most or piece.endswith("\n"):
            yield piece
            continue
        while piece and not piece.endswith("\n"):
            piece = stream.readline(most)
        yield TOO_LONG


def read_text(stream: TextIO) -> Iterator[Record]:
    """Records of a plain text, one a line."""
    for row_id, line in enumerate(physical_lines(stream)):
        yield too_long(row_id) if line is None else record_of(row_id, line)
