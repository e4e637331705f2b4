"""What every Store promises, as tests: a class for each kind of store inherits them and says with a fixture `store`
which it is.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.store import NotFoundError, Store, StoreFile

OUTSIDE = ["", "/etc/passwd", "..", "../x", "a/../../x", "a/..", ".", "a/./b", "a//b", "a/", "/", "a\0b", "a\\b"]


class BrokenFile(io.BytesIO):
    """A file that gives some bytes and then fails, as a disk or a Ctrl-C can."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(b"the new content, of which half can be read")
        self._error = error

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 10:
            raise self._error
        return super().read(8)


class StoreContract:
    """The promises."""

    def test_what_was_put_is_got(self, store: Store) -> None:
        store.put("run/chunks/000001", b"content")
        assert store.get("run/chunks/000001") == b"content"
        assert store.size("run/chunks/000001") == 7

    def test_an_empty_object_is_an_object(self, store: Store) -> None:
        store.put("run/empty", b"")
        assert store.get("run/empty") == b""
        assert store.get("run/empty", 0, 5) == b""
        assert store.size("run/empty") == 0
        assert store.list() == ["run/empty"]

    def test_putting_again_replaces(self, store: Store) -> None:
        store.put("a", b"a longer old one")
        store.put("a", b"new")
        assert store.get("a") == b"new"
        assert store.list() == ["a"]

    def test_what_is_created_is_an_object_like_any_other(self, store: Store) -> None:
        assert store.create("run/größe № 1", b"content")
        assert store.get("run/größe № 1") == b"content"
        store.put("run/größe № 1", b"new")
        assert store.get("run/größe № 1") == b"new"
        assert store.list() == ["run/größe № 1"]

    @pytest.mark.parametrize("content", [b"", b"first", b"another", b"of another length"])
    def test_what_is_there_is_not_created(self, store: Store, content: bytes) -> None:
        store.put("run/a", b"first")
        assert not store.create("run/a", content)
        assert store.get("run/a") == b"first"
        assert store.list() == ["run/a"]

    def test_what_was_deleted_can_be_created_again(self, store: Store) -> None:
        assert store.create("run/a", b"first")
        store.delete("run/a")
        assert store.create("run/a", b"second")
        assert store.get("run/a") == b"second"

    def test_of_many_who_create_at_once_one_does(self, store: Store) -> None:
        contents = [bytes([number]) * 10_000 for number in range(4)]
        with ThreadPoolExecutor(len(contents)) as pool:
            for attempt in range(2):
                key = f"run/{attempt}"
                done = list(pool.map(lambda content, key=key: store.create(key, content), contents))
                assert done.count(True) == 1
                assert store.get(key) == contents[done.index(True)]
        assert len(store.list()) == 2

    def test_an_open_file_is_streamed_from_where_it_is(self, store: Store) -> None:
        file = io.BytesIO(b"0123456789")
        file.seek(4)
        store.put("a", file)
        assert store.get("a") == b"456789"

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError()])
    def test_a_put_whose_file_fails_midway_leaves_the_old_object_and_nothing_else(
        self, store: Store, error: BaseException
    ) -> None:
        store.put("run/a", b"old")
        with pytest.raises(SaescopeError if isinstance(error, OSError) else type(error)):
            store.put("run/a", BrokenFile(error))
        assert store.get("run/a") == b"old"
        assert store.list() == ["run/a"]

    def test_a_put_whose_file_fails_midway_leaves_no_new_object_and_says_why(self, store: Store) -> None:
        with pytest.raises(SaescopeError, match=r"can't write .*run/a.*: No space left on device"):
            store.put("run/a", BrokenFile(OSError(28, "No space left on device")))
        assert store.list() == []

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
    def test_a_range_is_that_slice_of_the_object(
        self, store: Store, offset: int, length: int | None, expected: bytes
    ) -> None:
        store.put("a", b"0123456789")
        assert store.get("a", offset, length) == expected

    def test_a_store_file_reads_the_end_without_the_rest(self, store: Store) -> None:
        store.put("a", b"0123456789")
        file = StoreFile(store, "a")
        file.seek(-3, io.SEEK_END)
        assert file.read() == b"789"

    def test_a_store_file_needs_an_object(self, store: Store) -> None:
        with pytest.raises(NotFoundError):
            StoreFile(store, "a")

    @pytest.mark.parametrize("key", ["nothing", "run/nothing", "run"])
    def test_there_being_no_object_is_an_error_that_names_it(self, store: Store, key: str) -> None:
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
    def test_the_keys_with_a_prefix_are_listed_in_order(self, store: Store, prefix: str, keys: list[str]) -> None:
        for key in ("run-10/a", "run-1/chunks/1", "run-1/chunks/0", "run-1/a", "b"):
            store.put(key, b"")
        assert store.list(prefix) == keys

    def test_an_empty_store_has_no_keys_and_no_folders(self, store: Store) -> None:
        assert store.list() == []
        assert store.folders() == []

    def test_the_first_folders_of_keys_are_listed_in_order_and_once(self, store: Store) -> None:
        for key in ("run-2/a", "run-10/chunks/0", "run-10/chunks/1", "no folder", "größe № 1/%20/+", "run-1/a/b"):
            store.put(key, b"")
        assert store.folders() == ["größe № 1", "run-1", "run-10", "run-2"]

    @pytest.mark.parametrize("key", ["with space", "per%20cent", "plus+and&", "größe/№ 1", "a?b=c#d"])
    def test_unusual_characters_in_keys_survive(self, store: Store, key: str) -> None:
        store.put(key, b"content")
        assert store.list() == [key]
        assert store.get(key) == b"content"
        store.delete(key)
        assert store.list() == []

    def test_deleting_removes_that_object_alone(self, store: Store) -> None:
        store.put("run/chunks/0", b"")
        store.put("run/chunks/1", b"")
        store.delete("run/chunks/0")
        assert store.list() == ["run/chunks/1"]
        with pytest.raises(NotFoundError):
            store.get("run/chunks/0")

    def test_deleting_what_is_not_there_is_fine(self, store: Store) -> None:
        store.delete("run/a")
        store.put("run/b", b"kept")
        store.delete("run/a")
        assert store.list() == ["run/b"]

    @pytest.mark.parametrize("key", OUTSIDE)
    def test_a_key_that_is_no_plain_relative_path_is_refused(self, store: Store, key: str) -> None:
        calls: list[Callable[[], Any]] = [
            lambda: store.put(key, b"x"),
            lambda: store.create(key, b"x"),
            lambda: store.get(key),
            lambda: store.size(key),
            lambda: store.delete(key),
        ]
        for call in calls:
            with pytest.raises(ValueError, match="is not a plain relative path"):
                call()
        assert store.list() == []
