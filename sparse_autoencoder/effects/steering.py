"""Text generated with a feature set or raised, beside the text that the model gives otherwise.

At every position but BOS, of the prompt and of what is generated, the feature's activation is set to a target or raised
by so much (feature_directions.py), in units of its own activation: an autoencoder that normalises its inputs adds that
many times the deviation of the vector there. Both texts are generated in one batch, and sampled with the same random
numbers, so that they differ by the feature only.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.effects.feature_directions import FeatureDirection
from sparse_autoencoder.errors import BadQuestionError
from sparse_autoencoder.questions.answer_types import GeneratedText, GeneratedToken
from sparse_autoencoder.subjects.whole_model import Change, WholeModel

_STEERED, _PLAIN = 0, 1  # the texts of a batch


@dataclass(frozen=True)
class Steering:
    """What is done to a feature: set to `strength`, or raised (or lowered) by it.

    Setting it to None leaves each activation as it is.
    """

    feature: int
    mode: Literal["set", "add"]
    strength: float | None


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen: the likeliest at temperature 0, else at random, by a generator with this seed."""

    num_tokens: int
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class TokenNames:
    """What tokens stand for within a text (tokens/token_bytes.py), and which of them end it."""

    of: Sequence[bytes]
    ends: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Prompt:
    """What both texts begin with."""

    token_ids: Sequence[int]  # BOS included, if there is one
    first_steered: int  # 1 if the first of them is BOS, else 0


def steering_change(latents: LatentEncoder, steering: Steering, first: int) -> Change:
    """The change of text 0 from position `first` on; other texts stay as they are.

    Raises SaescopeError for an unknown feature, or a strength that is no number.
    """
    direction, strength = FeatureDirection(latents, steering.feature), steering.strength
    if strength is not None and not math.isfinite(strength):
        raise BadQuestionError(f"a strength of {strength} is no number to set an activation to: give one such as 10")
    if strength is None and steering.mode != "set":
        raise BadQuestionError("a feature can't be raised without saying by how much: give a strength")

    def change(vectors: Tensor, text: Tensor, position: Tensor) -> Tensor:
        chosen = torch.nonzero((text == _STEERED) & (position >= first)).flatten()
        difference = torch.zeros_like(vectors)
        if steering.mode == "set":
            difference[chosen] = direction.setting(vectors[chosen], strength)
        elif strength is not None:
            difference[chosen] = direction.raising(vectors[chosen], strength)
        return difference

    return change


def steered_and_plain(
    whole: WholeModel, latents: LatentEncoder, steering: Steering, prompt: Prompt, sampling: Sampling, names: TokenNames
) -> Generator[GeneratedToken, None, tuple[GeneratedText, GeneratedText]]:
    """Continue a prompt with a feature steered and without; gives each token as it comes, and returns both texts.

    A text ends after a token that ends it. The same arguments give the same texts on the same machine.

    Raises SaescopeError for an unknown feature, a strength that isn't finite or so large that the model gives no
    numbers any more, and for a prompt that leaves no room for the new tokens among the model's positions.
    """
    length = len(prompt.token_ids) + sampling.num_tokens
    if length > whole.max_positions:
        raise BadQuestionError(
            f"a prompt of {len(prompt.token_ids)} tokens and {sampling.num_tokens} new ones are {length}, and the "
            f"model in {whole.name} sees at most {whole.max_positions}: shorten the prompt, or ask for fewer"
        )
    if not prompt.token_ids:
        raise BadQuestionError("an empty prompt can't be continued: give at least a word")
    change = steering_change(latents, steering, prompt.first_steered)
    generation = whole.generation(2, length, change)
    random = torch.Generator().manual_seed(sampling.seed)
    texts = [_Text(names), _Text(names)]
    added: list[Sequence[int]] = [prompt.token_ids, prompt.token_ids]
    for _ in range(sampling.num_tokens):
        logits = generation.logits(added).cpu().double()
        if not torch.isfinite(logits.amax(dim=1)).all():
            raise BadQuestionError(
                f"at strength {steering.strength} the model's predictions are no numbers any more: take a smaller one"
            )
        chosen = chosen_tokens(logits, sampling.temperature, random)
        log_probs = logits.log_softmax(dim=1)
        for number, (text, token) in enumerate(zip(texts, chosen, strict=True)):
            if not text.ended:
                yield text.add(token, float(log_probs[number, token]), steered=number == _STEERED)
        if all(text.ended for text in texts):
            break
        added = [[token] for token in chosen]
    unsteered = _log_probs(whole, prompt.token_ids, texts[_STEERED].token_ids)
    return texts[_STEERED].result(unsteered), texts[_PLAIN].result(texts[_PLAIN].log_probs)


def chosen_tokens(logits: Tensor, temperature: float, random: torch.Generator) -> list[int]:
    """A token for each text, from logits [texts, vocab] in float64 on the host."""
    if not temperature:
        return logits.argmax(dim=1).tolist()
    probabilities = ((logits - logits.amax(dim=1, keepdim=True)) / temperature).softmax(dim=1)
    totals = probabilities.cumsum(dim=1)
    drawn = torch.rand((), generator=random, dtype=torch.float64) * totals[:, -1:]
    # the first token whose total is above the number, so that none of probability 0 is drawn
    found = torch.searchsorted(totals, drawn, right=True)[:, 0]
    return found.clamp(max=logits.shape[1] - 1).tolist()


def _log_probs(whole: WholeModel, prompt: Sequence[int], tokens: Sequence[int]) -> list[float]:
    """The log probability that the model gives to each token after the prompt, nothing changed."""
    if not tokens:
        return []
    predictions = whole.run([[*prompt, *tokens]]).predictions
    with torch.inference_mode():
        logits = predictions.logits(torch.arange(len(prompt) - 1, len(prompt) + len(tokens) - 1)).double()
        found = logits.log_softmax(dim=1).gather(1, torch.tensor(tokens, device=logits.device)[:, None])
    return found[:, 0].tolist()


class _Text:
    """A text that is being generated."""

    def __init__(self, names: TokenNames) -> None:
        self._names = names
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.token_ids: list[int] = []
        self.tokens: list[str] = []
        self.log_probs: list[float] = []
        self.ended = False

    def add(self, token: int, log_prob: float, *, steered: bool) -> GeneratedToken:
        """Add a token."""
        self.ended = token in self._names.ends
        # a model may have more tokens than its tokenizer
        own = self._names.of[token] if token < len(self._names.of) else b""
        self.token_ids.append(token)
        self.tokens.append(self._decoder.decode(own, final=self.ended))
        self.log_probs.append(log_prob)
        return {"steered": steered, "token_id": token, "token": self.tokens[-1], "log_prob": log_prob}

    def result(self, unsteered: list[float]) -> GeneratedText:
        """The whole text; `unsteered` are the log probabilities of its tokens by the unsteered model."""
        if self.tokens:
            self.tokens[-1] += self._decoder.decode(b"", final=True)
        return {
            "text": "".join(self.tokens),
            "token_ids": self.token_ids,
            "tokens": self.tokens,
            "log_probs": self.log_probs,
            "unsteered_log_probs": unsteered,
            "unsteered_perplexity": _perplexity(unsteered),
        }


def _perplexity(log_probs: Sequence[float]) -> float | None:
    """exp of the mean log probability, negated; None without any, or if it is too large for a number."""
    if not log_probs:
        return None
    try:
        return math.exp(-math.fsum(log_probs) / len(log_probs))
    except OverflowError:
        return None
