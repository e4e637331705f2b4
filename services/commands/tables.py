"""Texts in columns for the terminal. Control characters in names are shown, never sent to the terminal."""

from collections.abc import Iterable, Sequence

from sparse_autoencoder.utils.printable import printable

_CELL_CHARS = 60
_FACT_CHARS = 2000
_UNITS = ("B", "kB", "MB", "GB", "TB")


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


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values, a pair on each line."""
    width = max(len(name) for name, _value in pairs)
    return "\n".join(f"{name.ljust(width)}  {printable(value, _FACT_CHARS)}" for name, value in pairs)


def size_in_words(size: int) -> str:
    """A number of bytes as people write it: `1.3 MB`."""
    number, unit = float(size), 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.1f} {_UNITS[unit]}" if unit and number < 9.95 else f"{number:.0f} {_UNITS[unit]}"
