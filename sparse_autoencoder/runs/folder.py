"""What a run is and what its folder holds: options, metadata, file names, and the state from which it goes on.

`runs/<timestamp>_run-XXX/` in a Store holds metadata.json (or, while services compute the run, plan.json in its place),
`prompts/` as chunks are encoded, `state/` while the run is going, and the published files (see publishing.py) at its
end. This file computes nothing.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.format_version import check_metadata
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.store import NotFoundError, Store

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{,199}")  # no longer than a folder's name may be


@dataclass(frozen=True)
class RunFolder:
    """A run's files in a store: the only place that knows their names."""

    store: Store
    run_id: str

    def __post_init__(self) -> None:
        if not _RUN_ID.fullmatch(self.run_id) or ".." in self.run_id:
            raise NotFoundError(f"there is no run {self.run_id[:200]!r}")

    def key(self, name: str) -> str:
        """The store's key of a file of this run."""
        return f"{self.run_id}/{name}"

    @property
    def metadata(self) -> str:
        """Key of metadata.json."""
        return self.key("metadata.json")

    @property
    def plan(self) -> str:
        """Key of the metadata of a run that services compute; metadata.json is then written when it is finished."""
        return self.key("plan.json")

    def state(self, next_chunk: int) -> str:
        """Key of the state from which an unfinished run goes on with this chunk."""
        return self.key(f"state/{next_chunk:06d}")

    def before_failures(self, next_chunk: int) -> str:
        """Key of the state before the first chunk that failed, this one, from which failed chunks are tried again."""
        return self.key(f"before-failures/{next_chunk:06d}")

    @property
    def vocabulary(self) -> str:
        """Key of the token strings: a JSON list, by token id."""
        return self.key("vocabulary.json")

    def prompts(self, chunk: int) -> str:
        """Key of a chunk's rows."""
        return self.key(f"prompts/{chunk:06d}.parquet")

    def features(self, file: int) -> str:
        """Key of a file of features."""
        return self.key(f"features/{file:05d}.parquet")

    @property
    def overview(self) -> str:
        """Key of what a list of all features needs."""
        return self.key("overview.parquet")

    def numbers(self, folder: str) -> list[int]:
        """The numbers of the files of one of the run's folders, in order."""
        stems = (key.rpartition("/")[2].partition(".")[0] for key in self.store.list(self.key(f"{folder}/")))
        return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())

    def write_metadata(self, metadata: RunMetadata) -> None:
        """Write metadata.json."""
        self.store.put(self.metadata, _json(metadata))

    def write_plan(self, metadata: RunMetadata) -> None:
        """Write the metadata of a run that services compute."""
        self.store.put(self.plan, _json(metadata))

    def create_plan(self, metadata: RunMetadata) -> bool:
        """Write the metadata of a run that services compute, if nobody has; whether they were written."""
        return self.store.create(self.plan, _json(metadata))

    def read_metadata(self) -> RunMetadata:
        """Read metadata.json, or else the plan; NotFoundError without either, SaescopeError if it has mistakes.

        NewerFormatError if a later version of saescope has written it.
        """
        data = self.metadata_json()
        check_metadata(self.run_id, data)
        try:
            return RunMetadata.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = "".join(f"{part}: " for part in first["loc"])
            raise SaescopeError(
                f"the metadata.json of run {self.run_id} can't be understood ({where}{first['msg']}): start a new run"
            ) from error

    def metadata_json(self) -> bytes:
        """metadata.json, or else the plan, as it is stored; NotFoundError without either."""
        try:
            return _first_of(self.store, self.metadata, self.plan)
        except NotFoundError:
            raise NotFoundError(f"there is no run {self.run_id!r}") from None

    def state_cursor(self) -> int | None:
        """The next chunk of the furthest state that was saved; None if none was."""
        return max(self.numbers("state"), default=None)

    def write_vocabulary(self, vocabulary: list[str]) -> None:
        """Write the token strings."""
        self.store.put(self.vocabulary, json.dumps(vocabulary, ensure_ascii=False).encode())

    def read_vocabulary(self) -> list[str]:
        """Each token id's text."""
        vocabulary: list[str] = json.loads(self.store.get(self.vocabulary))
        return vocabulary


def _json(metadata: RunMetadata) -> bytes:
    return (json.dumps(metadata.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n").encode()


def _first_of(store: Store, *keys: str) -> bytes:
    """The first of these objects that there is."""
    for key in keys[:-1]:
        with suppress(NotFoundError):
            return store.get(key)
    return store.get(keys[-1])


def run_ids(store: Store) -> list[str]:
    """The names of a store's folders that can be runs, newest first; in some there may be no run, or nothing at all."""
    return sorted((name for name in store.folders() if _RUN_ID.fullmatch(name)), reverse=True)
