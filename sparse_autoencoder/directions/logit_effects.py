"""Logit effects: which tokens a feature's decoder direction makes likelier and less likely, by the weights alone.

A small change e of the residual stream before the final norm changes the logits by W (g * (e - mean e)) / s, with the
unembedding W [vocab, d_model], the norm's gain g and the deviation s of the residual stream, held fixed; RMSNorm has no
mean to subtract. A feature with activation a adds a times its direction d (times the input's deviation, if the
autoencoder normalises its inputs). So per unit of activation and for s = 1 its effect is

    W (g * (d - mean d)), minus its mean over the vocabulary, on which no probability depends.

This is exact at the last layer. For earlier ones it is the direct path: what later layers make of the direction is left
out. As in OpenAI's transformer-debugger the gain is folded and the effect centred (`shown`). SAEDashboard and
Neuronpedia show W d / |d| without either (`raw`), which exports need.

The largest and smallest effects are exact (exact_largest.py). Histograms and moments are of the float32 product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sparse_autoencoder.directions.exact_largest import MARGIN, largest, largest_norm
from sparse_autoencoder.directions.unit_length import of_length_1
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.any_device_top_k import top_k
from sparse_autoencoder.kernels.cpu_threads import parallel_map
from sparse_autoencoder.kernels.packed_linear import Linear
from sparse_autoencoder.kernels.precision import multiplying
from sparse_autoencoder.runs.logit_effects_file import BINS, TOKENS, LogitEffects, TokenEffects
from sparse_autoencoder.subjects.unembedding import Unembedding

_SEGMENT = 512  # columns that are summed in float32, before their sums are added in float64
_VOCABULARY_AT_ONCE = 8192
_MOST_ROWS = {"cpu": 128}
_MOST_ROWS_ELSEWHERE = 2048
_TILE_ENTRIES = {"cpu": 1 << 23}  # of a tile: directions times vocabulary
_TILE_ENTRIES_ELSEWHERE = 1 << 27


@dataclass(frozen=True)
class _Part:
    """What a tile of directions gives, as tensors on the host; the names are TokenEffects'."""

    promoted: Tensor
    promoted_values: Tensor
    suppressed: Tensor
    suppressed_values: Tensor
    histogram: Tensor
    low: Tensor
    high: Tensor
    moments: Tensor  # [directions, 4], float64

    @classmethod
    def room(cls, directions: int, tokens: int) -> _Part:
        """Tensors for so many directions, to be filled tile by tile.

        Small tensors that outlive each tile would lie between its large ones, whose memory could then not be used
        again: with 131,072 directions that took 11 GB.
        """
        ids, values = torch.empty(2, directions, tokens, dtype=torch.int64), torch.empty(2, directions, tokens).double()
        ends = torch.empty(2, directions)
        histogram = torch.empty(directions, BINS, dtype=torch.int32)
        moments = torch.empty(directions, 4, dtype=torch.float64)
        return cls(ids[0], values[0], ids[1], values[1], histogram, ends[0], ends[1], moments)

    def fill(self, begin: int, tile: _Part) -> None:
        """Copy a tile's directions in, from number `begin` on."""
        for field in fields(self):
            part = getattr(tile, field.name)
            getattr(self, field.name)[begin : begin + len(part)] = part


def logit_effects(
    directions: Tensor,
    unembedding: Unembedding,
    moved: Callable[[], None] = lambda: None,
    tile_rows: int | None = None,
) -> LogitEffects:
    """The effects of directions [features, d_model] in the residual stream; `moved` is called after each tile.

    It is computed on the unembedding's device, in float32. Memory: twice the unembedding, and a few tiles of
    `tile_rows` directions times the vocabulary. Call it once per autoencoder and model: for 32,768 directions, width
    768 and 50,257 tokens it takes 2.5 TFLOP for each of the two variants.

    Raises SaescopeError if widths differ, or an effect isn't finite.
    """
    weight = unembedding.weight
    if directions.shape[1] != weight.shape[1] or weight.shape[1] != len(unembedding.gain):
        raise SaescopeError(
            f"directions of width {directions.shape[1]} have no effect by an unembedding of width {weight.shape[1]} "
            f"after a norm of width {len(unembedding.gain)}"
        )
    x = directions.detach().to(device=weight.device, dtype=torch.float32).contiguous()
    with multiplying(tf32=False):
        shown = _effects(x, _folded(unembedding), len(weight), moved, tile_rows)
        raw = _effects(of_length_1(x), _padded(weight), len(weight), moved, tile_rows)
    moments = shown.moments.numpy().astype(np.float32).T
    return LogitEffects(_token_effects(shown), _token_effects(raw), *moments)


@torch.inference_mode()
def _folded(unembedding: Unembedding) -> Tensor:
    """The matrix whose product with a direction is its shown effect, as float32: [vocab, d_model], padded."""
    weight, gain = unembedding.weight, unembedding.gain.double()

    def folded(begin: int) -> Tensor:
        part = weight[begin : begin + _VOCABULARY_AT_ONCE].double() * gain
        return part - part.mean(dim=1, keepdim=True) if unembedding.centres else part

    begins = range(0, len(weight), _VOCABULARY_AT_ONCE)
    total = torch.zeros_like(gain)
    for begin in begins:
        total += folded(begin).sum(dim=0)
    found = _zeros(weight)
    for begin in begins:
        part = folded(begin) - total / len(weight)
        found[begin : begin + len(part)] = part.to(torch.float32)
    return found


