"""Provenance: what a run's published bytes depend on, and the check that a resumed run still has the same.

metadata.json records hashes of the models' files, the versions of the packages that compute and write, and the kind of
processor. docs/architecture.md ("What a run is made of") lists what must stay the same.
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
PUBLISHING = ("saescope", "numpy", "pyarrow")  # the packages that merge and write
_TOKENISING = ("saescope", "tokenizers")
_TOKEN_FILES = ("config.json", "tokenizer.json")
_HASH = re.compile(r"[0-9a-f]{64}")
_SHOWN_OF_KIND = 8  # digits of a fingerprint in messages
_SHOWN = 12  # digits of a hash in messages


@cache
def version(package: str) -> str:
    """The installed version of a package."""
    try:
        return packages.version(package)
    except packages.PackageNotFoundError:  # as for saescope itself in a checkout
        return "not installed"


def versions(names: Iterable[str]) -> dict[str, str]:
    """The installed versions of packages, by name."""
    return {name: version(name) for name in names}


@dataclass(frozen=True)
class Contents:
    """The SHA-256 of the files of a run's models."""

    subject: frozenset[tuple[str, str]]  # (file name, hash)
    autoencoder: str


def contents_of(metadata: RunMetadata) -> Contents:
    """The hashes of the model files with which a run was begun."""
    return Contents(frozenset(metadata.subject["files"].items()), metadata.autoencoder["sha256"])


def tokens_made_of(files: Mapping[str, str]) -> dict[str, str]:
    """What tokens depend on besides rows and options: hashes of the model's token files, and package versions."""
    return {name: files[name] for name in _TOKEN_FILES} | versions(_TOKENISING)


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Describe which hashes or versions differ; empty if none does."""
    names = [name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]
    return ", ".join(f"{name} was {_shown(before.get(name))} and is {_shown(now.get(name))}" for name in names)


def check_recorded(before: RunMetadata) -> None:
    """Raise MixtureError if the run's metadata don't record what it was begun with."""
    if "files" not in before.subject or "fingerprint" not in before.processor:
        raise MixtureError(
            f"run {before.run_id} can't be resumed: it was begun by a version of saescope that did not record the "
            "hashes of its models, so nobody can tell whether they are still the same; start a new run"
        )


def check_same(before: RunMetadata, now: RunMetadata) -> None:
    """Raise MixtureError unless this process (`now`) has the models, versions and processor the run was begun with."""
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
    """Raise MixtureError if rows were tokenised with other files or versions than those of the run's plan."""
    if found := changed(tokens, tokens_made_of(plan.subject["files"])):
        raise MixtureError(
            f"run {plan.run_id} can't go on, its rows were tokenised with another model than this one: {found}; "
            "give ingest and all encoders the same files and the same release, and start a new run"
        )


def check_publishing(plan: RunMetadata) -> None:
    """Raise MixtureError if this process would merge and publish with other versions than the run was begun with."""
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
    """Raise OtherProcessorError if the two processors are of different kinds."""
    if before["fingerprint"] != now["fingerprint"]:
        raise OtherProcessorError(
            f"run {run_id} can't be resumed here: it was begun on {_described(before)}, and this is {_described(now)}, "
            "which rounds differently; resume it on a processor of the first kind, or start a new run"
        )


def _described(processor: Mapping[str, str]) -> str:
    return f"{processor['name']} (kind {processor['fingerprint'][:_SHOWN_OF_KIND]})"


def source_changes(before: Mapping[str, object], now: Mapping[str, object]) -> str:
    """Describe what differs between two descriptions of a source; empty if nothing. The `notice` may differ."""
    changed = [name for name in before if name != "notice" and before[name] != now.get(name)]
    return ", ".join(f"{name} was {before[name]} and is {now.get(name)}" for name in changed)
