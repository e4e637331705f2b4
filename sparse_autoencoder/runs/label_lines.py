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

MOST_SKIPPED_SHOWN = 100
_MOST_DIGITS = 12


@dataclass(frozen=True)
class Skipped:
    """A line that was left out, and why, in a sentence."""

    line: int  # from 1
    why: str


@dataclass(frozen=True)
class Imported:
    """What became of the lines."""

    taken: int
    unchanged: int  # said the same already
    skipped: Sequence[Skipped]


@dataclass(frozen=True)
class _Line:
    number: int
    change: Change


def exported(log: LabelLog) -> Iterator[str]:
    """All that is said of an autoencoder's features, a line of JSON for each feature, each with its line break."""
    for entry in log.read().present:
        yield json.dumps(_line_of(entry, log.sha256), ensure_ascii=False) + "\n"


def imported(log: LabelLog, text: str, num_features: int, *, replace: bool = False, dry_run: bool = False) -> Imported:
    """Take over what lines of JSON say, all at once; a label, note or star that is there is kept unless `replace`.

    Of several lines about one feature the first one counts. A line that can't be used is left out, and said why.
    A dry run changes nothing: the answer is what would become of the lines.
    """
    lines, skipped = _read(text, log.sha256, num_features)
    outcome = Imported(0, 0, skipped)

    def changes_for(book: Book) -> list[Change]:
        nonlocal outcome
        wanted, kept, same = [], [], 0
        for line in lines:
            entry = book.of(line.change.feature_id)
            differing = entry.differs(line.change)
            fields = [name for name in differing if replace or getattr(entry, name) in (None, False)]
            if fields:
                values = {name: line.change.values[name] for name in fields}
                wanted.append(Change(entry.feature_id, values, line.change.author))
            elif differing:
                kept.append(Skipped(line.number, f"feature {entry.feature_id} has another {differing[0]} already"))
            else:
                same += 1
        outcome = Imported(len(wanted), same, sorted([*skipped, *kept], key=lambda one: one.line))
        return wanted

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
    if all(value in (None, False) for value in change.values.values()):
        raise LabelError("it says nothing of the feature: it has no label, no note and no star")
    return change


def _feature_id(value: object, num_features: int) -> int:
    """A feature's number, be it written as text, as Neuronpedia does."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise LabelError("it names no feature: feature_id, or index, must be a whole number")
    if not 0 <= value < num_features:
        raise LabelError(f"there is no feature {str(value)[:_MOST_DIGITS]}: they are numbered 0 to {num_features - 1}")
    return value
