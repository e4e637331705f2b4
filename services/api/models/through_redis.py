"""The models of worker processes, asked through the queue `probe` and Redis; services/common/redis/questions.py.

One task for each question that somebody waits for reads the parts of its answer, and takes no thread. A worker that
dies while it answers loses its lease; then the question is sent once more, and another worker answers it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from typing import Any, cast

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool

from services.api.models.asking import MOST_WAITING, Asked, busy
from services.common.dependency_interfaces import Dependencies
from services.common.redis.leases import LEASE_PREFIX
from services.common.redis.questions import AWAITED_S, BEGUN, PART, answer_key, asker_key, question_key
from services.common.tasks.celery_app import CONNECT_TIMEOUT_S, SOCKET_TIMEOUT_S
from services.common.tasks.messages import Message
from services.common.work_names import question_lease
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.questions.question_types import Question

_NO_WORKER = (
    "no worker with models is running, so they can't be asked: start one with `python -m services.models` (Compose: "
    "docker compose up -d models), unless one is starting"
)
_WAIT_S = 0.5  # for the next part, before looking whether the worker is alive
_RETURNS_WITHIN_S = 10.0  # a worker that comes back fresh, or another one
_ATTEMPTS = 2
_STOPPED = "this server is being stopped"


class ModelsThroughRedis:
    """The interface AskModels on the services' Redis; of one event loop."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        self._redis: redis.asyncio.Redis | None = None
        self._asked: dict[Asked, asyncio.Task[None]] = {}
        self._closed = False

    async def why_not(self) -> str | None:
        """See AskModels.why_not."""
        return None if await run_in_threadpool(self._deps.workers.alive, "models") else _NO_WORKER

    async def ask(self, question: Question, patience_s: float) -> Asked:
        """See AskModels.ask."""
        if (problem := await self.why_not()) is not None:
            raise SaescopeError(problem)
        if (num_waiting := await self._num_waiting()) >= MOST_WAITING:
            raise busy(num_waiting)
        if self._closed:
            raise SaescopeError(_STOPPED)
        asked = Asked(question, patience_s)
        task = self._asked[asked] = asyncio.create_task(self._follow(asked))
        task.add_done_callback(lambda _task: self._asked.pop(asked, None))
        asked.at_leaving(task.cancel)
        return asked

    async def close(self) -> None:
        """See AskModels.close."""
        self._closed = True
        tasks = list(self._asked.items())
        for asked, task in tasks:
            asked.refuse(503, _STOPPED)
            task.cancel()
        if tasks:
            await asyncio.wait([task for _asked, task in tasks])
        if self._redis is not None:
            await self._redis.aclose()

    async def _num_waiting(self) -> int:
        """How many questions of any API wait, and how many of this one at least."""
        messages = await run_in_threadpool(self._deps.queue.waiting, "probe")
        askers = [asker_key(message.question) for message in messages if message.question is not None]
        try:
            awaited = await self._client.exists(*askers) if askers else 0  # workers drop the others
        except RedisError as error:
            raise _away(error) from error
        return max(int(awaited), len(self._asked))

    @property
    def _client(self) -> redis.asyncio.Redis:
        if self._redis is None:  # in the event loop that uses it
            self._redis = redis.asyncio.Redis.from_url(
                self._deps.settings.redis_url,
                decode_responses=True,
                socket_timeout=SOCKET_TIMEOUT_S,
                socket_connect_timeout=CONNECT_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
                protocol=2,  # of which entries of streams are lists
            )
        return self._redis

    async def _follow(self, asked: Asked) -> None:
        """Ask, and hand on the parts of the answer until the last, or until nobody waits any more."""
        following = _Following(self._client, self._deps, asked)
        try:
            await following.follow()
        except RedisError as error:
            asked.refuse(503, str(_away(error)))
        except SaescopeError as error:
            asked.refuse(503, str(error))
        finally:
            await following.forget()


