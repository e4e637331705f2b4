"""A store in a bucket of a real S3 server keeps the same promises as one in a directory, and says what is wrong."""

from __future__ import annotations

import io
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
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.store import DirectoryStore, NotFoundError, Store, StoreFile
from tests.support.servers import S3Server, s3_server

BUCKET = "saescope-test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        server.client().make_bucket(BUCKET)
        yield server


def connect(server: S3Server, **other: Any) -> ObjectStore:
    """A store with a prefix of its own, so that tests don't see each other's objects."""
    settings: dict[str, Any] = {"bucket": BUCKET, "access_key": server.access_key, "secret_key": server.secret_key}
    return ObjectStore(server.endpoint, **(settings | {"prefix": f"{uuid.uuid4()}/", "retries": 1} | other))


@pytest.fixture
def bucket(server: S3Server) -> ObjectStore:
    return connect(server)


@pytest.fixture(params=["bucket", "directory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "directory":
        return DirectoryStore(tmp_path / "store")
    return connect(request.getfixturevalue("server"))


def test_what_was_put_is_got(store: Store) -> None:
    store.put("run/chunks/000001", b"content")
    assert store.get("run/chunks/000001") == b"content"
    assert store.size("run/chunks/000001") == 7


def test_an_empty_object_is_an_object(store: Store) -> None:
    store.put("run/empty", b"")
    assert store.get("run/empty") == b""
    assert store.get("run/empty", 0, 5) == b""
    assert store.size("run/empty") == 0
    assert store.list() == ["run/empty"]


def test_putting_again_replaces(store: Store) -> None:
    store.put("a", b"a longer old one")
    store.put("a", b"new")
    assert store.get("a") == b"new"
    assert store.list() == ["a"]


def test_an_open_file_is_streamed_from_where_it_is(store: Store) -> None:
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    store.put("a", file)
    assert store.get("a") == b"456789"


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (0, 4, b"0123"),
        (3, 4, b"3456"),
        (8, 4, b"89"),
        (9, 1, b"9"),
        (3, 0, b""),
        (10, None, b""),
        (10, 1, b""),
        (25, 4, b""),
    ],
)
def test_a_range_is_that_slice_of_the_object(store: Store, offset: int, length: int | None, expected: bytes) -> None:
    store.put("a", b"0123456789")
    assert store.get("a", offset, length) == expected


def test_a_store_file_reads_the_end_without_the_rest(store: Store) -> None:
    store.put("a", b"0123456789")
    file = StoreFile(store, "a")
    file.seek(-3, io.SEEK_END)
    assert file.read() == b"789"


@pytest.mark.parametrize("key", ["nothing", "run/nothing", "run"])
def test_there_being_no_object_is_an_error_that_names_it(store: Store, key: str) -> None:
    store.put("run/a", b"")
    calls: list[Callable[[], Any]] = [
        lambda: store.get(key),
        lambda: store.get(key, 2, 3),
        lambda: store.get(key, 2, 0),
        lambda: store.size(key),
    ]
    for call in calls:
        with pytest.raises(NotFoundError, match=key):
            call()


@pytest.mark.parametrize(
    ("prefix", "keys"),
    [
        ("", ["b", "run-1/a", "run-1/chunks/0", "run-1/chunks/1", "run-10/a"]),
        ("run-1", ["run-1/a", "run-1/chunks/0", "run-1/chunks/1", "run-10/a"]),
        ("run-1/", ["run-1/a", "run-1/chunks/0", "run-1/chunks/1"]),
        ("run-1/c", ["run-1/chunks/0", "run-1/chunks/1"]),
        ("run-1/chunks/1", ["run-1/chunks/1"]),
        ("run-2/", []),
        ("c", []),
    ],
)
def test_the_keys_with_a_prefix_are_listed_in_order(store: Store, prefix: str, keys: list[str]) -> None:
    for key in ("run-10/a", "run-1/chunks/1", "run-1/chunks/0", "run-1/a", "b"):
        store.put(key, b"")
    assert store.list(prefix) == keys


@pytest.mark.parametrize("key", ["with space", "per%20cent", "plus+and&", "größe/№ 1", "a?b=c#d"])
def test_unusual_characters_in_keys_survive(store: Store, key: str) -> None:
    store.put(key, b"content")
    assert store.list() == [key]
    assert store.get(key) == b"content"
    store.delete(key)
    assert store.list() == []


