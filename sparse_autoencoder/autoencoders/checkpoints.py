"""Autoencoder checkpoints: address -> verified local file, which openai_checkpoint.py loads.

A remote checkpoint is downloaded once, to `cache_folder()/checkpoints/ACCOUNT/CONTAINER/PATH`. A lock keeps other
processes out, and the download is a `.part` file, which is renamed when size and MD5 match the server's. A JSON file
beside it records size and SHA-256, which are checked at each later use; a checkpoint without this record is ignored.
Importing this file doesn't import torch.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from sparse_autoencoder import paths
from sparse_autoencoder.autoencoders import azure_download
from sparse_autoencoder.autoencoders.other_formats import ADVICE, kind_of_folder
from sparse_autoencoder.errors import NetworkError, SaescopeError
from sparse_autoencoder.utils.did_you_mean import suggestion
from sparse_autoencoder.utils.file_hashes import FileState, sha256_of
from sparse_autoencoder.utils.progress_bars import progress_bar

CACHE_VARIABLE = "SAESCOPE_CACHE"
_REMOTE = ("az://", "https://", "http://", "gs://", "s3://")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on this machine: where it came from, its file, its size in bytes and its SHA-256 in hexadecimal."""

    address: str
    path: Path
    size: int
    sha256: str
    state: FileState  # before hashing; check it after loading, so that the hash is that of the loaded content


def cache_folder() -> Path:
    """The folder for downloads: $SAESCOPE_CACHE, else saescope in $XDG_CACHE_HOME or ~/.cache."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "saescope"


def address_of(autoencoder: str, location: str, layer_index: int) -> str:
    """The address of a published family's checkpoint; addresses and paths are returned unchanged.

    Raises SaescopeError for an unknown family, or a location or layer that the family doesn't have.
    """
    if autoencoder in paths.FAMILIES:
        try:
            return paths.FAMILIES[autoencoder](location, layer_index)
        except ValueError as error:
            raise SaescopeError(str(error)) from error
    if autoencoder.startswith(("hf:", "hf://")):
        raise SaescopeError(f"{autoencoder} is an address on the Hugging Face hub, which can't be read yet: {ADVICE}")
    if autoencoder.startswith(_REMOTE) or os.sep in autoencoder or Path(autoencoder).suffix:
        return autoencoder
    if Path(autoencoder).exists():
        return autoencoder
    raise SaescopeError(
        f"there is no autoencoder '{autoencoder}'{suggestion(autoencoder, list(paths.FAMILIES))}; "
        f"known are {', '.join(paths.FAMILIES)}, an az:// or https:// address, or the path of a checkpoint file"
    )


def fetch(address: str) -> Checkpoint:
    """The local file of a checkpoint. A remote one is downloaded into the cache if it isn't there.

    Raises SaescopeError if it doesn't exist, can't be downloaded (within 10 s if there is no connection), arrives
    damaged, or if the cache can't be written.
    """
    if not address.startswith(_REMOTE):
        return _local(address)
    path = _cached_path(address)
    with _writable_cache():
        cached = _verified(address, path)
        if cached is not None:
            return cached
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f"{path.name}.lock")):
            # another process may have fetched it while we waited
            return _verified(address, path) or _download(address, path)


def at_hand(address: str) -> Checkpoint | None:
    """The local file of a checkpoint, if it is there already; nothing is downloaded."""
    if address.startswith(_REMOTE):
        return _verified(address, _cached_path(address))
    return _local(address) if Path(address).is_file() else None


def is_remote(address: str) -> bool:
    """Whether a checkpoint at this address is downloaded before it is used."""
    return address.startswith(_REMOTE)


def remote_size(address: str, *, ask: bool = True) -> int | None:
    """The size in bytes of a remote checkpoint, by the server, or (without `ask`) in the cache; None if not known.

    Raises SaescopeError if the server says that there is no such checkpoint.
    """
    try:
        if not ask:
            return _cached_path(address).stat().st_size if _record_path(_cached_path(address)).is_file() else None
        return azure_download.describe(address)[0]
    except azure_download.NoSuchBlobError as error:
        raise SaescopeError(f"there is no checkpoint {address}: {error}") from error
    except (azure_download.BlobError, OSError):
        return None


def beside(autoencoder: str, location: str, layer_index: int) -> dict[int, str]:
    """Addresses of the same family's autoencoders for the layers before and after one, by layer.

    They are those of a published family, or files named by their layer as in OpenAI's folders: 5.pt and 7.pt beside
    6.pt. They needn't exist.
    """
    layers = [layer for layer in (layer_index - 1, layer_index + 1) if layer >= 0]
    found = {}
    for layer in layers:
        if autoencoder in paths.FAMILIES:
            with suppress(SaescopeError):  # the family has no such layer
                found[layer] = address_of(autoencoder, location, layer)
        elif not autoencoder.startswith(_REMOTE) and Path(autoencoder).stem == str(layer_index):
            found[layer] = str(Path(autoencoder).with_stem(str(layer)))
    return found


def _local(address: str) -> Checkpoint:
    path = Path(address)
    try:
        state = FileState.of(path)
        sha256 = sha256_of(path)
    except FileNotFoundError as error:
        raise SaescopeError(f"there is no checkpoint {path}; check the path of the autoencoder") from error
    except IsADirectoryError as error:
        if kind := kind_of_folder(path):
            raise SaescopeError(f"{path} is {kind}, which can't be read yet: {ADVICE}") from error
        raise SaescopeError(f"{path} is a folder; give the path of one checkpoint file") from error
    except OSError as error:
        raise SaescopeError(f"the checkpoint {path} can't be read: {error.strerror}") from error
    return Checkpoint(address, path, state.size, sha256, state)


def _cached_path(address: str) -> Path:
    try:
        account, container, path = azure_download.split_address(address)
    except azure_download.BlobError as error:
        raise SaescopeError(f"the checkpoint {address} can't be fetched: {error}") from error
    return cache_folder().joinpath("checkpoints", account, container, *path.split("/"))


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _verified(address: str, path: Path) -> Checkpoint | None:
    """The cached checkpoint; None if there is none, or it doesn't match its record."""
    try:
        record = json.loads(_record_path(path).read_text(encoding="utf-8"))
        size, sha256 = record["size"], record["sha256"]
        state = FileState.of(path)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        _log.warning("the record of %s is damaged: downloading the checkpoint again", path)
        return None
    if state.size != size or sha256_of(path) != sha256:
        _log.warning("%s isn't what was downloaded, it was changed or cut: downloading it again", path)
        return None
    return Checkpoint(address, path, size, sha256, state)


