"""Datasets of the Hugging Face hub: `owner/name[@revision][/config][/split]`, or `/FILE` in the place of those.

A dataset's files are listed once, and downloaded into huggingface_hub's cache one by one, when it is their turn to be
read. Which files belong to which config and split is taken from the dataset's card, or from the files' names. A dataset
without files that can be read, such as one made of pictures or by a script, is read as Parquet, into which the hub
converts it. What is read is pinned: the commit is recorded, and without a network the same commit is read from the
cache, if it is complete there.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from sparse_autoencoder.data.file_formats import PARQUET, format_by_name
from sparse_autoencoder.data.source_files import SourceFile, checked_shards, in_order, is_beside
from sparse_autoencoder.errors import NetworkError, SaescopeError
from sparse_autoencoder.utils.failure_rule import first_line
from sparse_autoencoder.utils.printable import listed, printable
from sparse_autoencoder.utils.time_limit import within

LOOKUP_TIMEOUT_S = 8.0
"""How long the hub may take to list a dataset's files."""

_CONVERTED = "refs/convert/parquet"  # where the hub keeps the Parquet files that it makes: CONFIG/SPLIT/0000.parquet
_DEFAULT = "default"
_SPLITS = {  # words in files' and folders' names -> splits, as the datasets library has them
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[\w.-]{1,96})?")
_Splits = dict[str, list[str]]  # split -> names of files


@dataclass(frozen=True)
class HubDataset:
    """A dataset's files, in the order of reading, each downloaded when it is asked for."""

    name: str  # for messages
    files: list[Callable[[], SourceFile]]
    facts: dict[str, str | int | None]  # for metadata.json
    notice: str | None


@dataclass(frozen=True)
class _Listing:
    """What is known of a dataset at a commit."""

    repository: str
    commit: str
    files: list[str]
    configs: list[Mapping[str, Any]]  # of its card
    notice: str | None = None


def locate(address: str) -> HubDataset:
    """The files that an address names.

    Raises SaescopeError if there is no such dataset, config, split or file, if one must be named, or (within 10 s) if
    the hub is needed and can't be reached.
    """
    repository, revision, rest = _parse(address)
    listing = _listed(repository, revision)
    if rest and "/".join(rest) in listing.files:
        file = "/".join(rest)
        return _dataset(listing, [file], {}, None)
    configs = _configs(listing)
    if not configs:
        listing = _converted(repository, listing)
        configs = _configs_of_converted(listing)
    config, split = _chosen(configs, rest, listing)
    others = [name for name in configs[config] if name != split]
    notice = f"reading the split {split} of {repository}; it also has {', '.join(others)}" if others else None
    facts: dict[str, str | int | None] = {"hf_config": config, "hf_split": split}
    return _dataset(listing, configs[config][split], facts, None if split in rest else notice)


def _parse(address: str) -> tuple[str, str | None, list[str]]:
    parts = address.rstrip("/").split("/")
    name, at, revision = "/".join(parts[:2]).partition("@")
    if not _NAME.fullmatch(name) or ".." in name or (at and not revision) or "" in parts or ".." in parts:
        raise SaescopeError(
            f"'hf:{printable(address)}' isn't a dataset of the Hugging Face hub; write hf:owner/name, with @revision, "
            "/config and /split if needed"
        )
    return name, revision or None, parts[2:]


def _dataset(
    listing: _Listing, files: Sequence[str], facts: dict[str, str | int | None], notice: str | None
) -> HubDataset:
    checked_shards([SourceFile(Path(file)) for file in files])
    name = Path(files[0]).name if len(files) == 1 else listing.repository
    return HubDataset(
        printable(name),
        [partial(_downloaded, listing, file) for file in files],
        {"hf_dataset": listing.repository, "hf_commit": listing.commit, **facts},
        "; ".join(filter(None, (listing.notice, notice))) or None,
    )


def _chosen(configs: Mapping[str, _Splits], rest: Sequence[str], listing: _Listing) -> tuple[str, str]:
    """The config and the split that the rest of an address names, or the only ones, or default and train."""
    words = list(rest)
    if words and words[0] in configs:
        config = words.pop(0)
    elif len(configs) == 1:
        config = next(iter(configs))
    elif (flagged := _flagged(listing)) in configs:
        config = flagged
    else:
        raise SaescopeError(
            f"name a config of {listing.repository}, as in hf:{listing.repository}/{next(iter(configs))}; it has "
            f"{listed(list(configs))}"
        )
    splits = configs[config]
    if words and words[0] in splits:
        split = words.pop(0)
    elif len(splits) == 1:
        split = next(iter(splits))
    elif "train" in splits and not words:
        split = "train"
    else:
        split = ""
    if words or not split:
        named = f"no config, split or file '{printable('/'.join(rest))}'" if rest else "no split 'train'; name one"
        has = f"configs: {listed(list(configs))}; splits: {listed(list(splits))}"
        raise SaescopeError(f"{listing.repository} has {named} ({has})")
    return config, split


def _flagged(listing: _Listing) -> str:
    """The config that the card has as the default one."""
    names = (str(config.get("config_name", _DEFAULT)) for config in listing.configs if config.get("default"))
    return next(names, _DEFAULT)


def _configs(listing: _Listing) -> dict[str, _Splits]:
    """The splits of each config, by the card or by files' names; none if there are no files that can be read."""
    readable = [file for file in in_order(listing.files) if format_by_name(file) and not is_beside(file)]
    found: dict[str, _Splits] = {}
    for config in listing.configs:
        if splits := _splits_of_card(config, readable):
            found[str(config.get("config_name", _DEFAULT))] = splits
    if not found and readable:
        found[_DEFAULT] = _splits_by_name(readable)
    return found


