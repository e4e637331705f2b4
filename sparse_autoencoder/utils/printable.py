"""Names from files and from the command line, as they can be printed and stored."""

from collections.abc import Sequence

_MOST_CHARS = 200
_MOST_LISTED = 10
_FACT_CHARS = 2000


def printable(name: str, most: int = _MOST_CHARS) -> str:
    r"""A name in which whatever can't be printed on a line of UTF-8, such as half of a surrogate pair, is escaped.

    A byte that is no UTF-8, which Python hands on as a lone surrogate, reads `\xe9`. Cut after `most` characters.
    """
    shown = "".join(char if char.isprintable() else _escaped(char) for char in name[:most])
    return shown if len(name) <= most and len(shown) <= most else f"{shown[:most]}…"


def listed(names: Sequence[str]) -> str:
    """Names in a row for a message: the first ten, and how many more there are."""
    shown = ", ".join(map(printable, names[:_MOST_LISTED]))
    return shown if len(names) <= _MOST_LISTED else f"{shown} and {len(names) - _MOST_LISTED:,} more"


def facts_in_lines(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values, a pair on each line."""
    width = max(len(name) for name, _value in pairs)
    return "\n".join(f"{name.ljust(width)}  {printable(value, _FACT_CHARS)}" for name, value in pairs)


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()
