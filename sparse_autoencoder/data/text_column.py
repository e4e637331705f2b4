"""Chooses the column of a dataset that holds the text."""

from collections.abc import Sequence

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.did_you_mean import suggestion
from sparse_autoencoder.utils.printable import printable

PREFERRED_COLUMNS = ("title", "text")
_MOST_LISTED = 40
_NAME_CHARS = 60  # of a name in a list


def choose_text_column(columns: Sequence[str], wanted: str | None, name: str) -> str:
    """The column that holds the text: the wanted one, else `title`, else `text`, else the only one there is.

    Raises SaescopeError, which lists the columns, if it doesn't exist, occurs twice, or can't be chosen.
    """
    existing = ", ".join(f"'{printable(column, _NAME_CHARS)}'" for column in columns[:_MOST_LISTED])
    if len(columns) > _MOST_LISTED:
        existing += f" and {len(columns) - _MOST_LISTED:,} more"
    chosen = wanted
    if chosen is None:
        chosen = next((column for column in PREFERRED_COLUMNS if column in columns), None)
    if chosen is None and len(columns) == 1:
        chosen = columns[0]
    if chosen is None:
        raise SaescopeError(f"{name} has no column 'title' or 'text'; name one with --text-column: {existing}")
    if chosen not in columns:
        close = suggestion(chosen, [printable(column, _NAME_CHARS) for column in columns])
        raise SaescopeError(f"{name} has no column '{printable(chosen)}'{close}; its columns are {existing}")
    if columns.count(chosen) > 1:
        raise SaescopeError(f"{name} has more than one column '{printable(chosen)}'; rename all but the one to read")
    return chosen
