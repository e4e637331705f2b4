"""What a run was made of, from its metadata and its folder."""

from collections import Counter, defaultdict
from typing import Any

from services.api.response_types.provenance import (
    AutoencoderProvenance,
    Fact,
    ModelProvenance,
    Provenance,
    RunFiles,
)
from services.api.runs.run_facts import RunFacts
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.same_run_command import same_run_command
from sparse_autoencoder.runs.store import NotFoundError, Store

MOST_SIZED = 500  # files whose sizes are asked for: in a bucket each is a request


def provenance_of(facts: RunFacts, store: Store) -> Provenance:
    """What is known of a run's making."""
    metadata = facts.metadata
    return {
        "command": same_run_command(facts.options),
        "source": {} if metadata is None else _facts(metadata.source),
        "model": None if metadata is None else _model(metadata.subject),
        "autoencoder": None if metadata is None else _autoencoder(metadata.autoencoder),
        "versions": {} if metadata is None else metadata.versions,
        "processor": {} if metadata is None else metadata.processor,
        "rows_hash": _rows_hash(metadata) if metadata is not None else None,
        "files": run_files(store, facts.run_id),
    }


def run_files(store: Store, run_id: str) -> list[RunFiles]:
    """The files of a run's folder with their sizes, those of a folder together; biggest first."""
    prefix = f"{run_id}/"
    keys = store.list(prefix)
    counts: Counter[str] = Counter()
    sizes: defaultdict[str, int] = defaultdict(int)
    for key in keys:
        first, slash, _rest = key.removeprefix(prefix).partition("/")
        counts[first + slash] += 1
        if len(keys) <= MOST_SIZED:
            sizes[first + slash] += _size(store, key)
    told: list[RunFiles] = [
        {"name": name, "num_files": count, "num_bytes": sizes.get(name)} for name, count in counts.items()
    ]
    return sorted(told, key=lambda files: (-(files["num_bytes"] or 0), files["name"]))


def _size(store: Store, key: str) -> int:
    try:
        return store.size(key)
    except NotFoundError:  # removed meanwhile
        return 0


def _model(subject: dict[str, Any]) -> ModelProvenance:
    files = subject.get("files")
    return {
        "name": str(subject["name"]),
        "hook": _text(subject.get("hook")),
        "commit": _text(subject.get("commit")),
        "files": {str(name): str(sha) for name, sha in files.items()} if isinstance(files, dict) else {},
    }


def _autoencoder(told: dict[str, Any]) -> AutoencoderProvenance:
    return {
        "name": str(told["name"]),
        "address": _text(told.get("address")),
        "num_bytes": _number(told.get("size")),
        "sha256": _text(told.get("sha256")),
        "activation": _text(told.get("activation")),
        "k": _number(told.get("k")),
    }


def _rows_hash(metadata: RunMetadata) -> str | None:
    return metadata.rows_hash if metadata.num_records else None


def _facts(told: dict[str, Any]) -> dict[str, Fact]:
    """What can be shown as it is; lists and the like as text."""
    return {name: value if isinstance(value, str | int | float | None) else str(value) for name, value in told.items()}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None
