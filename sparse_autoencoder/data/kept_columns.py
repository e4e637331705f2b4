"""The columns of a dataset that are kept with its rows: those of `--keep-columns`, and that of `--group-by`."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from sparse_autoencoder.data.text_column import choose_text_column
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.printable import printable

MOST_COLUMNS = 50

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class KeptColumns:
    """The columns that are kept with each row, by name, and which of them tells the row's group, if one does."""

    names: tuple[str, ...] = ()
    group_by: int | None = None


def kept_columns(keep: str | None, group_by: str | None) -> KeptColumns:
    """The columns in a list such as `source,date`, and the one to group by; SaescopeError for a wrong list."""
    names = [] if keep is None else [name.strip() for name in keep.split(",")]
    if group_by is not None and not group_by.strip():
        raise SaescopeError("--group-by needs a column's name")
    if "" in names:
        raise SaescopeError(
            f"--keep-columns '{printable(keep or '')}' has an empty name; write it as --keep-columns source,date"
        )
    chosen = tuple(dict.fromkeys([*names, *([] if group_by is None else [group_by.strip()])]))
    if len(chosen) > MOST_COLUMNS:
        raise SaescopeError(f"{len(chosen)} columns are to be kept; at most {MOST_COLUMNS} can be")
    return KeptColumns(chosen, None if group_by is None else chosen.index(group_by.strip()))


NO_COLUMNS = KeptColumns()


def indices_of(kept: Sequence[str], columns: Sequence[str], name: str) -> list[int]:
    """Where a table's columns to keep are; SaescopeError, which lists the columns, if it lacks one or has it twice."""
    return [columns.index(choose_text_column(columns, wanted, name)) for wanted in kept]


def refuse_columns(kept: Sequence[str], name: str, what: str) -> None:
    """SaescopeError if there are columns to keep of what has none."""
    if kept:
        raise SaescopeError(
            f"{name} is read as {what}, which has no columns; leave out --keep-columns and --group-by "
            f"({', '.join(printable(column) for column in islice(kept, 3))})"
        )


def kept_values(values: Iterable[str | None]) -> tuple[str | None, ...]:
    """Values of a row as they are kept: None for nothing, without surrounding white space."""
    return tuple(None if value is None else _clean(value) or None for value in values)


def _clean(value: str) -> str:
    stripped = value.strip()
    if stripped.isascii():
        return stripped
    # bytes that the encoding doesn't have came as lone surrogates
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", stripped)
