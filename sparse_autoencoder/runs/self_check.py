"""The self-check: does this autoencoder belong to this hook point, and was it computed rightly?

Its figures follow from sums that a run keeps over every counted token (summaries/reconstruction_sums.py), and from what
is checked once on the first chunk. The verdict is `fits` only where a recorded reference of that very checkpoint, or a
comparison with the places beside its own, supports it; `doubtful`, with reasons, where something speaks against it;
else `no reference`. docs/self-check.md says what each can and can't see.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from sparse_autoencoder.runs.first_chunk_checks import FirstChunkChecks
from sparse_autoencoder.runs.references import Reference
from sparse_autoencoder.summaries.feature_summary import Summary
from sparse_autoencoder.summaries.reconstruction_sums import ReconstructionSums, positions_of
from sparse_autoencoder.tokens.token_policy import TokenPolicy

Verdict = Literal["fits", "doubtful", "no reference"]
DENSE = 0.1  # a feature that fires on more than this share of the tokens is dense
HIGH_NORM = 10.0  # times the median; a token whose norm is larger is a high-norm token
LEAST_TOKENS = 100  # for conclusions from ratios
LEAST_WINDOWS = 30  # for conclusions from first tokens
_ODD_ERROR = 2.0  # times the error of the other tokens
_MOST_GROUPS = 64  # of the distribution of L0


class AtPosition(BaseModel):
    """The tokens at some positions, counted in a window from its first counted token on."""

    first: int
    last: int
    num_tokens: int
    fvu: float | None  # of the variance about the mean of all tokens
    error: float  # mean |x - r|^2, in the autoencoder's own space
    norm: float  # mean |x|, in the model's space


class SelfCheck(BaseModel):
    """The self-check's figures, verdict and reasons. A ratio whose denominator is 0 is None."""

    model_config = ConfigDict(allow_inf_nan=False)

    verdict: Verdict
    reasons: list[str]  # sentences: why it is doubtful, or what supports that it fits
    num_tokens: int
    fvu: float | None  # fraction of variance unexplained, in the autoencoder's own space
    fvu_raw: float | None  # in the model's space
    cosine: float | None  # mean, in the autoencoder's own space
    cosine_raw: float | None
    relative_reconstruction_bias: float | None  # E|r|^2 / E<x,r>, in the own space: below 1 where r is too short
    l2_ratio: float | None  # mean |r| / |x|, in the own space
    mean_l0: float | None
    l0: list[tuple[int, int, int]]  # from, to, and how many tokens have so many active latents
    negative_latents: int
    left_out_tokens: int  # because their numbers are not finite
    never_fired: int
    dense: int
    median_norm: float
    high_norm_share: float
    by_position: list[AtPosition]
    checks: FirstChunkChecks = Field(default_factory=FirstChunkChecks)
    delta_cross_entropy: float | None = None  # nats per token
    cross_entropy_recovered: float | None = None
    reference: Reference | None = None


@dataclass(frozen=True)
class Facts:
    """What the verdict depends on besides the sums."""

    autoencoder: Mapping[str, Any]  # a run's metadata.autoencoder
    policy: TokenPolicy
    checks: FirstChunkChecks
    reference: Reference | None


def self_check_of(summary: Summary, facts: Facts) -> SelfCheck | None:
    """The self-check of what is merged so far; None before there is anything."""
    sums = summary.reconstructions
    tokens = sums.num_tokens
    if not tokens:
        return None
    figures = _figures(summary, facts)
    doubts = list(_doubts(sums, figures, facts))
    support = list(_support(figures, facts))
    cross_entropy = facts.checks.cross_entropy
    return figures.model_copy(
        update={
            "verdict": "doubtful" if doubts else "fits" if support else "no reference",
            "reasons": doubts or support,
            "delta_cross_entropy": None if cross_entropy is None else cross_entropy.increase,
            "cross_entropy_recovered": None if cross_entropy is None else cross_entropy.recovered,
        }
    )


def _figures(summary: Summary, facts: Facts) -> SelfCheck:
    sums = summary.reconstructions
    tokens = sums.num_tokens
    median = sums.norm_quantile(0.5)
    latents = np.arange(len(sums.active))
    return SelfCheck(
        verdict="no reference",
        reasons=[],
        num_tokens=tokens,
        fvu=_ratio(sums.total("own.error"), sums.variation("own")),
        fvu_raw=_ratio(sums.total("raw.error"), sums.variation("raw")),
        cosine=sums.total("own.cosine") / tokens,
        cosine_raw=sums.total("raw.cosine") / tokens,
        relative_reconstruction_bias=_ratio(sums.total("own.reconstruction"), sums.total("own.product")),
        l2_ratio=sums.total("own.ratio") / tokens,
        mean_l0=float(latents @ sums.active) / tokens,
        l0=_grouped(sums),
        negative_latents=int(sums.odd[0]),
        left_out_tokens=int(sums.odd[1]),
        never_fired=int((summary.count == 0).sum()),
        dense=int((summary.count > DENSE * summary.num_tokens).sum()),
        median_norm=median,
        high_norm_share=sums.share_above(HIGH_NORM * median),
        by_position=[_at(sums, bucket) for bucket in np.flatnonzero(sums.tokens).tolist()],
        checks=facts.checks,
        reference=facts.reference,
    )


