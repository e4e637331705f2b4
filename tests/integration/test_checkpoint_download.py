"""Checkpoints over HTTP, through the real blobfile, from a stand-in of the public container."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sparse_autoencoder.autoencoders import azure_download
from sparse_autoencoder.autoencoders.checkpoints import fetch
from sparse_autoencoder.autoencoders.openai_checkpoint import load_autoencoder
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.model import Autoencoder, TopK
from tests.support.blob_server import BlobServer, Faults, blob_server

NAME = "openaipublic/sparse-autoencoder/gpt2-small/resid_post_mlp_v5_32k/autoencoders/6.pt"
ADDRESS = f"az://{NAME}"
CONTENT = bytes(range(256)) * 80_000  # 20 MB: three requests


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("SAESCOPE_CACHE", str(folder))
    return folder


@pytest.fixture
def server(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BlobServer]:
    folder = tmp_path / "served"
    folder.mkdir()
    with blob_server(folder) as running:
        running.put(NAME, CONTENT)
        monkeypatch.setenv("SAESCOPE_AZURE_ENDPOINT", running.endpoint)
        yield running


def files(cache: Path) -> set[str]:
    return {path.name for path in cache.rglob("*") if path.is_file()} - {"6.pt.lock"}


def fetch_in_another_process() -> subprocess.Popen[bytes]:
    program = (
        "import sys; from sparse_autoencoder.autoencoders.checkpoints import fetch; print(fetch(sys.argv[1]).sha256)"
    )
    return subprocess.Popen([sys.executable, "-c", program, ADDRESS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def test_a_checkpoint_is_downloaded_once_and_recorded(server: BlobServer, cache: Path) -> None:
    checkpoint = fetch(ADDRESS)
    assert checkpoint.path == cache / "checkpoints" / NAME
    assert checkpoint.path.read_bytes() == CONTENT
    assert checkpoint.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert json.loads(checkpoint.path.with_name("6.pt.json").read_text()) == {
        "address": ADDRESS,
        "size": 20_480_000,
        "sha256": checkpoint.sha256,
    }
    server.requests.clear()
    assert fetch(ADDRESS) == checkpoint
    assert server.requests == []


def test_both_ways_to_write_an_address_share_the_cache(server: BlobServer, cache: Path) -> None:
    path = fetch(ADDRESS).path
    server.requests.clear()
    https = "https://openaipublic.blob.core.windows.net/" + NAME.removeprefix("openaipublic/")
    assert fetch(https).path == path
    assert server.requests == []


def test_progress_goes_to_standard_error(server: BlobServer, capsys: pytest.CaptureFixture[str]) -> None:
    fetch(ADDRESS)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "resid_post_mlp_v5_32k/autoencoders/6.pt" in captured.err
    assert "20.5M/20.5M" in captured.err


def test_a_real_checkpoint_arrives_as_it_was_saved(server: BlobServer, tmp_path: Path) -> None:
    saved = Autoencoder(2048, 64, TopK(8), normalize=True)
    torch.save(saved.state_dict(), tmp_path / "local.pt")
    server.put(NAME, tmp_path / "local.pt")
    loaded = load_autoencoder(fetch(ADDRESS).path, 64)
    assert torch.equal(loaded.encoder.weight, saved.encoder.weight)


@pytest.mark.parametrize("damage", ["truncated", "changed", "no record", "odd record"])
def test_a_damaged_cached_file_is_downloaded_again(server: BlobServer, damage: str) -> None:
    path = fetch(ADDRESS).path
    record = path.with_name("6.pt.json")
    match damage:
        case "truncated":
            path.write_bytes(CONTENT[:-1])
        case "changed":
            path.write_bytes(b"x" + CONTENT[1:])
        case "no record":
            record.unlink()
        case _:
            record.write_text("[]")
    assert fetch(ADDRESS).path.read_bytes() == CONTENT
    assert json.loads(record.read_text())["size"] == len(CONTENT)


def test_a_dropped_connection_is_resumed(server: BlobServer) -> None:
    server.faults.drops = 2
    assert fetch(ADDRESS).path.read_bytes() == CONTENT
    assert server.downloads() == 5  # three chunks, two of them twice


def test_a_server_that_is_briefly_unavailable_is_asked_again(server: BlobServer) -> None:
    server.faults.unavailable = 3
    assert fetch(ADDRESS).path.read_bytes() == CONTENT


def test_a_server_without_md5_is_believed(server: BlobServer) -> None:
    server.faults.no_md5 = True
    assert fetch(ADDRESS).path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        (Faults(wrong_md5=True), "it arrived damaged, its MD5 isn't the server's"),
        (Faults(missing_bytes=100), "20,479,900 bytes arrived of 20,480,000"),
        (Faults(unavailable=1000), "the server answers with status 503"),
    ],
    ids=["wrong MD5", "too short", "unavailable"],
)
def test_what_does_not_arrive_whole_is_an_error_and_leaves_no_file(
    server: BlobServer, cache: Path, faults: Faults, reason: str
) -> None:
    server.faults = faults
    with pytest.raises(SaescopeError, match=f"6.pt can't be downloaded: {reason}"):
        fetch(ADDRESS)
    assert files(cache) == set()


def test_a_file_that_does_not_exist_is_an_error(server: BlobServer) -> None:
    with pytest.raises(SaescopeError, match=r"7\.pt can't be downloaded: the server has no such file"):
        fetch(ADDRESS.replace("6.pt", "7.pt"))


def test_a_file_that_changes_on_the_server_meanwhile_is_an_error(server: BlobServer, cache: Path) -> None:
    chunks = azure_download.read(ADDRESS, len(CONTENT))
    next(chunks)
    server.put(NAME, b"y" * len(CONTENT))
    with pytest.raises(azure_download.BlobError, match="changed on the server"):
        list(chunks)


def test_credentials_are_not_sent_to_a_mirror(server: BlobServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", "c2VjcmV0")
    server.put(f"private{NAME}", CONTENT)
    fetch(f"az://private{NAME}")
    assert server.authorizations == []


def test_without_a_connection_the_error_names_file_and_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        monkeypatch.setenv("SAESCOPE_AZURE_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(SaescopeError, match=f"{ADDRESS} can't be downloaded: no connection.* cache {cache} "):
            fetch(ADDRESS)


def test_a_server_that_never_answers_is_given_up(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert azure_download.LOOKUP_TIMEOUT_S < 10
    monkeypatch.setattr(azure_download, "LOOKUP_TIMEOUT_S", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("SAESCOPE_AZURE_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(SaescopeError, match=r"no answer within 0\.3 seconds"):
            # a container of its own, because blobfile asks for access to one container at a time
            fetch("az://silent/container/6.pt")


def test_a_cached_checkpoint_needs_no_connection(server: BlobServer, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = fetch(ADDRESS)
    monkeypatch.setenv("SAESCOPE_AZURE_ENDPOINT", "http://127.0.0.1:9")
    assert fetch(ADDRESS) == checkpoint


def test_a_cache_that_cannot_be_written_is_an_error(server: BlobServer, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(SaescopeError, match=f"the cache {cache} can't be used: .*SAESCOPE_CACHE"):
        fetch(ADDRESS)


def test_processes_that_fetch_at_once_download_once(server: BlobServer) -> None:
    server.faults.before_chunk = threading.Event()
    processes = [fetch_in_another_process() for _ in range(3)]
    assert server.faults.chunk_asked.wait(60)
    server.faults.before_chunk.set()
    outputs = [process.communicate(timeout=60)[0].decode().strip() for process in processes]
    assert outputs == [hashlib.sha256(CONTENT).hexdigest()] * 3
    assert server.downloads() == 3  # one for each chunk


def test_a_killed_download_leaves_nothing_that_counts(server: BlobServer, cache: Path) -> None:
    server.faults.before_chunk = threading.Event()
    process = fetch_in_another_process()
    assert server.faults.chunk_asked.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    server.faults.before_chunk.set()
    assert files(cache) == {"6.pt.part"}
    assert fetch(ADDRESS).path.read_bytes() == CONTENT
    assert files(cache) == {"6.pt", "6.pt.json"}


def test_an_interrupted_download_cleans_up(server: BlobServer, cache: Path) -> None:
    server.faults.before_chunk = threading.Event()
    process = fetch_in_another_process()
    assert server.faults.chunk_asked.wait(60)
    process.send_signal(signal.SIGINT)
    server.faults.before_chunk.set()
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert files(cache) == set()
