"""`saescope export`: a run in the form of another program."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.commands.chosen_features import FEATURES_HELP, chosen_features
from services.commands.named_run import add_run_and_folder, open_named
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.sizes import size_in_words

if TYPE_CHECKING:
    from sparse_autoencoder.exports.sae_viewer_folder import ExportProgress
    from sparse_autoencoder.reading.run_view import RunView

SAE_VIEWER = "sae-viewer"


def add_export_parser(commands: Any) -> None:
    """Add `export`."""
    parser = commands.add_parser(
        "export",
        help="write a run in the form of another program",
        description="Write a finished run's features as files of another program: sae-viewer is OpenAI's viewer. "
        "The same command goes on where an interrupted one ended.",
    )
    add_run_and_folder(parser)
    parser.add_argument("--to", required=True, choices=(SAE_VIEWER,), help="the program")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="where the files go")
    parser.add_argument("--features", metavar="LIST", help=f"{FEATURES_HELP} (default: all)")
    parser.add_argument(
        "--as",
        dest="place",
        metavar="PLACE",
        help="where in the folder, as gpt2-small/v5_32k/layer_6/resid_post_mlp, so that the viewer's own pages show an "
        "autoencoder that they don't know in the place of one that they do (default: by model, autoencoder, layer and "
        "location)",
    )
    parser.add_argument("--replace", action="store_true", help="remove the files of another run that are there")
    parser.set_defaults(handler=export_command)


def export_command(args: argparse.Namespace) -> int:
    """Write the files, with progress on stderr."""
    from sparse_autoencoder.exports.sae_viewer_folder import ExportProgress, ViewerFolder, kept_effects
    from sparse_autoencoder.exports.sae_viewer_places import checked_place
    from sparse_autoencoder.utils.progress_lines import shown

    place = None if args.place is None else checked_place(args.place)
    run = _finished(args.run, args.runs)
    everything = range(run.metadata.num_features)
    features = everything if args.features is None else sorted(chosen_features(args.features, run))
    folder = ViewerFolder.prepared(run, args.output, place, replace=args.replace)
    progress = ExportProgress()
    try:
        with shown(_described(progress, len(features))):
            folder.write(features, kept_effects(run), progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("what is written stays, and the same command goes on") from None
    there = progress.features - progress.written
    print(folder.path)
    print(
        f"{progress.written:,} features written, {size_in_words(progress.size)}"
        + (f"; {there:,} were there already" if there else "")
        + (f"; {progress.with_effects:,} with effects" if progress.with_effects else "; no effects are kept of them")
    )
    return 0


def _finished(named: str, runs: Path) -> RunView:
    """The run that is meant; SaescopeError if there is none, or if it isn't finished."""
    run = open_named(named, runs)
    if run.live:
        raise SaescopeError(
            f"run {run.metadata.run_id} is {run.metadata.status}: a run is exported when it is finished, as its "
            "examples still change"
        )
    return run


def _described(progress: ExportProgress, total: int) -> Callable[[], str]:
    """What an export says of itself, from now on."""
    from sparse_autoencoder.utils.progress_lines import in_words

    begin = time.monotonic()

    def describe() -> str:
        done = progress.features
        share = f"exporting, {done:,} of {total:,} features ({done / max(total, 1):.0%})"
        if not 0 < done < total:
            return share
        left = (time.monotonic() - begin) / done * (total - done)
        return f"{share}, {size_in_words(progress.size)}, {in_words(left)} left"

    return describe
