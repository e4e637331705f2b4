"""Answers to questions about runs' models, whatever they came through: one place that knows who answers what.

Nothing here imports torch before the first question.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, cast

from sparse_autoencoder.errors import BadQuestionError
from sparse_autoencoder.questions.answer_types import LOADING, EncodedText, Part
from sparse_autoencoder.questions.kept_models import AskedModels, KeptModels
from sparse_autoencoder.questions.question_types import EncodeRow, EncodeText, Question
from sparse_autoencoder.questions.refusals import OverError, problem_of
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import Store
from sparse_autoencoder.utils.failure_rule import Failure, is_failure

Moved = Callable[[], None]  # to be called whenever something was done; raises OverError if nobody waits any more
_LOGGER = logging.getLogger(__name__)


class Answering(Protocol):
    """Whoever answers questions."""

    broken: str | None  # why this process can't compute any more; None if it can

    def answer(self, question: Question, moved: Moved) -> Iterator[Part]:
        """The parts of an answer, of which the last is a result or a problem.

        Raises OverError if `moved` does; other errors are problems.
        """


class Answerer:
    """Answers questions about the runs of a store with their own models, which stay loaded; of one thread.

    `allowed` gives a run's options with the places of its files on this machine; it may refuse some.
    """

    def __init__(self, store: Store, allowed: Callable[[RunOptions], RunOptions] = lambda options: options) -> None:
        self.broken: str | None = None
        self._library = RunLibrary(store)
        self._models = KeptModels(allowed)

    def answer(self, question: Question, moved: Moved = lambda: None) -> Iterator[Part]:
        """See Answering."""
        try:
            for part in self._parts(question, moved):
                yield part
                moved()
        except OverError:
            raise
        except BaseException as error:  # libraries in Rust raise their panics as BaseExceptions
            if not is_failure(error):
                raise
            if (failure := Failure(error)).breaks_process:
                self.broken = failure.reason
            problem = problem_of(error)
            if problem["status"] == 500:
                _LOGGER.error("answering failed", exc_info=error)
            yield {"problem": problem}

    def _parts(self, question: Question, moved: Moved) -> Iterator[Part]:
        view = self._library.open(question.run_id)
        if not self._models.has(view.metadata):
            yield {"progress": {"done": 0, "of": 0, "what": LOADING}}
        models = self._models.of(view.metadata)
        models.encoder.moved = moved
        moved()
        wanted = question.wanted
        answer = _ANSWERS.get(type(wanted))
        if answer is None:
            raise BadQuestionError(f"nobody here answers questions of the kind {wanted.kind}")
        yield from answer(models, view, wanted)


def _encode_text(models: AskedModels, view: RunView, wanted: EncodeText) -> Iterator[Part]:
    from sparse_autoencoder.questions.encode_text import encode_text

    yield _result(encode_text(models.encoder, models.tokenizer, view, wanted))


def _encode_row(models: AskedModels, view: RunView, wanted: EncodeRow) -> Iterator[Part]:
    from sparse_autoencoder.questions.encode_text import encode_row

    yield _result(encode_row(models.encoder, view, wanted))


def _result(answer: EncodedText) -> Part:
    return {"result": cast("dict[str, Any]", answer)}


_ANSWERS: Mapping[type, Callable[[AskedModels, RunView, Any], Iterator[Part]]] = {
    EncodeText: _encode_text,
    EncodeRow: _encode_row,
}
