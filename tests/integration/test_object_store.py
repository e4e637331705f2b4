"""A store in a bucket of a real S3 server keeps the same promises as one in a directory, and says what is wrong."""

from __future__ import annotations

import io
import logging
import tempfile
import threading
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from services.common.object_store import PART_BYTES, ObjectStore, StoreUnavailableError
from services.common.settings import Settings
from sparse_autoencoder.runs.store import Store
from tests.support.proxy import Failure, S3Proxy, s3_proxy
from tests.support.servers import S3Server, s3_server
from tests.support.store_contract import StoreContract

BUCKET = "saescope-test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        server.client().make_bucket(BUCKET)
        yield server


def connect(server: S3Server, **other: Any) -> ObjectStore:
    """A store with a prefix of its own, so that tests don't see each other's objects."""
    settings: dict[str, Any] = {"bucket": BUCKET, "access_key": server.access_key, "secret_key": server.secret_key}
    settings |= {"endpoint": server.endpoint, "prefix": f"{uuid.uuid4()}/", "retries": 1}
    return ObjectStore(**(settings | other))


@pytest.fixture
def bucket(server: S3Server) -> ObjectStore:
    return connect(server)


class TestABucket(StoreContract):
    """The promises of every store."""

    @pytest.fixture
    def store(self, bucket: ObjectStore) -> Store:
        return bucket


def test_more_keys_and_folders_than_one_answer_holds_are_listed(bucket: ObjectStore) -> None:
    names = [f"{number:06}" for number in range(1_003)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: bucket.put(f"{name}/object", b""), names))
    assert bucket.list() == [f"{name}/object" for name in names]
    assert bucket.folders() == names


def pieces(number: int) -> bytes:
    """A recognisable MiB."""
    return number.to_bytes(4, "big") * (1 << 18)


@pytest.fixture
def big_file(tmp_path: Path) -> Iterator[BinaryIO]:
    """Three parts: two of 16 MiB and one of 8 MiB."""
    with tempfile.TemporaryFile(dir=tmp_path) as file:
        for number in range(40):
            file.write(pieces(number))
        file.seek(0)
        yield file


def test_a_file_of_several_parts_arrives_whole_and_is_read_by_ranges(bucket: ObjectStore, big_file: BinaryIO) -> None:
    bucket.put("big", big_file)
    assert bucket.size("big") == 40 << 20
    for number in (0, 15, 16, 31, 32, 39):
        assert bucket.get("big", number << 20, 1 << 20) == pieces(number)


