"""Ablation effects: what a feature's activation at one token does to the predictions from there on.

The activation at the boxed token of an example is set to 0, the autoencoder's error and all other activations are kept
(feature_directions.py), and the model goes on. Compared are the predictions with and without the activation:

    loss_change = loss without - loss with     (positive: the activation helps to predict the token that follows)
    kl          = KL(with || without)
    by          = with - without               (of logits and of probabilities)

Beside it is the direct effect: the same if only the final norm and the unembedding see the difference, as in sae_vis.
It reaches no later token than the boxed one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.effects.feature_directions import FeatureDirection
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.questions.answer_types import ExampleEffects, PredictionEffects, PushedTokens
from sparse_autoencoder.subjects.unembedding import NoUnembeddingError
from sparse_autoencoder.subjects.whole_model import CleanRun, Predictions, Tail, WholeModel

PUSHED = 10  # tokens in each list
_BATCH_LOGITS = 1 << 25  # tokens of a batch times the vocabulary
Strings = Callable[[Sequence[int]], Sequence[str]]  # of token ids


@dataclass(frozen=True)
class Ablated:
    """An example: where its window is, the window's tokens, and the boxed one of them."""

    row_id: int
    offset: int
    token_ids: tuple[int, ...]
    idx: int


@dataclass(frozen=True)
class Compared:
    """Two ways to predict the same tokens, compared: an entry for each prediction."""

    loss_change: Tensor  # [predictions]
    kl: Tensor  # [predictions]
    pushed: dict[str, tuple[Tensor, Tensor]]  # by the name in PredictionEffects: token ids and `by`, [predictions, 10]


@torch.inference_mode()
def compare(with_it: Tensor, without: Tensor, following: Tensor) -> Compared:
    """Compare logits [predictions, vocab] with and without an activation; `following` are the tokens that follow."""
    log_p, log_q = with_it.log_softmax(dim=1), without.log_softmax(dim=1)
    at = following.to(log_p.device)[:, None]
    loss_change = (log_p.gather(1, at) - log_q.gather(1, at))[:, 0]
    by_logits = _ends(with_it - without)
    lower = log_q - log_p
    p = log_p.exp_()
    # the sum of p (q / p - 1) is 0, and with it no summand is negative, so nothing small is lost in large ones
    kl = torch.linalg.vecdot(p, (torch.expm1(lower) - lower).clamp_(min=0))
    by_probs = _ends(p - log_q.exp_())
    return Compared(
        loss_change,
        kl,
        {
            "up_logits": by_logits[0],
            "down_logits": by_logits[1],
            "up_probs": by_probs[0],
            "down_probs": by_probs[1],
        },
    )


