"""Labels as JSON Lines, to take them away and to bring them in: a feature a line.

    {"feature_id": 12, "label": "dates", "note": null, "starred": true, "author": "ada", "updated_at": "2026-…",
     "autoencoder_sha256": "…"}

Lines of Neuronpedia's exports of explanations are read too, as far as they are unambiguous: `index` is the feature,
`description` the label, and `explanationModelName` its author.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sparse_autoencoder.runs.label_entries import Book, Change, Entry, LabelError, change_of
from sparse_autoencoder.runs.label_log import LabelLog

MOST_LINES_SHOWN = 100
_MOST_DIGITS = 12


@dataclass(frozen=True)
class Skipped:
    """A line that was left out, or a part of it, and why, in a sentence."""

    line: int  # from 1
    why: str


@dataclass(frozen=True)
class Imported:
    """What became of the lines. One of which only a part was taken over is in `conflicts`, too."""

    added: int  # of features of which nothing was said
    changed: int  # of features of which something was said
    unchanged: int  # which say nothing that isn't said already
    conflicts: Sequence[Skipped]  # what somebody said otherwise, and stays
    skipped: Sequence[Skipped]  # lines that can't be used

    @property
    def taken(self) -> int:
        """How many lines were taken over, in part or as a whole."""
        return self.added + self.changed


@dataclass(frozen=True)
class _Line:
    number: int
    change: Change


def exported(log: LabelLog) -> Iterator[str]:
    """All that is said of an autoencoder's features, a line of JSON for each feature, each with its line break."""
    for entry in log.read().present:
        yield json.dumps(_line_of(entry, log.sha256), ensure_ascii=False) + "\n"


def imported(log: LabelLog, text: str, num_features: int, *, replace: bool = False, dry_run: bool = False) -> Imported:
    """Take over what lines of JSON say, all at once; a label or note that is there is kept unless `replace`.

    A field that is null, or no star, says nothing, so it never removes anything. Of several lines about one feature the
    first one counts. A line that can't be used is left out, and said why. A dry run changes nothing: the answer is what
    would become of the lines.
    """
    lines, skipped = _read(text, log.sha256, num_features)
    outcome = Imported(0, 0, 0, [], skipped)

    def changes_for(book: Book) -> list[Change]:
        nonlocal outcome
        changes, added, unchanged, conflicts = [], 0, 0, []
        for line in lines:
            entry = book.of(line.change.feature_id)
            differing = entry.differs(line.change)
            fields = [name for name in differing if replace or getattr(entry, name) in (None, False)]
            kept = [name for name in differing if name not in fields]
            conflicts += [
                Skipped(line.number, f"feature {entry.feature_id} has another {name} already") for name in kept
            ]
            if fields:
                values = {name: line.change.values[name] for name in fields}
                changes.append(Change(entry.feature_id, values, line.change.author))
                added += entry.is_empty
            unchanged += not differing
        outcome = Imported(added, len(changes) - added, unchanged, conflicts, skipped)
        return changes

    if dry_run:
        changes_for(log.read())
    else:
        log.decide(changes_for)
    return outcome


def _line_of(entry: Entry, sha256: str) -> dict[str, object]:
    return {
        "feature_id": entry.feature_id,
        "label": entry.label,
        "note": entry.note,
        "starred": entry.starred,
        "author": entry.author,
        "updated_at": entry.updated_at,
        "autoencoder_sha256": sha256,
    }


def _read(text: str, sha256: str, num_features: int) -> tuple[list[_Line], list[Skipped]]:
    lines: list[_Line] = []
    skipped: list[Skipped] = []
    seen: set[int] = set()
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            change = _change_in(line, sha256, num_features)
            if change.feature_id in seen:
                raise LabelError(f"a line before is about feature {change.feature_id}, too")
        except LabelError as error:
            skipped.append(Skipped(number, str(error)))
        else:
            seen.add(change.feature_id)
            lines.append(_Line(number, change))
    return lines, skipped


def _change_in(line: str, sha256: str, num_features: int) -> Change:
    """What a line says; LabelError if it can't be used."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        raise LabelError("it is not JSON") from None
    if not isinstance(content, dict):
        raise LabelError("it is no JSON object")
    if content.get("autoencoder_sha256", sha256) != sha256:
        raise LabelError("it is about another autoencoder")
    if "feature_id" not in content and "index" in content:
        model = content.get("explanationModelName")
        content = {"feature_id": content["index"], "label": content.get("description")}
        content["author"] = model if isinstance(model, str) else None
    change = change_of(_feature_id(content.get("feature_id"), num_features), content)
    said = {name: value for name, value in change.values.items() if value not in (None, False)}
    if not said:
        raise LabelError("it says nothing of the feature: it has no label, no note and no star")
    return Change(change.feature_id, said, change.author)


def _feature_id(value: object, num_features: int) -> int:
    """A feature's number, be it written as text, as Neuronpedia does."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise LabelError("it names no feature: feature_id, or index, must be a whole number")
    if not 0 <= value < num_features:
        raise LabelError(f"there is no feature {str(value)[:_MOST_DIGITS]}: they are numbered 0 to {num_features - 1}")
    return value
