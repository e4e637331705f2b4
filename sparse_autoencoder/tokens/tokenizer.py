"""Token ids of rows, and the vocabulary's strings, from a Hugging Face tokenizer.json."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.tokens.token_bytes import bytes_of_tokens
from sparse_autoencoder.utils.failure_rule import is_failure


class RowTokenizer:
    """A Hugging Face fast tokenizer, without truncation and padding.

    `vocab_size` is the number of the model's token ids, which begin at 0; None turns the check of ids off.
    `special_names` are the names of its special tokens, such as <|endoftext|>; in a text they are text.
    """

    special_names: Sequence[str] = ()

    def __init__(self, file: Path, vocab_size: int | None = None) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Any = Tokenizer.from_file(str(file))
        except BaseException as error:  # the library raises Exception itself, or panics
            if not is_failure(error):
                raise
            raise SaescopeError(f"{file} is not a tokenizer that can be read: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # a special token's name in a text is text
        added = self._tokenizer.get_added_tokens_decoder().values()
        self.special_names = [token.content for token in added if token.special and token.content]
        self.vocab_size = vocab_size

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Token ids of each text, without special tokens; raises whatever the tokenizer raises."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, np.int32) for encoding in encodings]

    def vocabulary(self, size: int) -> list[bytes]:
        """What each token id stands for within a text; it may be a part of a character."""
        return bytes_of_tokens(self._tokenizer, size)
