"""The models in a process beside this one, which is started at the first question and answers one at a time.

JSON lines go through its pipes; services/models/over_pipes.py is its side, and says what is in them. If it dies while
it answers, another one is started and asked once more. It ends when its pipe closes, so it never outlives this process.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from services.api.models.asking import MOST_WAITING, Asked, busy
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.questions.answer_types import LOADING, Part
from sparse_autoencoder.questions.question_types import Question

_LOGGER = logging.getLogger(__name__)
_MOST_LINE_BYTES = 1 << 26
# How long the process may take to notice that nobody waits any more, before it is ended; loading can't be stopped.
_DROPS_WITHIN_S = 60.0
_LOADS_WITHIN_S = 600.0
_ENDS_WITHIN_S = 3.0
_ATTEMPTS = 2
_STOPPED = "this server is being stopped"


class _EndedError(Exception):
    """The process has ended; says how."""


class LocalModels:
    """The interface AskModels on a process of `command`; of one event loop."""

    def __init__(self, command: Sequence[str], *, drops_within_s: float = _DROPS_WITHIN_S) -> None:
        self._command = list(command)
        self._drops_within_s = drops_within_s
        self._waiting: deque[Asked] = deque()
        self._now: Asked | None = None  # what the process answers
        self._answering: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._numbers = count(1)
        self._closed = False

    async def why_not(self) -> str | None:
        """See AskModels.why_not."""
        return None

    async def ask(self, question: Question, patience_s: float) -> Asked:
        """See AskModels.ask."""
        waiting = [asked for asked in self._waiting if not asked.left.is_set()]
        if len(waiting) >= MOST_WAITING:
            raise busy(len(waiting))
        if self._closed:
            raise SaescopeError(_STOPPED)
        asked = Asked(question, patience_s)
        self._waiting = deque([*waiting, asked])
        if self._answering is None or self._answering.done():
            self._answering = asyncio.create_task(self._answer_all())
        return asked

    async def close(self) -> None:
        """See AskModels.close."""
        self._closed = True
        for asked in (*self._waiting, *([] if self._now is None else [self._now])):
            asked.refuse(503, _STOPPED)
        self._waiting.clear()
        if self._answering is not None:
            self._answering.cancel()
            await asyncio.wait([self._answering])
        await self._end()

    async def _answer_all(self) -> None:
        while self._waiting:
            self._now = self._waiting.popleft()
            try:
                await self._answer(self._now)
            except Exception as error:  # a mistake here must not keep the other questions waiting for ever
                _LOGGER.exception("asking the models failed")
                self._now.refuse(500, f"asking the models failed unexpectedly ({type(error).__name__})")
                await self._end()
            self._now = None

    async def _answer(self, asked: Asked) -> None:
        """Have the process answer, in a new one if it dies."""
        how = ""
        for _ in range(_ATTEMPTS):
            if asked.left.is_set():
                return
            try:
                await self._converse(asked)
            except _EndedError as error:
                how = str(error)
                self._process = None
            else:
                return
        asked.refuse(
            503,
            f"the process with the models ended {_ATTEMPTS} times while it answered this ({how}); what it printed on "
            "this server's terminal says more",
        )

    async def _converse(self, asked: Asked) -> None:
        """Ask the process, and take the parts of its answer until the last, or until nobody waits any more."""
        process = self._process
        if process is None or process.returncode is not None:  # it died while it had nothing to do
            process = await self._start()
        number, known = next(self._numbers), asked.num_pieces
        pieces, loading = 0, False
        content = asked.question.model_dump(mode="json")
        await _say(process, {"ask": number, "seconds": asked.seconds_left, "question": content})
        while not asked.left.is_set():
            line = await _line_or_left(process, asked)
            if line is None:
                break
            said = _parsed(line)
            if said is None or said.get("to") != number:
                continue  # of a question that was dropped
            part: Part = said["part"]
            loading = part.get("progress", {}).get("what") == LOADING
            pieces += "piece" in part
            if "piece" in part and pieces <= known:
                continue  # an earlier process gave it already
            if asked.give(part):
                return
        await _say(process, {"cancel": number})
        await self._dropped(process, number, _LOADS_WITHIN_S if loading else self._drops_within_s)

    async def _dropped(self, process: asyncio.subprocess.Process, number: int, within_s: float) -> None:
        """Wait until the process has dropped a question, and end it if it doesn't in time."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    said = _parsed(await _line(process))
                    if said is not None and said.get("to") == number and _is_end(said):
                        return
        except TimeoutError:
            await self._end()

    async def _start(self) -> asyncio.subprocess.Process:
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_MOST_LINE_BYTES,
                env=_environment(os.environ),
                start_new_session=True,  # Ctrl-C in the terminal is for this process, which then ends that one
            )
        except OSError as error:
            raise _EndedError(f"it can't be started: {error}") from error
        return self._process

    async def _end(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _ENDS_WITHIN_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def local_models_command(runs: Path) -> list[str]:
    """The command of a process with the models of a folder of runs, or of one run's own folder."""
    return [sys.executable, "-m", "services.models.over_pipes", str(runs)]


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    # an idle process whose threads spin would take processor time from runs
    return {"OMP_WAIT_POLICY": "PASSIVE", **given}


async def _say(process: asyncio.subprocess.Process, content: Mapping[str, Any]) -> None:
    assert process.stdin is not None  # noqa: S101
    try:
        process.stdin.write(json.dumps(content).encode() + b"\n")
        await process.stdin.drain()
    except OSError as error:
        raise await _ended(process) from error


async def _line_or_left(process: asyncio.subprocess.Process, asked: Asked) -> bytes | None:
    """The next line that the process says; None if nobody waits for it any more."""
    reading, leaving = asyncio.ensure_future(_line(process)), asyncio.ensure_future(asked.left.wait())
    try:
        await asyncio.wait({reading, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return reading.result() if reading.done() else None
    finally:
        reading.cancel()
        leaving.cancel()
        await asyncio.wait({reading, leaving})  # or the next one would begin to read before this one ends


async def _line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None  # noqa: S101
    try:
        line = await process.stdout.readline()
    except ValueError as error:  # longer than the limit
        process.kill()
        raise _EndedError("its answer was too large") from error
    if not line.endswith(b"\n"):
        raise await _ended(process)
    return line


async def _ended(process: asyncio.subprocess.Process) -> _EndedError:
    try:
        status = await asyncio.wait_for(process.wait(), _ENDS_WITHIN_S)
    except TimeoutError:  # it closed its pipe and goes on
        process.kill()
        status = await process.wait()
    return _EndedError(f"with status {status}")


def _parsed(line: bytes) -> dict[str, Any] | None:
    """What a line says; None if it says nothing that is known."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) and ("part" in said or "dropped" in said) else None


def _is_end(said: Mapping[str, Any]) -> bool:
    return "dropped" in said or any(name in said["part"] for name in ("result", "problem"))
