"""Kaggle datasets, `owner/name[/versions/N][/file]`: download one file through kagglehub and its cache.

Only the file that is read is downloaded. A pinned version in the cache needs no network. Without a version, Kaggle is
asked for the newest one; if that fails, the newest version in the cache is used, and a notice says so. The cache is
kagglehub's own (its 1.0 layout): `datasets/owner/name/versions/N/` holds files. A version is complete if
`datasets/owner/name/N.complete` exists, a single file if `datasets/owner/name/.complete/N/FILE.complete` exists.

The caller says which file names are readable.
"""

import logging
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sparse_autoencoder.errors import NetworkError, SaescopeError
from sparse_autoencoder.utils.time_limit import within

LOOKUP_TIMEOUT_S = 8.0
"""How long Kaggle may take to name a version or list files; kagglehub itself would wait for ever."""

_PAGE_FILES = 200
Readable = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class KaggleFile:
    """A dataset's file in the cache. `notice` says why its version may not be the newest; None if it is."""

    dataset: str
    version: int
    path: Path
    notice: str | None


@dataclass(frozen=True, slots=True)
class _Handle:
    owner: str
    name: str
    version: int | None
    file: str | None

    @property
    def dataset(self) -> str:
        return f"{self.owner}/{self.name}"


def locate(handle: str, readable: Readable) -> KaggleFile:
    """The local file that a handle names, downloaded if it isn't in the cache.

    Raises SaescopeError if the handle is malformed, if there is no such dataset or file, if it names no file and the
    dataset doesn't hold exactly one readable one, or (within 10 s) if Kaggle is needed and can't be reached.
    """
    wanted = _parse(handle)
    if wanted.version is not None:
        path = _cached_file(wanted, wanted.version, readable)
        if path is not None:
            return KaggleFile(wanted.dataset, wanted.version, path, None)
    try:
        newest = within(LOOKUP_TIMEOUT_S, lambda: _newest_version(wanted))
    except _failures() as error:
        return _from_cache(wanted, readable, _why(error))
    version = newest if wanted.version is None else wanted.version
    path = _cached_file(wanted, version, readable) or _download(wanted, version, readable)
    return KaggleFile(wanted.dataset, version, path, None)


def _parse(handle: str) -> _Handle:
    owner, _, path = handle.partition("/")
    name, *rest = path.split("/")
    version: int | None = None
    if len(rest) >= 2 and rest[0] == "versions" and rest[1].isdecimal():
        version, rest = int(rest[1]), rest[2:]
    if not all(part and part not in (".", "..") for part in (owner, name, *rest)):
        raise SaescopeError(
            f"'kaggle:{handle}' isn't a Kaggle source; write kaggle:owner/name, with /versions/N and /file if needed"
        )
    return _Handle(owner, name, version, "/".join(rest) or None)


def _from_cache(wanted: _Handle, readable: Readable, why: str) -> KaggleFile:
    """The newest complete version in the cache, if no version was asked for; else raises SaescopeError."""
    for version in _cached_versions(wanted) if wanted.version is None else []:
        path = _cached_file(wanted, version, readable)
        if path is not None:
            notice = f"{why}, so the newest version of {wanted.dataset} is unknown; using version {version}, cached"
            return KaggleFile(wanted.dataset, version, path, notice)
    pinned = "" if wanted.version is None else f", version {wanted.version},"
    raise NetworkError(
        f"the Kaggle dataset {wanted.dataset}{pinned} can't be fetched ({why}) and {wanted.file or 'no file of it'} "
        f"isn't complete in the cache {_cache_folder()}: connect to the internet, log in to Kaggle (KAGGLE_API_TOKEN "
        "or ~/.kaggle/kaggle.json), or name a file that you have with --source"
    )


def _cache_folder() -> Path:
    from kagglehub.config import get_cache_folder

    return Path(get_cache_folder())


def _dataset_folder(wanted: _Handle) -> Path:
    return _cache_folder() / "datasets" / wanted.owner / wanted.name


def _cached_versions(wanted: _Handle) -> list[int]:
    """Versions of which the cache holds at least a part, newest first."""
    folder = _dataset_folder(wanted) / "versions"
    if not folder.is_dir():
        return []
    return sorted((int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal()), reverse=True)


