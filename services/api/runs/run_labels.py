"""The labels of a run, which are those of its autoencoder, in whichever run they were given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.api.response_types.labels import ImportedLabels, Label, LineAndWhy
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.label_entries import Entry
from sparse_autoencoder.runs.label_lines import MOST_LINES_SHOWN, Imported, Skipped
from sparse_autoencoder.runs.label_log import LabelLog, LabelLogs
from sparse_autoencoder.runs.store import Store


@dataclass(frozen=True)
class LabelsOfRun:
    """A run, and what is said of its features."""

    run: RunView
    log: LabelLog


def label_of(entry: Entry) -> Label:
    """An entry as the API answers it."""
    return {
        "feature_id": entry.feature_id,
        "label": entry.label,
        "note": entry.note,
        "starred": entry.starred,
        "author": entry.author,
        "updated_at": entry.updated_at or None,
    }


def what_became(outcome: Imported) -> ImportedLabels:
    """What became of imported lines as the API answers it."""
    return {
        "taken": outcome.taken,
        "added": outcome.added,
        "changed": outcome.changed,
        "unchanged": outcome.unchanged,
        "num_conflicts": len(outcome.conflicts),
        "conflicts": _first(outcome.conflicts),
        "num_skipped": len(outcome.skipped),
        "skipped": _first(outcome.skipped),
    }


def _first(lines: Sequence[Skipped]) -> list[LineAndWhy]:
    return [{"line": one.line, "why": one.why} for one in lines[:MOST_LINES_SHOWN]]


class RunLabels:
    """Finds runs' labels. Several threads may use it."""

    def __init__(self, store: Store, library: RunLibrary) -> None:
        self._library = library
        self._logs = LabelLogs(store)

    def asked(self, run_id: str | None) -> LabelsOfRun:
        """The labels of the run with this id, without one of the newest; NotFoundError if it can have none."""
        return self.of(self._library.asked(run_id))

    def of(self, run: RunView) -> LabelsOfRun:
        """The labels of a run; NotFoundError if it doesn't say which file its autoencoder is."""
        return LabelsOfRun(run, self._logs.of_run(run.metadata))
