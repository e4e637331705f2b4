"""A terminal for a command's messages: what progress looks like where it is kept up to date."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading
from types import TracebackType
from typing import Self

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
