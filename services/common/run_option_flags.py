"""The flags of `saescope run` as the services take them: all but --output, because the services have a store.

Importing this file is fast. Whether the values are allowed is checked by the API.
"""

import argparse
import shlex
from typing import Any, NoReturn

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.run_flags import add_run_arguments

# flags of `saescope run` that are no options of a run; the second has no effect
_NO_OPTIONS = ("output", "per_token_feature_scan")


def add_option_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a run's options, and --output, so that `given_options` can refuse it with a reason."""
    add_run_arguments(parser)
    for action in parser._actions:
        if action.dest == "output":
            action.default = action.help = argparse.SUPPRESS


def given_options(args: argparse.Namespace) -> dict[str, Any]:
    """The options in parsed flags; SaescopeError if --output is among them."""
    given = vars(args)
    if "output" in given:
        raise SaescopeError("leave out --output: the services keep runs in their own store")
    return {name: given[name] for name in option_helps() if name in given}


def parse_options(text: str) -> dict[str, Any]:
    """The options in a line of flags; raises SaescopeError where argparse would end the process."""
    parser = _Parser(add_help=False)
    add_option_flags(parser)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SaescopeError(str(error)) from error
    return given_options(parser.parse_args(words))


def option_helps() -> dict[str, str]:
    """Each option's help text, by the option's name."""
    parser = argparse.ArgumentParser(add_help=False)
    add_run_arguments(parser)
    return {action.dest: action.help or "" for action in parser._actions if action.dest not in _NO_OPTIONS}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SaescopeError(message)
