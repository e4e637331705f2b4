"""`saescope completion bash | zsh`: a script with which the shell completes commands and flags."""

from __future__ import annotations

import argparse
from typing import Any

SHELLS = ("bash", "zsh")
_HOW = """How to use it:
  bash: saescope completion bash > ~/.local/share/bash-completion/completions/saescope
  zsh:  saescope completion zsh > FOLDER/_saescope, with a FOLDER that is in $fpath"""


def add_completion_parser(commands: Any, whole: argparse.ArgumentParser) -> None:
    """Add `completion`, of the `whole` command."""
    parser = commands.add_parser(
        "completion",
        help="let the shell complete commands and flags",
        description="Print a script with which the shell completes commands, flags and their choices.",
        epilog=_HOW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.set_defaults(handler=lambda args: _print_completion(whole, args.shell))


def _print_completion(whole: argparse.ArgumentParser, shell: str) -> int:
    import shtab

    print(shtab.complete(_with_paths(whole), shell=shell))
    return 0


def _with_paths(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The parser, with what is completed by files and folders marked."""
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _with_paths(command)
        elif action.metavar in _COMPLETED:
            action.complete = getattr(shtab, _COMPLETED[action.metavar])  # type: ignore[attr-defined]
    return parser


_COMPLETED = {"FOLDER": "DIRECTORY", "PATH": "FILE", "FILE": "FILE", "SOURCE": "FILE"}
