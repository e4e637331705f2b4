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
_PREDICTIONS_AT_ONCE = 64  # that are compared
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

    def split(self, lengths: list[int]) -> list[Compared]:
        """One after the other, each of so many predictions."""
        pushed = {
            name: zip(torch.split(tokens, lengths), torch.split(by, lengths), strict=True)
            for name, (tokens, by) in self.pushed.items()
        }
        return [
            Compared(loss_change, kl, {name: next(parts) for name, parts in pushed.items()})
            for loss_change, kl in zip(
                torch.split(self.loss_change, lengths), torch.split(self.kl, lengths), strict=True
            )
        ]


@torch.inference_mode()
def compare(with_it: Tensor, without: Tensor, following: Tensor) -> Compared:
    """Compare logits [predictions, vocab] with and without an activation; `following` are the tokens that follow."""
    log_p, log_q = with_it.log_softmax(dim=1), without.log_softmax(dim=1)
    loss_change = _of_following(log_p, following) - _of_following(log_q, following)
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


def _loss_change(with_it: Tensor, without: Tensor, following: Tensor) -> Tensor:
    """The loss change alone, [predictions]."""
    return _of_following(with_it.log_softmax(dim=1), following) - _of_following(without.log_softmax(dim=1), following)


def _of_following(log_probs: Tensor, following: Tensor) -> Tensor:
    return log_probs.gather(1, following.to(log_probs.device)[:, None])[:, 0]


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
    places, begin = [], 0
    for number, (of_window, idx) in enumerate(boxed):
        window = windows[of_window]
        predictions = torch.arange(len(window) - 1 - idx)
        following = torch.tensor(window[idx + 1 :], dtype=torch.int64)
        places.append(_Place(number, run.starts[of_window] + idx + predictions, begin + predictions, following))
        begin += len(window) - idx
    for some in _at_once(places):
        for place, compared in zip(some, both.compared(some), strict=True):
            window, idx = windows[boxed[place.tail][0]], boxed[place.tail][1]
            yield window, idx, _example_effects(len(window), idx, acts[place.tail], *compared, strings)


@dataclass(frozen=True)
class _Place:
    """Where a tail's predictions are: their numbers in the clean run and among the changed ones, what follows each."""

    tail: int
    clean: Tensor  # [predictions]
    changed: Tensor  # [predictions]
    following: Tensor  # [predictions]


def _at_once(places: Sequence[_Place]) -> Iterator[list[_Place]]:
    """The places in groups, as the unembedding takes as long for a few predictions as for some dozens."""
    some: list[_Place] = []
    for place in places:
        if some and sum(len(one.clean) for one in some) + len(place.clean) > _PREDICTIONS_AT_ONCE:
            yield some
            some = []
        some.append(place)
    if some:
        yield some


@dataclass(frozen=True)
class _Both:
    """The predictions of some windows, those of their changed tails, and the direct ones at the boxed tokens."""

    with_it: Predictions
    without: Predictions
    direct: Tensor | None  # [tails, vocab]

    @torch.inference_mode()
    def compared(self, places: Sequence[_Place]) -> list[tuple[Compared, Tensor | None]]:
        """The predictions of some tails compared, and their direct changes of the loss: one, or none without any."""
        following = torch.cat([place.following for place in places])
        lengths = [len(place.clean) for place in places]
        logits = self.with_it.logits(torch.cat([place.clean for place in places]))
        without = self.without.logits(torch.cat([place.changed for place in places]))
        found = compare(logits, without, following).split(lengths)
        if self.direct is None:
            return [(one, None) for one in found]
        some = [number for number, length in enumerate(lengths) if length]
        first = torch.tensor(lengths).cumsum(0)[some] - torch.tensor(lengths)[some]
        tails = torch.tensor([places[number].tail for number in some], dtype=torch.int64)
        direct = _loss_change(logits[first.to(logits.device)], self.direct[tails.to(logits.device)], following[first])
        return list(zip(found, torch.split(direct, [min(1, length) for length in lengths]), strict=True))


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
