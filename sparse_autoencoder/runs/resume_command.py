"""The command that goes on with a run, as one types it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

DEFAULT_OUTPUT = Path("analysis_data")


def command_again(flag: str, run_id: str, output: Path) -> str:
    """The command that goes on with a run of an output folder, as one types it here; the flag says in which way."""
    command, output = f"saescope run {flag} {run_id}", output.resolve()
    if output == DEFAULT_OUTPUT.resolve():
        return command
    here = Path.cwd()
    shown = output.relative_to(here) if output.is_relative_to(here) else output
    return f"{command} --output {shlex.quote(str(shown))}"