def _padded(weight: Tensor) -> Tensor:
    found = _zeros(weight)
    found[: len(weight)] = weight
    return found


def _zeros(weight: Tensor) -> Tensor:
    """A float32 matrix like `weight` [vocab, width], with rows of zeros up to a multiple of _SEGMENT."""
    rows = -(-len(weight) // _SEGMENT) * _SEGMENT
    return torch.zeros(rows, weight.shape[1], device=weight.device)


def _effects(x: Tensor, matrix: Tensor, vocab: int, moved: Callable[[], None], tile_rows: int | None) -> _Part:
    """The effects of directions x [features, width] by a padded matrix [columns, width], in tiles of directions."""
    device = x.device.type
    most = _MOST_ROWS.get(device, _MOST_ROWS_ELSEWHERE)
    fitting = _TILE_ENTRIES.get(device, _TILE_ENTRIES_ELSEWHERE) // len(matrix)
    rows = tile_rows or max(8, min(most, fitting))
    linear = Linear(matrix.t(), matrix.new_zeros(len(matrix)))
    found = _Part.room(len(x), min(TOKENS, vocab))
    of_tile = partial(_tile, linear=linear, vectors=matrix[:vocab], norm=largest_norm(matrix), moved=moved)

    def do(begin: int) -> None:
        found.fill(begin, of_tile(x[begin : begin + rows]))

    begins = range(0, len(x), rows)
    if device == "cpu":
        parallel_map(do, begins)
    else:
        for begin in begins:
            do(begin)
    return found


@torch.inference_mode()
def _tile(x: Tensor, linear: Linear, vectors: Tensor, norm: float, moved: Callable[[], None]) -> _Part:
    vocab = len(vectors)
    product = linear.apply(x)
    effects = product[:, :vocab]
    low, high = torch.aminmax(effects, dim=1)
    if not (torch.isfinite(low) & torch.isfinite(high)).all():
        raise SaescopeError("some effects aren't finite: the weights are too large, or no numbers")
    moments, histogram = _moments(product, vocab), _histogram(effects, low, high)
    promoted = _ends(x, product, vectors, norm)
    suppressed = _ends(-x, product.neg_(), vectors, norm)
    moved()
    found = (*promoted, suppressed[0], -suppressed[1], histogram, low, high, moments)
    return _Part(*(part.cpu() for part in found))


def _ends(x: Tensor, product: Tensor, vectors: Tensor, norm: float) -> tuple[Tensor, Tensor]:
    """Token ids and values of the largest effects, both [directions, tokens]."""
    vocab = len(vectors)
    product[:, vocab:] = -torch.inf
    candidates = top_k(product, min(TOKENS + MARGIN, vocab))
    whole = product[:, :vocab]
    values, tokens = largest(x, vectors, candidates, lambda rows: whole[rows], min(TOKENS, vocab), norm)
    return tokens, values


def _moments(product: Tensor, vocab: int) -> Tensor:
    """Mean, standard deviation, skew and kurtosis of each row; the padded columns are 0 and add nothing."""
    power, sums = product, []
    for number in range(4):
        if number:
            power = power * product
        # few enough for float32, and always as many, however many threads there are
        segments = power.view(len(product), -1, _SEGMENT).sum(dim=2)
        sums.append(segments.double().sum(dim=1) / vocab)
    mean, second, third, fourth = sums
    variance = (second - mean**2).clamp(min=0)
    std = variance.sqrt()
    third = third - 3 * mean * second + 2 * mean**3
    fourth = fourth - 4 * mean * sums[2] + 6 * mean**2 * second - 3 * mean**4
    varies = variance > 0
    one = torch.ones_like(variance)
    skew = torch.where(varies, third / torch.where(varies, variance * std, one), 0.0)
    kurtosis = torch.where(varies, fourth / torch.where(varies, variance**2, one), 0.0)
    return torch.stack([mean, std, skew, kurtosis], dim=1)


def _histogram(effects: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Numbers of tokens in BINS equal bins from each row's smallest to its largest effect: [rows, BINS], int32."""
    width = high - low
    per_unit = torch.where(width > 0, BINS / width, 0.0)
    bins = ((effects - low[:, None]) * per_unit[:, None]).to(torch.int32).clamp_(max=BINS - 1)
    bins += torch.arange(len(effects), device=effects.device, dtype=torch.int32)[:, None] * BINS
    counts = torch.bincount(bins.flatten(), minlength=len(effects) * BINS)
    return counts.view(-1, BINS).to(torch.int32)


def _token_effects(part: _Part) -> TokenEffects:
    return TokenEffects(
        promoted=part.promoted.numpy().astype(np.int32),
        promoted_values=part.promoted_values.numpy().astype(np.float32),
        suppressed=part.suppressed.numpy().astype(np.int32),
        suppressed_values=part.suppressed_values.numpy().astype(np.float32),
        histogram=part.histogram.numpy(),
        low=part.low.numpy(),
        high=part.high.numpy(),
    )
