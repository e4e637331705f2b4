"""The work of a models process with a queue: one question at a time, as long as somebody waits for its answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from services.common import work_names
from services.common.dependency_interfaces import Dependencies, Hold
from services.common.logs import log
from services.common.redis.questions import Awaited, RedisQuestions
from services.common.tasks.messages import Message
from sparse_autoencoder.questions.answer_types import is_last
from sparse_autoencoder.questions.answering import Answering, Moved
from sparse_autoencoder.questions.refusals import OverError

_LOOK_EVERY_S = 0.25  # whether somebody still waits


class QuestionWorker:
    """Answers the questions that messages name; `stopping` says whether this process was told to end."""

    def __init__(
        self,
        deps: Dependencies,
        questions: RedisQuestions,
        answering: Answering,
        worker: str,
        stopping: Callable[[], bool],
    ) -> None:
        self._deps = deps
        self._questions = questions
        self._answering = answering
        self._worker = worker
        self._stopping = stopping

    def work(self, message: Message) -> str | None:
        """Answer a question; why this process should start fresh, None if it needn't.

        UnavailableError if Redis can't be used; whoever waits notices, and asks again.
        """
        question_id = message.question or ""
        awaited = self._questions.read(question_id)
        if awaited is None:
            log("question_dropped", run=message.run_id, begun=False)
            return None
        with self._deps.leases.hold(work_names.question_lease(question_id)) as hold:
            if hold is not None:  # else another worker answers it: the message came twice
                self._answer(question_id, awaited, hold)
        return self._answering.broken

    def _answer(self, question_id: str, awaited: Awaited, hold: Hold) -> None:
        begin = time.monotonic()
        run_id, kind = awaited.question.run_id, awaited.question.wanted.kind
        what = f"answering {kind} about run {run_id}"

        def expired() -> None:
            log("question_refused", logging.ERROR, run=run_id, kind=kind, problem=f"{what} hung")

        with self._deps.deadlines.watch(what, self._deps.settings.patience_s, 0.0, expired) as moved:
            self._questions.begin(question_id, self._worker)
            problem = None
            try:
                for part in self._answering.answer(
                    awaited.question, self._moved(question_id, begin + awaited.seconds, hold, moved)
                ):
                    self._questions.add(question_id, part)
                    problem = part.get("problem")
                    if is_last(part):  # then whoever waited removes what Redis has of the question
                        break
            except OverError:
                log("question_dropped", run=run_id, kind=kind, begun=True)
                return
        seconds = round(time.monotonic() - begin, 3)
        if problem is None:
            log("question_answered", run=run_id, kind=kind, seconds=seconds)
        else:
            log("question_refused", run=run_id, kind=kind, seconds=seconds, problem=problem["error"])

    def _moved(self, question_id: str, until: float, hold: Hold, moved: Moved) -> Moved:
        looked = time.monotonic()

        def look() -> None:
            nonlocal looked
            moved()
            now = time.monotonic()
            if self._stopping() or now > until or hold.lost:
                raise OverError
            if now - looked > _LOOK_EVERY_S:
                looked = now
                if not self._questions.is_awaited(question_id):
                    raise OverError

        return look
