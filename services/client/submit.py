"""`saescope submit`: start a run on the services behind an API, and follow it to its end with a line of progress.

The API checks the options, and its error sentences are printed unchanged. Importing this file is fast.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from services.common.run_option_flags import add_option_flags, given_options
from sparse_autoencoder.cli import EXIT_INTERRUPTED, EXIT_WARNED, add_strict_flag, print_outcome
from sparse_autoencoder.errors import SaescopeError

if TYPE_CHECKING:
    from services.client.api_client import ApiClient

URL_VARIABLE, TOKEN_VARIABLE = "SAESCOPE_API_URL", "SAESCOPE_API_TOKEN"
DEFAULT_URL = "http://127.0.0.1:8765"
Entry = dict[str, Any]


def add_submit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all flags of `saescope submit`."""
    add_option_flags(parser)
    add_strict_flag(parser)
    services = parser.add_argument_group("services")
    services.add_argument("--url", help=f"address of the API (default: ${URL_VARIABLE}, else {DEFAULT_URL})")
    services.add_argument(
        "--token", help=f"the API's token, if it needs one (default: ${TOKEN_VARIABLE}, which others can't see)"
    )
    services.add_argument("--no-follow", action="store_true", help="print the new run's name and leave it going")
    services.add_argument("--resume", metavar="RUN", help="go on with a run that was cancelled or failed")
    services.add_argument(
        "--retry-failed", metavar="RUN", help="try the chunks again that failed in a finished run, and follow it"
    )
    services.add_argument("--cancel", metavar="RUN", help="cancel a run")


def submit_command(args: argparse.Namespace) -> int:
    """Do what the parsed flags say; returns the exit status. SaescopeError if the run failed or was cancelled."""
    options = given_options(args)
    of_a_run = {"--resume": args.resume, "--retry-failed": args.retry_failed, "--cancel": args.cancel}
    flags = [flag for flag, run in of_a_run.items() if run is not None]
    if flags and (options or len(flags) > 1):
        raise SaescopeError(f"{flags[0]} takes everything from the run, so give it alone")

    from services.client.api_client import ApiClient

    url = args.url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    api = ApiClient(url, args.token or os.environ.get(TOKEN_VARIABLE))
    action = next((words for words, run in _actions(args) if run is not None), "starting a run")
    sys.stderr.write(f"saescope: on {api.url}: {action}\n")
    api.check_starts_runs()
    if args.cancel is not None:
        api.change(args.cancel, "cancel")
        print(f"cancelled {args.cancel}; go on with it: saescope submit --resume {args.cancel}")
        return 0
    if args.retry_failed is not None:
        entry = api.change(args.retry_failed, "retry")
        run_id = str(entry["id"])
        print(f"{run_id}\n{_what_is_computed_again(entry['retry_from'])}", flush=True)
    else:
        run_id = api.start(options) if args.resume is None else str(api.change(args.resume, "resume")["id"])
        print(run_id, flush=True)
    return 0 if args.no_follow else _follow(api, run_id, getattr(args, "strict", False))


def _actions(args: argparse.Namespace) -> list[tuple[str, str | None]]:
    return [
        (f"cancelling {args.cancel}", args.cancel),
        (f"trying the failed chunks of {args.retry_failed} again", args.retry_failed),
        (f"going on with {args.resume}", args.resume),
    ]


def _what_is_computed_again(retry_from: int | None) -> str:
    """Which chunks a retry of failed chunks computes again, in the words of the run's page."""
    if not retry_from:
        return "everything is computed again, as nothing was kept from before the failed chunks"
    return f"chunk {retry_from} and all after it are computed again; what came before was kept"


def _follow(api: ApiClient, run_id: str, strict: bool) -> int:
    """Show a run's progress until it ends; SaescopeError if it was cancelled or failed."""
    from sparse_autoencoder.utils.progress_lines import shown

    line = "waiting for the first word of it"

    def say(text: str) -> None:
        nonlocal line
        line = text

    try:
        with shown(lambda: line):
            entry: Entry = {}
            for entry in api.follow(run_id, say):
                say(_progress_of(entry))
    except KeyboardInterrupt:
        sys.stderr.write(f"saescope: run {run_id} goes on; cancel it: saescope submit --cancel {run_id}\n")
        return EXIT_INTERRUPTED
    if entry["status"] not in ("complete", "completed_with_errors"):
        reason = f": {entry['error']}" if entry["error"] else ""
        raise SaescopeError(f"run {run_id} is {entry['status']}{reason}")
    if entry["text_column"] is not None:
        print(f"read the column '{entry['text_column']}' of {entry['source']}")
    print_outcome(entry)
    if entry["failed_chunks"]:
        print(f"try what is missing again: saescope submit --retry-failed {run_id}")
    return EXIT_WARNED if strict and entry["warnings"] else 0


def _progress_of(entry: Entry) -> str:
    """How far a run is, as a line."""
    from sparse_autoencoder.utils.progress_lines import in_words, rows_of

    progress = entry["progress"]
    if progress is None:
        return f"{entry['status'].replace('_', ' ')}, {entry['num_prompts'] + entry['num_skipped_rows']:,} rows"
    done, total = progress["num_records"], progress["total_records"]
    facts = [f"{done:,} rows" if total is None else rows_of(done, total, exact=progress["total_is_exact"])]
    if progress["tokens_per_s"] is not None:
        facts.append(f"{progress['tokens_per_s']:,.0f} tokens/s")
    if progress["seconds_left"] is not None:
        facts.append(f"{in_words(progress['seconds_left'])} left")
    if progress["workers"] is not None:
        facts.append(f"{progress['workers']} at work")
    if progress["num_failed_chunks"]:
        facts.append(f"{progress['num_failed_chunks']:,} chunks failed")
    if progress["problem"] is not None:
        facts.append(progress["problem"])
    return ", ".join(facts)
