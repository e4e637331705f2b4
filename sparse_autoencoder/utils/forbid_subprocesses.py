"""Prevent third-party code from starting processes, such as an installer, while a `with` block runs.

TransformerLens 3.9 to 4.3 runs `pip install torchvision` in the user's environment when a model that takes images is
loaded without its processor. Python tells audit hooks (PEP 578) about every process before it starts one, and a hook
that raises prevents the start.
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
    """Code in a `no_processes` block tried to start a program.

    It is an OSError, as if the program could not be executed, so that code with a fallback for that case uses it.
    """


class _Blocks:
    """The number of active `no_processes` blocks in all threads, and the audit hook (which can never be removed)."""

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
            raise ProcessRefusedError(f"it tried to start {_program(args)}, which saescope doesn't allow there")


_blocks = _Blocks()


@contextmanager
def no_processes() -> Iterator[None]:
    """In this block every attempt to start a process raises ProcessRefusedError, in all threads of this process.

    (Libraries load with threads of their own.) It can't prevent what native code starts, nor the helper processes of
    multiprocessing's start method "spawn".
    """
    _blocks.enter()
    try:
        yield
    finally:
        _blocks.leave()


def _program(args: tuple[object, ...]) -> str:
    """The command in an audit event's arguments: a list of words, or else the first argument; fork has none."""
    words = next((arg for arg in args if isinstance(arg, (list, tuple))), args[:1])
    return f"`{' '.join(map(_text, words))}`" if words else "a process"


def _text(word: object) -> str:
    return word.decode(errors="replace") if isinstance(word, bytes) else str(word)
