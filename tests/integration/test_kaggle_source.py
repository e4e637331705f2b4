"""Kaggle sources through the real kagglehub, with its cache and a stand-in of Kaggle's API.

kagglehub is led to the stand-in as to an HTTP proxy for http://localhost, its address in the LOCALHOST environment.
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sparse_autoencoder.data import kaggle
from sparse_autoencoder.data.row_skip_rules import Row
from sparse_autoencoder.data.source import DEFAULT_SOURCE, open_source
from sparse_autoencoder.errors import SaescopeError
from tests.support.kaggle_cache import seed_kaggle_cache

ANALYSTS = "miguelaenlle/massive-stock-news-analysis-db-for-nlpbacktests"
HEADLINES = ",title,date,stock\n0,Stocks That Hit 52-Week Highs On Friday,2020-06-05 10:30:00-04:00,A\n"


class Kaggle(ThreadingHTTPServer):
    """Answers for one dataset, whose `files` all belong to version `newest`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.newest = 3
        self.files = {"news.csv": b"title\nfrom Kaggle\n", "readme.md": b"# About\n"}
        self.status = 200
        self.requests: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Kaggle

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        call = self.path.rpartition("/")[2]
        self.server.requests.append(call)
        if self.server.status != 200:
            self._answer(self.server.status, b"{}", "text/plain")
        elif call == "GetDataset":
            self._json({"currentVersionNumber": self.server.newest})
        elif call == "ListDatasetFiles":
            self._json({"datasetFiles": [{"name": name} for name in self.server.files]})
        elif request["fileName"] in self.server.files:
            self._answer(200, self.server.files[request["fileName"]], "text/csv")
        else:
            self._answer(404, b"", "text/plain")

    def _json(self, content: object) -> None:
        self._answer(200, json.dumps(content).encode(), "application/json")

    def _answer(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("x-goog-hash", f"md5={b64encode(hashlib.md5(content).digest()).decode()}")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def use_proxy(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "kagglehub"
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(folder))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        use_proxy(monkeypatch, closed.getsockname()[1])
        yield


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    with Kaggle() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        use_proxy(monkeypatch, server.server_address[1])
        monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def silent_server() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("whole", [True, False], ids=["whole dataset", "one file"])
def test_the_default_source_is_read_from_the_cache_without_a_connection(cache: Path, whole: bool) -> None:
    seed_kaggle_cache(cache, ANALYSTS, 2, {"analyst_ratings_processed.csv": HEADLINES}, whole)
    with open_source(DEFAULT_SOURCE) as source:
        assert list(source) == [Row(0, "Stocks That Hit 52-Week Highs On Friday")]
        assert source.notice == (
            f"Kaggle can't be reached, so the newest version of {ANALYSTS} is unknown; using version 2, cached"
        )
        assert source.describe() == {
            "source": DEFAULT_SOURCE,
            "kaggle_dataset": ANALYSTS,
            "kaggle_version": 2,
            "notice": source.notice,
            "file": "analyst_ratings_processed.csv",
            "bytes": len(HEADLINES),
            "format": "csv",
            "text_column": "title",
            "compression": None,
        }


@pytest.mark.usefixtures("offline")
def test_the_newest_complete_version_is_used_without_a_connection(cache: Path) -> None:
    for version in (2, 9, 10):
        seed_kaggle_cache(cache, "a/b", version, {"x.txt": f"version {version}"})
    folder = seed_kaggle_cache(cache, "a/b", 11, {"other.txt": "complete"})
    (folder / "x.txt").write_text("only begun")
    with open_source("kaggle:a/b/x.txt") as source:
        assert list(source) == [Row(0, "version 10")]


@pytest.mark.usefixtures("offline")
def test_a_pinned_version_in_the_cache_needs_no_connection_and_no_notice(cache: Path) -> None:
    seed_kaggle_cache(cache, "a/b", 2, {"folder/x.txt": "two"})
    seed_kaggle_cache(cache, "a/b", 3, {"folder/x.txt": "three"})
    with open_source("kaggle:a/b/versions/2/folder/x.txt") as source:
        assert list(source) == [Row(0, "two")]
        assert source.notice is None


@pytest.mark.usefixtures("offline")
def test_without_connection_and_cache_the_error_says_what_to_do(cache: Path) -> None:
    with pytest.raises(SaescopeError, match=rf"{ANALYSTS} can't be fetched .* cache {cache}: .*log in.*--source"):
        open_source(DEFAULT_SOURCE)


@pytest.mark.usefixtures("offline")
def test_a_pinned_version_is_not_replaced_by_another(cache: Path) -> None:
    seed_kaggle_cache(cache, "a/b", 2, {"x.txt": "two"})
    with pytest.raises(SaescopeError, match="the Kaggle dataset a/b, version 3, can't be fetched"):
        open_source("kaggle:a/b/versions/3/x.txt")


def test_a_kaggle_that_never_answers_is_given_up(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kaggle.LOOKUP_TIMEOUT_S < 10
    monkeypatch.setattr(kaggle, "LOOKUP_TIMEOUT_S", 0.3)
    seed_kaggle_cache(cache, "a/b", 2, {"x.txt": "two"})
    with silent_server() as port:
        use_proxy(monkeypatch, port)
        with open_source("kaggle:a/b/x.txt") as source:
            assert source.notice is not None
            assert source.notice.startswith("Kaggle can't be reached: no answer within 0.3 seconds")


def test_the_one_file_that_is_read_is_downloaded_once(online: Kaggle, cache: Path) -> None:
    for expected in (["GetDataset", "DownloadDataset"], ["GetDataset"]):
        online.requests.clear()
        with open_source("kaggle:a/b/news.csv") as source:
            assert list(source) == [Row(0, "from Kaggle")]
            assert source.describe()["kaggle_version"] == 3
            assert source.notice is None
        assert online.requests == expected
    assert not list(cache.rglob("readme.md"))


def test_a_newer_version_at_kaggle_is_fetched_though_an_older_one_is_cached(online: Kaggle, cache: Path) -> None:
    seed_kaggle_cache(cache, "a/b", 2, {"news.csv": "title\nold\n"})
    with open_source("kaggle:a/b/news.csv") as source:
        assert list(source) == [Row(0, "from Kaggle")]


def test_a_download_says_nothing_on_standard_output(
    online: Kaggle, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    open_source("kaggle:a/b/news.csv").close()
    assert capfd.readouterr().out == ""


def test_the_only_readable_file_need_not_be_named(online: Kaggle, cache: Path) -> None:
    with open_source("kaggle:a/b") as source:
        assert list(source) == [Row(0, "from Kaggle")]
    assert "ListDatasetFiles" in online.requests


@pytest.mark.usefixtures("offline")
def test_the_only_readable_file_of_a_wholly_cached_dataset_need_not_be_named(cache: Path) -> None:
    seed_kaggle_cache(cache, "a/b", 2, {"x.txt": "two", "readme.md": "# About"}, whole=True)
    with open_source("kaggle:a/b") as source:
        assert list(source) == [Row(0, "two")]


def test_several_readable_files_are_listed(online: Kaggle, cache: Path) -> None:
    online.files["more.jsonl"] = b"{}"
    with pytest.raises(SaescopeError, match=r"name one file .*: kaggle:a/b(/\S+)?/news\.csv, kaggle:a/b(/\S+)?/more"):
        open_source("kaggle:a/b")


def test_a_file_that_the_dataset_lacks_is_an_error(online: Kaggle, cache: Path) -> None:
    with pytest.raises(SaescopeError, match=r"none\.csv of the Kaggle dataset a/b, version 3, can't be fetched"):
        open_source("kaggle:a/b/none.csv")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (403, "Kaggle refuses access, status 403"),
        (404, "Kaggle knows no such dataset or file, status 404"),
        (500, "Kaggle answers with status 500"),
    ],
)
def test_a_refusal_is_an_error_with_its_reason(online: Kaggle, cache: Path, status: int, reason: str) -> None:
    online.status = status
    with pytest.raises(SaescopeError, match=f"the Kaggle dataset a/b can't be fetched \\({reason}\\)"):
        open_source("kaggle:a/b/x.csv")


@pytest.mark.parametrize("handle", ["", "a", "a/", "/b", "a/b/../c.csv", "a/b//c.csv", "a/b/versions/3/"])
def test_a_malformed_handle_is_an_error(handle: str) -> None:
    with pytest.raises(SaescopeError, match=f"'kaggle:{handle}' isn't a Kaggle source; write kaggle:owner/name"):
        open_source(f"kaggle:{handle}")
