"""A question to runs' models while somebody waits for its answer, and the interface to whoever has the models.

An answer comes in parts. Whoever asked takes them one by one until the last, or leaves; and gives up by itself when
the question's time is over, whatever the models do. All of this is in one event loop.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.questions.answer_types import Part, Problem, is_last
from sparse_autoencoder.questions.question_types import Question

# How long whoever asked waits, in seconds, by the kind of the question. Loading the models counts.
PATIENCE_S = {
    "encode_text": 60.0,
    "encode_row": 60.0,
    "steer": 240.0,
    "ablate_feature": 900.0,
    "explain_by_graph": 900.0,
}
MOST_WAITING = 16  # questions that wait for the models at once


class Asked:
    """A question, and the parts of its answer as they come."""

    def __init__(self, question: Question, patience_s: float) -> None:
        self.question = question
        self.patience_s = patience_s
        self.until = asyncio.get_running_loop().time() + patience_s
        self.left = asyncio.Event()  # set when nobody waits any more
        self._parts: asyncio.Queue[Part] = asyncio.Queue()
        self._num_pieces = 0
        self._at_leaving: list[Callable[[], object]] = []

    @property
    def seconds_left(self) -> float:
        """How much of its time is left."""
        return max(0.0, self.until - asyncio.get_running_loop().time())

    @property
    def num_pieces(self) -> int:
        """How many pieces of the result have come."""
        return self._num_pieces

    def give(self, part: Part) -> bool:
        """Add a part of the answer; whether it is the last one."""
        if "piece" in part:
            self._num_pieces += 1
        self._parts.put_nowait(part)
        return is_last(part)

    def refuse(self, status: int, sentence: str) -> None:
        """End the answer with a problem."""
        self.give({"problem": {"status": status, "error": sentence}})

    async def next(self) -> Part:
        """The next part; at the end of the question's time a problem."""
        try:
            return await asyncio.wait_for(self._parts.get(), self.seconds_left)
        except TimeoutError:
            self.leave()
            return {"problem": _too_late(self.patience_s)}

    def at_leaving(self, do: Callable[[], object]) -> None:
        """Have something done when nobody waits any more."""
        self._at_leaving.append(do)

    def leave(self) -> None:
        """Say that nobody waits any more; also after the last part. Later calls do nothing."""
        if not self.left.is_set():
            self.left.set()
            for do in self._at_leaving:
                do()


class AskModels(Protocol):
    """Whoever has runs' models."""

    async def why_not(self) -> str | None:
        """Why nothing can be asked now, as a sentence; None if it can."""

    async def ask(self, question: Question, patience_s: float) -> Asked:
        """Ask; SaescopeError if nothing can be asked now, or too many questions wait already."""

    async def close(self) -> None:
        """Ask nothing any more, and end what was started for asking."""


class NoModels:
    """The interface AskModels where there are no models."""

    async def why_not(self) -> str | None:
        """See AskModels.why_not."""
        return "this API has no models to ask: start it with `saescope serve --models`"

    async def ask(self, question: Question, patience_s: float) -> Asked:
        """See AskModels.ask."""
        raise SaescopeError(str(await self.why_not()))

    async def close(self) -> None:
        """See AskModels.close."""


def busy(num_waiting: int) -> SaescopeError:
    """That a question more can't wait."""
    return SaescopeError(f"the models are busy, and {num_waiting} questions wait for them already: ask again soon")


def _too_late(patience_s: float) -> Problem:
    sentence = f"there was no answer within {patience_s:g} seconds; the models may still be loading, or busy: ask again"
    return {"status": 504, "error": sentence}
