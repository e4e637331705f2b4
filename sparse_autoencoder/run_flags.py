"""The flags of `saescope run` that are options of the run, and kinds of numbers that they take.

Importing this file is fast, so that `--help` and errors in flags are answered at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sparse_autoencoder.runs.resume_command import DEFAULT_OUTPUT
from sparse_autoencoder.runs.run_name import check_run_name
from sparse_autoencoder.subjects.hook_points import LOCATIONS

LARGEST_NUMBER = 2**63 - 1  # the largest that counters and files can store


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a run's flags. Flags that aren't given are absent from the namespace; RunOptions has their defaults."""
    data = parser.add_argument_group("data")
    add_flag(
        data,
        "--source",
        metavar="SOURCE",
        help="a file (CSV, TSV, JSON, JSON Lines, Parquet or plain text, also compressed), a folder or a pattern of "
        "such, - for standard input, hf:owner/name[/config][/split], or kaggle:owner/name[/versions/N][/file]; "
        "FORMAT:PATH forces a format "
        "(default: 1.4 million analyst-rating headlines from Kaggle)",
    )
    add_flag(
        data,
        "--text-column",
        metavar="NAME",
        help="the column that holds the text, as in message.content if it is nested (default: title, text, or the only "
        "one)",
    )
    add_flag(
        data, "--encoding", metavar="NAME", help="the text's encoding, such as cp1252 (default: UTF-8, or by its mark)"
    )
    add_flag(data, "--delimiter", metavar="CHAR", help="what parts a CSV file's columns (default: found out)")
    add_flag(
        data, "--no-header", action="store_true", help="the first line of a CSV file is a row; columns are 0, 1, …"
    )
    add_flag(
        data,
        "--keep-columns",
        metavar="NAMES",
        help="columns to keep with the rows, as in source,date: they are shown, and rows can be searched by them",
    )
    add_flag(
        data,
        "--group-by",
        metavar="NAME",
        help="a column whose values (up to fifty) part the rows into groups, between which features can be compared",
    )
    add_flag(data, "--prompt-file", metavar="PATH", help="take a text file as one single prompt instead")
    add_flag(data, "--kaggle-row", type=at_least(0), metavar="N", help="take only row N of the source")
    add_flag(data, "--max-rows", type=at_least(1), metavar="N", help="stop after N rows (default: all)")
    add_flag(data, "--chunk-size", type=at_least(1), metavar="N", help="rows per chunk (default: 10000)")

    models = parser.add_argument_group("models")
    add_flag(
        models, "--subject", metavar="NAME", help="Hugging Face name or folder of the language model (default: gpt2)"
    )
    add_flag(
        models,
        "--autoencoder",
        metavar="NAME",
        help="v1, v4, v5_32k, v5_128k, an az:// or https:// address, or a file (default: v5_32k)",
    )
    add_flag(
        models,
        "--activation",
        metavar="NAME",
        help="the autoencoder's activation function, if its file names none: relu, identity, topk:K (default: relu)",
    )
    add_flag(models, "--layer", type=at_least(0), metavar="N", help="layer of the hook point (default: 6)")
    add_flag(models, "--location", metavar="NAME", help=f"one of {', '.join(LOCATIONS)} (default: resid_post_mlp)")
    add_flag(
        models,
        "--precision",
        choices=["float32", "tf32", "bfloat16", "float64"],
        help="arithmetic; tf32 is float32 multiplied in TensorFloat-32, on GPUs that have it (default: float32)",
    )
    add_flag(models, "--device", metavar="NAME", help="cpu, cuda, … (default: cuda where there is one)")

    tokens = parser.add_argument_group("tokens")
    add_flag(tokens, "--max-tokens", type=at_least(1), metavar="N", help="tokens per window, BOS counted (default: 64)")
    add_flag(
        tokens,
        "--bos",
        choices=["exclude", "include", "none"],
        help="prepend BOS but leave it out of all statistics (exclude, the default), count it, or prepend nothing",
    )
    add_flag(
        tokens,
        "--long-rows",
        choices=["split", "truncate"],
        help="cut rows that are longer than a window into further windows (split, the default), or drop the rest",
    )
    add_flag(
        tokens,
        "--context",
        type=at_least(0),
        metavar="N",
        help="begin a row's further windows N tokens earlier, so that each token, counted once, has N tokens of its row"
        " before it or all that there are (default: 0)",
    )

    results = parser.add_argument_group("results")
    add_flag(
        results,
        "--top-feature-count",
        type=at_least(1),
        metavar="N",
        help="features per metric in feature_stats.json (default: 100)",
    )
    add_flag(
        results,
        "--top-tokens-per-feature",
        type=at_least(1, 2**31 - 1),
        metavar="N",
        help="top and random examples per feature (default: 20)",
    )
    add_flag(
        results,
        "--per-token-feature-scan",
        type=at_least(1),
        metavar="N",
        help="accepted for old command lines, and without effect: every activation is considered",
    )
    add_flag(
        results,
        "--keep-firings",
        action="store_true",
        help="keep which features fire at each token (about 60 bytes a token), from which the API counts what fires "
        "together",
    )
    add_flag(
        results,
        "--save-activations",
        action="store_true",
        help="keep every activation (about 150 bytes a token with k = 32), to read them back as tables or arrays; "
        "includes what --keep-firings keeps",
    )
    add_flag(
        results,
        "--skip-directions",
        action="store_true",
        help="leave out what follows from the weights alone: logit effects and neighbours of the decoder directions",
    )
    add_flag(
        results,
        "--neighbours-of",
        metavar="NAME",
        help="for each feature, also its neighbours in another autoencoder that reads the same vectors, such as "
        "v5_128k: a name or a file, as for --autoencoder",
    )
    add_flag(results, "--seed", type=at_least(0), metavar="N", help="seed of the random examples (default: 0)")
    checks = parser.add_argument_group("self-check")
    add_flag(
        checks,
        "--check-neighbours",
        action="store_true",
        help="also read the autoencoder at the places beside its own, on some thousand tokens: its own must be best",
    )
    add_flag(
        checks,
        "--check-rows",
        type=at_least(0, 100_000),
        metavar="N",
        help="also measure on N rows of the first chunk what the model's predictions lose if its vectors are replaced "
        "by their reconstructions (default: 0)",
    )
    add_flag(
        checks,
        "--check-reference",
        metavar="FILE",
        help="what the checkpoint is known to reach: the metadata.json of an earlier run with it, or a reference file",
    )
    add_flag(
        parser,
        "--name",
        type=_run_name,
        metavar="TEXT",
        help="what the run is called in lists and on pages, up to 100 characters; it changes no result",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=DEFAULT_OUTPUT,
        metavar="FOLDER",
        help="where run folders go (default: analysis_data)",
    )


def add_flag(target: Any, flag: str, **settings: Any) -> None:
    """Add a flag that is absent from the namespace if it isn't given."""
    target.add_argument(flag, default=argparse.SUPPRESS, **settings)


def at_least(minimum: int, maximum: int = LARGEST_NUMBER) -> Callable[[str], int]:
    """An argparse type for whole numbers from `minimum` to `maximum`."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if number < minimum:
            raise argparse.ArgumentTypeError(f"must be at least {minimum}, not {number}")
        if number > maximum:
            raise argparse.ArgumentTypeError(f"must be at most {maximum}, not {number}")
        return number

    return parse


def _run_name(text: str) -> str:
    try:
        return check_run_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
