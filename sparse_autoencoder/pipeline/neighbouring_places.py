"""`--check-neighbours`: is an autoencoder's own place the one that it gives back best?

The autoencoder is read at the places (locations and layers) beside its own, with its input normalised or not, and where
the same family's autoencoders of the layers beside are at hand, they are read too. An autoencoder was trained to have
the least error at its own place, so where another one has less, something is wrong. What is compared is the FVU in the
autoencoder's own space on the first rows. Two FVUs differ if their difference is more than three standard errors, with
the row as the unit: of a ratio of sums, and paired, as all are of the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.first_chunk_checks import NeighbourCheck, OtherAutoencoder, PlaceFit, Rise
from sparse_autoencoder.subjects.hook_points import LOCATIONS
from sparse_autoencoder.subjects.places import Place, counted_vectors
from sparse_autoencoder.subjects.subject import Subject
from sparse_autoencoder.summaries.reconstruction_sums import position_buckets, positions_of
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.numpy_array_ops import ranges

SAMPLE_TOKENS = 2048
SAMPLE_ROWS = 40
LEAST_ROWS = 20  # for standard errors
CLEAR = 3.0  # standard errors
_RISE = 1.5  # times the FVU of earlier positions; it also grows within the right context, but by less from 8 on
_FIRST_RISE = 8  # positions before this one differ much by themselves
_LEVEL = 2.0  # times the FVU of the family's autoencoders at their own layers
_PART = 512  # vectors that are encoded at once
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Family:
    """The autoencoder of another layer, of the same family."""

    address: str
    layer: int
    load: Callable[[], LatentEncoder]


@dataclass(frozen=True)
class Fit:
    """Each token's |x - r|^2 and |x - mean|^2 in an autoencoder's own space, [tokens], and the token's row."""

    error: Floats
    variation: Floats
    row: NDArray[np.int64]

    @property
    def fvu(self) -> float | None:
        """The fraction of variance unexplained; None if nothing varies."""
        total = float(self.variation.sum())
        return float(self.error.sum()) / total if total > 0 else None

    def where(self, chosen: NDArray[np.bool_]) -> Fit:
        """The same of some tokens."""
        return Fit(self.error[chosen], self.variation[chosen], self.row[chosen])

    def influence(self) -> Floats:
        """How each row moves the FVU, [rows]: the linear part, whose squares add up to the variance."""
        rows = int(self.row.max(initial=-1)) + 1
        by_row = [np.bincount(self.row, values, rows) for values in (self.error, self.variation)]
        found: Floats = (by_row[0] - (self.fvu or 0.0) * by_row[1]) / self.variation.sum()
        return found

    def distance_above(self, other: Fit) -> float:
        """How far the FVU is above another one, in standard errors of the difference; 0 where one has none."""
        if self.fvu is None or other.fvu is None:
            return 0.0
        mine, theirs = self.influence(), other.influence()
        length = max(len(mine), len(theirs))
        moved = np.pad(mine, (0, length - len(mine))) - np.pad(theirs, (0, length - len(theirs)))
        rows = len(np.unique(np.concatenate([self.row, other.row])))
        error = float(np.sqrt((moved**2).sum() * rows / max(rows - 1, 1)))
        difference = self.fvu - other.fvu
        return difference / error if error > 0 else float(np.sign(difference)) * np.inf


def sample(windows: Windows) -> Windows:
    """Windows of the first rows with at least SAMPLE_TOKENS counted tokens and SAMPLE_ROWS rows, if there are so many.

    Rows' second windows come after all first ones, so that long rows don't make the sample one of few rows. Raises
    SaescopeError if they are of too few rows for standard errors.
    """
    counted = windows.counted_lengths
    used = np.flatnonzero(counted > 0)
    used = used[np.lexsort((windows.row_ids[used], windows.numbers[used]))]
    enough = int(np.searchsorted(np.cumsum(counted[used]), SAMPLE_TOKENS)) + 1
    taken = windows.take(np.sort(used[: max(enough, SAMPLE_ROWS)]))
    if (rows := len(np.unique(taken.row_ids))) < LEAST_ROWS:
        raise SaescopeError(f"the first chunk has {rows} rows for it, and it takes {LEAST_ROWS}")
    return taken


def check_neighbours(
    subject: Subject,
    latents: LatentEncoder,
    own: Place,
    block: Windows,
    policy: TokenPolicy,
    family: Sequence[Family],
    moved: Callable[[], None] = lambda: None,
) -> NeighbourCheck:
    """Compare an autoencoder's own place with others, on the windows of `sample`; `moved` is called after each place.

    `subject` must have the layer after the autoencoder's, if the model has one.
    """
    places = [own, *(place for place in _places(subject, own, latents.width) if place != own)]
    vectors = counted_vectors(subject, block, places)
    position = ranges(block.first_counted.astype(np.int64), block.counted_lengths) - policy.first_counted
    _, row_of_window = np.unique(block.row_ids, return_inverse=True)
    row = np.repeat(row_of_window, block.counted_lengths)
    fits = {}
    for place in places:
        fits[place] = fit_of(latents, vectors[place], row)
        moved()
    otherwise = copy(latents)
    otherwise.normalises = not latents.normalises
    other = fit_of(otherwise, vectors[own], row)
    found = NeighbourCheck(
        num_rows=len(np.unique(row)),
        num_tokens=len(row),
        places=[_place_fit(place, fits[place], fits[own]) for place in places],
        fvu_other_normalisation=other.fvu,
        distance_other_normalisation=_finite(other.distance_above(fits[own])),
        others=_others(family, vectors, fits[own], row, own[0]),
        rise=_rise(fits[own], position),
    )
    doubts = [*_doubts(found, latents, policy)]
    supports = not doubts and all(one.distance > CLEAR for one in found.places[1:]) and len(found.places) > 1
    return found.model_copy(update={"doubts": doubts, "supports": supports and (fits[own].fvu or 1.0) < 1})


