"""How well the autoencoder gives back its input, for a batch of vectors: the sums of summaries/reconstruction_sums.py.

Decoding is cheap, because it adds up a few directions for each token. The rest is a few passes over the vectors, done
in tiles that stay in the cache. All sums are of integers, so neither tiles nor threads nor a device's order of adding
show in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from sparse_autoencoder.autoencoders.latent_encoder import Inputs, LatentEncoder, SparseLatents
from sparse_autoencoder.kernels.tiled_matmul import row_tiles
from sparse_autoencoder.kernels.torch_array_ops import running_total
from sparse_autoencoder.model import NORMALISATION_EPS
from sparse_autoencoder.summaries.reconstruction_sums import (
    EXPONENTS,
    FRACTION_BITS,
    NORM_BINS,
    NORM_SHIFT,
    QUANTITIES,
    SPACES,
    ReconstructionSums,
)

_TOO_LARGE = 2.0**48  # of |x|^2: beyond it, sums of elements would no longer be exact
_COARSE_BITS = 11  # elements from 2^11 on are split, so that sums over 2^20 tokens stay below 2^53 steps
_OWN, _RAW = (QUANTITIES.index(f"{space}.input") for space in SPACES)


@dataclass(frozen=True)
class BatchSums:
    """The arrays of ReconstructionSums, as int64 tensors on the vectors' device."""

    tokens: Tensor
    parts: Tensor
    own_elements: Tensor
    raw_elements: Tensor
    norms: Tensor
    active: Tensor
    odd: Tensor


def batch_sums(
    encoder: LatentEncoder, inputs: Inputs, latents: SparseLatents, weight: Tensor, bucket: Tensor, n_buckets: int
) -> BatchSums:
    """The sums over the tokens that some vectors [n, n_inputs] stand for, given these vectors' latents.

    `weight` [n], int64: how many tokens a vector stands for, at most 2^20 together. `bucket` [n], int64: the position
    bucket of each.
    """
    device, width = inputs.raw.device, inputs.raw.shape[1]
    own_elements = torch.zeros(n_buckets, width, dtype=torch.int64, device=device)
    raw_elements = torch.zeros(1, width, dtype=torch.int64, device=device)
    found, begin = [torch.zeros(len(QUANTITIES), 0, device=device)], 0
    for part in row_tiles(inputs.raw):
        end = begin + len(part)
        tile = inputs[begin:end]
        own, raw = tile.own.to(_wide(part)), part.to(_wide(part))
        decoded = encoder.decoded(inputs, latents, begin, end).to(_wide(part))
        quantities = _quantities(own, decoded, raw, tile.info)
        counted = (weight[begin:end] * _sound(quantities)).double()
        chosen = torch.zeros(n_buckets, end - begin, dtype=torch.float64, device=device)
        chosen.scatter_(0, bucket[None, begin:end], counted[None])
        own_elements += _element_sums(own, chosen, quantities[_OWN])
        if tile.info:
            raw_elements += _element_sums(raw, counted[None], quantities[_RAW])
        found.append(quantities)
        begin = end
    values = torch.cat(found, dim=1)
    sound = _sound(values)
    counted = weight * sound
    return BatchSums(
        tokens=_counted_at(bucket, counted, n_buckets),
        parts=_parts(torch.where(sound, values, 0), counted, bucket, n_buckets),
        own_elements=own_elements,
        raw_elements=raw_elements[0] if encoder.normalises else own_elements.sum(0),
        norms=_counted_at(values[_RAW].view(torch.int32).long() >> NORM_SHIFT, counted, NORM_BINS),
        active=_active(latents, counted, encoder.most_active),
        odd=torch.stack([_negative(latents, weight), (weight * ~sound).sum()]),
    )


def combined(batches: Sequence[BatchSums]) -> BatchSums:
    """The sums of several batches, at least one, on their device."""
    names = [one.name for one in fields(BatchSums)]
    return BatchSums(**{name: torch.stack([getattr(batch, name) for batch in batches]).sum(0) for name in names})


def summed(batches: Sequence[BatchSums]) -> ReconstructionSums:
    """The sums of several batches, on the host."""
    if not batches:
        return ReconstructionSums.empty()
    total = combined(batches)
    arrays = {one.name: getattr(total, one.name).cpu().numpy() for one in fields(BatchSums)}
    return ReconstructionSums.trimmed(**arrays)


def _wide(numbers: Tensor) -> torch.dtype:
    return torch.float64 if numbers.dtype == torch.float64 else torch.float32


