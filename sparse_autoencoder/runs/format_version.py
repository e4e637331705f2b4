"""Which version a run's published files are of, and the check before one is read.

metadata.json has it as `format_version`, which goes for the run's JSON files, and each Parquet file in its schema's
metadata. Files without it were written before there were versions, and are laid out as those of version 1. Who changes
what a published file means, so that reading it as before would show something wrong, counts FORMAT on.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from pydantic import BaseModel, ValidationError

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.store import NotFoundError

FORMAT = 1
RESERVED = "reserved"  # the status in metadata.json until a run's models are loaded, see run_ids.py
_KEY = b"saescope.format"


class NewerFormatError(SaescopeError):
    """A file was written by a later version of saescope, in a way that this one doesn't know."""


def check_format(what: str, version: int) -> None:
    """Raise NewerFormatError, a sentence about `what`, if files of this version can't be read."""
    if version > FORMAT:
        raise NewerFormatError(
            f"{what} has format {version}, and this version of saescope reads formats up to {FORMAT}: update saescope"
        )


def marked(schema: pa.Schema) -> pa.Schema:
    """A Parquet file's schema with the version of today's files."""
    return schema.with_metadata({**(schema.metadata or {}), _KEY: str(FORMAT).encode()})


def check_schema(what: str, metadata: Mapping[bytes, bytes] | None) -> None:
    """The check for a Parquet file, by its schema's metadata; ValueError if the version there is no number."""
    check_format(what, int((metadata or {}).get(_KEY, b"0")))


class _Head(BaseModel):
    format_version: int = 0
    status: str = ""


def check_metadata(run_id: str, data: bytes) -> None:
    """The check for a run's metadata.json; NotFoundError if the run has taken its id, and that is all."""
    try:
        head = _Head.model_validate_json(data)
    except ValidationError:  # whoever reads on says what is wrong with it
        return
    check_format(f"run {run_id}", head.format_version)
    if head.status == RESERVED:
        raise NotFoundError(
            f"run {run_id} never began: it is still loading its models, or was ended while it did; start a new run then"
        )