def _at(sums: ReconstructionSums, bucket: int) -> AtPosition:
    first, last = positions_of(bucket)
    tokens, error = int(sums.tokens[bucket]), sums.total("own.error", bucket)
    return AtPosition(
        first=first,
        last=last,
        num_tokens=tokens,
        fvu=_ratio(error, sums.variation_at(bucket)),
        error=error / tokens,
        norm=sums.total("norm", bucket) / tokens,
    )


def _grouped(sums: ReconstructionSums) -> list[tuple[int, int, int]]:
    """How many tokens have how many active latents, in at most 64 groups of equal width without the empty ones."""
    width = -(-len(sums.active) // _MOST_GROUPS)
    groups = [(begin, begin + width - 1) for begin in range(0, len(sums.active), max(width, 1))]
    counted = [(first, last, int(sums.active[first : last + 1].sum())) for first, last in groups]
    return [group for group in counted if group[2]]


def _ratio(numerator: float, denominator: float) -> float | None:
    """None if the denominator is 0 but for rounding."""
    return numerator / denominator if denominator > 1e-9 * abs(numerator) and denominator > 0 else None


# -- the verdict -------------------------------------------------------------------------------------------------------


def _doubts(sums: ReconstructionSums, figures: SelfCheck, facts: Facts) -> Iterator[str]:
    """Sentences that say what speaks against the run."""
    formula, neighbours = facts.checks.formula, facts.checks.neighbours
    if formula is not None and formula.num_different:
        yield (
            f"{formula.num_different} of {formula.num_tokens} tokens have other latents than the autoencoder's formula "
            f"gives ({formula.problem})"
        )
    yield from _about_latents(sums, figures, facts)
    if figures.fvu is not None and figures.fvu >= 1 and figures.num_tokens >= LEAST_TOKENS:
        yield (
            f"FVU is {figures.fvu:.2f}, so the mean vector would be a better reconstruction: is this the autoencoder's "
            "model, layer and location, and its activation function?"
        )
    yield from _about_first_tokens(figures, facts.policy)
    if neighbours is not None:
        yield from neighbours.doubts
    if facts.reference is not None and figures.fvu is not None:
        low, high = facts.reference.range
        if not low <= figures.fvu <= high:
            yield (
                f"FVU is {figures.fvu:.4f}, and by the reference ({facts.reference.how}, on {facts.reference.text}) "
                f"it should be between {low:.4f} and {high:.4f}"
            )


def _about_latents(sums: ReconstructionSums, figures: SelfCheck, facts: Facts) -> Iterator[str]:
    k = facts.autoencoder.get("k")
    if k is not None:
        if above := int(sums.active[k + 1 :].sum()):
            yield f"{above:,} tokens have more than the k = {k} active latents that the autoencoder selects"
        if figures.mean_l0 is not None and figures.mean_l0 < k / 2 and figures.num_tokens >= LEAST_TOKENS:
            yield f"only {figures.mean_l0:.1f} of the k = {k} selected latents are active: their inputs are unusual"
    if figures.negative_latents and facts.autoencoder.get("rectified", True):
        yield f"{figures.negative_latents:,} latents are negative, which the autoencoder's activation function excludes"
    if figures.left_out_tokens:
        yield f"{figures.left_out_tokens:,} tokens have vectors that are too large to compute with"


def _about_first_tokens(figures: SelfCheck, policy: TokenPolicy) -> Iterator[str]:
    """A model gives the first token of all its windows a vector of a kind of its own, which most autoencoders lack."""
    first, *others = figures.by_position
    num_others = sum(one.num_tokens for one in others)
    if policy.first_counted or first.first != 0 or first.num_tokens < LEAST_WINDOWS or not num_others:
        return
    error, norm = (
        sum(getattr(one, name) * one.num_tokens for one in others) / num_others for name in ("error", "norm")
    )
    if first.error > _ODD_ERROR * error or not norm / HIGH_NORM < first.norm < norm * HIGH_NORM:
        token = "BOS is counted, and it" if policy.prepends_bos else "windows begin without BOS, and their first token"
        yield (
            f"{token} is unlike the others (error {first.error / error if error else float('inf'):.1f} times theirs, "
            f"norm {first.norm:.1f} to {norm:.1f}): --bos exclude prepends BOS and leaves it out"
        )


def _support(figures: SelfCheck, facts: Facts) -> Iterator[str]:
    """Sentences that say why it fits, if nothing speaks against it."""
    formula = facts.checks.formula
    if formula is None or not formula.num_tokens or figures.num_tokens < LEAST_TOKENS:
        return
    if facts.reference is not None and figures.fvu is not None:
        reference = facts.reference
        yield f"FVU is that of the reference ({reference.how}, on {reference.text}): {reference.fvu:.4f}"
    if facts.checks.neighbours is not None and facts.checks.neighbours.supports:
        places = len(facts.checks.neighbours.places) - 1
        yield f"of its own place and {places} others beside it, it gives back its own one best"
