"""The effects that are kept of a run's features."""

from __future__ import annotations

from sparse_autoencoder.questions.answer_types import FeatureEffects
from sparse_autoencoder.reading.run_view import RunView


def kept_effects(run: RunView, feature_id: int) -> FeatureEffects | None:
    """What a feature does to later predictions in the examples that are shown; None if that isn't kept."""
    return None
