"""`saescope runs ls | show | rm`: the runs of a folder, or those of services behind an API."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.client.submit import TOKEN_VARIABLE, URL_VARIABLE
from services.commands.tables import columns
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.resume_command import DEFAULT_OUTPUT
from sparse_autoencoder.utils.printable import facts_in_lines
from sparse_autoencoder.utils.sizes import size_in_words

if TYPE_CHECKING:
    from services.commands.places_of_runs import Place

Entry = dict[str, Any]


def add_runs_parser(commands: Any) -> None:
    """Add `runs` and its own subcommands."""
    runs = commands.add_parser(
        "runs",
        help="list, show or remove runs",
        description="List, show or remove the runs of a folder, or of services.",
    )
    actions = runs.add_subparsers(dest="action", metavar="ACTION", required=True)
    ls = actions.add_parser("ls", help="list runs, newest first", description="List runs, newest first.")
    show = actions.add_parser("show", help="what is known of a run", description="Show what is known of a run.")
    rm = actions.add_parser("rm", help="remove runs", description="Remove runs with all their files.")
    for parser in (show, rm):
        parser.add_argument(
            "run",
            metavar="RUN",
            nargs="+" if parser is rm else None,
            help="its id, the beginning of it that no other run's id has, or latest",
        )
    for parser in (ls, show, rm):
        add_place(parser)
    for parser in (ls, show):
        parser.add_argument("--json", action="store_true", help="print JSON, with every field, for programs")
    rm.add_argument("--yes", action="store_true", help="don't ask")
    ls.set_defaults(handler=ls_command)
    show.set_defaults(handler=show_command)
    rm.set_defaults(handler=rm_command)


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where the runs are: a folder, or services."""
    place = parser.add_argument_group("where the runs are")
    where = place.add_mutually_exclusive_group()
    where.add_argument("--runs", type=Path, metavar="FOLDER", help="folder of the run folders (default: analysis_data)")
    where.add_argument(
        "--url", help=f"address of an API, for the runs of its services (default: ${URL_VARIABLE}, if it is set)"
    )
    place.add_argument("--token", help=f"the API's token, if it needs one (default: ${TOKEN_VARIABLE})")


def address_given(args: argparse.Namespace) -> str | None:
    """The address of an API, if the flags of `add_place` or the environment give one."""
    return args.url or (os.environ.get(URL_VARIABLE) if args.runs is None else None)


def _place(args: argparse.Namespace) -> Place:
    from services.commands.places_of_runs import FolderOfRuns, RunsOfServices

    if url := address_given(args):
        return RunsOfServices(url, args.token or os.environ.get(TOKEN_VARIABLE))
    return FolderOfRuns(args.runs or DEFAULT_OUTPUT)


def ls_command(args: argparse.Namespace) -> int:
    """Print the runs, newest first."""
    place = _place(args)
    entries = place.all()
    if args.json:
        _print_json(entries)
    elif entries:
        print(columns([_HEADS, *map(_row, entries)]))
    else:
        print(f"there are no runs in {place.name}", file=sys.stderr)
    return 0


def show_command(args: argparse.Namespace) -> int:
    """Print what is known of a run."""
    entry = _place(args).one(args.run)
    if args.json:
        _print_json(entry)
    else:
        print(facts_in_lines(_facts(entry)))
    return 0


def rm_command(args: argparse.Namespace) -> int:
    """Remove runs, after a question; SaescopeError if there is nobody to answer it."""
    place = _place(args)
    entries = list({entry["id"]: entry for entry in map(place.one, args.run)}.values())
    for entry in entries:
        place.check_removable(entry)
    if not args.yes and not _agreed(entries, place.name):
        print("nothing was removed", file=sys.stderr)
        return 0
    for entry in entries:
        place.remove(entry)
        print(f"removed {entry['id']}")
    return 0


def _agreed(entries: Sequence[Entry], where: str) -> bool:
    if not sys.stdin.isatty():
        raise SaescopeError("removing runs needs an answer, and there is no terminal to ask on: add --yes")
    print(columns(map(_row, entries)), file=sys.stderr)
    what = "this run" if len(entries) == 1 else f"these {len(entries)} runs"
    print(f"remove {what} of {where} with all files? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


_HEADS = ("RUN", "NAME", "STATUS", "ROWS", "TOKENS", "SIZE", "DATASET", "MODEL", "SAE")


def _row(entry: Entry) -> list[str]:
    return [
        entry["id"],
        str(entry.get("name") or ""),
        entry["status"].replace("_", " "),
        f"{_rows(entry):,}",
        f"{_tokens(entry):,}",
        _size(entry),
        _text(entry["source"]),
        _text(entry["subject"]),
        _sae(entry),
    ]


def _facts(entry: Entry) -> list[tuple[str, str]]:
    fired = f"{entry['num_active_features']:,} of {entry['num_features'] or 0:,} features fired"
    changed = {name: value for name, value in entry["options"].items() if value not in (None, False)}
    check = entry["self_check"] or {}
    found = [
        ("run", entry["id"]),
        ("name", _text(entry.get("name"))),
        ("status", entry["status"].replace("_", " ")),
        ("error", _text(entry["error"])),
        ("folder", _text(entry.get("folder"))),
        ("size", _size(entry)),
        ("dataset", _text(entry["source"])),
        ("text column", _text(entry["text_column"])),
        ("model", _text(entry["subject"])),
        ("SAE", _sae(entry)),
        ("rows", f"{_rows(entry):,}"),
        ("tokens", f"{_tokens(entry):,}"),
        ("features", fired if entry["num_features"] else ""),
        ("self-check", _text(check.get("verdict"))),
        ("started", _text(entry["started_at"])),
        ("finished", _text(entry["finished_at"])),
        ("seconds", "" if entry["seconds"] is None else f"{entry['seconds']:,.0f}"),
        *(("skipped rows", f"{count:,}: {reason}") for reason, count in entry["skipped_rows"].items()),
        *(("warning", warning) for warning in entry["warnings"]),
        *(("missing", f"chunk {chunk['chunk']}: {chunk['error']}") for chunk in entry["failed_chunks"]),
        ("options", " ".join(f"{name}={value}" for name, value in changed.items())),
    ]
    return [(name, value) for name, value in found if value]


def _rows(entry: Entry) -> int:
    progress = entry["progress"]
    return int(progress["num_records"] if progress else entry["num_prompts"])


def _tokens(entry: Entry) -> int:
    progress = entry["progress"]
    return int(progress["num_tokens"] if progress else entry["num_tokens"])


def _size(entry: Entry) -> str:
    size = entry.get("size_bytes")
    return "" if size is None else size_in_words(size)


def _sae(entry: Entry) -> str:
    if entry["autoencoder"] is None:
        return ""
    return f"{entry['autoencoder']}, layer {entry['layer_index']}, {entry['location']}"


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
