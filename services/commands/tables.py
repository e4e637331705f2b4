"""Texts in columns for the terminal. Control characters in names are shown, never sent to the terminal."""

from collections.abc import Iterable, Sequence

from sparse_autoencoder.utils.printable import printable

_CELL_CHARS = 60


def columns(rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells, one below the other; numbers stand to the right, and a column without any text is left out."""
    cells = [[printable(cell, _CELL_CHARS) for cell in row] for row in rows]
    body = cells[1:] or cells
    used = [place for place in range(len(cells[0])) if any(row[place] for row in body)]
    width = {place: max(len(row[place]) for row in cells) for place in used}
    right = {place for place in used if all(not row[place] or row[place][0].isdigit() for row in body) and place}

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            row[place].rjust(width[place]) if place in right else row[place].ljust(width[place]) for place in used
        ).rstrip()

    return "\n".join(map(line, cells))
