"""The command `saescope`: run, serve, demo, submit, runs, completion.

It parses flags and calls the library and the API; each subcommand imports what it needs, so that --help is instant.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from services.client.submit import TOKEN_VARIABLE, add_submit_arguments, submit_command
from services.commands.completion import add_completion_parser
from services.commands.demo import demo_command
from services.commands.runs import add_runs_parser
from services.commands.serve import serve_command
from sparse_autoencoder.cli import DESCRIPTION, EXIT_STATUSES, add_run_parser_arguments, guarded, run_command
from sparse_autoencoder.run_flags import at_least
from sparse_autoencoder.runs.resume_command import DEFAULT_OUTPUT
from sparse_autoencoder.utils.flag_parser import FlagParser

DEMO_ROWS = 5000
LARGEST_PORT = 65_535


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, do what it says, and return the exit status."""
    args = command_parser().parse_args(argv)
    return guarded(lambda: args.handler(args))


def command_parser() -> FlagParser:
    """The parser of all subcommands; what it returns has a `handler`."""
    parser = FlagParser(
        prog="saescope",
        description="What every feature of a sparse autoencoder responds to.",
        epilog=EXIT_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(handler=lambda _args: _print_help(parser))
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    run = commands.add_parser("run", help="summarise a dataset", description=DESCRIPTION)
    add_run_parser_arguments(run)
    run.set_defaults(handler=run_command)

    serve = commands.add_parser(
        "serve", help="show finished runs in the browser", description="Serve the API and the viewer."
    )
    _add_folder_and_address(serve, "--runs", 8765)
    _add_models(serve)
    _add_access(serve)
    _add_open(serve)
    serve.set_defaults(handler=serve_command)

    demo = commands.add_parser(
        "demo",
        help="a small run on the demo models, shown in the browser",
        description="Generate headlines, run the demo models over them, and serve the result.",
    )
    demo.add_argument(
        "--max-rows",
        type=at_least(1),
        default=DEMO_ROWS,
        metavar="N",
        help=f"how many headlines (default: {DEMO_ROWS})",
    )
    _add_folder_and_address(demo, "--output", 1234)
    _add_models(demo)
    _add_open(demo)
    demo.set_defaults(handler=demo_command)

    submit = commands.add_parser(
        "submit",
        help="start a run on services, and follow it",
        description="Start a run on the services of an API and follow it. Ctrl-C leaves the run going.",
    )
    add_submit_arguments(submit)
    submit.set_defaults(handler=submit_command)

    add_runs_parser(commands)
    add_completion_parser(commands, parser)
    return parser


def _print_help(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return 0


class _Version(argparse.Action):
    """Prints the installed version; it is looked up only when it is asked for, so that --help is instant."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:  # noqa: A002 (argparse's name)
        super().__init__(option_strings, dest=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_parsed: object) -> None:
        from sparse_autoencoder.runs.provenance import version

        print(f"saescope {version('saescope')}")
        parser.exit()


def _add_folder_and_address(parser: argparse.ArgumentParser, folder_flag: str, port: int) -> None:
    parser.add_argument(
        folder_flag,
        type=Path,
        default=DEFAULT_OUTPUT,
        metavar="FOLDER",
        help="folder of the run folders (default: analysis_data)"
        if folder_flag == "--output"
        else "folder of the run folders, or one run's own folder (default: analysis_data)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=at_least(0, LARGEST_PORT), default=port, help=f"port to listen on (default: {port})"
    )


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models",
        action="store_true",
        help="let the pages ask the runs' models, as what fires in a text; a process of their own "
        "loads them at the first question",
    )


def _add_open(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--open", action="store_true", help="open the pages in the browser")


def _add_access(parser: argparse.ArgumentParser) -> None:
    access = parser.add_argument_group("who may read")
    access.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="answer at this name, too, as node.lab.org or *.lab.org (always: addresses and names without a dot)",
    )
    access.add_argument(
        "--allowed-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let pages of another site read, as http://localhost:3000 (default: none)",
    )
    access.add_argument(
        "--guard-reading",
        action="store_true",
        help=f"ask for the token in the variable {TOKEN_VARIABLE}: the pages then ask for it, too",
    )
    access.add_argument(
        "--root-path",
        default="",
        metavar="PATH",
        help="the prefix under which a proxy shows the pages, if it leaves it in the path, as /saescope",
    )


if __name__ == "__main__":
    sys.exit(main())
