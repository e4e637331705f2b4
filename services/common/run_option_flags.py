"""The flags of `saescope run` for what services do with them: where runs go is not the caller's choice there.

This file imports nothing that takes time, and knows neither servers nor what the values must be.
"""

import argparse
import shlex
from typing import Any, NoReturn

from sparse_autoencoder.cli import add_run_arguments
from sparse_autoencoder.errors import SaescopeError

_NO_OPTIONS = ("output", "per_token_feature_scan")  # the second has no effect


def add_option_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a run's options; --output is taken only to be refused with a reason."""
    add_run_arguments(parser)
    for action in parser._actions:
        if action.dest == "output":
            action.default = action.help = argparse.SUPPRESS


def given_options(args: argparse.Namespace) -> dict[str, Any]:
    """The options that parsed flags give; SaescopeError if --output is among them."""
    given = vars(args)
    if "output" in given:
        raise SaescopeError("leave out --output: the services keep runs in their own store")
    return {name: given[name] for name in option_helps() if name in given}


def parse_options(text: str) -> dict[str, Any]:
    """The options that flags in one line of text give; SaescopeError instead of the end of the process."""
    parser = _Parser(add_help=False)
    add_option_flags(parser)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SaescopeError(str(error)) from error
    return given_options(parser.parse_args(words))


def option_helps() -> dict[str, str]:
    """What the command's help says of each option, by the option's name."""
    parser = argparse.ArgumentParser(add_help=False)
    add_run_arguments(parser)
    return {action.dest: action.help or "" for action in parser._actions if action.dest not in _NO_OPTIONS}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SaescopeError(message)
