"""`python -m services.models.over_pipes FOLDER`: answers questions that come through its standard input.

Each line is a JSON object. In: `{"ask": number, "seconds": how long somebody waits, "question": …}`, and
`{"cancel": number}`. Out: `{"to": number, "part": …}` for each part of an answer (questions/answer_types.py), or
`{"to": number, "dropped": true}` if nobody waits any more. One question is answered at a time, in their order. The
process ends when its input does, in the middle of whatever it does.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pydantic import ValidationError

from sparse_autoencoder.questions.answer_types import is_last
from sparse_autoencoder.questions.question_types import Question
from sparse_autoencoder.questions.refusals import OverError

if TYPE_CHECKING:
    from sparse_autoencoder.questions.answering import Answering


class Conversation:
    """Lines that come and go; questions are answered in the thread that calls `answer_all`."""

    def __init__(self, answering: Answering, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._answering = answering
        self._incoming = incoming
        self._outgoing = outgoing
        self._questions: queue.Queue[dict[str, Any]] = queue.Queue()
        self._cancelled: set[int] = set()

    def answer_all(self) -> None:
        """Answer questions until this process can't compute any more."""
        threading.Thread(target=self._listen, name="listening", daemon=True).start()
        while self._answering.broken is None:
            self._answer(self._questions.get())

    def _listen(self) -> None:
        for line in self._incoming:
            said = json.loads(line)
            if "cancel" in said:
                self._cancelled.add(said["cancel"])
            else:
                self._questions.put(said)
        os._exit(0)  # whoever asks is gone; the other thread may be computing

    def _answer(self, said: dict[str, Any]) -> None:
        number, until = said["ask"], time.monotonic() + said["seconds"]
        self._cancelled -= {one for one in tuple(self._cancelled) if one < number}  # cancelled when they were answered

        def moved() -> None:
            if number in self._cancelled or time.monotonic() > until:
                raise OverError

        try:
            moved()
            question = Question.model_validate(said["question"])
            for part in self._answering.answer(question, moved):
                self._say({"to": number, "part": part})
                if is_last(part):
                    break
        except ValidationError as error:  # of another release
            problem = {"status": 500, "error": f"the question can't be understood: {error.errors()[0]['msg']}"}
            self._say({"to": number, "part": {"problem": problem}})
        except OverError:
            self._say({"to": number, "dropped": True})

    def _say(self, content: dict[str, Any]) -> None:
        self._outgoing.write(json.dumps(content, allow_nan=False).encode() + b"\n")
        self._outgoing.flush()


def converse(answering: Callable[[], Answering]) -> None:
    """Answer what comes through this process's standard input, until that ends."""
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    try:
        Conversation(answering(), sys.stdin.buffer, outgoing).answer_all()
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(1)  # the other thread is reading, and Python's own end would wait for that


def main() -> None:
    """Answer questions about a folder of runs, or one run's own folder."""
    from services.commands.serve import store_of
    from sparse_autoencoder.questions.answering import Answerer

    (folder,) = sys.argv[1:]
    converse(lambda: Answerer(store_of(Path(folder))))


if __name__ == "__main__":
    main()
