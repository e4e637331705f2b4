"""The services' settings, all of them, from environment variables: typed, with defaults and meanings.

A value that can't be used stops the start with a sentence that names the variable. Nothing else in the services reads
the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sparse_autoencoder.errors import SaescopeError

PREFIX = "SAESCOPE_"

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """What the environment may say; the variable of a field is SAESCOPE_ and the field's name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    redis_url: Annotated[str, Field(pattern=r"^rediss?://", description="where Redis is")] = "redis://127.0.0.1:6379/0"
    s3_endpoint: Annotated[str, Field(pattern=r"^https?://", description="where the S3 server is")] = (
        "http://127.0.0.1:9000"
    )
    s3_access_key: Annotated[str, Field(min_length=1, description="the S3 server's user")]
    s3_secret_key: Annotated[str, Field(min_length=1, description="the S3 server's password")]
    s3_bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{2,62}$", description="the bucket of the runs")] = (
        "saescope"
    )
    data_folder: Annotated[Path, Field(description="files below it may be sources of runs")] = Path("/data")
    start_timeout_s: Annotated[Seconds, Field(description="how long to wait for Redis and the store at start")] = 60.0
    lease_s: Annotated[Seconds, Field(description="a worker that is silent for so long has lost its chunk")] = 10.0
    reap_every_s: Annotated[Seconds, Field(description="how often lost work is looked for")] = 3.0
    max_waiting_chunks: Annotated[Count, Field(description="chunks that may wait before ingest holds back")] = 32
    chunk_attempts: Annotated[Count, Field(description="attempts before a chunk is marked failed")] = 3
    save_every_s: Annotated[Seconds, Field(description="how often the aggregator saves its state")] = 5.0
    metrics_port: Annotated[int, Field(ge=0, le=65535, description="Prometheus metrics; 0 for none")] = 0
    api_token: Annotated[str | None, Field(description="bearer token that writing needs, if set")] = None
    first_run: Annotated[str, Field(description="flags of a run to start when there is none; empty for none")] = ""


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings that the environment gives; SaescopeError names the variable that is wrong, missing or unknown."""
    environment = os.environ if environment is None else environment
    own = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    known = {name: value for name, value in own.items() if name not in _LIBRARY}
    try:
        return Settings.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        variable = PREFIX + field.upper()
        if first["type"] == "extra_forbidden":
            names = ", ".join(PREFIX + name.upper() for name in Settings.model_fields)
            raise SaescopeError(f"there is no setting {variable}; there are {names}") from error
        meaning = Settings.model_fields[field].description
        if first["type"] == "missing":
            raise SaescopeError(f"{variable} is not set: it is {meaning}") from error
        raise SaescopeError(f"{variable} can't be {own[field]!r} ({meaning}): {first['msg']}") from error


_LIBRARY = ("cache", "azure_endpoint")  # read by the library itself
