"""The text of a record's field in JSON and Parquet, also of nested ones and of lists of chat messages.

A field is named by its path: `title`, `message.content`, `messages.0.content`. A part that is a number takes that
element of a list, any other part is looked up in each of the list's elements. A list of chat messages, objects with a
role and a content, is the messages' contents, with a blank line between two. A number or a truth value is its text, as
it is in a CSV file.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from sparse_autoencoder.data.encodings import MARK_UNDECODABLE
from sparse_autoencoder.data.text_column import choose_text_column
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.printable import printable

BETWEEN_MESSAGES = "\n\n"
_ROLES = ("role", "from")
_CONTENTS = ("content", "value", "text")
_MOST_NAMES = 1000  # of the fields that are looked at
_MOST_LISTED = 20
_MAX_DEPTH = 8
_NAME_CHARS = 60  # of a name in a list


class NoTextError(ValueError):
    """A field holds no text; the message is the reason, a fragment of a sentence."""


class TextField:
    """Where a record's text is."""

    def __init__(self, name: str, columns: Iterable[str]) -> None:
        """Take the column of that name, or, if there is none, what the name's parts lead to."""
        self.name = name
        column = next((column for column in _beginnings(name) if column in set(columns)), name)
        self.column = column
        self.path = name[len(column) + 1 :].split(".") if len(column) < len(name) else []

    def text_of(self, record: Mapping[str, Any]) -> str:
        """The text of a record; raises NoTextError."""
        if self.column not in record:
            raise NoTextError(f"no field '{printable(self.column)}'")
        value = record[self.column]
        for i, part in enumerate(self.path):
            if isinstance(value, list) and not _is_index(part):
                return _joined([_all_of(item, self.path[i:]) for item in value])
            value = _step(value, part)
        return text_of_value(value, printable(self.name))

    def text_or_none(self, record: Mapping[str, Any]) -> str | None:
        """The text of a record, or None if it has none there."""
        try:
            return self.text_of(record)
        except NoTextError:
            return None


def choose_kept_fields(records: Sequence[Mapping[str, Any]], kept: Sequence[str], name: str) -> list[TextField]:
    """The fields to keep, by name; SaescopeError, which lists the fields, if none of these records has one of them."""
    return [choose_text_field(records, wanted, name) for wanted in kept]


def choose_text_field(records: Sequence[Mapping[str, Any]], wanted: str | None, name: str) -> TextField:
    """The field with the text, chosen by the first records as a table's text column is (`text_column.py`).

    Raises SaescopeError if none can be chosen, or if none of these records has text or nothing at all there.
    """
    columns = list(dict.fromkeys(key for record in records for key in record))
    paths = list(dict.fromkeys(path for record in records for path in paths_of(record)))
    if wanted is None:
        wanted = choose_text_column(columns, None, name)
    field = TextField(wanted, columns)
    reasons = [_no_text(field, record) for record in records]
    if records and None not in reasons and "no text" not in reasons:
        reason = next((reason for reason in reasons if reason and not reason.startswith("no ")), None)
        if reason is None:
            choose_text_column(paths, wanted, name)  # raises, and lists the paths
        inner = [path for path in paths if path.startswith(f"{wanted}.")]
        advice = f"; name one of {quoted(inner)}" if inner else ""
        raise SaescopeError(f"{name} can't be read by that column: {reason}{advice}")
    return field


def _no_text(field: TextField, record: Mapping[str, Any]) -> str | None:
    """Why a record has no text in the field; None if it has."""
    try:
        field.text_of(record)
    except NoTextError as reason:
        return str(reason)
    return None


def quoted(names: Sequence[str]) -> str:
    """Names in quotation marks for a message, the first twenty."""
    return ", ".join(f"'{printable(name, _NAME_CHARS)}'" for name in names[:_MOST_LISTED])


def paths_of(value: Any, before: str = "") -> Iterator[str]:
    """The paths of the fields of an object that hold no objects; lists are looked into at their first element."""
    return islice(_paths(value, before, _MAX_DEPTH), _MOST_NAMES)


def text_of_value(value: Any, name: str) -> str:
    """The text of a field's value; raises NoTextError."""
    if isinstance(value, str):
        return value
    if value is None or value != value:
        raise NoTextError("no text")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        if is_message(value):
            return _joined([value])
        raise NoTextError(f"the field '{name}' is an object, not text")
    if isinstance(value, list):
        if not value:
            raise NoTextError("no text")
        if all(isinstance(item, Mapping) and is_message(item) for item in value):
            return _joined(value)
        raise NoTextError(f"the field '{name}' is a list, not text")
    if isinstance(value, bytes):
        return value.decode("utf-8", MARK_UNDECODABLE)
    return str(value)


def _beginnings(name: str) -> Iterator[str]:
    """The name, and what is left of it before each dot, longest first."""
    while True:
        yield name
        name, dot, _ = name.rpartition(".")
        if not dot:
            return


def _is_index(part: str) -> bool:
    return part.isascii() and part.isdecimal()


def _step(value: Any, part: str) -> Any:
    if isinstance(value, list):
        if int(part) >= len(value):
            raise NoTextError(f"no element {part}")
        return value[int(part)]
    if value is None:
        return None
    if not isinstance(value, Mapping) or part not in value:
        raise NoTextError(f"no field '{printable(part)}'")
    return value[part]


def _all_of(value: Any, path: Sequence[str]) -> Any:
    for i, part in enumerate(path):
        if isinstance(value, list) and not _is_index(part):
            return BETWEEN_MESSAGES.join(_texts(_all_of(item, path[i:]) for item in value))
        value = _step(value, part)
    return value


def _joined(values: Sequence[Any]) -> str:
    text = BETWEEN_MESSAGES.join(_texts(values))
    if not text:
        raise NoTextError("no text")
    return text


def _texts(values: Iterable[Any]) -> Iterator[str]:
    """The texts of messages, or of a message's parts; those without text, such as a call or an image, are left out."""
    for value in values:
        content = next((value[key] for key in _CONTENTS if key in value), None) if isinstance(value, Mapping) else value
        if isinstance(content, list):
            yield from _texts(content)
        elif isinstance(content, Mapping):
            yield from _texts([content])
        elif content is not None and (text := text_of_value(content, "content")).strip():
            yield text


def is_message(value: Mapping[str, Any]) -> bool:
    """Whether an object with these fields is a chat message: who says what."""
    return any(key in value for key in _ROLES) and any(key in value for key in _CONTENTS)


def _paths(value: Any, before: str, depth: int) -> Iterator[str]:
    if isinstance(value, list) and value and depth:
        yield from _paths(value[0], before, depth - 1)
    elif isinstance(value, Mapping) and value and depth:
        for key, inner in value.items():
            yield from _paths(inner, f"{before}.{key}" if before else key, depth - 1)
    elif before:
        yield before
