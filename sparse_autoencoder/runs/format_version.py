"""The format version of a run's published files, and the check before reading one.

For JSON files it is `format_version` in metadata.json; Parquet files have it in their schema's metadata. Files without
one are from before there were versions, and have the layout of version 1. Increase FORMAT if you change a published
file so that today's code would read it wrongly.
"""

from collections.abc import Mapping

import pyarrow as pa
from pydantic import BaseModel, ValidationError

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.store import NotFoundError

FORMAT = 1
RESERVED = "reserved"  # status in metadata.json until the run's models are loaded (folder_name.py)
_KEY = b"saescope.format"


class NewerFormatError(SaescopeError):
    """A later version of saescope wrote the file, in a format that this version doesn't know."""


def check_format(what: str, version: int) -> None:
    """Raise NewerFormatError if this format version can't be read; `what` names the file."""
    if version > FORMAT:
        raise NewerFormatError(
            f"{what} has format {version}, and this version of saescope reads formats up to {FORMAT}: update saescope"
        )


def marked(schema: pa.Schema) -> pa.Schema:
    """The schema of a Parquet file, with the current format version added."""
    return schema.with_metadata({**(schema.metadata or {}), _KEY: str(FORMAT).encode()})


def check_schema(what: str, metadata: Mapping[bytes, bytes] | None) -> None:
    """`check_format` for a Parquet file, from its schema's metadata; ValueError if the version there is no number."""
    check_format(what, int((metadata or {}).get(_KEY, b"0")))


class _Head(BaseModel):
    format_version: int = 0
    status: str = ""


def check_metadata(run_id: str, data: bytes) -> None:
    """`check_format` for a run's metadata.json; NotFoundError if the run has only reserved its id."""
    try:
        head = _Head.model_validate_json(data)
    except ValidationError:  # the caller validates it completely, and reports what is wrong
        return
    check_format(f"run {run_id}", head.format_version)
    if head.status == RESERVED:
        raise NotFoundError(
            f"run {run_id} never began: it is still loading its models, or it was killed while loading them; "
            "in that case start a new run"
        )
