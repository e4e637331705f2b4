"""A command-line parser that answers mistyped commands, flags and choices with what was probably meant."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from sparse_autoencoder.utils.did_you_mean import closest

_FOR_A_PATH = ("--runs", "--source", "--output")  # a word without a flag was probably meant for the first that there is

_LONGEST_USAGE = 6  # lines


class FlagParser(argparse.ArgumentParser):
    """argparse's parser; a subcommand's own parser reports what it doesn't know, with its own usage."""

    def parse_known_args(  # type: ignore[override]  # argparse declares overloads of it
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """As argparse's, but a word that isn't known is an error here already."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self._refuse(unknown)
        return parsed, unknown

    def _refuse(self, unknown: Sequence[str]) -> NoReturn:
        flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
        hints = []
        for word in unknown:
            name = word.partition("=")[0]
            if name.startswith("-"):
                close = closest(name, flags, cutoff=0.7)
                hints += [] if close is None else [f"did you mean {close}?"]
            elif not hints and (flag := next((flag for flag in _FOR_A_PATH if flag in flags), None)) is not None:
                hints.append(f"did you mean {flag} {word}?")
        self.error("; ".join([f"unrecognized arguments: {' '.join(unknown)}", *hints[:1]]))

    def error(self, message: str) -> NoReturn:
        """As argparse's, but for a long usage, which would push what is wrong off the screen."""
        if len(self.format_usage().splitlines()) <= _LONGEST_USAGE:
            super().error(message)
        self.exit(2, f"all flags: {self.prog} --help\n{self.prog}: error: {message}\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            close = closest(str(value), [str(choice) for choice in action.choices or ()])
            if close is not None:
                error.message += f"; did you mean {close}?"
            raise
