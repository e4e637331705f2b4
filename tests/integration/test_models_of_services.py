"""Questions to models through Redis: real workers, which may die, be told to stop, or find that nobody waits."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import redis

from services.api.app import create_app
from services.api.models.asking import MOST_WAITING, PATIENCE_S
from services.api.models.through_redis import ModelsThroughRedis
from services.common.real_dependencies import real_dependencies
from services.common.settings import read_settings
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.api import Servers, make_finished, serving
from tests.support.live_runs import LiveWriter
from tests.support.many_askers import fifty_answers
from tests.support.runs import make_world, one_thread
from tests.support.services import Service
from tests.support.told_models import FOLDER, noted
from tests.support.waiting import wait_until

PATIENCE = 60.0
REPOSITORY = str(Path(__file__).parents[2])


@dataclass(frozen=True)
class Asked:
    """An API, and workers that do what they are told."""

    url: str
    folder: Path
    client: redis.Redis
    start: Callable[[], Service]

    def encode(self, text: str) -> httpx.Response:
        return httpx.post(f"{self.url}/api/encode", json={"text": text}, timeout=PATIENCE)

    @contextmanager
    def steering(self, prompt: str) -> Iterator[list[httpx.Response]]:
        """Somebody who steers beside the block, at whose end the answer is in the list."""
        answers: list[httpx.Response] = []
        wanted = {"feature_id": 1, "prompt": prompt, "strength": 1.0}

        def ask() -> None:
            answers.append(httpx.post(f"{self.url}/api/steer", json=wanted, timeout=PATIENCE))

        asking = threading.Thread(target=ask)
        asking.start()
        yield answers
        asking.join()

    def noted(self, name: str) -> list[str]:
        return noted(self.folder, name)

    def keys(self) -> list[bytes]:
        """What Redis has of questions."""
        found = cast("Iterator[bytes]", self.client.scan_iter("saescope:*"))
        return [key for key in found if not key.startswith((b"saescope:worker:", b"saescope:lease:"))]


@pytest.fixture
def asked(servers: Servers, tmp_path: Path) -> Iterator[Asked]:
    servers.redis.flush()
    environment = servers.environment(SAESCOPE_LEASE_S="1")
    folder = tmp_path / "told"
    folder.mkdir()
    started: list[Service] = []

    def start() -> Service:
        own = {"PYTHONPATH": REPOSITORY, FOLDER: str(folder), "HOME": str(tmp_path)}
        log = tmp_path / f"models-{len(started)}.log"
        service = Service("models", ["tests.support.told_models", "queue"], {**os.environ, **environment, **own}, log)
        started.append(service)
        wait_until(lambda: service.said("ready"))
        return service

    store = DirectoryStore(tmp_path / "runs")
    writer = LiveWriter.start(store)
    writer.add(5)
    writer.finish()
    models = ModelsThroughRedis(real_dependencies(read_settings(environment)))
    with redis.Redis.from_url(servers.redis.url) as client, serving(create_app(store, models=models)) as url:
        yield Asked(url, folder, client, start)
        for service in started:
            service.kill()


def test_without_a_worker_it_says_so_and_with_one_it_answers(asked: Asked) -> None:
    refused = asked.encode("plain")
    assert refused.status_code == 503
    assert refused.json()["error"].startswith("no worker with models is running, so they can't be asked: start one")
    assert httpx.get(f"{asked.url}/api/models").json() == {"can_ask": False, "why_not": refused.json()["error"]}
    asked.start()
    assert httpx.get(f"{asked.url}/api/models").json() == {"can_ask": True, "why_not": None}
    assert asked.encode("plain").json()["tokens"] == [" a", " b"]
    assert asked.encode("refuse this").status_code == 409
    wait_until(lambda: asked.keys() == [])  # nothing of a question stays


def test_a_worker_that_is_killed_in_mid_answer_is_replaced_and_no_piece_comes_twice(asked: Asked) -> None:
    worker = asked.start()
    with asked.steering("once upon") as answers:
        worker.process.wait(PATIENCE)
        asked.start()
    parts = [json.loads(line) for line in answers[0].text.splitlines()]
    assert [part["piece"]["token_id"] for part in parts[:-1]] == [0, 1, 2]
    assert "result" in parts[-1]


def test_what_kills_two_workers_is_a_sentence(asked: Asked) -> None:
    first, second = asked.start(), asked.start()
    answer = asked.encode("die now")
    assert (answer.status_code, answer.json()["error"]) == (
        503,
        "the worker with the models died 2 times while it answered this; its log says more",
    )
    assert [first.process.wait(PATIENCE), second.process.wait(PATIENCE)] == [-9, -9]


def test_a_worker_that_is_told_to_stop_leaves_its_question_to_another(asked: Asked) -> None:
    worker = asked.start()
    with asked.steering("slow one") as answers:
        wait_until(lambda: asked.noted("begun") == ["slow one"])
        assert worker.stop() == 0
        (asked.folder / "go").touch()
        asked.start()
    assert "result" in json.loads(answers[0].text.splitlines()[-1])
    assert asked.noted("begun") == ["slow one", "slow one"]


def test_a_question_whose_asker_has_gone_is_dropped_before_and_in_the_middle(asked: Asked) -> None:
    worker = asked.start()
    wanted: dict[str, Any] = {"feature_id": 1, "prompt": "slow one", "strength": 1.0}
    with httpx.stream("POST", f"{asked.url}/api/steer", json=wanted, timeout=PATIENCE) as answer:
        lines = answer.iter_lines()  # at whose end httpx leaves
        assert "progress" in json.loads(next(lines))
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{asked.url}/api/encode", json={"text": "never begun"}, timeout=0.5)
    wait_until(lambda: asked.noted("dropped") == ["slow one"])
    assert asked.encode("the next").status_code == 200
    assert asked.noted("begun") == ["slow one", "the next"]
    assert [line["begun"] for line in worker.said("question_dropped")] == [True, False]


def test_when_the_time_is_over_there_is_a_sentence_and_the_question_is_dropped(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.start()
    monkeypatch.setitem(PATIENCE_S, "encode_text", 2.0)
    answer = asked.encode("slow answer")
    assert (answer.status_code, "no answer within 2 seconds" in answer.json()["error"]) == (504, True)
    wait_until(lambda: asked.noted("dropped") == ["slow answer"])


def test_fifty_askers_at_once_all_get_an_answer_or_a_sentence(asked: Asked) -> None:
    asked.start()
    answers = fifty_answers(asked.url, PATIENCE)
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert sum(answer.status_code == 200 for answer in answers) >= MOST_WAITING
    assert all("the models are busy" in one.json()["error"] for one in answers if one.status_code == 503)


def test_a_redis_that_loses_everything_is_a_sentence(asked: Asked, servers: Servers) -> None:
    worker = asked.start()
    with asked.steering("slow one") as answers:
        wait_until(lambda: asked.noted("begun") == ["slow one"])
        worker.kill()
        servers.redis.flush()
    sentence = json.loads(answers[0].text.splitlines()[-1])["problem"]["error"]
    assert sentence.startswith("no worker with models is running") or "lost this question" in sentence


def test_a_redis_that_goes_away_is_a_sentence(asked: Asked, servers: Servers) -> None:
    asked.start()
    try:
        with asked.steering("slow one") as answers:
            wait_until(lambda: asked.noted("begun") == ["slow one"])
            servers.redis.kill()
        last = json.loads(answers[0].text.splitlines()[-1])
        problem = last.get("problem", {"status": answers[0].status_code, **last})  # whether or not a part had come
        assert (problem["status"], "is it up?" in problem["error"]) == (503, True)
        state = httpx.get(f"{asked.url}/api/models").json()
        assert (state["can_ask"], "is it up?" in state["why_not"]) == (False, True)
    finally:
        servers.redis.start()


def test_the_real_worker_answers_about_a_run_in_the_bucket(servers: Servers, tmp_path: Path) -> None:
    servers.redis.flush()
    data = tmp_path / "data"
    world = make_world(data)
    with one_thread():
        finished = tmp_path / run(world.options(), DirectoryStore(tmp_path)).run_id
    deps = real_dependencies(servers.settings())
    cast("Any", deps.store).create_bucket()
    make_finished(deps.store, finished, finished.name)
    more = {"SAESCOPE_DATA_FOLDER": str(data), "PYTHONPATH": REPOSITORY, "OMP_NUM_THREADS": "1"}
    worker = Service(
        "models", ["services.models"], {**os.environ, **servers.environment(), **more}, tmp_path / "models.log"
    )
    try:
        wait_until(lambda: worker.said("ready"))
        with serving(create_app(deps.store, models=ModelsThroughRedis(deps))) as url:
            answer = httpx.post(f"{url}/api/encode", json={"text": "A up down"}, timeout=PATIENCE).json()
            assert (answer["run"], answer["tokens"]) == (finished.name, ["A", " up", " down"])
            (world.subject / "config.json").unlink()  # what is loaded stays
            row = httpx.get(f"{url}/api/prompts/0/activations", timeout=PATIENCE).json()
            assert (row["row_id"], row["first"]) == (0, 0)
        assert [line["kind"] for line in worker.said("question_answered")] == ["encode_text", "encode_row"]
        assert worker.stop() == 0
    finally:
        worker.kill()
