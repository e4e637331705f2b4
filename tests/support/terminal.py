"""A terminal for a command's messages: what progress looks like where it is kept up to date."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.commands import COMMAND, environment
from tests.support.waiting import wait_until

_ROWS_AND_COLUMNS = (24, 200)


class Terminal:
    """A pseudo-terminal; give `file` to a command, and leave the context when the command has ended."""

    def __enter__(self) -> Self:
        self._master, self.file = pty.openpty()
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", *_ROWS_AND_COLUMNS, 0, 0))
        self.shown = ""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        os.close(self.file)
        self._thread.join()
        os.close(self._master)

    def until(self, text: str) -> str:
        """What was shown, once this text was."""
        wait_until(lambda: text in self.shown)
        return self.shown

    @property
    def lines(self) -> list[str]:
        """What was shown so far, by line; a line that was written over counts each time."""
        return [line.strip() for line in self.shown.replace("\r", "\n").splitlines() if line.strip()]

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:  # nobody has the terminal open any more
                return
            if not data:
                return
            self.shown += data.decode(errors="replace")


@contextmanager
def on_terminal(work: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Terminal]]:
    """`saescope ARGUMENTS` in a folder, with its messages on a terminal; it is killed if it outlives the block."""
    with (
        Terminal() as terminal,
        subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=work,
            env=environment(work),
            stdout=subprocess.PIPE,
            stderr=terminal.file,
            encoding="utf-8",
        ) as process,
    ):
        try:
            yield process, terminal
        finally:
            process.kill()
