"""A whole language model that predicts with vectors at one hook point changed.

What is at a hook point doesn't depend on changes there, at no token: they only reach later layers. So a change is a
difference, which is added. In the residual stream between attention and MLP that is the same as adding it to what the
attention gives.

GPT-2 models run on our own code (whole_gpt2.py), which computes only what a change can reach; all others on
TransformerLens (whole_bridge.py), which computes whole windows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.subjects.hook_points import check_request
from sparse_autoencoder.subjects.places import Place
from sparse_autoencoder.subjects.subject import Subject

# Makes of vectors [tokens, width] at the hook point, and of the text of each and its position in that (both [tokens],
# int64), what is added to them.
Change = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Tail:
    """A window's tokens from `begin` on, with other vectors at the hook point.

    `difference` [changed, width] is added to the vectors at begin, begin + 1, …; those of later tokens stay.
    """

    window: int
    begin: int
    difference: Tensor


class Predictions(Protocol):
    """Predictions of the token that follows, made at some tokens, which are numbered."""

    def logits(self, tokens: Tensor) -> Tensor:
        """The logits [tokens, vocab] at some tokens, given by their numbers; in float32, or float64."""


class CleanRun(Protocol):
    """Some windows as the model sees them. Their tokens are numbered one window after the other."""

    starts: list[int]  # [windows + 1]: the number of each window's first token
    vectors: Tensor  # [tokens, width], at the hook point

    @property
    def predictions(self) -> Predictions:
        """The predictions at each token."""

    def changed(self, tails: Sequence[Tail]) -> Predictions:
        """The predictions with changed vectors; the tails' tokens are numbered one tail after the other."""

    def direct_logits(self, tails: Sequence[Tail]) -> Tensor:
        """The logits [tails, vocab] at each tail's first token if only the final norm sees its difference.

        Raises NoUnembeddingError if what the difference adds to the residual stream isn't known.
        """


class Generation(Protocol):
    """Texts of equal length that are being continued."""

    def logits(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        """Add tokens to each text, as many to each; the logits [texts, vocab] after its last one, as Predictions'."""


class WholeModel(Protocol):
    """A language model with all layers, and one hook point at which vectors can be changed."""

    name: str
    place: Place
    vocab_size: int
    max_positions: int
    device: torch.device

    def run(self, windows: Sequence[Sequence[int]]) -> CleanRun:
        """Run the model over windows of token ids; SaescopeError if one is too long or empty."""

    def generation(self, num_texts: int, most: int, change: Change) -> Generation:
        """Begin so many texts of at most `most` tokens; SaescopeError if the model has fewer positions."""


def check_windows(model: Subject, place: Place, windows: Sequence[Sequence[int]]) -> None:
    """Raise SaescopeError unless the model can take these windows, at this hook point."""
    check_request(model, (len(windows), max(map(len, windows), default=0)), *place)
    if not all(windows):
        raise SaescopeError("a window without tokens has no predictions: leave it out")
    if (most := max(map(max, windows), default=0)) >= model.vocab_size:
        raise SaescopeError(
            f"the model in {model.name} has no token {most}: its tokens are 0 to {model.vocab_size - 1}"
        )
