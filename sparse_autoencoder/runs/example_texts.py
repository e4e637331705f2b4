"""The windows that a run's examples show: their tokens, their rows, and how often each text occurs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.rows_file import Rows
from sparse_autoencoder.summaries.examples import Examples
from sparse_autoencoder.summaries.summary import Summary
from sparse_autoencoder.utils.arrays import Ints, ranges, starts_of

SNIPPET_CHARS = 200
_WINDOW_BITS = 22  # of the window number in a packed key: a row is at most 2^20 characters, of 4 bytes (tokens) each


class ExampleTexts:
    """The windows that examples refer to: their tokens, their rows, and how often each text occurs."""

    def __init__(self, summary: Summary, metadata: RunMetadata) -> None:
        keys = [_window_key(examples.row_id, examples.window) for examples in (summary.top, summary.random)]
        self._policy = metadata.policy
        self._wanted = np.unique(np.concatenate(keys))
        self._texts = np.unique(np.concatenate([summary.top.text, summary.random.text]))
        self._counts = np.zeros(len(self._texts), np.int64)
        self._prompt_index = np.zeros(len(self._wanted), np.int64)
        self._lengths = np.zeros(len(self._wanted), np.int64)
        self._tokens: list[NDArray[np.int32]] = []
        self._snippets: list[str] = []
        self._rows_seen = 0

    def add(self, rows: Rows) -> None:
        """Take what is needed of the next prompts file; files come in row order."""
        windows = rows.windows
        at = np.searchsorted(self._texts, windows.texts)
        known = at < len(self._texts)
        known[known] = self._texts[at[known]] == windows.texts[known]
        self._counts += np.bincount(at[known], minlength=len(self._texts))
        keys = _window_key(windows.row_ids, windows.numbers)
        found = np.flatnonzero(np.isin(keys, self._wanted, assume_unique=True))
        slots = np.searchsorted(self._wanted, keys[found])
        row = np.searchsorted(rows.row_ids, windows.row_ids[found])
        self._prompt_index[slots] = self._rows_seen + row
        self._lengths[slots] = windows.lengths[found]
        self._tokens.append(windows.tokens[ranges(windows.starts[found], windows.lengths[found])])
        self._snippets += [rows.texts[r][:SNIPPET_CHARS] for r in row.tolist()]
        self._rows_seen += len(rows.row_ids)

    def finish(self) -> None:
        """Check that every example's window was seen."""
        if (self._lengths == 0).any():
            row_id = int(self._wanted[self._lengths == 0][0]) >> _WINDOW_BITS
            raise SaescopeError(f"the prompts files lack row {row_id}, which an example shows: run it again")
        self.tokens = np.concatenate([np.zeros(0, np.int32), *self._tokens])
        self._starts = starts_of(self._lengths)

    def slots(self, examples: Examples) -> Ints:
        """Which of the windows each example shows."""
        return np.searchsorted(self._wanted, _window_key(examples.row_id, examples.window))

    def spans(self, slots: Ints) -> tuple[Ints, Ints]:
        """Where windows' tokens begin in `tokens`, and how many there are."""
        return self._starts[slots], self._lengths[slots]

    def counts(self, examples: Examples) -> Ints:
        """How often each example's text occurs in the dataset."""
        return self._counts[np.searchsorted(self._texts, examples.text)]

    def prompt_index(self, slots: Ints) -> Ints:
        """The lines in prompts.jsonl of windows' rows."""
        return self._prompt_index[slots]

    def snippet(self, slot: int) -> str:
        """The beginning of a window's row."""
        return self._snippets[slot]

    def window_offsets(self, examples: Examples) -> NDArray[np.int32]:
        """Each example's window's first own token, counted in its row."""
        return (examples.window * self._policy.row_tokens_per_window).astype(np.int32)


def _window_key(row_id: Ints, window: NDArray[np.int32]) -> Ints:
    return (row_id << _WINDOW_BITS) | window
