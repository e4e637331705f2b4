"""What a run is made of, as far as published bytes depend on it, and whether whoever goes on with it has the same.

metadata.json records the content of the models' files, the versions of the packages that compute and write, and the
kind of processor. docs/architecture.md lists what must stay the same, and what needn't. This file loads nothing, and
doesn't import torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata as packages
from typing import TYPE_CHECKING

from sparse_autoencoder.errors import MixtureError

if TYPE_CHECKING:
    from sparse_autoencoder.runs.metadata import RunMetadata

PACKAGES = ("saescope", "numpy", "pyarrow", "tokenizers", "torch")  # whose versions metadata.json records
PUBLISHING = ("saescope", "numpy", "pyarrow")  # those of them that merge and write
_TOKENISING = ("saescope", "tokenizers")
_TOKEN_FILES = ("config.json", "tokenizer.json")
_HASH = re.compile(r"[0-9a-f]{64}")
_SHOWN_OF_KIND = 8  # digits of a fingerprint
_SHOWN = 12  # digits of a hash


@cache
def version(package: str) -> str:
    """The version of a package as it is installed."""
    try:
        return packages.version(package)
    except packages.PackageNotFoundError:  # a checkout that is run without being installed
        return "not installed"


def versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of packages, by their names."""
    return {name: version(name) for name in names}


@dataclass(frozen=True)
class Contents:
    """What the files of a run's models hold: their SHA-256."""

    subject: frozenset[tuple[str, str]]  # with the files' names
    autoencoder: str


def contents_of(metadata: RunMetadata) -> Contents:
    """What the files of the models held that a run was begun with."""
    return Contents(frozenset(metadata.subject["files"].items()), metadata.autoencoder["sha256"])


def tokens_made_of(files: Mapping[str, str]) -> dict[str, str]:
    """What a run's tokens depend on beside its rows and options, from the hashes of a model's files."""
    return {name: files[name] for name in _TOKEN_FILES} | versions(_TOKENISING)


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What has another hash or version than before, in words; empty if nothing has."""
    names = [name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]
    return ", ".join(f"{name} was {_shown(before.get(name))} and is {_shown(now.get(name))}" for name in names)


def check_recorded(before: RunMetadata) -> None:
    """MixtureError if it wasn't recorded what a run was begun with."""
    if "files" not in before.subject or "fingerprint" not in before.processor:
        raise MixtureError(
            f"run {before.run_id} can't be resumed: it was begun by a version of saescope that did not record what its "
            "models hold, so it can't be told whether they are still the same; start a new run"
        )


def check_same(before: RunMetadata, now: RunMetadata) -> None:
    """MixtureError if `now` is what the run would be made of here, and not what it was begun with."""
    check_recorded(before)
    check_processor(before.run_id, before.processor, now.processor)
    put_back = "put back what it was begun with, on every machine that works on it, or start a new run"
    for part, was, now_is, remedy in (
        ("software", before.versions, now.versions, "install these versions again, or start a new run"),
        ("subject model", before.subject["files"], now.subject["files"], put_back),
        ("autoencoder", _sha256(before), _sha256(now), put_back),
    ):
        if found := changed(was, now_is):
            raise MixtureError(f"run {before.run_id} can't be resumed, its {part} has changed: {found}; {remedy}")


def check_tokens(tokens: Mapping[str, str], plan: RunMetadata) -> None:
    """MixtureError if rows were tokenised with something else than the run with this plan is made of."""
    if found := changed(tokens, tokens_made_of(plan.subject["files"])):
        raise MixtureError(
            f"run {plan.run_id} can't go on, its rows were tokenised with another model than this one: {found}; "
            "give ingest and all encoders the same files and the same release, and start a new run"
        )


def check_publishing(plan: RunMetadata) -> None:
    """MixtureError if merging and publishing here would use other versions than the run was begun with."""
    if found := changed({name: plan.versions.get(name, "not recorded") for name in PUBLISHING}, versions(PUBLISHING)):
        raise MixtureError(
            f"run {plan.run_id} can't go on, its software has changed: {found}; "
            "give all services the same release and resume it, or start a new run"
        )


def _sha256(metadata: RunMetadata) -> dict[str, str]:
    return {"sha256": metadata.autoencoder["sha256"]}


def _shown(value: str | None) -> str:
    if value is None:
        return "missing"
    return f"{value[:_SHOWN]}…" if _HASH.fullmatch(value) else value


class OtherProcessorError(MixtureError):
    """A run was begun on another kind of processor than this one."""


def check_processor(run_id: str, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """OtherProcessorError if a run that was begun on one would go on on another kind."""
    if before["fingerprint"] != now["fingerprint"]:
        raise OtherProcessorError(
            f"run {run_id} can't be resumed here: it was begun on {_described(before)}, and this is {_described(now)}, "
            "which rounds differently; resume it on a processor of the first kind, or start a new run"
        )


def _described(processor: Mapping[str, str]) -> str:
    return f"{processor['name']} (kind {processor['fingerprint'][:_SHOWN_OF_KIND]})"


def source_changes(before: Mapping[str, object], now: Mapping[str, object]) -> str:
    """What a source's description said and says otherwise now, in words; empty if nothing. Its `notice` may change."""
    changed = [name for name in before if name != "notice" and before[name] != now.get(name)]
    return ", ".join(f"{name} was {before[name]} and is {now.get(name)}" for name in changed)
