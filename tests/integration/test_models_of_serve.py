"""What `saescope serve --models` asks: a process beside the API, which may die, hang, or find that nobody waits."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.api.app import create_app
from services.api.models.asking import MOST_WAITING, PATIENCE_S
from services.api.models.client_limits import AT_ONCE
from services.api.models.local_process import LocalModels
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.api import serving
from tests.support.commands import COMMAND, environment, free_port
from tests.support.live_runs import LiveWriter
from tests.support.many_askers import fifty_answers
from tests.support.runs import make_world, one_thread
from tests.support.told_models import FOLDER, noted
from tests.support.waiting import wait_until

PATIENCE = 60.0
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Served:
    """An API whose models do what they are told."""

    url: str
    folder: Path  # where the process notes what it does

    def encode(self, text: str, client: str = "10.0.0.1") -> httpx.Response:
        return httpx.post(
            f"{self.url}/api/encode", json={"text": text}, timeout=PATIENCE, headers={"X-Forwarded-For": client}
        )

    def noted(self, name: str) -> list[str]:
        return noted(self.folder, name)

    def sent(self, text: str, client: str) -> socket.socket:
        """The connection of a client that has asked."""
        host, port = self.url.removeprefix("http://").split(":")
        body = json.dumps({"text": text}).encode()
        head = f"POST /api/encode HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {client}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection = socket.create_connection((host, int(port)))
        connection.sendall(head.encode() + body)
        return connection

    @contextmanager
    def asking(self, text: str, client: str) -> Iterator[None]:
        """A client that asks, whose answer is begun, and that goes when the block ends."""
        with self.sent(text, client):
            wait_until(lambda: text in self.noted("begun"))
            yield

    def go(self) -> None:
        (self.folder / "go").touch()


@contextmanager
def served(folder: Path, **settings: Any) -> Iterator[Served]:
    folder.mkdir()
    store = DirectoryStore(folder / "runs")
    writer = LiveWriter.start(store)
    writer.add(50)
    writer.finish()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, str(folder))
        models = LocalModels([sys.executable, "-m", "tests.support.told_models", "pipes"], **settings)
        with serving(create_app(store, models=models)) as url:
            yield Served(url, folder)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served") / "here") as made:
        yield made


def test_an_answer_is_joined_with_what_the_run_knows(api: Served) -> None:
    answer = api.encode("plain").json()
    assert (answer["tokens"], answer["row_id"]) == ([" a", " b"], None)
    (feature,) = answer["features"]
    listed = httpx.get(f"{api.url}/api/features?details=true").json()
    known = next(one for one in listed["features"] if one["feature_id"] == 1)
    assert (feature["feature_id"], feature["at"], feature["values"]) == (1, [0, 1], [0.5, 0.25])
    assert (feature["largest"], feature["largest_at"]) == (0.5, 0)
    assert feature["density"] == known["num_active_tokens"] / listed["num_tokens"]
    assert feature["max_activation"] == known["metrics"]["max_activation"]
    assert feature["tokens"] == known["tokens"]


def test_a_problem_has_its_status(api: Served) -> None:
    answer = api.encode("refuse this")
    assert (answer.status_code, answer.json()) == (409, {"error": "another model than the run's"})


def test_parts_come_as_lines_in_the_order_in_which_they_are_made(api: Served) -> None:
    answer = httpx.post(f"{api.url}/api/effects?feature_id=1", headers=JSON, timeout=PATIENCE)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line) for line in answer.text.splitlines()] == [
        {"progress": {"done": 1, "of": 2, "what": "an example"}},
        {"result": {"feature_id": 1, "examples": []}},
    ]


def test_a_process_that_dies_in_mid_answer_is_replaced_and_no_piece_comes_twice(api: Served) -> None:
    wanted = {"feature_id": 1, "prompt": "once upon", "strength": 1.0}
    answer = httpx.post(f"{api.url}/api/steer", json=wanted, timeout=PATIENCE)
    parts = [json.loads(line) for line in answer.text.splitlines()]
    assert [part["piece"]["token_id"] for part in parts[:-1]] == [0, 1, 2]
    assert "result" in parts[-1]
    assert api.noted("begun").count("once upon") == 2


def test_what_kills_the_process_twice_is_a_sentence_and_the_next_question_is_answered(api: Served) -> None:
    answer = api.encode("die now")
    assert answer.status_code == 503
    assert answer.json()["error"].startswith("the process with the models ended 2 times while it answered this (with ")
    assert api.noted("begun").count("die now") == 2
    assert api.encode("after death").status_code == 200


def test_a_process_whose_device_broke_is_replaced(api: Served) -> None:
    assert api.encode("broken device").status_code == 500
    assert api.encode("after the device").status_code == 200


def test_a_question_whose_asker_has_gone_is_dropped_before_and_in_the_middle(api: Served) -> None:
    with api.asking("slow one", "10.0.1.1"):
        api.sent("never begun", "10.0.1.2").close()
    wait_until(lambda: "slow one" in api.noted("dropped"))
    assert api.encode("the next").status_code == 200
    assert "never begun" not in api.noted("begun")


def test_a_stream_whose_reader_has_gone_is_dropped(api: Served) -> None:
    wanted = {"feature_id": 1, "prompt": "slow stream", "strength": 1.0}
    with httpx.stream("POST", f"{api.url}/api/steer", json=wanted, timeout=PATIENCE) as answer:
        assert "progress" in json.loads(next(answer.iter_lines()))
    wait_until(lambda: "slow stream" in api.noted("dropped"))


def test_fifty_askers_at_once_all_get_an_answer_or_a_sentence(api: Served) -> None:
    answers = fifty_answers(api.url, PATIENCE)
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert sum(answer.status_code == 200 for answer in answers) >= MOST_WAITING
    assert all("the models are busy" in a.json()["error"] for a in answers if a.status_code == 503)


def test_one_client_has_only_so_many_questions_at_once(api: Served) -> None:
    with ExitStack() as stack:
        stack.enter_context(api.asking("slow first", "10.0.3.1"))
        others = [stack.enter_context(api.sent("one more", "10.0.3.1")) for _ in range(AT_ONCE)]
        (refused, *rest), _, _ = select.select(others, [], [], PATIENCE)
        answer = HTTPResponse(refused)
        answer.begin()
        assert (answer.status, answer.headers["Retry-After"], rest) == (429, "1", [])
        assert json.load(answer) == {"error": "you wait for 4 answers already: ask again when one is there"}


def test_when_the_time_is_over_there_is_a_sentence_and_the_question_is_dropped(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch, served(tmp_path / "late") as api:
        patch.setitem(PATIENCE_S, "encode_text", 3.0)
        answer = api.encode("slow answer")
        assert (answer.status_code, answer.json()["error"]) == (
            504,
            "there was no answer within 3 seconds; the models may still be loading, or busy: ask again",
        )
        wait_until(lambda: api.noted("dropped") == ["slow answer"])


def test_a_process_that_does_not_drop_a_question_is_replaced(tmp_path: Path) -> None:
    with served(tmp_path / "stuck", drops_within_s=0.1) as api:
        with api.asking("stuck for ever", "10.0.4.1"):
            pass
        assert api.encode("the next").status_code == 200
        assert api.noted("done") == ["the next"]


def test_other_sites_pages_can_not_make_it_compute(api: Served) -> None:
    form = httpx.post(f"{api.url}/api/encode", content=b'{"text": "x"}', headers={"Content-Type": "text/plain"})
    assert form.status_code == 415
    image = httpx.get(f"{api.url}/api/prompts/0/activations", headers={"Sec-Fetch-Site": "cross-site"})
    assert image.status_code == 403


def test_half_of_a_character_is_no_text(api: Served) -> None:
    answer = httpx.post(f"{api.url}/api/encode", content=b'{"text": "\\ud800"}', headers=JSON)
    assert answer.status_code == 400
    assert answer.json() == {"error": "text must be text, and half of a surrogate pair is none"}
    answer = httpx.post(f"{api.url}/api/encode", content=b'{"\\ud800": 1}', headers=JSON)
    assert (answer.status_code, answer.json()["error"][:19]) == (400, "there is no field '")


def test_numbers_that_are_none_are_refused(api: Served) -> None:
    for number in ("NaN", "Infinity", "1e999"):
        body = f'{{"feature_id": 1, "prompt": "x", "strength": {number}}}'
        answer = httpx.post(f"{api.url}/api/steer", content=body, headers=JSON)
        assert (answer.status_code, answer.json()) == (400, {"error": "strength must be a finite number"})


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/api/encode", {"text": ""}, "text must be a text that isn't empty"),
        ("/api/encode", {"text": "x" * 20_001}, "text must be a text of at most 20,000 characters"),
        ("/api/encode", {"text": 5}, "text must be text"),
        ("/api/encode", {"txt": "x", "text": "x"}, "there is no field 'txt'; did you mean text?"),
        ("/api/encode", {}, "text is missing: the body is a JSON object with text"),
        ("/api/encode", [], "the body must be a JSON object with text"),
        ("/api/effects?feature_id=1", {"x": 1}, "this takes no body: leave it empty, or send {}"),
        ("/api/graph?feature_id=99", {}, "id must be from 0 to 5, not 99"),
        ("/api/steer", {"feature_id": 99, "prompt": "x", "strength": 1.0}, "id must be from 0 to 5, not 99"),
        ("/api/steer", {"feature_id": 1, "prompt": "x", "strength": "1"}, "strength must be a number"),
        (
            "/api/steer",
            {"feature_id": 1, "prompt": "x", "strength": 1, "num_tokens": 0},
            "num_tokens must be at least 1",
        ),
    ],
)
def test_what_can_not_be_asked_is_a_sentence(api: Served, path: str, body: Any, sentence: str) -> None:
    answer = httpx.post(f"{api.url}{path}", json=body)
    assert (answer.status_code, answer.json()) == (400, {"error": sentence})


def test_without_models_it_says_how_to_have_some(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    writer = LiveWriter.start(store)
    writer.add(5)
    writer.finish()
    sentence = "this API has no models to ask: start it with `saescope serve --models`"
    with serving(create_app(store)) as url:
        assert httpx.get(f"{url}/api/models").json() == {"can_ask": False, "why_not": sentence}
        answer = httpx.post(f"{url}/api/encode", json={"text": "a"})
    assert (answer.status_code, answer.json()) == (503, {"error": sentence})


def test_the_real_process_answers_and_does_not_outlive_a_killed_server(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world")
    with one_thread():
        run_id = run(world.options(), DirectoryStore(tmp_path / "runs")).run_id
    port = free_port()
    command = [*COMMAND, "serve", "--models", "--runs", str(tmp_path / "runs"), "--port", str(port)]
    with subprocess.Popen(
        command, env=environment(tmp_path, OMP_NUM_THREADS="1"), stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            assert process.stdout is not None
            assert [process.stdout.readline().split()[0] for _line in range(2)] == [
                "showing",
                f"http://127.0.0.1:{port}",
            ]
            url = f"http://127.0.0.1:{port}"
            assert httpx.get(f"{url}/api/models").json() == {"can_ask": True, "why_not": None}
            assert _children(process.pid) == []  # nothing is loaded before the first question
            answer = httpx.post(f"{url}/api/encode", json={"text": "A up down"}, timeout=PATIENCE).json()
            assert (answer["run"], answer["tokens"]) == (run_id, ["A", " up", " down"])
            row = httpx.get(f"{url}/api/prompts/0/activations?from=1&tokens=2", timeout=PATIENCE).json()
            assert (row["row_id"], row["first"], len(row["tokens"])) == (0, 1, 2)
            (child,) = _children(process.pid)
        finally:
            process.send_signal(signal.SIGKILL)
    wait_until(lambda: not _is_running(child))


def test_a_server_that_is_told_to_stop_ends_its_process(tmp_path: Path) -> None:
    before = _children(os.getpid())
    with served(tmp_path / "here") as api:
        assert api.encode("plain").status_code == 200
        (child,) = set(_children(os.getpid())) - set(before)
    assert not _is_running(child)


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def _is_running(pid: int) -> bool:
    try:
        with closing(Path(f"/proc/{pid}/stat").open()) as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
