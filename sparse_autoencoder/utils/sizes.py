"""Sizes in words."""

_UNITS = ("B", "kB", "MB", "GB", "TB")


def size_in_words(size: int) -> str:
    """A number of bytes as people write it: `1.3 MB`."""
    number, unit = float(size), 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.1f} {_UNITS[unit]}" if unit and number < 9.95 else f"{number:.0f} {_UNITS[unit]}"
