"""A run's token strings, which are read when they are first needed."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from sparse_autoencoder.reading.damaged_files import readable
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.utils.numpy_array_ops import Mask


class Vocabulary:
    """Token strings by token id; all calls raise SaescopeError if vocabulary.json is missing or damaged."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def strings(self, token_ids: Iterable[int]) -> list[str]:
        """The strings of these tokens."""
        with readable(self._folder, self._folder.vocabulary):
            strings = self._strings
            return [strings[token_id] for token_id in token_ids]

    def containing(self, text: str) -> Mask:
        """Mask [vocabulary] of the tokens whose string contains this text, ignoring case; spaces count."""
        with readable(self._folder, self._folder.vocabulary):
            wanted = text.casefold()
            return np.array([wanted in folded for folded in self._folded], bool)

    @cached_property
    def _folded(self) -> list[str]:
        return [str.casefold(text) for text in self._strings]

    @cached_property
    def _strings(self) -> list[str]:
        return self._folder.read_vocabulary()
