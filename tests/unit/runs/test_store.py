"""A directory as a store: objects are whole or not there, keys stay inside, listing and ranges are exact."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.store import DirectoryStore, NotFoundError, StoreFile, check_key
from tests.support.store_contract import OUTSIDE, BrokenFile, StoreContract

CALLS = [
    DirectoryStore.get,
    DirectoryStore.size,
    DirectoryStore.delete,
    lambda store, key: store.put(key, b"x"),
    lambda store, key: store.create(key, b"x"),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> DirectoryStore:
    """One store for all examples of a property."""
    return DirectoryStore(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


class TestADirectory(StoreContract):
    """The promises of every store."""


class TestADirectoryWithoutHardLinks(StoreContract):
    """The same on a file system that has none, as FAT."""

    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DirectoryStore:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        return DirectoryStore(tmp_path / "store")


def test_a_file_whose_link_was_made_though_the_answer_was_lost_is_ours(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def link_and_ask_again(*names: Any, **options: Any) -> None:
        link(*names, **options)
        link(*names, **options)

    monkeypatch.setattr(os, "link", link_and_ask_again)
    assert store.create("run/a", b"content")
    assert store.get("run/a") == b"content"
    assert not store.create("run/a", b"other")


def test_a_creation_leaves_nothing_else_behind(store: DirectoryStore) -> None:
    assert [store.create("run/a", b"first"), store.create("run/a", b"second")] == [True, False]
    assert [path.name for path in store.root.rglob("*")] == ["run", "a"]


def test_who_writes_and_who_empties_a_folder_do_not_disturb_each_other(store: DirectoryStore) -> None:
    def write_and_delete(number: int) -> None:
        for _ in range(20):
            store.put(f"run/files/{number}", b"content")
            store.delete(f"run/files/{number}")
            assert store.create(f"run/files/{number}", b"content")
            store.delete(f"run/files/{number}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write_and_delete, range(6)))
    assert list(store.root.iterdir()) == []


def test_what_is_written_and_the_folders_made_for_it_are_safe_before_put_returns(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    store.put("run/files/a", b"content")
    first = store.root / "run/files/a"
    assert synced[0] == first.stat().st_ino
    assert set(synced[1:]) == {folder.stat().st_ino for folder in list(first.parents)[:4]}
    synced.clear()
    store.put("run/files/b", b"content")
    assert synced == [(store.root / "run/files" / name).stat().st_ino for name in ("b", ".")]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_a_put_that_fails_midway_leaves_no_file_behind(store: DirectoryStore, error: BaseException) -> None:
    store.put("run/a", b"old")
    with pytest.raises((SaescopeError, type(error))):
        store.put("run/a", BrokenFile(error))
    assert [path.name for path in (store.root / "run").iterdir()] == ["a"]


@pytest.mark.parametrize("key", OUTSIDE)
def test_a_key_that_is_refused_leaves_no_trace(store: DirectoryStore, key: str) -> None:
    with pytest.raises(ValueError, match="is not a plain relative path"):
        store.put(key, b"x")
    assert not store.root.exists()


def test_what_is_below_an_object_is_not_found(store: DirectoryStore) -> None:
    store.put("run/a", b"")
    for call in (store.get, store.size):
        with pytest.raises(NotFoundError, match=r"there is no file .*run/a/below"):
            call("run/a/below")


def test_links_and_files_are_no_folders(store: DirectoryStore, tmp_path: Path) -> None:
    store.put("run/a", b"")
    store.put("file", b"")
    (store.root / "linked").symlink_to(tmp_path)
    assert store.folders() == ["run"]


def test_a_store_in_place_of_a_file_has_no_folders(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert DirectoryStore(tmp_path / "file").folders() == []


def test_an_object_being_written_is_not_listed(store: DirectoryStore) -> None:
    seen: list[list[str]] = []

    class Watching(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            seen.append(store.list())
            return super().read(size)

    store.put("run/a", Watching(b"content"))
    assert seen
    assert all(keys == [] for keys in seen)


def test_a_place_that_can_not_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SaescopeError, match=r"can't write .*file/a: "):
        DirectoryStore(tmp_path / "file").put("a", b"")


@given(st.text(st.sampled_from("ab./\\\0"), max_size=8))
def test_an_accepted_key_never_leaves_the_directory(key: str) -> None:
    try:
        check_key(key)
    except ValueError:
        return
    path = Path(os.path.normpath(Path("/root/of/store") / key))
    assert path.is_relative_to("/root/of/store")
    assert path.relative_to("/root/of/store").as_posix() == key


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("key", ["file", "folder/secret"])
def test_a_link_that_leads_out_of_the_directory_is_refused(
    store: DirectoryStore, tmp_path: Path, call: Callable[[DirectoryStore, str], Any], key: str
) -> None:
    (tmp_path / "secret").write_text("outside")
    store.root.mkdir()
    (store.root / "file").symlink_to(tmp_path / "secret")
    (store.root / "folder").symlink_to(tmp_path)
    with pytest.raises(NotFoundError, match=r"leads out of .* by a link"):
        call(store, key)
    assert (tmp_path / "secret").read_text() == "outside"


def test_deleting_removes_the_object_and_folders_that_become_empty(store: DirectoryStore) -> None:
    store.put("run/chunks/0", b"")
    store.put("run/a", b"")
    store.delete("run/chunks/0")
    assert [path.name for path in (store.root / "run").iterdir()] == ["a"]
    store.delete("run/a")
    assert list(store.root.iterdir()) == []


@given(st.binary(max_size=20), st.integers(0, 25), st.none() | st.integers(0, 25))
def test_a_range_is_that_slice_of_the_object(
    shared: DirectoryStore, data: bytes, offset: int, length: int | None
) -> None:
    shared.put("a", data)
    assert shared.get("a", offset, length) == data[offset:][:length]


steps = st.one_of(
    st.tuples(st.just("read"), st.integers(-1, 12)),
    st.tuples(st.just("readinto"), st.integers(0, 12)),
    st.tuples(st.just("set"), st.integers(0, 25)),
    st.tuples(st.just("cur"), st.integers(0, 5)),
    st.tuples(st.just("end"), st.integers(-5, 3)),
)


@given(st.binary(min_size=5, max_size=20), st.lists(steps, max_size=8))
def test_a_store_file_reads_and_seeks_as_a_file_does(
    shared: DirectoryStore, data: bytes, actions: list[tuple[str, int]]
) -> None:
    shared.put("a", data)
    file, reference = StoreFile(shared, "a"), io.BytesIO(data)
    for action, number in actions:
        assert do(file, action, number) == do(reference, action, number)
        assert file.tell() == reference.tell()


def do(file: io.RawIOBase | io.BytesIO, action: str, number: int) -> Any:
    if action == "read":
        return file.read(number)
    if action == "readinto":
        buffer = bytearray(number)
        count = file.readinto(buffer)
        return bytes(buffer), count
    return file.seek(number, {"set": io.SEEK_SET, "cur": io.SEEK_CUR, "end": io.SEEK_END}[action])


def test_what_a_killed_writer_left_is_removed_and_objects_stay(store: DirectoryStore) -> None:
    store.put("run/a", b"whole")
    (store.root / "run" / ".xyz.part").write_bytes(b"ha")
    (store.root / "other").mkdir()
    (store.root / "other" / ".xyz.part").write_bytes(b"being written")
    store.remove_unfinished("run")
    assert sorted(path.name for path in store.root.rglob("*") if path.is_file()) == [".xyz.part", "a"]
    assert not (store.root / "run" / ".xyz.part").exists()
