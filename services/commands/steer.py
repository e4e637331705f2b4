"""`saescope steer`: a prompt continued with a feature turned up or down, and without."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from services.commands.named_run import add_run_and_folder, open_named
from sparse_autoencoder.cli import need_torch
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.printable import printable
from sparse_autoencoder.utils.progress_lines import phase

if TYPE_CHECKING:
    from sparse_autoencoder.questions.answer_types import GeneratedText
    from sparse_autoencoder.questions.question_types import Steer


def add_steer_parser(commands: Any) -> None:
    """Add `steer`."""
    parser = commands.add_parser(
        "steer",
        help="continue a text with a feature turned up or down, and without",
        description=(
            "Continue a prompt with a feature's activation set to a strength, or raised by it, at every token of the "
            "prompt and of what is generated; and without. Strengths are in units of the feature's activation."
        ),
    )
    add_run_and_folder(parser)
    parser.add_argument("--feature", type=int, required=True, metavar="F", help="the feature's number")
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what both texts begin with")
    parser.add_argument(
        "--strength", type=float, required=True, metavar="X", help="activation to set it to, or to raise it by"
    )
    parser.add_argument("--mode", choices=("set", "add"), default="set", help="set or raise it (default: set)")
    parser.add_argument(
        "--tokens", type=int, default=40, dest="num_tokens", metavar="N", help="how many to generate (default: 40)"
    )
    parser.add_argument(
        "--temperature",
        type=float,
        default=0.0,
        metavar="T",
        help="0: the likeliest token each time; 1: as often as it is likely (default: 0)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random numbers (default: 0)")
    parser.set_defaults(handler=steer_command)


def steer_command(args: argparse.Namespace) -> int:
    """Print both texts, with their perplexities; on a terminal as they come."""
    wanted = _wanted(args)
    view = open_named(args.run, args.runs)
    need_torch()
    from sparse_autoencoder.effects.answers import steer
    from sparse_autoencoder.effects.whole_run_models import RunModels

    with phase("loading the models"):
        models = RunModels.load(view.metadata)
        models.check_feature(wanted.feature_id)
        _ = models.whole  # loads the rest
    result: dict[str, Any] = {}
    coming = _Coming(wanted.prompt) if sys.stderr.isatty() else None
    try:
        for part in steer(models, view, wanted):
            if coming is not None and "piece" in part:
                coming.show(part["piece"])
            result = part.get("result", result)
    finally:
        if coming is not None:
            coming.end()
    for name in ("steered", "plain"):
        print(f"{name} ({_perplexity(result[name])}):\n{_readable(wanted.prompt + result[name]['text'])}\n")
    return 0


def _wanted(args: argparse.Namespace) -> Steer:
    """The question; SaescopeError if a flag is out of range."""
    from pydantic import ValidationError

    from sparse_autoencoder.questions.question_types import Steer

    fields = {name: getattr(args, name) for name in ("prompt", "mode", "strength", "num_tokens", "temperature", "seed")}
    try:
        return Steer(feature_id=args.feature, **fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = {"feature_id": "feature", "num_tokens": "tokens"}.get(str(first["loc"][0]), str(first["loc"][0]))
        raise SaescopeError(f"--{name}: {first['msg'].lower()}") from error


def _perplexity(text: GeneratedText) -> str:
    found = text["unsteered_perplexity"]
    return "no perplexity" if found is None else f"perplexity {found:.3g} for the model as it is"


def _readable(text: str) -> str:
    """A text as it can be printed; line ends stay."""
    return "\n".join(printable(line, 12 * len(line) + 1) for line in text.split("\n"))


class _Coming:
    """Shows the steered text on stderr as it comes; the plain one comes at the same time."""

    def __init__(self, prompt: str) -> None:
        sys.stderr.write(_readable(prompt))
        sys.stderr.flush()

    def show(self, piece: dict[str, Any]) -> None:
        if piece["steered"]:
            sys.stderr.write(_readable(piece["token"]))
            sys.stderr.flush()

    def end(self) -> None:
        sys.stderr.write("\n\n")
        sys.stderr.flush()