def _quantities(own: Tensor, decoded: Tensor, raw: Tensor, info: dict[str, Tensor]) -> Tensor:
    """The quantities of each vector: [quantities, n], float32.

    Those of raw space follow from those of the own one: with x = x' (s + eps) + mu and r = r' s + mu,
    x - r = s (x' - r') + eps x'.
    """
    inputs, errors, lengths = (_squares(one) for one in (own, own - decoded, decoded))
    products = (inputs + lengths - errors) / 2
    own_ones = _of_a_space(inputs, errors, products, lengths)
    if not info:
        return torch.stack([*own_ones, *own_ones, inputs.sqrt()]).float()
    mean, deviation = info["mu"].squeeze(1).double(), info["std"].squeeze(1).double()
    raw_inputs = _squares(raw)
    raw_errors = deviation * (deviation * errors + 2 * NORMALISATION_EPS * (inputs - products))
    raw_errors += NORMALISATION_EPS**2 * inputs
    raw_lengths = deviation * (deviation * lengths + 2 * mean * decoded.sum(1)) + own.shape[1] * mean**2
    raw_products = (raw_inputs + raw_lengths - raw_errors) / 2
    raw_ones = _of_a_space(raw_inputs, raw_errors, raw_products, raw_lengths)
    return torch.stack([*own_ones, *raw_ones, raw_inputs.sqrt()]).float()


def _of_a_space(inputs: Tensor, errors: Tensor, products: Tensor, lengths: Tensor) -> list[Tensor]:
    """In the order of reconstruction_sums.OF_A_SPACE; cosine and ratio are 0 where the input is 0."""
    both = (inputs * lengths).sqrt()
    cosines = torch.where(both > 0, products / both, 0.0)
    ratios = torch.where(inputs > 0, (lengths / inputs).sqrt(), 0.0)
    return [inputs, errors, products, lengths, cosines, ratios]


def _squares(vectors: Tensor) -> Tensor:
    """|x|^2 of each vector: [n], float64."""
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=1)
    return lengths.double().square()


def _sound(quantities: Tensor) -> Tensor:
    """Mask of the vectors [n] whose quantities [quantities, n] are all finite, and not too large for exact sums."""
    small = (quantities[_OWN] < _TOO_LARGE) & (quantities[_RAW] < _TOO_LARGE)
    return torch.isfinite(quantities).all(0) & small


def _element_sums(vectors: Tensor, chosen: Tensor, squares: Tensor) -> Tensor:
    """The sums over vectors [n, width] with the weights `chosen` [sums, n], in steps of 2^-16: exact, int64.

    `squares` [n]: |x|^2 of the vectors; those that are too large have no weight.
    """
    if vectors.device.type == "cpu" and bool((squares < 2.0 ** (2 * _COARSE_BITS)).all()):
        return (chosen @ (vectors * 2.0**FRACTION_BITS).round_().double()).long()
    vectors = torch.where((squares < _TOO_LARGE)[:, None], vectors, 0)
    steps = (vectors * 2.0**FRACTION_BITS).round_()
    unit = 2.0 ** (_COARSE_BITS + 1 + FRACTION_BITS)
    coarse = (steps / unit).round_()
    return (chosen @ coarse.double()).long() * int(unit) + (chosen @ (steps - coarse * unit).double()).long()


def _parts(values: Tensor, weight: Tensor, bucket: Tensor, n_buckets: int) -> Tensor:
    """Sums of the numbers' integers by (quantity, bucket, exponent), of float32 numbers [quantities, n]."""
    bits = values.contiguous().view(torch.int32).long()
    exponent, fraction = (bits >> 23) & 0xFF, bits & 0x7FFFFF
    integer = torch.where(exponent > 0, fraction | 0x800000, fraction)
    integer = torch.where(bits < 0, -integer, integer)
    quantity = torch.arange(len(values), device=values.device)[:, None]
    place = (quantity * n_buckets + bucket) * EXPONENTS + exponent.clamp(min=1)
    total = torch.zeros(len(values) * n_buckets * EXPONENTS, dtype=torch.int64, device=values.device)
    total.index_add_(0, place.flatten(), (integer * weight).flatten())
    return total.view(len(values), n_buckets, EXPONENTS)


def _counted_at(place: Tensor, weight: Tensor, size: int) -> Tensor:
    """How many tokens there are at each place."""
    return torch.zeros(size, dtype=torch.int64, device=place.device).index_add_(0, place, weight)


def _active(latents: SparseLatents, weight: Tensor, most: int) -> Tensor:
    """Tokens by the number of their active latents: [most + 1]."""
    before = running_total(latents.value > 0)
    bounds = running_total(latents.counts)
    return _counted_at(before[bounds[1:]] - before[bounds[:-1]], weight, most + 1)


def _negative(latents: SparseLatents, weight: Tensor) -> Tensor:
    """How many latents below 0 the tokens have."""
    before = running_total(latents.value < 0)
    bounds = running_total(latents.counts)
    return ((before[bounds[1:]] - before[bounds[:-1]]) * weight).sum()