def _away(error: RedisError) -> SaescopeError:
    return SaescopeError(f"Redis can't be used for this question; is it up? ({error})")


class _Following:
    """One question in Redis, and how far its answer has come."""

    def __init__(self, client: redis.asyncio.Redis, deps: Dependencies, asked: Asked) -> None:
        self._redis = client
        self._deps = deps
        self._asked = asked
        self._id = uuid.uuid4().hex
        self._last = "0"  # id of the stream's entry that was read last
        self._begun = False  # whether a worker answers it
        self._attempts = 0
        self._known = 0  # pieces that earlier attempts gave
        self._pieces = 0  # that this one gave
        self._worker_seen = asyncio.get_running_loop().time()  # when there was a worker last

    async def follow(self) -> None:
        """Ask, and hand on the parts; RedisError or SaescopeError if that isn't possible any more."""
        await self._say_awaited()
        question = self._asked.question.model_dump_json()
        await self._redis.set(question_key(self._id), question, px=max(1, round(self._asked.seconds_left * 1000)))
        await self._send()
        said_awaited = asyncio.get_running_loop().time()
        while True:
            entries = await self._entries()
            for entry in entries:
                if self._take(entry):
                    return
            if asyncio.get_running_loop().time() - said_awaited > AWAITED_S / 4:
                said_awaited = asyncio.get_running_loop().time()
                await self._say_awaited()
            if not entries and not await self._is_going() and not await self._ask_again():
                return

    async def forget(self) -> None:
        """Remove what Redis has of the question, so that a worker drops it; without Redis it goes by itself."""
        with contextlib.suppress(RedisError):
            await self._redis.delete(asker_key(self._id), question_key(self._id), answer_key(self._id))

    async def _send(self) -> None:
        self._attempts += 1
        self._begun, self._known, self._pieces = False, self._asked.num_pieces, 0
        message = Message(task="probe", run_id=self._asked.question.run_id, question=self._id)
        await run_in_threadpool(self._deps.queue.send, message)

    async def _say_awaited(self) -> None:
        await self._redis.set(asker_key(self._id), "", px=round(AWAITED_S * 1000))

    async def _entries(self) -> list[dict[str, str]]:
        """The entries of the answer that came since; waits for some, but not for long."""
        found: Any = await self._redis.xread({answer_key(self._id): self._last}, block=round(_WAIT_S * 1000))
        entries = cast("list[tuple[str, dict[str, str]]]", found[0][1] if found else [])
        if entries:
            self._last = entries[-1][0]
        return [entry for _id, entry in entries]

    def _take(self, entry: dict[str, str]) -> bool:
        """Take what a worker said; whether it was the last part."""
        if BEGUN in entry:
            self._begun = True
        if PART not in entry:
            return False
        part: Any = json.loads(entry[PART])
        if "piece" in part:
            self._pieces += 1
            if self._pieces <= self._known:
                return False
        return self._asked.give(part)

    async def _is_going(self) -> bool:
        """Whether an answer may still come: a worker is at it, or will take the message."""
        if self._begun:
            return bool(await self._redis.exists(LEASE_PREFIX + question_lease(self._id)))
        if not await self._redis.exists(question_key(self._id)):
            raise SaescopeError("Redis has lost this question: ask again")
        now = asyncio.get_running_loop().time()
        if await run_in_threadpool(self._deps.workers.alive, "models"):
            self._worker_seen = now
        elif now - self._worker_seen > _RETURNS_WITHIN_S:
            raise SaescopeError(_NO_WORKER)
        return True

    async def _ask_again(self) -> bool:
        """Send the question once more if its worker has died, unless its last words have come now; whether it was."""
        for entry in await self._entries():
            if self._take(entry):
                return False
        if self._attempts < _ATTEMPTS:
            await self._send()
            return True
        self._asked.refuse(
            503, f"the worker with the models died {_ATTEMPTS} times while it answered this; its log says more"
        )
        return False