def _download(address: str, path: Path) -> Checkpoint:
    part = path.with_name(f"{path.name}.part")
    try:
        size, md5 = azure_download.describe(address)
        sha256 = _write_part(address, part, size, md5)
        part.replace(path)
        state = FileState.of(path)
    except azure_download.BlobError as error:
        kind = SaescopeError if isinstance(error, azure_download.NoSuchBlobError) else NetworkError
        raise kind(
            f"the checkpoint {address} can't be downloaded: {error}; it isn't in the cache {cache_folder()} either. "
            "Try again when there is a connection, or give a checkpoint file that you have with --autoencoder"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    record = {"address": address, "size": size, "sha256": sha256}
    new_record = _record_path(path).with_name(f"{path.name}.json.part")
    new_record.write_text(json.dumps(record, indent=1), encoding="utf-8")
    new_record.replace(_record_path(path))
    return Checkpoint(address, path, size, sha256, state)


def _write_part(address: str, part: Path, size: int, server_md5: str | None) -> str:
    """Download to `part`, check size and MD5 against the server's, and return the SHA-256."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    label = "/".join(address.split("/")[-3:])
    with part.open("wb") as file, progress_bar(total=size, unit="B", desc=label) as progress:
        for chunk in azure_download.read(address, size):
            file.write(chunk)
            sha256.update(chunk)
            md5.update(chunk)
            progress.update(len(chunk))
        arrived = file.tell()
    if arrived != size:
        raise azure_download.BlobError(f"{arrived:,} bytes arrived of {size:,}")
    if server_md5 is not None and md5.hexdigest() != server_md5:
        raise azure_download.BlobError("it arrived damaged, its MD5 isn't the server's")
    return sha256.hexdigest()


@contextmanager
def _writable_cache() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SaescopeError(
            f"the cache {cache_folder()} can't be used: {error}; make room, or set {CACHE_VARIABLE} to another folder"
        ) from error
