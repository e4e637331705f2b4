"""`saescope effects`: what features do to later predictions, computed ahead for their pages."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from services.commands.chosen_features import FEATURES_HELP, chosen_features
from services.commands.named_run import add_run_and_folder, open_named
from sparse_autoencoder.cli import need_torch
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.utils.progress_lines import phase, shown

if TYPE_CHECKING:
    from sparse_autoencoder.reading.run_view import RunView


def add_effects_parser(commands: Any) -> None:
    """Add `effects`."""
    parser = commands.add_parser(
        "effects",
        help="what features do to later predictions, for their pages",
        description=(
            "Compute what features do to later predictions: each shown example's boxed activation is set to 0. "
            "Features that were computed are skipped, and Ctrl-C keeps what is done."
        ),
    )
    add_run_and_folder(parser)
    parser.add_argument(
        "--features",
        required=True,
        metavar="LIST",
        help=FEATURES_HELP,
    )
    parser.set_defaults(handler=effects_command)


def effects_command(args: argparse.Namespace) -> int:
    """Compute the effects of the features; a line for each."""
    view = open_named(args.run, args.runs)
    if view.live:
        raise SaescopeError(
            f"run {view.metadata.run_id} is not finished, and its examples still change: wait for its end, or resume it"
        )
    features = chosen_features(args.features, view)
    missing = [feature for feature in features if not _is_there(view, feature)]
    if len(missing) < len(features):
        print(f"{len(features) - len(missing):,} of {len(features):,} features are there already")
    if missing:
        _compute(view, missing)
    return 0


def _is_there(view: RunView, feature: int) -> bool:
    try:
        view.effects(feature)
    except NotFoundError:
        return False
    return True


def _compute(view: RunView, features: list[int]) -> None:
    need_torch()
    from sparse_autoencoder.effects.answers import ablate_feature
    from sparse_autoencoder.effects.whole_run_models import RunModels
    from sparse_autoencoder.questions.question_types import AblateFeature

    with phase("loading the models"):
        models = RunModels.load(view.metadata)
        _ = models.whole  # loads the rest
    for number, feature in enumerate(features, 1):
        begin, done = time.monotonic(), [0, 0]

        def where(number: int = number, feature: int = feature, done: list[int] = done) -> str:
            return f"feature {feature} ({number:,} of {len(features):,}): {done[0]} of {done[1]} examples"

        with shown(where):
            for part in ablate_feature(models, view, AblateFeature(feature_id=feature)):
                if "progress" in part:
                    done[:] = part["progress"]["done"], part["progress"]["of"]
        print(f"feature {feature}: {done[1]} examples, {time.monotonic() - begin:.1f} s", flush=True)
