"""Where a run in one process notes what failed, with tracebacks: `<run>.failures.log` beside its folder.

There is one if anything failed, and it stays, whatever becomes of the run. In the folder it would be a file in which
runs with the same result differ.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path


def failure_log(output: Path, run_id: str, say: Callable[[str], None]) -> FailureLog:
    """The log of a run of this output folder."""
    return FailureLog(output / f"{run_id}.failures.log", say)


class FailureLog:
    """A file that is appended to. The first thing that is noted is told to the user too, with the file's name."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path = path
        self._say = say
        self._told = False

    def add(self, what: str, details: str, *, tell: bool = True) -> None:
        """Note what failed, in a sentence, and the details, such as a traceback; doesn't raise when it can't.

        `tell` is False for what the user is told anyway.
        """
        at = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{at} {what}\n{details}\n\n")
        except OSError as error:  # as where the disk is full
            self._say(
                f"{what}; {shown(self.path)} can't be written ({error.strerror or error}), so here it is:\n{details}"
            )
            return
        if tell and not self._told:
            self._told = True
            self._say(f"{what}; details of this and of what else may fail are in {shown(self.path)}")


def shown(path: Path) -> Path:
    """A path as one would type it here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
