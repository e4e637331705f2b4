"""`saescope serve`: the API and the viewer on a folder of runs, or on one run's own folder."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from services.client.submit import TOKEN_VARIABLE
from sparse_autoencoder.cli import need_torch
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.resume_command import DEFAULT_OUTPUT, shown_folder
from sparse_autoencoder.utils.did_you_mean import closest

if TYPE_CHECKING:
    from services.api.http.access import Access
    from sparse_autoencoder.runs.store import DirectoryStore

VIEWER = Path(__file__).resolve().parents[2] / "services" / "viewer" / "dist"
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (what a browser opens instead)
_METADATA = ("metadata.json", "plan.json")


def serve_command(args: argparse.Namespace) -> int:
    """Serve the API and the viewer on a folder of runs until interrupted."""
    from services.api.http.access import Access

    token = os.environ.get(TOKEN_VARIABLE) or None  # without --guard-reading it guards labels alone
    if args.guard_reading and not token:
        raise SaescopeError(f"--guard-reading needs a token, which nobody can guess, in the variable {TOKEN_VARIABLE}")
    access = Access(token, args.guard_reading, tuple(args.allowed_host), tuple(args.allowed_origin))
    root_path = args.root_path.rstrip("/")
    return serve_runs(args.runs, args.host, args.port, access, root_path, open_browser=args.open, models=args.models)


def serve_runs(
    runs: Path,
    host: str,
    port: int,
    access: Access | None = None,
    root_path: str = "",
    *,
    open_browser: bool = False,
    models: bool = False,
) -> int:
    """Serve the API and the viewer on a folder of runs, or of one run, until interrupted.

    With `models`, a process beside this one answers questions about the runs' models; it starts with the first of them.
    """
    if models:
        need_torch()
    store = store_of(runs)

    from services.api.app import create_app
    from services.api.http.server import listening_socket, serve_app
    from services.api.models.local_process import LocalModels, local_models_command

    viewer = VIEWER if (VIEWER / "index.html").is_file() else None
    if viewer is None:
        print("saescope: the viewer isn't built, so only the API is served; `make viewer` builds it", file=sys.stderr)
    with listening_socket(host, port) as listening:
        print(_what_is_shown(store, runs))
        port = listening.getsockname()[1]
        print(_address(host, port), flush=True)
        if open_browser:
            _open_in_browser(_address(_ANY_ADDRESS.get(host, host), port) + root_path)
        asked = LocalModels(local_models_command(runs)) if models else None
        serve_app(create_app(store, viewer, access=access, root_path=root_path, models=asked), listening)
    return 0


def _what_is_shown(store: DirectoryStore, runs: Path) -> str:
    from sparse_autoencoder.reading.open_runs import RunLibrary
    from sparse_autoencoder.runs.store import NotFoundError

    with suppress(NotFoundError):
        return f"showing {RunLibrary(store).newest().metadata.run_id} of {runs}"
    output = "" if runs == DEFAULT_OUTPUT else f" --output {shown_folder(runs)}"
    return f"there is no run to show in {runs} yet: make one with `saescope run{output}`, and it is shown when it comes"


def _address(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host  # an IPv6 address
    return f"http://{name}:{port}"


def _open_in_browser(address: str) -> None:
    """Open the address in the browser; in a thread, as a browser in the terminal ends only when it is left."""

    def opened() -> None:
        if not webbrowser.open(address):
            print(f"saescope: no browser was found; open {address} in yours", file=sys.stderr)

    threading.Thread(target=opened, name="browser", daemon=True).start()


def store_of(runs: Path) -> DirectoryStore:
    """The store of a folder of runs, or of one run's own folder; SaescopeError for what is neither."""
    from sparse_autoencoder.runs.store import DirectoryStore

    folder = runs.resolve()
    if _is_run(folder):
        return _one_run_store(folder)
    if not folder.is_dir() and (folder.exists() or runs != DEFAULT_OUTPUT):
        raise SaescopeError(_no_folder(runs))
    if (run := next((parent for parent in folder.parents if _is_run(parent)), None)) is not None:
        raise SaescopeError(f"{runs} is a part of a run: serve the run with --runs {shown_folder(run)}")
    if folder.is_dir() and not any(_is_run(one) for one in _folders_in(folder)):
        below = [one for one in _folders_in(folder) if any(map(_is_run, _folders_in(one)))]
        if below:
            names = " or ".join(f"--runs {shown_folder(one)}" for one in below[:3])
            raise SaescopeError(f"there are no runs in {runs} itself, but in a folder of it: say {names}")
    return DirectoryStore(folder)


def _no_folder(runs: Path) -> str:
    advice = "make runs with `saescope run`, or say --runs FOLDER"
    if runs.exists():
        if _is_run(runs.resolve().parent):
            return f"{runs} is a file of a run: serve the run with --runs {shown_folder(runs.resolve().parent)}"
        return f"{runs} is a file: {advice}"
    if (near := closest(runs.name, [one.name for one in _folders_in(runs.resolve().parent)])) is not None:
        advice = f"did you mean --runs {shown_folder(runs.resolve().parent / near)}? Else {advice}"
    return f"there is no folder {runs}: {advice}"


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _METADATA)


def _folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, but for links and hidden ones."""
    try:
        return sorted(one for one in folder.iterdir() if one.is_dir() and not (one.is_symlink() or one.name[0] == "."))
    except OSError:
        return []


def _one_run_store(run: Path) -> DirectoryStore:
    from services.commands.one_run_store import OneRunStore

    return OneRunStore(run)
