"""`saescope effects`: what features do to later predictions, computed ahead for their pages."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from services.commands.named_run import add_run_and_folder, open_named
from sparse_autoencoder.cli import need_torch
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.utils.printable import printable
from sparse_autoencoder.utils.progress_lines import phase, shown

if TYPE_CHECKING:
    from sparse_autoencoder.reading.run_view import RunView

_TOP = "top:"


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
        help="their numbers, as 1,5,17, or top:20 for the first 20 in the order in which the pages list them",
    )
    parser.set_defaults(handler=effects_command)


def effects_command(args: argparse.Namespace) -> int:
    """Compute the effects of the features; a line for each."""
    view = open_named(args.run, args.runs)
    if view.live:
        raise SaescopeError(
            f"run {view.metadata.run_id} is not finished, and its examples still change: wait for its end, or resume it"
        )
    features = wanted_features(args.features, view)
    missing = [feature for feature in features if not _is_there(view, feature)]
    if len(missing) < len(features):
        print(f"{len(features) - len(missing):,} of {len(features):,} features are there already")
    if missing:
        _compute(view, missing)
    return 0


def wanted_features(named: str, view: RunView) -> list[int]:
    """The features of a list such as `1,5,17`, or `top:20`; SaescopeError if it is none, or names unknown ones."""
    from sparse_autoencoder.runs.rank_by_metric import NUM_ACTIVE_TOKENS, SUGGESTED, Selection

    number = named.removeprefix(_TOP)
    if named.startswith(_TOP) and _is_number(number) and int(number):
        order = SUGGESTED if view.suggests else NUM_ACTIVE_TOKENS
        found: list[int] = view.ranking(Selection(order))[: int(number)].tolist()
        return found
    parts = [part.strip() for part in named.split(",")]
    if not all(map(_is_number, parts)):
        raise SaescopeError(f"--features {printable(named)!r} is no list: give numbers, as 1,5,17, or top:20")
    unknown = [part for part in parts if int(part) >= view.metadata.num_features]
    if unknown:
        raise SaescopeError(
            f"there is no feature {unknown[0]}: the autoencoder of run {view.metadata.run_id} has the features 0 to "
            f"{view.metadata.num_features - 1}"
        )
    return list(dict.fromkeys(map(int, parts)))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


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
