"""The commands with which the user continues or sees a run, for messages."""

import shlex
from pathlib import Path

DEFAULT_OUTPUT = Path("analysis_data")


def command_again(flag: str, run_id: str, output: Path) -> str:
    """The command to type here to continue a run of an output folder; `flag` is --resume or --retry-failed."""
    return f"saescope run {flag} {run_id}{_folder_flag('--output', output)}"


def command_to_see(output: Path) -> str:
    """The command to type here to see the runs of an output folder, or the run of its own folder."""
    return f"saescope serve{_folder_flag('--runs', output)}"


def shown_folder(folder: Path) -> str:
    """A folder as one types it here: relative if it is below, and quoted for the shell."""
    folder, here = folder.resolve(), Path.cwd()
    shown = str(folder.relative_to(here) if folder.is_relative_to(here) else folder)
    return shlex.quote(f"./{shown}" if shown.startswith("-") else shown)  # else it would be taken for a flag


def _folder_flag(flag: str, folder: Path) -> str:
    return "" if folder.resolve() == DEFAULT_OUTPUT.resolve() else f" {flag} {shown_folder(folder)}"
