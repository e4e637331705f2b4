"""The log of a one-process run's failures, with tracebacks: `<run>.failures.log` beside the run's folder.

It exists if anything failed, and is never removed. It is not in the folder, because the folders of runs with the same
result must have the same files.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path


class FailureLog:
    """Appends failures to a file. The first one is also printed, with the file's name."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path = path
        self._say = say
        self._told = False

    def add(self, what: str, details: str, *, tell: bool = True) -> None:
        """Write what failed, in a sentence, and the details, such as a traceback. Never raises OSError.

        `tell=False`: don't print it, because the user is told in another way.
        """
        at = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{at} {what}\n{details}\n\n")
        except OSError as error:  # for example, the disk is full
            self._say(
                f"{what}; {shown(self.path)} can't be written ({error.strerror or error}), so here it is:\n{details}"
            )
            return
        if tell and not self._told:
            self._told = True
            self._say(f"{what}; details of this and of what else may fail are in {shown(self.path)}")


def shown(path: Path) -> Path:
    """A path relative to the working directory, if it is below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
