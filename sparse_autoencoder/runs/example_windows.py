"""Collects the windows of a run's examples from its prompts files: tokens, rows, and how often each text occurs."""

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.rows_file_format import Rows
from sparse_autoencoder.summaries.example_arrays import Examples
from sparse_autoencoder.summaries.feature_summary import Summary
from sparse_autoencoder.utils.numpy_array_ops import Ints, ranges, starts_of

SNIPPET_CHARS = 200
_WINDOW_BITS = (
    22  # for the window number in a packed key: a row has at most 2^20 characters of at most 4 bytes (tokens)
)


class ExampleWindows:
    """The windows that examples refer to. Call `add` for all prompts files, then `finish`, then read the results.

    A slot is the index of one of these windows.
    """

    def __init__(self, summary: Summary, metadata: RunMetadata) -> None:
        lists = (summary.top, summary.random, summary.bands)
        keys = [_window_key(examples.row_id, examples.window) for examples in lists]
        self._policy = metadata.policy
        self._wanted = np.unique(np.concatenate(keys))
        self._token_hashes = np.unique(np.concatenate([examples.token_hash for examples in lists]))
        self._counts = np.zeros(len(self._token_hashes), np.int64)
        self._prompt_index = np.zeros(len(self._wanted), np.int64)
        self._lengths = np.zeros(len(self._wanted), np.int64)
        self._tokens: list[NDArray[np.int32]] = []
        self._snippets: list[str] = []
        self._rows_seen = 0

    def add(self, rows: Rows) -> None:
        """Collect what is needed from the next prompts file; files must come in the order of rows."""
        windows = rows.windows
        at = np.searchsorted(self._token_hashes, windows.token_hashes)
        known = at < len(self._token_hashes)
        known[known] = self._token_hashes[at[known]] == windows.token_hashes[known]
        self._counts += np.bincount(at[known], minlength=len(self._token_hashes))
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
        """Call this after the last file; SaescopeError if an example's window was in none of them."""
        if (self._lengths == 0).any():
            row_id = int(self._wanted[self._lengths == 0][0]) >> _WINDOW_BITS
            raise SaescopeError(f"the prompts files lack row {row_id}, which an example shows: run it again")
        self.tokens = np.concatenate([np.zeros(0, np.int32), *self._tokens])
        self._starts = starts_of(self._lengths)

    def slots(self, examples: Examples) -> Ints:
        """Each example's slot."""
        return np.searchsorted(self._wanted, _window_key(examples.row_id, examples.window))

    def spans(self, slots: Ints) -> tuple[Ints, Ints]:
        """Where the windows' tokens begin in `tokens`, and their numbers of tokens."""
        return self._starts[slots], self._lengths[slots]

    def counts(self, examples: Examples) -> Ints:
        """How many windows of the dataset have the same tokens as each example's window."""
        return self._counts[np.searchsorted(self._token_hashes, examples.token_hash)]

    def prompt_index(self, slots: Ints) -> Ints:
        """The windows' rows, as line numbers in prompts.jsonl."""
        return self._prompt_index[slots]

    def snippet(self, slot: int) -> str:
        """The first characters of a window's row."""
        return self._snippets[slot]

    def window_offsets(self, examples: Examples) -> NDArray[np.int32]:
        """The offset in its row of each example window's first token (BOS not counted)."""
        return self._policy.window_offsets(examples.window).astype(np.int32)


def _window_key(row_id: Ints, window: NDArray[np.int32]) -> Ints:
    return (row_id << _WINDOW_BITS) | window
