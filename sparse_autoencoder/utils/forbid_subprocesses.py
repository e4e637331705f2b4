"""Prevent third-party code from starting processes, such as an installer, while a `with` block runs.

TransformerLens 3.9 to 4.3 runs `pip install torchvision` in the user's environment when a model that takes images is
loaded without its processor. Python tells audit hooks (PEP 578) about every process before it starts one, and a hook
that raises prevents the start.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

# Python's audit events for a new process, or for another program in this one's place.
_EVENTS = frozenset(
    {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system", "subprocess.Popen"}
)


class ProcessRefusedError(PermissionError):
    """Code in a `no_processes` block tried to start a program.

    It is an OSError, as if the program could not be executed, so that code with a fallback for that case uses it.
    """


_blocks: list[None] = []  # an entry for each active `no_processes` block, in whatever thread


@cache
def _add_hook() -> None:
    """Add the audit hook, once: it can never be removed."""
    sys.addaudithook(_hook)


def _hook(event: str, args: tuple[object, ...]) -> None:
    if _blocks and event in _EVENTS:
        raise ProcessRefusedError(f"it tried to start {_program(args)}, which saescope doesn't allow there")


@contextmanager
def no_processes() -> Iterator[None]:
    """In this block every attempt to start a process raises ProcessRefusedError, in all threads of this process.

    (Libraries load with threads of their own.) It can't prevent what native code starts, nor the helper processes of
    multiprocessing's start method "spawn".
    """
    _add_hook()
    _blocks.append(None)
    try:
        yield
    finally:
        _blocks.pop()


def _program(args: tuple[object, ...]) -> str:
    """The command in an audit event's arguments: a list of words, or else the first argument; fork has none."""
    words = next((arg for arg in args if isinstance(arg, (list, tuple))), args[:1])
    return f"`{' '.join(map(_text, words))}`" if words else "a process"


def _text(word: object) -> str:
    return word.decode(errors="replace") if isinstance(word, bytes) else str(word)
