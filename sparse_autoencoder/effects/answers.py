"""The answers about a feature's effects, in parts as questions/answer_types.py has them."""

from __future__ import annotations

from collections.abc import Iterator

from sparse_autoencoder.effects.whole_run_models import RunModels
from sparse_autoencoder.questions.answer_types import Part
from sparse_autoencoder.questions.question_types import AblateFeature, Steer
from sparse_autoencoder.reading.run_view import RunView


def ablate_feature(models: RunModels, view: RunView, wanted: AblateFeature) -> Iterator[Part]:
    """What the activations in a feature's shown examples do: progress, ExampleEffects by and by, FeatureEffects.

    The result of a finished run is kept in its folder (runs/effects_file.py). If it is there already, and of the
    examples that are shown now, it is given at once. `models` are those of the view's run.

    Raises SaescopeError for an unknown feature, or files that can't be read or written.
    """
    raise NotImplementedError


def steer(models: RunModels, view: RunView, wanted: Steer) -> Iterator[Part]:
    """A prompt continued with a feature turned up or down, and without: GeneratedToken by and by, then SteeredTexts.

    `models` are those of the view's run. Raises SaescopeError for an unknown feature, a strength that is no number or
    too large, or a prompt that is too long for the model.
    """
    raise NotImplementedError
