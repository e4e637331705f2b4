"""Keep code of others from starting programs, such as an installer, while a block runs.

TransformerLens 3.9 to 4.3 runs `pip install torchvision` in the user's environment when a model with pictures is loaded
without its processor. Python announces every process that it is about to start to audit hooks (PEP 578), and a hook
that raises prevents it: whatever in the block wants to start one, by whichever call, is told that it isn't permitted.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Python's audit events for a new process, or for another program in this one's place.
_EVENTS = frozenset(
    {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system", "subprocess.Popen"}
)


class ProcessRefusedError(PermissionError):
    """A program was about to be started in a block of `no_processes`.

    It is an OSError, as when a program can't be executed: that is what code that can do without it is prepared for.
    """


class _Blocks:
    """How many blocks are being run, in all threads, and the hook that looks at that; hooks can't be removed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hooked = False
        self._running = 0

    def enter(self) -> None:
        with self._lock:
            self._running += 1
            if not self._hooked:
                self._hooked = True
                sys.addaudithook(self._hook)

    def leave(self) -> None:
        with self._lock:
            self._running -= 1

    def _hook(self, event: str, args: tuple[object, ...]) -> None:
        if self._running and event in _EVENTS:
            raise ProcessRefusedError(
                f"it was about to start {_program(args)}, and this program starts no others there"
            )


_blocks = _Blocks()


@contextmanager
def no_processes() -> Iterator[None]:
    """Have every attempt to start a process raise ProcessRefusedError in the block.

    That holds for all threads of this process, as libraries load with threads of their own. Not seen: what native code
    starts, and Python's own helpers of multiprocessing's method "spawn".
    """
    _blocks.enter()
    try:
        yield
    finally:
        _blocks.leave()


def _program(args: tuple[object, ...]) -> str:
    """The command that an audit event's arguments name: a list of words, or else the first argument; fork has none."""
    words = next((arg for arg in args if isinstance(arg, (list, tuple))), args[:1])
    return f"`{' '.join(map(_text, words))}`" if words else "a process"


def _text(word: object) -> str:
    return word.decode(errors="replace") if isinstance(word, bytes) else str(word)
