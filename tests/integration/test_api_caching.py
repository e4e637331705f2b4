"""What clients may keep of the API's answers, on a real server: those about finished runs have an ETag, others none."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from services.api.app import ENDPOINTS, create_app
from services.api.http import caching
from services.api.http.server import listening_socket
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.api import serving, wait_until
from tests.support.live_runs import LiveWriter

ENDED, LIVE = "20300101-000000_run-001", "20300101-000000_run-002"
QUESTIONS = {
    "/api/features": f"run={ENDED}",
    "/api/feature_rank": f"run={ENDED}&id=1",
    "/api/feature": f"run={ENDED}&id=1",
    "/api/feature_info": f"run={ENDED}&id=1",
    "/api/prompts": f"run={ENDED}",
    "/api/prompts/features": f"run={ENDED}&text=e",
    "/api/prompts/parts": f"run={ENDED}&text=no+such",
    "/api/prompts/2": f"run={ENDED}",
    "/api/compare": f"a={ENDED}&b={ENDED}",
}
ASKED = [f"{path}?{query}" for path, query in QUESTIONS.items()]
ROW = f"/api/prompts/2?run={ENDED}"
FEATURE = f"/api/feature_info?run={ENDED}&id=1"


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    etag: str | None
    cache_control: str | None
    body: bytes


@dataclass(frozen=True)
class Api:
    """A server on a folder of runs."""

    store: DirectoryStore
    going: LiveWriter
    url: str

    def ask(self, path: str, *, has: str | None = None, method: str = "GET") -> Answer:
        """The answer for a client that has what If-None-Match says."""
        headers = {} if has is None else {"If-None-Match": has}
        with closing(HTTPConnection(urlsplit(self.url).netloc)) as connection:
            connection.request(method, path, headers=headers)
            response: HTTPResponse = connection.getresponse()
            body = response.read()
        return Answer(response.status, response.getheader("ETag"), response.getheader("Cache-Control"), body)

    def tag(self, path: str) -> str:
        """The ETag of an answer."""
        etag = self.ask(path).etag
        assert etag is not None
        return etag


def write(store: DirectoryStore, run_id: str, seed: int = 0) -> LiveWriter:
    """A run with one chunk."""
    writer = LiveWriter.start(store, run_id, seed=seed)
    writer.add(10 + seed)
    writer.save()
    return writer


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """With a finished run and one that is going."""
    store = DirectoryStore(tmp_path)
    write(store, ENDED).finish()
    going = write(store, LIVE)
    with serving(create_app(store)) as url:
        yield Api(store, going, url)


def test_every_endpoint_whose_answers_are_kept_is_asked_here() -> None:
    kept = {endpoint.path.replace("{row_id}", "2") for endpoint in ENDPOINTS if endpoint.about_runs}
    # these need more of a run: test_firing_together.py, test_row_firings.py
    assert kept == set(QUESTIONS) | {"/api/together", "/api/prompts/2/firings"}


def test_what_the_client_has_is_confirmed_without_a_body(api: Api) -> None:
    for path in ASKED:
        whole = api.ask(path)
        assert (whole.status, whole.cache_control) == (200, "no-cache")
        assert whole.etag is not None
        assert whole.etag.startswith('"')  # a strong one
        assert api.ask(path, has=whole.etag) == Answer(304, whole.etag, "no-cache", b"")


def test_head_says_what_get_says(api: Api) -> None:
    for path in ASKED:
        whole = api.ask(path)
        assert api.ask(path, method="HEAD") == Answer(200, whole.etag, "no-cache", b"")
        assert api.ask(path, method="HEAD", has=whole.etag) == Answer(304, whole.etag, "no-cache", b"")


@pytest.mark.parametrize("has", ["{tag}", "W/{tag}", '"other", {tag}', 'W/"other" ,W/{tag}', "*"])
def test_a_client_may_have_several_answers(api: Api, has: str) -> None:
    assert api.ask(FEATURE, has=has.format(tag=api.tag(FEATURE))).status == 304


@pytest.mark.parametrize("has", ['"other"', "", ",", "W/", '"', "{half}", 'x"{half}"', "\xff", "," * 10_000])
def test_another_answer_is_not_confirmed(api: Api, has: str) -> None:
    whole = api.ask(FEATURE)
    assert whole.etag is not None
    assert api.ask(FEATURE, has=has.format(half=whole.etag[:10])) == whole


def test_different_answers_have_different_tags(api: Api) -> None:
    queries = [{"id": 1}, {"id": 2}, {"id": 1, "top_k": 1}, {"id": 1, "top_k": 2}]
    paths = [f"/api/feature_info?{urlencode({'run': ENDED, **query})}" for query in queries]
    assert len({api.tag(path) for path in [*paths, *ASKED[:3]]}) == 7


def test_a_run_that_is_made_again_under_its_id_is_another_one(api: Api) -> None:
    paths = [path for path in ASKED if not path.startswith("/api/feature_rank")]  # which may say the same of both
    before = {path: api.ask(path) for path in paths}
    for key in api.store.list(f"{ENDED}/"):
        api.store.delete(key)
    write(api.store, ENDED, seed=3).finish()
    wait_until(lambda: api.ask(FEATURE, has=before[FEATURE].etag).status == 200)
    for path, old in before.items():
        new = api.ask(path, has=old.etag)
        assert new.status == 200
        assert new.body != old.body
        assert new.etag != old.etag


def test_what_was_answered_is_answered_again_without_the_runs_files(api: Api) -> None:
    whole = api.ask(ROW)
    api.store.delete(f"{ENDED}/prompts/000000.parquet")
    assert api.ask(ROW) == whole
    assert api.ask(ROW.replace("/2?", "/4?")).status == 503


def test_an_answer_that_is_larger_than_the_cache_is_given_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "_KEPT_BYTES", 1)
    store = DirectoryStore(tmp_path)
    going = write(store, ENDED)
    going.finish()
    with serving(create_app(store)) as url:
        api = Api(store, going, url)
        assert api.ask(ROW) == api.ask(ROW)
        assert api.ask(ROW).status == 200


def test_a_deleted_run_is_not_answered_from_memory(api: Api) -> None:
    tag = api.tag(FEATURE)
    for key in api.store.list(f"{ENDED}/"):
        api.store.delete(key)
    wait_until(lambda: api.ask(FEATURE, has=tag).status == 404)


def test_nothing_about_a_run_that_is_going_may_be_kept(api: Api) -> None:
    for path in [*(path.replace(ENDED, LIVE) for path in ASKED), f"/api/compare?a={LIVE}&b={ENDED}"]:
        answer = api.ask(path, has="*")
        assert (answer.status, answer.etag, answer.cache_control) == (200, None, "no-store")
        assert json.loads(answer.body)["live"] is True


def test_an_answer_may_be_kept_when_the_run_has_ended(api: Api) -> None:
    path = FEATURE.replace(ENDED, LIVE)
    assert api.ask(path).etag is None
    api.going.finish()
    wait_until(lambda: api.ask(path).etag is not None)
    assert api.ask(path, has=api.tag(path)).status == 304


def test_who_is_told_that_a_run_has_ended_is_answered_from_its_files(api: Api) -> None:
    features = f"/api/features?run={LIVE}"
    api.ask(features)
    api.going.finish()
    assert json.loads(api.ask(f"/api/runs/{LIVE}").body)["status"] == "complete"
    assert api.ask(features).etag is not None


def test_mistakes_have_no_tag(api: Api) -> None:
    for path, status in [
        (f"{FEATURE}&top_k=x", 400),
        (FEATURE.replace("id=1", "id=99"), 400),
        ("/api/prompts/999", 404),
    ]:
        answer = api.ask(path, has="*")
        assert (answer.status, answer.etag) == (status, None)


def test_an_answers_end_does_not_wait_for_its_beginning_to_be_acknowledged() -> None:
    with listening_socket("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _address = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
