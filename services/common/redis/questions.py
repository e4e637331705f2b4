"""Questions to runs' models, in Redis: where they are while somebody waits, and the parts of their answers.

Whoever asks writes the question, with a time to live, and sends a message with its id. As long as it waits it renews a
key of its own. A worker adds the parts of the answer to a stream, the first of which says that it has begun; the stream
goes soon after the last of them. So nothing of a question stays, and one that nobody waits for isn't answered.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import redis
from pydantic import ValidationError

from services.common.redis.redis_client import redis_errors_as_unavailable
from sparse_autoencoder.questions.answer_types import Part
from sparse_autoencoder.questions.question_types import Question

AWAITED_S = 8.0  # an asker that hasn't renewed its key for so long is gone
ANSWER_KEPT_S = 60
MOST_PART_BYTES = 16 << 20
BEGUN, PART = "begun", "part"  # the fields of a stream's entries

_redis_usable = partial(redis_errors_as_unavailable, "Redis can't be used for questions to models")


def question_key(question_id: str) -> str:
    """Of the question, as JSON; it lives as long as somebody would wait for its answer."""
    return f"saescope:question:{question_id}"


def asker_key(question_id: str) -> str:
    """Of whoever waits for the answer; it lives for AWAITED_S unless it is renewed."""
    return f"saescope:asker:{question_id}"


def answer_key(question_id: str) -> str:
    """Of the stream with the parts of the answer."""
    return f"saescope:answer:{question_id}"


@dataclass(frozen=True)
class Awaited:
    """A question that somebody waits for."""

    question: Question
    seconds: float  # how long it will be waited for


class RedisQuestions:
    """The workers' side of questions, for several threads; `client` decodes responses.

    Every call raises UnavailableError if Redis refuses, or doesn't answer within the client's time-out.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def read(self, question_id: str) -> Awaited | None:
        """A question; None if nobody waits for it any more, or it is none of this release's."""
        with _redis_usable():
            text = cast("str | None", self._redis.get(question_key(question_id)))
            milliseconds = self._redis.pttl(question_key(question_id))
        if text is None or milliseconds <= 0 or not self.is_awaited(question_id):
            return None
        try:
            return Awaited(Question.model_validate_json(text), milliseconds / 1000)
        except ValidationError:
            return None

    def is_awaited(self, question_id: str) -> bool:
        """Whether somebody still waits."""
        with _redis_usable():
            return bool(self._redis.exists(asker_key(question_id)))

    def begin(self, question_id: str, worker: str) -> None:
        """Say that a worker answers it."""
        self._add(question_id, {BEGUN: worker})

    def add(self, question_id: str, part: Part) -> None:
        """Add a part of the answer."""
        text = json.dumps(part, allow_nan=False)
        if len(text) > MOST_PART_BYTES:
            text = json.dumps({"problem": {"status": 503, "error": "the answer is too large to be sent"}})
        self._add(question_id, {PART: text})

    def _add(self, question_id: str, entry: Mapping[str, str]) -> None:
        key = answer_key(question_id)
        with _redis_usable(), self._redis.pipeline(transaction=True) as pipe:
            pipe.xadd(key, cast("Any", dict(entry)))
            pipe.expire(key, ANSWER_KEPT_S)
            pipe.execute()