def _splits_of_card(config: Mapping[str, Any], readable: Sequence[str]) -> _Splits:
    folder = f"{str(config['data_dir']).strip('/')}/" if config.get("data_dir") else ""
    inside = [file for file in readable if file.startswith(folder)]
    data_files = config.get("data_files")
    if data_files is None:
        return _splits_by_name(inside) if folder else {}
    if isinstance(data_files, Mapping):
        entries = [{"split": split, "path": path} for split, path in data_files.items()]
    else:
        entries = data_files if isinstance(data_files, list) else [data_files]
    splits: _Splits = {}
    for entry in entries:
        split, paths = ("train", entry) if isinstance(entry, str) else (entry.get("split", "train"), entry.get("path"))
        patterns = [folder + str(pattern) for pattern in (paths if isinstance(paths, list) else [paths])]
        matching = [file for file in inside if any(fnmatchcase(file, pattern) for pattern in patterns)]
        if matching:
            splits[str(split)] = splits.get(str(split), []) + matching
    return splits


def _splits_by_name(files: Sequence[str]) -> _Splits:
    splits: _Splits = {}
    for file in files:
        words = re.split(r"[^a-z]+", file.lower())
        split = next((_SPLITS[word] for word in reversed(words) if word in _SPLITS), None)
        splits.setdefault(split or "train", []).append(file)
    return splits


def _configs_of_converted(listing: _Listing) -> dict[str, _Splits]:
    found: dict[str, _Splits] = {}
    for file in in_order(listing.files):
        parts = file.split("/")
        if format_by_name(file) == PARQUET and len(parts) == 3:
            found.setdefault(parts[0], {}).setdefault(parts[1].removeprefix("partial-"), []).append(file)
    if not found:
        raise SaescopeError(
            f"{listing.repository} has no file that can be read, and the hub has no Parquet version of it; it has "
            f"{listed(listing.files)}"
        )
    return found


def _converted(repository: str, listing: _Listing) -> _Listing:
    try:
        converted = _listed(repository, _CONVERTED)
    except SaescopeError:
        return listing
    partial_ = any("/partial-" in file for file in converted.files)
    notice = f"the hub converted only the beginning of {repository} to Parquet, which is read" if partial_ else None
    return _Listing(repository, converted.commit, converted.files, [], notice)


def _listed(repository: str, revision: str | None) -> _Listing:
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.errors import HTTPError as ClientError  # type: ignore[attr-defined]

    if constants.HF_HUB_OFFLINE:
        return _cached(repository, revision, "HF_HUB_OFFLINE is set")
    try:
        info = within(
            LOOKUP_TIMEOUT_S,
            lambda: HfApi().dataset_info(repository, revision=revision, timeout=LOOKUP_TIMEOUT_S),
        )
    except GatedRepoError as error:
        raise SaescopeError(
            f"the dataset {repository} is gated: ask for access on its page, and log in with `hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise SaescopeError(f"the dataset {repository} has no revision {printable(str(revision))}") from error
    except RepositoryNotFoundError as error:
        raise SaescopeError(
            f"the Hugging Face hub has no dataset {repository} (or it needs a login): check the name"
        ) from error
    except HfHubHTTPError as error:
        return _cached(repository, revision, f"the hub answered {error.response.status_code}")
    except (OSError, ClientError) as error:
        return _cached(repository, revision, first_line(error))
    configs = getattr(info.card_data, "configs", None)  # what of the card has no name in huggingface_hub
    files = [sibling.rfilename for sibling in info.siblings or []]
    return _Listing(repository, str(info.sha), files, _mappings(configs))


def _cached(repository: str, revision: str | None, why: str) -> _Listing:
    """The dataset as the cache has it; SaescopeError if it isn't there."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"datasets--{repository.replace('/', '--')}"
    reference = folder / "refs" / (revision or "main")
    commit = reference.read_text() if reference.is_file() else revision or _latest(folder / "snapshots")
    snapshot = folder / "snapshots" / commit
    if not commit or not snapshot.is_dir():
        raise NetworkError(
            f"the dataset {repository} isn't in the Hugging Face cache {constants.HF_HUB_CACHE} and can't be listed "
            f"({why}): connect to the internet, or name a file that you have with --source"
        )
    files = [path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()]
    notice = f"{why}, so the files of {repository} that are in the cache are read, commit {commit[:12]}"
    return _Listing(repository, commit, files, [], notice)


def _latest(snapshots: Path) -> str:
    """The commit that was last read; files of a commit are downloaded without recording which branch it is of."""
    if not snapshots.is_dir():
        return ""
    return max(snapshots.iterdir(), key=lambda folder: folder.stat().st_mtime).name


def _downloaded(listing: _Listing, file: str) -> SourceFile:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    from huggingface_hub.errors import HTTPError as ClientError  # type: ignore[attr-defined]

    try:
        path = hf_hub_download(listing.repository, file, repo_type="dataset", revision=listing.commit)
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError, ClientError) as error:
        reason = first_line(error)
        raise NetworkError(
            f"{printable(file)} of the dataset {listing.repository} can't be downloaded ({reason}): run the command "
            "again to continue, or name a file that you have with --source"
        ) from error
    return SourceFile(Path(path))


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
