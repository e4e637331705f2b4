"""Hashes of files that are being loaded, and files that are not the same ones any more when they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.file_hashes import FileHashes, FileState, sha256_of

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
MILLION_A = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"  # both from FIPS 180's examples


@pytest.fixture
def abc(tmp_path: Path) -> Path:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    return path


def test_hashes_are_sha256_by_the_names_that_files_are_given(abc: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a" * 1_000_000)
    assert FileHashes({"x/abc": abc, "a": tmp_path / "a"}).result() == {"x/abc": ABC, "a": MILLION_A}


def test_a_file_that_takes_several_pieces_is_hashed_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparse_autoencoder.utils.file_hashes._PIECE", 1000)
    (tmp_path / "a").write_bytes(b"a" * 1_000_000)
    assert sha256_of(tmp_path / "a") == MILLION_A


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"abd")
    other.replace(path)


def write_into(path: Path) -> None:
    status, probe = path.stat(), path.with_name("probe")
    while not probe.exists() or probe.stat().st_ctime_ns <= status.st_ctime_ns:
        probe.write_bytes(b"")  # until the file system's clock, which is coarse, has gone on
    path.write_bytes(b"abd")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # as rsync and unzip set it


@pytest.mark.parametrize("change", [replace, write_into, Path.unlink], ids=["replaced", "written into", "removed"])
def test_a_file_that_changes_before_it_is_loaded_is_refused(abc: Path, change: object) -> None:
    assert callable(change)
    hashes = FileHashes({"abc": abc})
    change(abc)
    with pytest.raises(SaescopeError, match=f"^({abc} was changed while it was read: try again|{abc} can't be read)"):
        hashes.result()


def test_a_file_that_is_only_read_or_hashed_again_is_unchanged(abc: Path) -> None:
    state = FileState.of(abc)
    assert abc.read_bytes() == b"abc"
    assert FileHashes({"abc": abc}).result() == {"abc": ABC}
    state.check()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SaescopeError, match=f"^{tmp_path}/none can't be read: No such file or directory$"):
        FileHashes({"none": tmp_path / "none"}).result()
