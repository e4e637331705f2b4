"""What is checked once per run, on a few rows of its first chunk, as that chunk's partial and the run's state keep it.

pipeline/first_chunk.py makes these; runs/self_check.py draws conclusions from them.
"""

from __future__ import annotations

from pydantic import BaseModel, Field


class FormulaCheck(BaseModel):
    """Whether latents computed the fast way are those of the published formula, computed plainly in float64."""

    num_tokens: int  # that were compared
    num_different: int  # tokens with other latents, beyond what rounding explains
    problem: str | None = None  # what differs at the first of them, or why nothing was compared


class PlaceFit(BaseModel):
    """How well the autoencoder, or another one, gives back what the model has at one place."""

    location: str
    layer: int
    fvu: float | None  # in the autoencoder's own space; None if the vectors don't vary
    # how far it is above the run's own place, in standard errors over rows; 0 for that place itself
    distance: float = 0.0


class OtherAutoencoder(BaseModel):
    """The same family's autoencoder of another layer, if its file was at hand."""

    address: str
    layer: int
    fvu_there: float | None  # at its own layer
    fvu_here: float | None  # at this run's
    distance: float = 0.0  # of `fvu_here` above this run's own, in standard errors over rows


class Rise(BaseModel):
    """A position in the window from which on the autoencoder gives back much less."""

    position: int
    fvu: float  # from there on, in the bucket of positions that begins there
    fvu_before: float  # the most in any bucket before
    distance: float  # in standard errors over rows


class NeighbourCheck(BaseModel):
    """This autoencoder at the places beside its own, and with its own place read otherwise."""

    num_rows: int
    num_tokens: int
    places: list[PlaceFit]  # its own one first
    fvu_other_normalisation: float | None = None  # with the input normalised if it isn't, and the other way round
    distance_other_normalisation: float = 0.0
    others: list[OtherAutoencoder] = Field(default_factory=list)
    rise: Rise | None = None
    doubts: list[str] = Field(default_factory=list)  # sentences
    supports: bool = False  # its own place is clearly the best one


class CrossEntropyCheck(BaseModel):
    """What the model's prediction loses if the vectors are replaced by their reconstructions; nats per token."""

    num_rows: int
    num_tokens: int  # predictions
    clean: float
    replaced: float
    zeroed: float  # with zeros instead of reconstructions

    @property
    def increase(self) -> float:
        """By how much the cross entropy grows."""
        return self.replaced - self.clean

    @property
    def recovered(self) -> float | None:
        """The share of what zeros cost that the reconstructions don't cost; None if zeros cost nothing."""
        cost = self.zeroed - self.clean
        return (self.zeroed - self.replaced) / cost if cost > 0 else None


class FirstChunkChecks(BaseModel):
    """Everything that is checked on the first chunk."""

    formula: FormulaCheck | None = None
    neighbours: NeighbourCheck | None = None
    cross_entropy: CrossEntropyCheck | None = None
    problems: list[str] = Field(default_factory=list)  # sentences: what could not be checked, and why
