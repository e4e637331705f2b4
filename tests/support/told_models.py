"""Processes that answer questions as the questions' texts tell them, without any models, to be killed by tests.

`python -m tests.support.told_models pipes` is one of `saescope serve --models`, `… queue` a worker of the services,
with settings from the environment. Each leaves lines in its folder: which texts it has begun and done. This file knows
nothing of models.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from services.models.over_pipes import converse
from sparse_autoencoder.questions.answer_types import LOADING, EncodedText, GeneratedText, GeneratedToken, Part, is_last
from sparse_autoencoder.questions.question_types import AblateFeature, EncodeText, Question, Steer
from sparse_autoencoder.questions.refusals import OverError
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from sparse_autoencoder.questions.answering import Moved

FOLDER = "TOLD_MODELS_FOLDER"
TOLD: EncodedText = {
    "tokens": [" a", " b"],
    "token_ints": [1, 2],
    "first": 0,
    "num_tokens": 2,
    "windows": [0],
    "features": [{"feature_id": 1, "at": [0, 1], "values": [0.5, 0.25]}],
}


class Told:
    """The interface Answering. The first word of a text says what is done, and the rest is a name for it."""

    def __init__(self, folder: Path) -> None:
        self.broken: str | None = None
        self._folder = folder

    def answer(self, question: Question, moved: Moved) -> Iterator[Part]:
        wanted = question.wanted
        text = wanted.text if isinstance(wanted, EncodeText) else wanted.prompt if isinstance(wanted, Steer) else ""
        self._note("begun", text)
        for part in self._done(text, moved):
            yield part
            if is_last(part):
                return
        self._note("done", text)
        if isinstance(wanted, AblateFeature):
            yield {"progress": {"done": 1, "of": 2, "what": "an example"}}
            yield {"result": {"feature_id": wanted.feature_id, "examples": []}}
        elif isinstance(wanted, Steer):
            yield {"result": {"feature_id": wanted.feature_id, "prompt": wanted.prompt, **_TEXTS}}
        else:
            yield {"result": {**TOLD}}

    def _done(self, text: str, moved: Moved) -> Iterator[Part]:
        match text.split()[:1]:
            case ["die"]:
                os.kill(os.getpid(), signal.SIGKILL)
            case ["once"]:
                yield {"piece": {**_token(0)}}
                yield {"piece": {**_token(1)}}
                if noted(self._folder, "begun").count(text) == 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                yield {"piece": {**_token(2)}}
            case ["slow"]:  # until the test says so, or nobody waits any more
                yield {"progress": {"done": 0, "of": 0, "what": LOADING}}
                self._wait(text, moved)
            case ["stuck"]:  # it notices nothing
                self._wait(text, lambda: None)
            case ["broken"]:
                self.broken = "the device is broken"
                yield {"problem": {"status": 500, "error": "the device is broken"}}
            case ["refuse"]:
                yield {"problem": {"status": 409, "error": "another model than the run's"}}

    def _wait(self, text: str, moved: Moved) -> None:
        def has_come() -> bool:
            moved()
            return (self._folder / "go").exists()

        try:
            wait_until(has_come)
        except OverError:
            self._note("dropped", text)
            raise

    def _note(self, name: str, text: str) -> None:
        with (self._folder / name).open("a") as file:
            file.write(f"{text}\n")


def noted(folder: Path, name: str) -> list[str]:
    """The texts that have `begun`, that are `done`, or were `dropped` in between, in order."""
    path = folder / name
    return path.read_text().splitlines() if path.exists() else []


def _token(number: int) -> GeneratedToken:
    return {"steered": True, "token_id": number, "token": f" {number}", "log_prob": -1.0}


_TEXT: GeneratedText = {
    "text": "",
    "token_ids": [],
    "tokens": [],
    "log_probs": [],
    "unsteered_log_probs": [],
    "unsteered_perplexity": None,
}
_TEXTS = {"steered": _TEXT, "plain": _TEXT}


def main() -> int:
    """Be one of the two."""
    told = Told(Path(os.environ[FOLDER]))
    if sys.argv[1:] == ["pipes"]:
        converse(lambda: told)
        return 0
    from services.common.process.service_main import run_with_settings
    from services.models.__main__ import work  # imports more than the other one needs

    return run_with_settings(lambda settings: work(settings, told))


if __name__ == "__main__":
    sys.exit(main())
