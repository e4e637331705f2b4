"""The token policy: how rows become windows of tokens, and which positions count."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.errors import SaescopeError

Bos = Literal["exclude", "include", "none"]
LongRows = Literal["split", "truncate"]


@dataclass(frozen=True)
class TokenPolicy:
    """How rows become windows, and which positions count.

    bos: `exclude` prepends BOS but leaves its position out of statistics and examples; `include` prepends and counts
    it; `none` prepends nothing. long_rows: tokens that don't fit in one window go into further windows (`split`), or
    are dropped (`truncate`).

    context: how many tokens of its row a token has before it in its window, at least, or all that there are. So a row's
    later windows begin with so many tokens that an earlier window has counted, and count only those after them.
    """

    bos_token_id: int | None  # None if the model has none; then bos must be `none`
    max_tokens: int = 64
    bos: Bos = "exclude"
    long_rows: LongRows = "split"
    context: int = 0

    def __post_init__(self) -> None:
        if self.prepends_bos and self.bos_token_id is None:
            raise SaescopeError("the subject model has no BOS token that could be prepended: use --bos none")
        if self.row_tokens_per_window < 1:
            raise SaescopeError(
                f"--max-tokens {self.max_tokens} leaves no room for a token"
                f"{'' if self.bos == 'none' else ' after BOS'}: use a larger value"
            )
        if self.context and self.long_rows != "split":
            raise SaescopeError(
                f"--context {self.context} is about rows that are cut into several windows, and --long-rows "
                f"{self.long_rows} makes only one of each: leave one of the two out"
            )
        if self.context >= self.row_tokens_per_window:
            raise SaescopeError(
                f"--context {self.context} leaves no token to count in later windows of --max-tokens {self.max_tokens}"
                f"{'' if self.bos == 'none' else ' with BOS'}: use at most {self.row_tokens_per_window - 1}"
            )

    @property
    def prepends_bos(self) -> bool:
        """Whether each window begins with BOS."""
        return self.bos != "none"

    @property
    def row_tokens_per_window(self) -> int:
        """How many of a row's own tokens fit in a window."""
        return self.max_tokens - int(self.prepends_bos)

    @property
    def first_counted(self) -> int:
        """The first position of a row's first window that counts in statistics and examples."""
        return int(self.bos == "exclude")

    @property
    def first_counted_later(self) -> int:
        """The first position of a row's other windows that counts."""
        return int(self.prepends_bos) + self.context if self.context else self.first_counted

    @property
    def window_step(self) -> int:
        """How many of a row's tokens lie between the beginnings of its windows."""
        return self.row_tokens_per_window - self.context

    def num_windows(self, n_tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many windows rows have, by how many tokens they keep: [rows]."""
        windows: NDArray[np.int64] = np.maximum(-(-(n_tokens - self.context) // self.window_step), n_tokens > 0)
        return windows

    def window_offsets(self, number: NDArray[Any]) -> NDArray[Any]:
        """The place in its row of each window's first own token, by the window's number in its row: [windows]."""
        return number * self.window_step

    def counted_offsets(self, n_tokens: int) -> list[int]:
        """The places in a row with so many tokens of the first ones that each of its windows counts."""
        number = np.arange(self.num_windows(np.array([n_tokens]))[0])
        offsets: list[int] = (self.window_offsets(number) + self.context * (number > 0)).tolist()
        return offsets

    def num_counted(self, n_tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many tokens of rows count, BOS included where it does, by how many tokens the rows keep: [rows]."""
        if self.bos != "include":
            return n_tokens
        counted: NDArray[np.int64] = n_tokens + (n_tokens > 0 if self.context else self.num_windows(n_tokens))
        return counted

    def counted_places(self, n_tokens: int) -> NDArray[np.int64]:
        """The counted tokens of a row in their order: each one's place in the row, -1 for BOS."""
        places = np.arange(n_tokens)
        if self.bos != "include":
            return places
        begins = self.counted_offsets(n_tokens)
        return np.insert(places, begins[:1] if self.context else begins, -1)

    def counted_index(self, token: NDArray[Any]) -> NDArray[np.int64]:
        """Which of its row's counted tokens each token is, by its place in the row: [tokens].

        -1 stands for the BOS of a row's first window, where it counts, -2 for that of its second one, and so on.
        """
        place = token.astype(np.int64)
        if self.bos != "include" or self.context:
            return place + int(self.bos == "include")
        step = self.window_step
        return np.where(place < 0, (-1 - place) * (step + 1), place + place // step + 1)

    def counted_token(self, index: NDArray[Any]) -> NDArray[np.int64]:
        """The inverse of `counted_index`: [tokens]."""
        index = index.astype(np.int64)
        if self.bos != "include" or self.context:
            return index - int(self.bos == "include")
        window, within = np.divmod(index, self.window_step + 1)
        return np.where(within == 0, -1 - window, window * self.window_step + within - 1)

    def keep(self, n_tokens: int) -> int:
        """How many of a row's `n_tokens` tokens are put into windows."""
        return n_tokens if self.long_rows == "split" else min(n_tokens, self.row_tokens_per_window)
