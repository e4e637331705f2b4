"""Server-sent events: a run's entry, sent to every listener when it has changed, about once a second at most.

One asyncio task for each run that has listeners reads the run's entry, however many listeners there are. The format is
https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool

from services.api.response_types.runs import Can, Run
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.store import NotFoundError

LOOK_EVERY_S = 1.0
COMMENT_EVERY_S = 15.0
MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # the second is nginx's
_COMMENT = b": nothing new\n\n"


class _Feed:
    """The last message about one run, for its listeners, which are all in one event loop."""

    def __init__(self) -> None:
        self.message = b""  # the last one
        self.number = 0  # of messages so far
        self.closed = False  # there will be no more
        self.listeners = 0
        self.task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def publish(self, name: str, entry: Run) -> None:
        """Send an event to all listeners, unless it is the same as the last one."""
        message = f"event: {name}\ndata: {json.dumps(entry, allow_nan=False)}\n\n".encode()
        if message != self.message:
            self.message = message
            self.number += 1
            self._wake()

    def close(self) -> None:
        """End the streams of all listeners."""
        self.closed = True
        self._wake()

    async def news(self) -> None:
        """Wait until something is published, or the feed closes."""
        await self._news.wait()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class RunEvents:
    """Event streams of runs; `entry` gives a run's entry, and may block."""

    def __init__(
        self,
        entry: Callable[[str], Run],
        *,
        look_every_s: float = LOOK_EVERY_S,
        comment_every_s: float = COMMENT_EVERY_S,
    ) -> None:
        self._entry = entry
        self._look_every_s = look_every_s
        self._comment_every_s = comment_every_s
        self._feeds: dict[str, _Feed] = {}
        self._closed = False

    def close(self) -> None:
        """End all streams, and those that are asked for later."""
        self._closed = True
        for feed in self._feeds.values():
            feed.close()

    @property
    def num_feeds(self) -> int:
        """How many runs are being looked at."""
        return len(self._feeds)

    async def open(self, run_id: str) -> AsyncIterator[bytes]:
        """A stream of a run's events; NotFoundError if there is no such run."""
        if run_id not in self._feeds:
            await run_in_threadpool(self._entry, run_id)
        return self._listen(run_id)

    async def _listen(self, run_id: str) -> AsyncIterator[bytes]:
        feed = self._feed(run_id)
        feed.listeners += 1
        told = 0
        try:
            while True:
                if feed.number > told:
                    told = feed.number
                    yield feed.message
                elif feed.closed:
                    return
                else:
                    try:
                        await asyncio.wait_for(feed.news(), self._comment_every_s)
                    except TimeoutError:
                        yield _COMMENT
        finally:
            feed.listeners -= 1
            if feed.listeners == 0 and feed.task is not None:
                feed.task.cancel()
                self._drop(run_id, feed)

    def _feed(self, run_id: str) -> _Feed:
        feed = self._feeds.get(run_id)
        if feed is None:
            feed = self._feeds[run_id] = _Feed()
            if self._closed:
                feed.close()
            else:
                feed.task = asyncio.create_task(self._look(run_id, feed))
        return feed

    async def _look(self, run_id: str, feed: _Feed) -> None:
        """Read the run's entry again and again until the run has ended."""
        entry: Run | None = None
        try:
            while True:
                try:
                    found = await run_in_threadpool(self._entry, run_id)
                except NotFoundError:
                    if entry is not None:
                        feed.publish("end", _deleted(entry))
                    return
                except SaescopeError as error:  # it may pass, so listeners are told and stay
                    if entry is not None:
                        feed.publish("progress", _troubled(entry, str(error)))
                else:
                    entry = found
                    if entry["progress"] is None:
                        feed.publish("end", entry)
                        return
                    feed.publish("progress", entry)
                await asyncio.sleep(self._look_every_s)
        finally:
            feed.close()
            self._drop(run_id, feed)

    def _drop(self, run_id: str, feed: _Feed) -> None:
        """Forget a feed; the next listener gets a new one."""
        if self._feeds.get(run_id) is feed:
            del self._feeds[run_id]


def _troubled(entry: Run, problem: str) -> Run:
    progress = entry["progress"]
    return {**entry, "progress": progress and {**progress, "problem": problem}}


def _deleted(entry: Run) -> Run:
    """The last entry of a run that was deleted while somebody listened."""
    can: Can = {"cancel": False, "resume": False, "retry": False, "delete": False}
    return {**entry, "status": "cancelled", "error": "the run was deleted", "progress": None, "can": can}