def _cached_file(wanted: _Handle, version: int, readable: Readable) -> Path | None:
    folder = _dataset_folder(wanted)
    files = folder / "versions" / str(version)
    all_complete = (folder / f"{version}.complete").exists()

    def complete(file: str) -> bool:
        marked = all_complete or (folder / ".complete" / str(version) / f"{file}.complete").exists()
        return marked and (files / file).is_file()

    if wanted.file is not None:
        return files / wanted.file if complete(wanted.file) else None
    if not all_complete:
        return None  # the dataset may have other readable files; only a complete list can tell
    names = [path.relative_to(files).as_posix() for path in sorted(files.rglob("*")) if path.is_file()]
    return files / _only_readable(wanted, names, readable)


def _only_readable(wanted: _Handle, names: list[str], readable: Readable) -> str:
    choice = [name for name in names if readable(name)]
    if len(choice) == 1:
        return choice[0]
    if not choice:
        raise SaescopeError(f"no file of the Kaggle dataset {wanted.dataset} can be read: it has {', '.join(names)}")
    pinned = "" if wanted.version is None else f"/versions/{wanted.version}"
    typed = ", ".join(f"kaggle:{wanted.dataset}{pinned}/{name}" for name in choice)
    raise SaescopeError(f"name one file of the Kaggle dataset: {typed}")


def _newest_version(wanted: _Handle) -> int:
    from kagglehub.clients import build_kaggle_client
    from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest  # type: ignore[import-untyped]

    request = ApiGetDatasetRequest()
    request.owner_slug, request.dataset_slug = wanted.owner, wanted.name
    with build_kaggle_client() as client:
        version = client.datasets.dataset_api_client.get_dataset(request).current_version_number
    if version is None:
        raise ValueError("Kaggle names no version of it")
    return int(version)


def _file_names(wanted: _Handle, version: int) -> list[str]:
    from kagglehub.clients import build_kaggle_client
    from kagglesdk.datasets.types.dataset_api_service import ApiListDatasetFilesRequest

    request = ApiListDatasetFilesRequest()
    request.owner_slug, request.dataset_slug = wanted.owner, wanted.name
    request.dataset_version_number, request.page_size = version, _PAGE_FILES
    names: list[str] = []
    with build_kaggle_client() as client:
        while True:
            page = client.datasets.dataset_api_client.list_dataset_files(request)
            names += [file.name for file in page.dataset_files]
            if not page.next_page_token:
                return names
            request.page_token = page.next_page_token


def _download(wanted: _Handle, version: int, readable: Readable) -> Path:
    import kagglehub

    if "KAGGLEHUB_VERBOSITY" not in os.environ:
        logging.getLogger("kagglehub").setLevel(logging.WARNING)  # by default it logs to standard output
    file = wanted.file
    try:
        if file is None:
            file = _only_readable(wanted, within(LOOKUP_TIMEOUT_S, lambda: _file_names(wanted, version)), readable)
        return Path(kagglehub.dataset_download(f"{wanted.dataset}/versions/{version}", path=file))
    except _failures() as error:
        raise NetworkError(
            f"{file or 'the list of files'} of the Kaggle dataset {wanted.dataset}, version {version}, can't be "
            f"fetched: {_why(error)}. Run the command again to continue, or name a file that you have with --source"
        ) from error


def _failures() -> tuple[type[Exception], ...]:
    """What kagglehub raises when Kaggle can't be reached, refuses, or answers nonsense; these have no common base."""
    from kagglehub import exceptions

    return (
        OSError,  # includes every error of requests, and TimeoutError
        ValueError,
        zipfile.BadZipFile,
        exceptions.BackendError,
        exceptions.CredentialError,
        exceptions.DataCorruptionError,
        exceptions.KaggleEnvironmentError,
        exceptions.NotFoundError,
        exceptions.UnauthenticatedError,
    )


def _why(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return f"Kaggle refuses access, status {status}"
    if status == 404:
        return "Kaggle knows no such dataset or file, status 404"
    if status is not None:
        return f"Kaggle answers with status {status}"
    if isinstance(error, TimeoutError):
        return f"Kaggle can't be reached: {error}"
    if type(error).__name__ in ("ConnectionError", "ProxyError", "SSLError", "ConnectTimeout", "ReadTimeout"):
        return "Kaggle can't be reached"
    return f"{type(error).__name__}: {error}"