def test_a_file_of_several_parts_is_never_held_in_memory(bucket: ObjectStore, big_file: BinaryIO) -> None:
    tracemalloc.start()
    try:
        bucket.put("big", big_file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.25 * PART_BYTES  # the client joins what it has read to a part: that is two copies


def test_stores_with_different_prefixes_do_not_see_each_other(server: S3Server) -> None:
    ours, other = connect(server), connect(server)
    ours.put("a", b"ours")
    other.put("a", b"other's")
    assert ours.get("a") == b"ours"
    ours.delete("a")
    assert other.list() == ["a"]


CALLS: list[Callable[[ObjectStore], Any]] = [
    lambda store: store.put("a", b"x"),
    lambda store: store.create("a", b"x"),
    lambda store: store.get("a"),
    lambda store: store.get("a", 0, 0),
    lambda store: store.size("a"),
    lambda store: store.list(),
    lambda store: store.folders(),
    lambda store: store.delete("a"),
    lambda store: store.check(),
]
EVERY_CALL: list[Callable[[ObjectStore], Any]] = [*CALLS, lambda store: store.create_bucket()]


def test_a_missing_bucket_is_an_error_that_names_it_and_the_endpoint(server: S3Server) -> None:
    for call in CALLS:
        with pytest.raises(StoreUnavailableError, match=f"there is no bucket nowhere at {server.endpoint}: create it"):
            call(connect(server, bucket="nowhere"))


@pytest.mark.parametrize("wrong", ["access_key", "secret_key"])
def test_wrong_credentials_are_an_error_that_says_so(server: S3Server, wrong: str) -> None:
    expected = f"the bucket {BUCKET} at {server.endpoint} refused .*; check the access key and the secret key"
    for call in EVERY_CALL:
        with pytest.raises(StoreUnavailableError, match=expected):
            call(connect(server, **{wrong: "not-this-one"}))


def test_a_bucket_is_created_once(server: S3Server) -> None:
    store = connect(server, bucket="made-by-test")
    store.create_bucket()
    store.put("a", b"kept")
    store.create_bucket()
    store.check()
    assert store.get("a") == b"kept"


def test_a_bucket_s_name_may_have_dots(server: S3Server) -> None:
    store = connect(server, bucket="made.by.test")
    store.create_bucket()
    store.put("a", b"kept")
    assert store.list() == ["a"]


def test_the_settings_name_the_store(server: S3Server) -> None:
    settings = Settings(
        s3_endpoint=f"http://{server.endpoint}",
        s3_access_key=server.access_key,
        s3_secret_key=server.secret_key,
        s3_bucket=BUCKET,
        s3_prefix="team/saescope",
    )
    run = str(uuid.uuid4())
    ObjectStore.from_settings(settings, f"{run}/").put("a", b"content")
    assert connect(server, prefix=f"team/saescope/{run}/").get("a") == b"content"
    assert ObjectStore.from_settings(settings).folders() == [run]


# Creating, when answers get lost and when the server knows no conditions.


@pytest.fixture
def proxy(server: S3Server) -> Iterator[S3Proxy]:
    with s3_proxy(server.endpoint) as proxy:
        yield proxy


def behind(proxy: S3Proxy, server: S3Server, prefix: str) -> ObjectStore:
    return ObjectStore(proxy.endpoint, server.access_key, server.secret_key, BUCKET, prefix=prefix, retries=3)


def first(failure: Failure) -> Callable[[str, str], Failure | None]:
    """Trouble for the first PUT alone."""
    left = [failure]
    return lambda method, _path: left.pop() if method == "PUT" and left else None


def test_stores_that_create_the_same_at_once_agree_on_one(server: S3Server) -> None:
    prefix = f"{uuid.uuid4()}/"
    stores = [connect(server, prefix=prefix) for _ in range(3)]
    with ThreadPoolExecutor(len(stores)) as pool:
        for attempt in range(2):
            key = f"run-{attempt}/request.json"
            done = list(pool.map(lambda n, key=key: stores[n].create(key, bytes([n]) * 100), range(len(stores))))
            assert done.count(True) == 1
            assert stores[0].get(key) == bytes([done.index(True)]) * 100


@pytest.mark.parametrize("failure", ["cut after", "cut before", "503"])
def test_a_creation_whose_answer_is_lost_is_known_to_have_happened(
    server: S3Server, proxy: S3Proxy, failure: Failure
) -> None:
    store = behind(proxy, server, f"{uuid.uuid4()}/")
    proxy.trouble = first(failure)
    assert store.create("a", b"mine")
    assert store.get("a") == b"mine"


@pytest.mark.parametrize("failure", ["cut after", "cut before", "503"])
def test_somebody_elses_creation_is_not_taken_for_one_whose_answer_was_lost(
    server: S3Server, proxy: S3Proxy, failure: Failure
) -> None:
    prefix = f"{uuid.uuid4()}/"
    assert connect(server, prefix=prefix).create("a", b"theirs")
    proxy.trouble = first(failure)
    store = behind(proxy, server, prefix)
    assert not store.create("a", b"mine")
    assert store.get("a") == b"theirs"


def test_a_server_that_knows_no_conditions_is_noticed_once(
    server: S3Server, proxy: S3Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.ignores = frozenset({"if-none-match"})
    store = behind(proxy, server, f"{uuid.uuid4()}/")
    with caplog.at_level(logging.INFO, "saescope"):
        assert store.create("a", b"x")
        assert store.create("b", b"x")
    assert caplog.messages == ["conditional_writes_ignored"]


def test_a_server_that_knows_conditions_is_not_warned_of(bucket: ObjectStore, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "saescope"):
        assert bucket.create("a", b"x")
    assert caplog.messages == []


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that tests may kill."""
    with s3_server(tmp_path_factory.mktemp("mortal")) as server:
        server.client().make_bucket(BUCKET)
        yield server


def test_a_server_killed_and_started_again_keeps_what_was_put(mortal: S3Server) -> None:
    store = connect(mortal, retries=6)  # it lists what it has a moment before it can read it
    store.put("small", b"content")
    store.put("in-parts", io.BytesIO(b"".join(map(pieces, range(20)))))
    mortal.process.restart()
    assert store.list() == ["in-parts", "small"]
    assert store.get("small") == b"content"
    assert store.get("in-parts", 16 << 20, 1 << 20) == pieces(16)


def test_a_server_that_is_down_is_an_error_that_names_it(mortal: S3Server) -> None:
    store = connect(mortal)
    mortal.process.kill()
    try:
        expected = f"the bucket {BUCKET} at {mortal.endpoint} can't be used.*is the S3 server up.*refused"
        for call in EVERY_CALL:
            with pytest.raises(StoreUnavailableError, match=expected):
                call(store)
    finally:
        mortal.process.start()


@pytest.mark.timeout(30)
def test_a_server_that_is_silent_is_given_up_after_the_stated_time(mortal: S3Server) -> None:
    store = connect(mortal, timeout_s=0.3, retries=2)
    mortal.process.pause()
    try:
        with pytest.raises(StoreUnavailableError, match=r"can't be used for .*; is the S3 server up\? .*timed out"):
            store.get("a")
    finally:
        mortal.process.resume()


def test_a_server_that_comes_back_while_a_request_is_repeated_is_not_noticed(mortal: S3Server) -> None:
    store = connect(mortal, retries=9)
    store.put("a", b"content")
    mortal.process.kill()
    with ThreadPoolExecutor(1) as pool:
        got = pool.submit(store.get, "a")
        mortal.process.start()
        assert got.result() == b"content"


class Spoiled(BaseHTTPRequestHandler):
    """Answers of a server in trouble."""

    protocol_version = "HTTP/1.1"
    refusals = 0  # requests still answered with 503
    sent = 10  # bytes sent of the 10 that are declared
    put_status = 503

    def do_GET(self) -> None:
        if type(self).refusals > 0:
            type(self).refusals -= 1
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"0123456789"[: self.sent])
        self.close_connection = True

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_error(self.put_status)

    def log_message(self, *_: object) -> None:
        """Quietly."""


@contextmanager
def in_trouble(**how: int) -> Iterator[ObjectStore]:
    handler = type("Handler", (Spoiled,), how)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        try:
            yield ObjectStore(f"127.0.0.1:{server.server_port}", "user", "password", BUCKET, timeout_s=5.0, retries=2)
        finally:
            server.shutdown()


def test_an_answer_that_breaks_off_is_an_error_and_not_a_shorter_object() -> None:
    with in_trouble(sent=4) as store, pytest.raises(StoreUnavailableError, match="can't be used for a; is the S3"):
        store.get("a")


def test_a_request_that_is_refused_for_a_moment_is_repeated() -> None:
    with in_trouble(refusals=2) as store:
        assert store.get("a") == b"0123456789"


def test_a_request_that_is_refused_too_often_is_an_error_that_says_how() -> None:
    with in_trouble(refusals=3) as store, pytest.raises(StoreUnavailableError, match=r"can't be used for a; .*503"):
        store.get("a")


@pytest.mark.parametrize("status", [400, 409, 501, 503])
def test_a_creation_that_is_answered_with_something_else_is_an_error_that_says_what(status: int) -> None:
    with in_trouble(put_status=status) as store, pytest.raises(StoreUnavailableError, match=f"used for a; .*{status}"):
        store.create("a", b"x")
