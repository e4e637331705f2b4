"""Event streams of a run whose entries the test makes up: what is told, when, to whom, and when nobody looks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.api.http.run_event_stream import RunEvents
from services.common.dependency_interfaces import UnavailableError
from sparse_autoencoder.runs.store import NotFoundError

PATIENCE_S = 30.0
Entry = Any  # a few of its keys are enough here


class Run:
    """A run whose entry is what the test says."""

    def __init__(self, **options: float) -> None:
        self.looks = 0
        self.answer: Entry | Exception = entry(0)
        self.events = RunEvents(self._entry, **{"look_every_s": 0.001, "comment_every_s": 60.0} | options)

    def _entry(self, run_id: str) -> Entry:
        self.looks += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def entry(num_records: int | None, **changes: Any) -> Entry:
    """An entry with this progress; None for a run that has ended."""
    progress = None if num_records is None else {"num_records": num_records, "problem": None}
    return {"id": "r", "status": "running", "error": None, "progress": progress, "can": {"cancel": True}} | changes


async def told(stream: AsyncIterator[bytes]) -> tuple[str, Entry]:
    """The next event of a stream."""
    lines = (await asyncio.wait_for(anext(stream), PATIENCE_S)).decode().split("\n")
    assert lines[2:] == ["", ""]
    return lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.001)


def played(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with ThreadPoolExecutor(1) as thread:  # the browser of other tests keeps an event loop in the main thread
        thread.submit(lambda: asyncio.run(play())).result()


def test_a_stream_tells_what_changes_and_then_the_end() -> None:
    async def play() -> None:
        run = Run()
        stream = await run.events.open("r")
        assert await told(stream) == ("progress", entry(0))
        run.answer = entry(5)
        assert await told(stream) == ("progress", entry(5))
        run.answer = entry(None, status="complete")
        assert await told(stream) == ("end", entry(None, status="complete"))
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert run.events.num_feeds == 0

    played(play)


def test_what_does_not_change_is_not_told_again() -> None:
    async def play() -> None:
        run = Run()
        stream = await run.events.open("r")
        assert await told(stream) == ("progress", entry(0))
        looks = run.looks
        await until(lambda: run.looks > looks + 5)
        run.answer = entry(1)
        assert await told(stream) == ("progress", entry(1))
        await stream.aclose()  # type: ignore[attr-defined]

    played(play)


def test_a_silent_stream_has_comments() -> None:
    async def play() -> None:
        run = Run(comment_every_s=0.01)
        stream = await run.events.open("r")
        await told(stream)
        for _ in range(3):
            assert (await anext(stream)).startswith(b": ")
        await stream.aclose()  # type: ignore[attr-defined]

    played(play)


def test_many_listeners_are_told_the_same_for_one_look() -> None:
    async def play() -> None:
        run = Run(look_every_s=60.0)
        first = await run.events.open("r")
        assert await told(first) == ("progress", entry(0))
        others = [await run.events.open("r") for _ in range(100)]
        assert [await told(stream) for stream in others] == [("progress", entry(0))] * 100
        assert run.looks == 2  # one before the first stream began, whose outcome decides the answer's status
        assert run.events.num_feeds == 1
        for stream in (first, *others):
            await stream.aclose()  # type: ignore[attr-defined]

    played(play)


def test_nobody_looks_when_nobody_listens() -> None:
    async def play() -> None:
        run = Run()
        streams = [await run.events.open("r") for _ in range(2)]
        for stream in streams:
            await told(stream)
        await streams[0].aclose()  # type: ignore[attr-defined]
        looks = run.looks
        await until(lambda: run.looks > looks)
        await streams[1].aclose()  # type: ignore[attr-defined]
        assert run.events.num_feeds == 0
        await until(lambda: len(asyncio.all_tasks()) == 1)

    played(play)


def test_there_is_no_stream_of_a_run_that_is_not_there() -> None:
    async def play() -> None:
        run = Run()
        run.answer = NotFoundError("there is no run 'r'")
        with pytest.raises(NotFoundError):
            await run.events.open("r")
        assert run.events.num_feeds == 0

    played(play)


def test_a_run_that_is_deleted_meanwhile_ends_as_such() -> None:
    async def play() -> None:
        run = Run()
        stream = await run.events.open("r")
        await told(stream)
        run.answer = NotFoundError("there is no run 'r'")
        name, last = await told(stream)
        assert (name, last["status"], last["error"]) == ("end", "cancelled", "the run was deleted")
        assert last["progress"] is None
        assert last["can"] == {"cancel": False, "resume": False, "retry": False, "delete": False}

    played(play)


def test_trouble_is_told_as_the_progress_s_problem_and_passes() -> None:
    async def play() -> None:
        run = Run()
        stream = await run.events.open("r")
        await told(stream)
        run.answer = UnavailableError("the store is away")
        _name, troubled = await told(stream)
        assert troubled == entry(0) | {"progress": {"num_records": 0, "problem": "the store is away"}}
        run.answer = entry(1)
        assert await told(stream) == ("progress", entry(1))
        await stream.aclose()  # type: ignore[attr-defined]

    played(play)


def test_closing_ends_all_streams_and_those_that_come_later() -> None:
    async def play() -> None:
        run = Run()
        streams = [await run.events.open("r") for _ in range(3)]
        for stream in streams:
            await told(stream)
        run.events.close()
        for stream in [*streams, await run.events.open("r")]:
            assert [message async for message in stream] == []

    played(play)


def test_a_run_that_goes_on_after_its_end_has_a_new_stream() -> None:
    async def play() -> None:
        run = Run()
        run.answer = entry(None, status="cancelled")
        assert await told(await run.events.open("r")) == ("end", entry(None, status="cancelled"))
        await until(lambda: run.events.num_feeds == 0)
        run.answer = entry(3)
        stream = await run.events.open("r")
        assert await told(stream) == ("progress", entry(3))
        await stream.aclose()  # type: ignore[attr-defined]

    played(play)
