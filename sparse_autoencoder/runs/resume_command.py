"""The command with which the user continues a run, for messages."""

import shlex
from pathlib import Path

DEFAULT_OUTPUT = Path("analysis_data")


def command_again(flag: str, run_id: str, output: Path) -> str:
    """The command to type here to continue a run of an output folder; `flag` is --resume or --retry-failed."""
    command, output = f"saescope run {flag} {run_id}", output.resolve()
    if output == DEFAULT_OUTPUT.resolve():
        return command
    here = Path.cwd()
    shown = output.relative_to(here) if output.is_relative_to(here) else output
    return f"{command} --output {shlex.quote(str(shown))}"
