"""The command `saescope`: run, serve, demo, submit.

It parses flags and calls the library and the API; each subcommand imports what it needs, so that --help is instant.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from services.client.submit import TOKEN_VARIABLE, add_submit_arguments, submit_command
from sparse_autoencoder.cli import DESCRIPTION, add_run_parser_arguments, guarded, need_torch, run_command
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.run_flags import at_least
from sparse_autoencoder.runs.resume_command import DEFAULT_OUTPUT

if TYPE_CHECKING:
    from services.api.http.access import Access

REPOSITORY = Path(__file__).resolve().parents[1]
VIEWER = REPOSITORY / "services" / "viewer" / "dist"
DEMO_ROWS = 5000
LARGEST_PORT = 65_535


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, do what it says, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="saescope", description="What every feature of a sparse autoencoder responds to."
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    run = commands.add_parser("run", help="summarise a dataset", description=DESCRIPTION)
    add_run_parser_arguments(run)
    run.set_defaults(handler=run_command)

    serve = commands.add_parser(
        "serve", help="show finished runs in the browser", description="Serve the API and the viewer."
    )
    _add_folder_and_address(serve, "--runs", 8765)
    _add_access(serve)
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
    demo.set_defaults(handler=_demo_command)

    submit = commands.add_parser(
        "submit",
        help="start a run on services, and follow it",
        description="Start a run on the services of an API and follow it. Ctrl-C leaves the run going.",
    )
    add_submit_arguments(submit)
    submit.set_defaults(handler=submit_command)

    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return 0
    return guarded(lambda: args.handler(args))


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
        help="folder of the run folders (default: analysis_data)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=at_least(0, LARGEST_PORT), default=port, help=f"port to listen on (default: {port})"
    )


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


def _demo_command(args: argparse.Namespace) -> int:
    need_torch()
    import demo
    from demo.headlines import write_csv
    from services.api.http.server import listening_socket
    from sparse_autoencoder.pipeline import single_process as runs
    from sparse_autoencoder.runs.run_options import RunOptions
    from sparse_autoencoder.runs.store import DirectoryStore

    listening_socket(args.host, args.port).close()  # whether the port is free, before the work is done
    headlines = args.output / "demo-headlines.csv"
    try:
        headlines.parent.mkdir(parents=True, exist_ok=True)
        write_csv(args.max_rows, 0, str(headlines))
    except OSError as error:
        raise SaescopeError(
            f"can't write {headlines}: {error.strerror or error}; choose another folder with --output"
        ) from error
    options = RunOptions(
        source=str(headlines),
        subject=str(demo.SUBJECT),
        autoencoder=str(demo.AUTOENCODER),
        layer=demo.LAYER,
        location=demo.LOCATION,
        chunk_size=1000,
    )
    runs.run(options, DirectoryStore(args.output))
    return serve_runs(args.output, args.host, args.port)


def serve_command(args: argparse.Namespace) -> int:
    """Serve the API and the viewer on a folder of runs until interrupted."""
    from services.api.http.access import Access

    token = os.environ.get(TOKEN_VARIABLE) or None  # without --guard-reading it guards labels alone
    if args.guard_reading and not token:
        raise SaescopeError(f"--guard-reading needs a token, which nobody can guess, in the variable {TOKEN_VARIABLE}")
    access = Access(token, args.guard_reading, tuple(args.allowed_host), tuple(args.allowed_origin))
    return serve_runs(args.runs, args.host, args.port, access, args.root_path.rstrip("/"))


def serve_runs(runs: Path, host: str, port: int, access: Access | None = None, root_path: str = "") -> int:
    """Serve the API and the viewer on a folder of runs until interrupted."""
    from services.api.app import create_app
    from services.api.http.server import listening_socket, serve_app
    from sparse_autoencoder.reading.open_runs import RunLibrary
    from sparse_autoencoder.runs.store import DirectoryStore

    if not runs.is_dir():
        raise SaescopeError(f"there is no folder {runs}: make runs with `saescope run`, or say --runs FOLDER")
    store = DirectoryStore(runs)
    viewer = VIEWER if (VIEWER / "index.html").is_file() else None
    if viewer is None:
        print("saescope: the viewer isn't built, so only the API is served; `make viewer` builds it", file=sys.stderr)
    with listening_socket(host, port) as listening:
        print(f"showing {RunLibrary(store).newest().metadata.run_id} of {runs}")
        name = f"[{host}]" if ":" in host else host  # an IPv6 address
        print(f"http://{name}:{listening.getsockname()[1]}", flush=True)
        serve_app(create_app(store, viewer, access=access, root_path=root_path), listening)
    return 0


if __name__ == "__main__":
    sys.exit(main())