def test_more_keys_than_one_answer_holds_are_listed(store: Store) -> None:
    keys = [f"chunks/{number:06}" for number in range(1_003)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: store.put(key, b""), keys))
    assert store.list("chunks/") == keys


def test_deleting_removes_that_object_alone(store: Store) -> None:
    store.put("run/chunks/0", b"")
    store.put("run/chunks/1", b"")
    store.delete("run/chunks/0")
    assert store.list() == ["run/chunks/1"]
    with pytest.raises(NotFoundError):
        store.get("run/chunks/0")


def test_deleting_what_is_not_there_is_fine(store: Store) -> None:
    store.delete("run/a")
    store.put("run/b", b"kept")
    store.delete("run/a")
    assert store.list() == ["run/b"]


@pytest.mark.parametrize("key", ["", "/etc/passwd", "..", "a/../../x", "a/./b", "a//b", "a/", "a\0b", "a\\b"])
def test_a_key_that_is_no_plain_relative_path_is_refused(store: Store, key: str) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: store.put(key, b"x"),
        lambda: store.get(key),
        lambda: store.size(key),
        lambda: store.delete(key),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="is not a plain relative path"):
            call()
    assert store.list() == []


class BrokenFile(io.BytesIO):
    """A file whose disk fails after a while."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 10:
            raise OSError(28, "No space left on device")
        return super().read(8)


def test_a_put_whose_file_fails_midway_leaves_the_old_object(store: Store) -> None:
    store.put("run/a", b"old")
    with pytest.raises(SaescopeError, match=r"can't write .*run/a.*: No space left on device"):
        store.put("run/a", BrokenFile(b"the new content, of which half can be read"))
    assert store.get("run/a") == b"old"
    assert store.list() == ["run/a"]


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
    lambda store: store.get("a"),
    lambda store: store.get("a", 0, 0),
    lambda store: store.size("a"),
    lambda store: store.list(),
    lambda store: store.delete("a"),
    lambda store: store.check(),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_missing_bucket_is_an_error_that_names_it_and_the_endpoint(
    server: S3Server, call: Callable[[ObjectStore], Any]
) -> None:
    with pytest.raises(StoreUnavailableError, match=f"there is no bucket nowhere at {server.endpoint}: create it"):
        call(connect(server, bucket="nowhere"))


@pytest.mark.parametrize("wrong", ["access_key", "secret_key"])
@pytest.mark.parametrize("call", [*CALLS, lambda store: store.create_bucket()])
def test_wrong_credentials_are_an_error_that_says_so(
    server: S3Server, call: Callable[[ObjectStore], Any], wrong: str
) -> None:
    expected = f"the bucket {BUCKET} at {server.endpoint} refused .*; check the access key and the secret key"
    with pytest.raises(StoreUnavailableError, match=expected):
        call(connect(server, **{wrong: "not-this-one"}))


def test_a_bucket_is_created_once(server: S3Server) -> None:
    store = connect(server, bucket="made-by-test")
    store.create_bucket()
    store.put("a", b"kept")
    store.create_bucket()
    store.check()
    assert store.get("a") == b"kept"


def test_the_settings_name_the_store(server: S3Server) -> None:
    settings = Settings(
        s3_endpoint=f"http://{server.endpoint}",
        s3_access_key=server.access_key,
        s3_secret_key=server.secret_key,
        s3_bucket=BUCKET,
    )
    prefix = f"{uuid.uuid4()}/"
    ObjectStore.from_settings(settings, prefix).put("a", b"content")
    assert connect(server, prefix=prefix).get("a") == b"content"


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that tests may kill."""
    with s3_server(tmp_path_factory.mktemp("mortal")) as server:
        server.client().make_bucket(BUCKET)
        yield server


def test_a_server_killed_and_started_again_keeps_what_was_put(mortal: S3Server) -> None:
    store = connect(mortal)
    store.put("small", b"content")
    store.put("in-parts", io.BytesIO(b"".join(map(pieces, range(20)))))
    mortal.process.restart()
    assert store.list() == ["in-parts", "small"]
    assert store.get("small") == b"content"
    assert store.get("in-parts", 16 << 20, 1 << 20) == pieces(16)


@pytest.mark.parametrize("call", [*CALLS, lambda store: store.create_bucket()])
def test_a_server_that_is_down_is_an_error_that_names_it(mortal: S3Server, call: Callable[[ObjectStore], Any]) -> None:
    store = connect(mortal)
    mortal.process.kill()
    try:
        expected = f"the bucket {BUCKET} at {mortal.endpoint} can't be used.*is the S3 server up.*refused"
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