@torch.inference_mode()
def fit_of(latents: LatentEncoder, vectors: Tensor, row: NDArray[np.int64]) -> Fit:
    """How well an autoencoder gives back vectors [tokens, n_inputs], as it sees them."""
    inputs = latents.inputs(vectors)
    wide = inputs.own.double()
    errors = []
    for begin in range(0, len(vectors), _PART):
        part = inputs[begin : begin + _PART]
        decoded = latents.decoded(part, latents.encoded(part), 0, len(part.raw))
        errors.append((part.own.double() - decoded.double()).square().sum(1))
    variation = (wide - wide.mean(0)).square().sum(1)
    # where the autoencoder normalises constant vectors, or some are not finite, there is nothing to compare
    sound = torch.isfinite(variation) & torch.isfinite(torch.cat(errors))
    error, varied = (torch.where(sound, one, 0).cpu().numpy() for one in (torch.cat(errors), variation))
    return Fit(error, varied, row)


def _places(subject: Subject, own: Place, width: int) -> list[Place]:
    """The places of the layer and of those beside it whose vectors have the autoencoder's width."""
    found = []
    for layer in range(max(own[1] - 1, 0), min(own[1] + 2, subject.n_layers)):
        for location in LOCATIONS:
            try:
                fits = subject.width(location, layer) == width
            except SaescopeError:  # this model has no such place
                continue
            if fits:
                found.append((location, layer))
    return found


def _place_fit(place: Place, fit: Fit, own: Fit) -> PlaceFit:
    distance = 0.0 if fit is own else _finite(fit.distance_above(own))
    return PlaceFit(location=place[0], layer=place[1], fvu=fit.fvu, distance=distance)


def _others(
    family: Sequence[Family], vectors: Mapping[Place, Tensor], own: Fit, row: NDArray[np.int64], location: str
) -> list[OtherAutoencoder]:
    found = []
    own_vectors = next(iter(vectors.values()))
    for one in family:
        if (location, one.layer) not in vectors:
            continue
        latents = one.load()
        here = fit_of(latents, own_vectors, row)
        there = fit_of(latents, vectors[location, one.layer], row)
        distance = _finite(here.distance_above(own))
        found.append(
            OtherAutoencoder(
                address=one.address, layer=one.layer, fvu_there=there.fvu, fvu_here=here.fvu, distance=distance
            )
        )
    return found


def _rise(fit: Fit, position: NDArray[np.int64]) -> Rise | None:
    """The first bucket of positions that is given back clearly and much worse than each one before it."""
    bucket = position_buckets(int(position.max(initial=0)) + 1)[position]
    before: list[Fit] = []
    for number in np.unique(bucket).tolist():
        here = fit.where(bucket == number)
        if len(np.unique(here.row)) < LEAST_ROWS or here.fvu is None:
            continue
        worst = max(before, key=lambda one: one.fvu or 0.0, default=None)
        first = positions_of(number)[0]
        if worst is not None and worst.fvu is not None and first >= _FIRST_RISE and here.fvu > _RISE * worst.fvu:
            distance = here.distance_above(worst)
            if distance > CLEAR:
                return Rise(position=first, fvu=here.fvu, fvu_before=worst.fvu, distance=_finite(distance))
        before.append(here)
    return None


def _doubts(found: NeighbourCheck, latents: LatentEncoder, policy: TokenPolicy) -> list[str]:
    own, *others = found.places
    doubts = []
    better = [one for one in others if one.fvu is not None and one.distance < -CLEAR]
    if better:
        best = min(better, key=lambda one: one.fvu or 0.0)
        doubts.append(
            f"it gives back {best.location} of layer {best.layer} better than {own.location} of layer {own.layer} "
            f"(FVU {best.fvu:.4f} to {own.fvu:.4f}): is it of that place?"
        )
    if found.fvu_other_normalisation is not None and found.distance_other_normalisation < -CLEAR:
        way = "without normalising its input" if latents.normalises else "with its input normalised"
        doubts.append(
            f"it gives back its place better {way} (FVU {found.fvu_other_normalisation:.4f} to {own.fvu:.4f}): is its "
            "activation function the right one? (--activation)"
        )
    for other in found.others:
        if other.fvu_here is not None and other.distance < -CLEAR:
            doubts.append(
                f"the autoencoder of layer {other.layer}, {other.address}, gives back this place better "
                f"(FVU {other.fvu_here:.4f} to {own.fvu:.4f}): were they mixed up?"
            )
    levels = [other.fvu_there for other in found.others if other.fvu_there is not None]
    if levels and own.fvu is not None and own.fvu > _LEVEL * max(levels):
        doubts.append(
            f"its FVU, {own.fvu:.4f}, is far above that of its family beside it at their own layers ({levels})"
        )
    if found.rise is not None:
        doubts.append(
            f"from position {found.rise.position} of a window on, FVU is {found.rise.fvu:.4f}, and before at most "
            f"{found.rise.fvu_before:.4f}: are windows of {policy.max_tokens} tokens longer than those that it was "
            "trained on? (--max-tokens)"
        )
    return doubts


def _finite(distance: float) -> float:
    """A distance as JSON can hold it."""
    return float(np.clip(distance, -1e6, 1e6))
