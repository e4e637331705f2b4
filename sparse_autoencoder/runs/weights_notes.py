"""What a file that follows from the weights says of itself, in its schema: what it was made of, or why it is empty."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from sparse_autoencoder.runs.folder_layout import LOGIT_EFFECTS, NEIGHBOURS, NEIGHBOURS_OF, OF_WEIGHTS, RunFolder
from sparse_autoencoder.runs.format_version import check_schema, marked
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import NotFoundError, StoreFile

VERSION = 1  # of the formulas and the columns; increase it when either changes, so that nothing older is taken
_KEY = b"saescope.weights"


class WeightsNote(BaseModel):
    """A file's note, which metadata.json repeats (`weights`)."""

    model_config = ConfigDict(frozen=True)

    what: str  # what the numbers are, in a sentence
    made_of: dict[str, Any] = Field(default_factory=dict)  # hashes of models, the place, versions, the processor
    key: str = ""  # a hash of `made_of`, by which files are kept for further runs
    missing: str | None = None  # why there are no numbers, in a sentence


def names_of(options: RunOptions) -> list[str]:
    """The names of the files that follow from the weights, of a run with these options."""
    if options.skip_directions:
        return []
    return [LOGIT_EFFECTS, NEIGHBOURS, *([NEIGHBOURS_OF] if options.neighbours_of is not None else [])]


def note_of(what: str, made_of: Mapping[str, Any]) -> WeightsNote:
    """A note with its key."""
    content = {"version": VERSION, "what": what, **made_of}
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return WeightsNote(what=what, made_of=content, key=key)


def noted(schema: pa.Schema, note: WeightsNote) -> pa.Schema:
    """The schema of a file with this note, and with the format's version."""
    return marked(schema.with_metadata({_KEY: note.model_dump_json().encode()}))


def note_in(schema: pa.Schema) -> WeightsNote:
    """A file's note; KeyError or ValueError if it has none."""
    return WeightsNote.model_validate_json((schema.metadata or {})[_KEY])


def notes_of(folder: RunFolder) -> dict[str, Any]:
    """The notes of a run's files that follow from the weights, by the file's stem, as metadata.json has them."""
    notes = {}
    for name in OF_WEIGHTS:
        with suppress(NotFoundError):
            schema = pq.read_schema(StoreFile(folder.store, folder.key(name)))
            check_schema(name, schema.metadata)
            notes[name.partition(".")[0]] = note_in(schema).model_dump()
    return notes
