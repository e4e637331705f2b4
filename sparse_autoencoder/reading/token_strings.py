"""A run's token strings, which are read when they are first needed."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from sparse_autoencoder.reading.damaged_files import readable
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.utils.numpy_array_ops import Mask

GOES_ON = ""
"""In the place of a token that holds only further bytes of the character before it."""


class Vocabulary:
    """Token strings by token id; all calls raise SaescopeError if vocabulary.json is missing or damaged."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def strings(self, token_ids: Iterable[int]) -> list[str]:
        """The strings of these tokens, each by itself."""
        with readable(self._folder, self._folder.vocabulary):
            strings = self._strings
            return [strings[token_id] for token_id in token_ids]

    def joined(self, token_ids: Sequence[int]) -> list[str]:
        """The strings of tokens that follow each other in a text.

        A character whose bytes are in several tokens is in the first one's string, and the others' are GOES_ON.
        """
        strings = self.strings(token_ids)
        if self.has_parts(token_ids):
            self._join(token_ids, strings)
        return strings

    def has_parts(self, token_ids: Sequence[int]) -> bool:
        """Whether one of these tokens is no whole character."""
        with readable(self._folder, self._folder.vocabulary_bytes):
            return not self._parts.keys().isdisjoint(token_ids)

    def containing(self, text: str) -> Mask:
        """Mask [vocabulary] of the tokens whose string contains this text, ignoring case; spaces count."""
        with readable(self._folder, self._folder.vocabulary):
            wanted = text.casefold()
            return np.array([wanted in folded for folded in self._folded], bool)

    def named(self, string: str) -> list[int]:
        """The tokens that are exactly this string."""
        with readable(self._folder, self._folder.vocabulary):
            return [token_id for token_id, own in enumerate(self._strings) if own == string]

    def _join(self, token_ids: Sequence[int], strings: list[str]) -> None:
        """Replace the strings of each run of tokens that are no whole characters."""
        begin = 0
        while begin < len(token_ids):
            end = begin
            while end < len(token_ids) and token_ids[end] in self._parts:
                end += 1
            if end > begin + 1:
                strings[begin:end] = _divided([self._parts[token_id] for token_id in token_ids[begin:end]])
            begin = max(end, begin + 1)

    @cached_property
    def _folded(self) -> list[str]:
        return [str.casefold(text) for text in self._strings]

    @cached_property
    def _strings(self) -> list[str]:
        return self._folder.read_vocabulary()

    @cached_property
    def _parts(self) -> dict[int, bytes]:
        return self._folder.read_vocabulary_bytes()


def _divided(parts: Sequence[bytes]) -> list[str]:
    """The text of all parts together, each of its characters in the part where its first byte is."""
    strings = [GOES_ON] * len(parts)
    owners = [number for number, part in enumerate(parts) for _ in part]
    at = 0
    # a lone surrogate stands for one byte that belongs to no character
    for char in b"".join(parts).decode(errors="surrogateescape"):
        is_alone = "\udc80" <= char <= "\udcff"
        strings[owners[at]] += "\ufffd" if is_alone else char
        at += 1 if is_alone else len(char.encode())
    return strings
