"""The token policy: how rows become windows of tokens, and which positions count."""

from dataclasses import dataclass
from typing import Literal

from sparse_autoencoder.errors import SaescopeError

Bos = Literal["exclude", "include", "none"]
LongRows = Literal["split", "truncate"]


@dataclass(frozen=True)
class TokenPolicy:
    """How rows become windows, and which positions count.

    bos: `exclude` prepends BOS but leaves its position out of statistics and examples; `include` prepends and counts
    it; `none` prepends nothing. long_rows: tokens that don't fit in one window go into further windows (`split`), or
    are dropped (`truncate`).
    """

    bos_token_id: int | None  # None if the model has none; then bos must be `none`
    max_tokens: int = 64
    bos: Bos = "exclude"
    long_rows: LongRows = "split"

    def __post_init__(self) -> None:
        if self.prepends_bos and self.bos_token_id is None:
            raise SaescopeError("the subject model has no BOS token that could be prepended: use --bos none")
        if self.row_tokens_per_window < 1:
            raise SaescopeError(
                f"--max-tokens {self.max_tokens} leaves no room for a token"
                f"{'' if self.bos == 'none' else ' after BOS'}: use a larger value"
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
        """The first position of a window that counts in statistics and examples."""
        return int(self.bos == "exclude")

    def keep(self, n_tokens: int) -> int:
        """How many of a row's `n_tokens` tokens are put into windows."""
        return n_tokens if self.long_rows == "split" else min(n_tokens, self.row_tokens_per_window)