def _ends(by: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Tokens and values of the largest and of the smallest entries, each [predictions, tokens]."""
    number = min(PUSHED, by.shape[1])
    up, down = by.topk(number, dim=1), by.topk(number, dim=1, largest=False)
    return (up.indices, up.values), (down.indices, down.values)


def feature_effects(
    whole: WholeModel,
    latents: LatentEncoder,
    feature: int,
    examples: Sequence[Ablated],
    strings: Strings,
    moved: Callable[[], None] = lambda: None,
) -> Iterator[ExampleEffects]:
    """The effects of a feature's activations in some examples, in their order; `moved` is called after each.

    `strings` gives the strings of tokens. Equal windows with equal boxed tokens are computed once, and a window's clean
    run is shared by its boxed tokens in the same batch. The first batch is one window, so that the first result is
    there soon. Memory: some times the logits of 2^25 / vocabulary tokens.
    """
    direction = FeatureDirection(latents, feature)
    known: dict[tuple[tuple[int, ...], int], ExampleEffects] = {}
    waiting = list(examples)
    for batch in _batches(examples, whole.vocab_size):
        run = whole.run([list(window) for window in batch])
        for window, idx, found in _effects(run, direction, batch, strings):
            known[window, idx] = found
            while waiting and (made := known.get((waiting[0].token_ids, waiting[0].idx))) is not None:
                example = waiting.pop(0)
                moved()
                yield {**made, "row_id": example.row_id, "offset": example.offset}


_Batch = dict[tuple[int, ...], list[int]]  # windows, and the boxed tokens of each


def _batches(examples: Sequence[Ablated], vocab_size: int) -> Iterator[_Batch]:
    """The examples by windows, in their order; each boxed token of a window once."""
    most, batch, tokens = 0, dict[tuple[int, ...], list[int]](), 0
    seen: set[tuple[tuple[int, ...], int]] = set()
    for example in examples:
        window = example.token_ids
        if (window, example.idx) in seen:
            continue
        seen.add((window, example.idx))
        if batch and tokens + len(window) > most:
            yield batch
            most, batch, tokens = max(1, _BATCH_LOGITS // vocab_size), {}, 0
        batch.setdefault(window, []).append(example.idx)
        tokens += len(window)
    if batch:
        yield batch


def _effects(
    run: CleanRun, direction: FeatureDirection, batch: _Batch, strings: Strings
) -> Iterator[tuple[tuple[int, ...], int, ExampleEffects]]:
    """The effects in a batch of windows: (window, boxed token, effects as if in row 0)."""
    windows = list(batch)
    boxed = [(number, idx) for number, window in enumerate(windows) for idx in batch[window]]
    first = torch.tensor([run.starts[number] + idx for number, idx in boxed], device=run.vectors.device)
    vectors = run.vectors[first]
    acts, differences = direction.activations(vectors).tolist(), direction.setting(vectors, 0.0)
    tails = [Tail(number, idx, difference[None]) for (number, idx), difference in zip(boxed, differences, strict=True)]
    both = _Both(run.predictions, run.changed(tails), _direct(run, tails))
    begin = 0
    for number, ((of_window, idx), act) in enumerate(zip(boxed, acts, strict=True)):
        window = windows[of_window]
        clean = torch.arange(run.starts[of_window] + idx, run.starts[of_window] + len(window) - 1)
        compared = both.compared(number, clean, begin, torch.tensor(window[idx + 1 :], dtype=torch.int64))
        begin += len(window) - idx
        yield window, idx, _example_effects(len(window), idx, act, *compared, strings)


@dataclass(frozen=True)
class _Both:
    """The predictions of some windows, those of their changed tails, and the direct ones at the boxed tokens."""

    with_it: Predictions
    without: Predictions
    direct: Tensor | None  # [tails, vocab]

    @torch.inference_mode()
    def compared(self, tail: int, clean: Tensor, begin: int, following: Tensor) -> tuple[Compared, Tensor | None]:
        """A tail's predictions compared, and its direct loss change: one number, or none without a prediction."""
        logits = self.with_it.logits(clean)
        found = compare(logits, self.without.logits(clean - clean[:1] + begin), following)
        if self.direct is None:
            return found, None
        change = logits[:1].log_softmax(dim=1) - self.direct[tail : tail + 1].log_softmax(dim=1)
        return found, change[:, following[:1].to(change.device)].flatten()


def _direct(run: CleanRun, tails: Sequence[Tail]) -> Tensor | None:
    try:
        return run.direct_logits(tails)
    except NoUnembeddingError:
        return None


def _example_effects(
    length: int, idx: int, act: float, compared: Compared, direct: Tensor | None, strings: Strings
) -> ExampleEffects:
    """What was found in a window of so many tokens, as JSON has it."""
    before, after = [0.0] * min(idx, length - 1), [0.0] * (length - 2 - idx)
    loss_change, kl = rounded(compared.loss_change), rounded(compared.kl)
    if not all(map(math.isfinite, (act, *loss_change, *kl))):
        raise SaescopeError("the model's predictions aren't finite there, with the activation or without it")
    pushed = {name: _pushed(tokens.tolist(), by, strings) for name, (tokens, by) in compared.pushed.items()}
    return {
        "row_id": 0,
        "offset": 0,
        "idx": idx,
        "act": act,
        "loss_change": [*before, *loss_change],
        "kl": [*before, *kl],
        "direct_loss_change": [] if direct is None else [*before, *rounded(direct), *after],
        "pushed": [_prediction(pushed, number) for number in range(len(loss_change))],
    }


def _pushed(tokens: list[list[int]], by: Tensor, strings: Strings) -> list[PushedTokens]:
    """The lists of one kind, by prediction."""
    return [
        {"token_ids": ids, "tokens": list(strings(ids)), "by": rounded(values)}
        for ids, values in zip(tokens, by, strict=True)
    ]


def _prediction(pushed: dict[str, list[PushedTokens]], number: int) -> PredictionEffects:
    return {
        "up_logits": pushed["up_logits"][number],
        "down_logits": pushed["down_logits"][number],
        "up_probs": pushed["up_probs"][number],
        "down_probs": pushed["down_probs"][number],
    }


def rounded(values: Tensor) -> list[float]:
    """Numbers with 5 significant digits, which are more than anybody sees, and make files half as long."""
    return [float(f"{value:.5g}") for value in values.tolist()]
