"""A run's files and their names.

A run's folder in a Store, `<timestamp>_run-XXX/`, has metadata.json (or, while services compute the run, plan.json
instead), `prompts/` with the encoded chunks, `state/` while the run is unfinished, and at the end the published files
(publishing.py).
"""

import json
import re
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.format_version import check_metadata
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import NotFoundError, Store, get_at_most

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{,199}")  # file systems allow no longer names


LOGIT_EFFECTS = "logit_effects.parquet"
NEIGHBOURS = "neighbours.parquet"
NEIGHBOURS_OF = "neighbours_of.parquet"
OF_WEIGHTS = (LOGIT_EFFECTS, NEIGHBOURS, NEIGHBOURS_OF)
"""The files that follow from the weights alone."""

MAX_METADATA_BYTES = 1 << 25
"""The largest metadata.json, or other JSON file about a run, that is read; a failed chunk takes about 300 bytes."""

_MAX_VOCABULARY_BYTES = 1 << 27


@dataclass(frozen=True)
class RunFolder:
    """A run's files in a store. Only this class knows their names."""

    store: Store
    run_id: str

    def __post_init__(self) -> None:
        if not _RUN_ID.fullmatch(self.run_id) or ".." in self.run_id:
            raise NotFoundError(f"there is no run {self.run_id[:200]!r}")

    def key(self, name: str) -> str:
        """The key of one of the run's files."""
        return f"{self.run_id}/{name}"

    @property
    def metadata(self) -> str:
        """Key of metadata.json."""
        return self.key("metadata.json")

    @property
    def plan(self) -> str:
        """Key of plan.json: the metadata while services compute the run; they write metadata.json at its end."""
        return self.key("plan.json")

    def state(self, next_chunk: int) -> str:
        """Key of the saved state with which an unfinished run continues at this chunk."""
        return self.key(f"state/{next_chunk:06d}")

    def before_failures(self, next_chunk: int) -> str:
        """Key of the state before the first failed chunk, which is this one; `--retry-failed` begins there."""
        return self.key(f"before-failures/{next_chunk:06d}")

    @property
    def vocabulary(self) -> str:
        """Key of the token strings: a JSON list, by token id."""
        return self.key("vocabulary.json")

    @property
    def vocabulary_bytes(self) -> str:
        """Key of the bytes of tokens that are no whole characters: a JSON object, hexadecimal by token id."""
        return self.key("vocabulary_bytes.json")

    def prompts(self, chunk: int) -> str:
        """Key of a chunk's rows."""
        return self.key(f"prompts/{chunk:06d}.parquet")

    def token_table(self, chunk: int) -> str:
        """Key of a chunk's token table, which publishing merges; a complete run has none any more."""
        return self.key(f"token_tables/{chunk:06d}.parquet")

    def token_samples(self, chunk: int) -> str:
        """Key of a chunk's token samples, which publishing merges; a complete run has none any more."""
        return self.key(f"token_samples/{chunk:06d}")

    def remove_token_files(self) -> None:
        """Remove the chunks' token tables and samples."""
        for name in ("token_tables/", "token_samples/"):
            for key in self.store.list(self.key(name)):
                self.store.delete(key)

    def remove_chunk(self, chunk: int, options: RunOptions) -> None:
        """Remove all that encoding a chunk of a run with these options wrote, but for its partial."""
        for key in (self.prompts(chunk), self.token_table(chunk), self.token_samples(chunk), self.firings(chunk)):
            self.store.delete(key)
        if options.save_activations:
            self.store.delete(self.activations(chunk))

    @property
    def features_by_token(self) -> str:
        """Key of features_by_token.parquet: all features that fire on each token."""
        return self.key("features_by_token.parquet")

    @property
    def tokens_by_feature(self) -> str:
        """Key of tokens_by_feature.parquet: each feature's most frequent tokens."""
        return self.key("tokens_by_feature.parquet")

    def firings(self, chunk: int) -> str:
        """Key of what fires at a chunk's tokens."""
        return self.key(f"firings/{chunk:06d}.parquet")

    def effects(self, feature: int) -> str:
        """Key of what a feature does to later predictions, if somebody asked for it (effects_file.py)."""
        return self.key(f"effects/{feature:06d}.json.gz")

    def activations(self, chunk: int) -> str:
        """Key of every activation at a chunk's tokens."""
        return self.key(f"activations/{chunk:06d}.parquet")

    def features(self, file: int) -> str:
        """Key of a file of features."""
        return self.key(f"features/{file:05d}.parquet")

    def graph(self, feature_id: int) -> str:
        """Key of a feature's neuron-to-graph explanation, which is there if somebody asked for it."""
        return self.key(f"graphs/{feature_id:06d}.json")

    @property
    def overview(self) -> str:
        """Key of overview.parquet: per-feature statistics for the feature list."""
        return self.key("overview.parquet")

    @property
    def text_sums(self) -> str:
        """Key of text_sums.parquet: what comparing runs needs of each feature."""
        return self.key("text_sums.parquet")

    @property
    def positions(self) -> str:
        """Key of positions.parquet: how often each feature fires at the beginning of windows."""
        return self.key("positions.parquet")

    def numbers(self, folder: str) -> list[int]:
        """The numbers in the file names of one of the run's folders, in order."""
        stems = (key.rpartition("/")[2].partition(".")[0] for key in self.store.list(self.key(f"{folder}/")))
        return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())

    def write_metadata(self, metadata: RunMetadata) -> None:
        """Write metadata.json."""
        self.store.put(self.metadata, _json(metadata))

    def write_plan(self, metadata: RunMetadata) -> None:
        """Write plan.json."""
        self.store.put(self.plan, _json(metadata))

    def create_plan(self, metadata: RunMetadata) -> bool:
        """Write plan.json if there is none; whether it was written."""
        return self.store.create(self.plan, _json(metadata))

    def read_metadata(self) -> RunMetadata:
        """Read metadata.json, or else plan.json.

        Raises NotFoundError if there is neither, NewerFormatError if a later version of saescope wrote it, and
        SaescopeError if it is malformed.
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
        """The bytes of metadata.json, or else of plan.json; NotFoundError if there is neither."""
        for key in (self.metadata, self.plan):
            with suppress(NotFoundError):
                return get_at_most(self.store, key, MAX_METADATA_BYTES)
        raise NotFoundError(f"there is no run {self.run_id!r}")

    def write_vocabulary(self, vocabulary: list[bytes]) -> None:
        """Write what each token stands for: strings, and the bytes of those that are no whole characters, if any."""
        strings = [token.decode(errors="replace") for token in vocabulary]
        parts = {
            str(token_id): token.hex()
            for token_id, (token, string) in enumerate(zip(vocabulary, strings, strict=True))
            if string.encode() != token
        }
        if parts:
            self.store.put(self.vocabulary_bytes, json.dumps(parts).encode())
        self.store.put(self.vocabulary, json.dumps(strings, ensure_ascii=False).encode())

    def read_vocabulary(self) -> list[str]:
        """The string of each token id; U+FFFD stands for bytes that are no whole character."""
        vocabulary = json.loads(get_at_most(self.store, self.vocabulary, _MAX_VOCABULARY_BYTES))
        if not isinstance(vocabulary, list) or not all(isinstance(string, str) for string in vocabulary):
            raise ValueError("it is no list of strings")
        return vocabulary

    def read_vocabulary_bytes(self) -> dict[int, bytes]:
        """The bytes of the tokens that are no whole characters; those of earlier runs aren't known."""
        try:
            parts = json.loads(get_at_most(self.store, self.vocabulary_bytes, _MAX_VOCABULARY_BYTES))
        except NotFoundError:
            return {}
        if not isinstance(parts, dict):
            raise ValueError("it is no object")
        return {int(token_id): bytes.fromhex(token) for token_id, token in parts.items()}


def _json(metadata: RunMetadata) -> bytes:
    return (json.dumps(metadata.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n").encode()


def run_ids(store: Store) -> list[str]:
    """The store's folder names that are valid run ids, newest first; a folder may turn out not to be a run."""
    return sorted((name for name in store.folders() if _RUN_ID.fullmatch(name)), reverse=True)
