"""What people say of a feature: a label, a note, a star; how it is changed, and how changes add up.

Knows nothing of stores. Each change names only the fields that it changes, so two people who change different fields of
one feature both keep what they wrote; of the same field the later change holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, cast

from sparse_autoencoder.errors import SaescopeError

MOST_LABEL_CHARS = 500
MOST_NOTE_CHARS = 4_000
MOST_AUTHOR_CHARS = 100
Field = Literal["label", "note", "starred"]
FIELDS: tuple[Field, ...] = ("label", "note", "starred")
_MOST_CHARS = {"label": MOST_LABEL_CHARS, "note": MOST_NOTE_CHARS, "author": MOST_AUTHOR_CHARS}
Value = str | bool | None


class LabelError(SaescopeError):
    """What should be said of a feature can't be kept; the sentence begins with the field."""


@dataclass(frozen=True)
class Change:
    """What is to be said of a feature from now on; fields that aren't in `values` stay as they are."""

    feature_id: int
    values: Mapping[Field, Value]
    author: str | None = None


@dataclass(frozen=True)
class Entry:
    """What is said of a feature. Times are UTC in ISO 8601 with microseconds, so they can be compared as texts."""

    feature_id: int
    label: str | None = None
    note: str | None = None
    starred: bool = False
    author: str | None = None  # of the last change, if that had one
    updated_at: str = ""
    changed_at: Mapping[Field, str] = field(default_factory=dict)  # when each field was changed last

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said of the feature any more."""
        return self.label is None and self.note is None and not self.starred

    def differs(self, change: Change) -> tuple[Field, ...]:
        """The fields that a change would change."""
        return tuple(name for name in FIELDS if name in change.values and change.values[name] != getattr(self, name))

    def changed(self, change: Change, at: str) -> Entry:
        """The entry after a change at that time."""
        times = {**self.changed_at, **dict.fromkeys(change.values, at)}
        return replace(
            self, **cast("dict[str, Any]", change.values), author=change.author, updated_at=at, changed_at=times
        )


@dataclass(frozen=True)
class Book:
    """All that is said of an autoencoder's features after so many numbered changes."""

    number: int
    at: str  # when the last change was; "" before the first
    entries: Mapping[int, Entry]  # by feature, those that are empty again included

    @cached_property
    def present(self) -> tuple[Entry, ...]:
        """What is said now, by feature."""
        return tuple(entry for _id, entry in sorted(self.entries.items()) if not entry.is_empty)

    def ids(self, *, labelled: bool, starred: bool) -> tuple[int, ...]:
        """The features that have a label, a star, or both, as asked."""
        return tuple(
            entry.feature_id
            for entry in self.present
            if (entry.label is not None or not labelled) and (entry.starred or not starred)
        )

    def of(self, feature_id: int) -> Entry:
        """What is said of a feature."""
        return self.entries.get(feature_id) or Entry(feature_id)

    def after(self, changes: Iterable[Change], at: str) -> Book:
        """The book after the next numbered changes, which are from one time."""
        entries = dict(self.entries)
        for change in changes:
            before = entries.get(change.feature_id) or Entry(change.feature_id)
            entries[change.feature_id] = before.changed(change, at)
        return Book(self.number + 1, at, entries)


def change_of(feature_id: int, content: Mapping[str, object]) -> Change:
    """A change out of parsed JSON, in which only `label`, `note`, `starred` and `author` are looked at; LabelError.

    Spaces at the ends go, and an empty text is none.
    """
    values: dict[Field, Value] = {}
    for name in FIELDS:
        if name not in content:
            continue
        value = content[name]
        if name != "starred":
            values[name] = _text(name, value)
        elif isinstance(value, bool):
            values[name] = value
        else:
            raise LabelError("starred must be true or false")
    return Change(feature_id, values, _text("author", content.get("author")))


def _text(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise LabelError(f"{name} must be text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise LabelError(f"{name} has half of a character, which is no text") from None
    stripped = value.strip()
    most = _MOST_CHARS[name]
    if len(stripped) > most:
        raise LabelError(f"{name} must have at most {most:,} characters, not {len(stripped):,}")
    return stripped or None


def entry_of(content: Mapping[str, Any]) -> Entry:
    """An entry out of what `json_of_entry` made; LabelError, KeyError or TypeError if it is none."""
    change = change_of(int(content["feature_id"]), content)
    times = {name: str(content["changed_at"][name]) for name in FIELDS if name in content["changed_at"]}
    values = {name: change.values[name] for name in FIELDS}
    return Entry(
        change.feature_id,
        cast("str | None", values["label"]),
        cast("str | None", values["note"]),
        bool(values["starred"]),
        change.author,
        str(content["updated_at"]),
        times,
    )


def json_of_entry(entry: Entry) -> dict[str, Any]:
    """An entry as JSON."""
    return {
        "feature_id": entry.feature_id,
        "label": entry.label,
        "note": entry.note,
        "starred": entry.starred,
        "author": entry.author,
        "updated_at": entry.updated_at,
        "changed_at": dict(entry.changed_at),
    }
