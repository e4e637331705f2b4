"""All settings of the services, read from environment variables: each with its type, default and meaning.

A value that can't be used stops the start with a sentence that names the variable. Whether a server answers at an
address is found out later (real_dependencies.py).
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.utils.did_you_mean import did_you_mean

PREFIX = "SAESCOPE_"
# read by the library itself, and by `saescope submit`
OTHER_VARIABLES = ("SAESCOPE_CACHE", "SAESCOPE_AZURE_ENDPOINT", "SAESCOPE_API_URL")


def _with_valid_port(url: str) -> str:
    _ = urlsplit(url).port  # raises ValueError unless it is a number up to 65535
    return url


def _bucket(name: str) -> str:
    if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", name):
        raise ValueError("it must not look like an address")
    return name


def _folder_of_keys(prefix: str) -> str:
    if {".", ".."} & set(prefix.split("/")):
        raise ValueError("it must have no . or .. in it")
    return prefix if prefix.endswith("/") or not prefix else prefix + "/"


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("it must begin with /")
    return path


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Folder = Annotated[Path, AfterValidator(_absolute)]
Url = Annotated[str, AfterValidator(_with_valid_port)]
# Compose passes on a variable that .env doesn't set as an empty one.
_FALSE = ("", "0", "false", "no", "off", "f", "n")
_EMPTY_IS_NONE = BeforeValidator(lambda value: value or None)
EmptyIsNone = Annotated[str | None, _EMPTY_IS_NONE]
Words = Annotated[
    tuple[str, ...],
    BeforeValidator(
        lambda text: tuple(filter(None, map(str.strip, text.split(",")))) if isinstance(text, str) else text
    ),
]
_Region = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$")]


class Settings(BaseModel):
    """The settings; a field's variable is SAESCOPE_ and the field's name in capitals. Times are in seconds.

    Fields with repr=False may hold a password, so their values are neither printed nor quoted in errors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    redis_url: Url = Field(
        default="redis://127.0.0.1:6379/0",
        # of options, those of TLS: others mean different things to redis-py and Celery
        pattern=r"^rediss?://[^/?#\s]+(/[0-9]*)?(\?ssl_\w+=[^&\s]*(&ssl_\w+=[^&\s]*)*)?$",
        repr=False,
        description="where Redis is, as redis://host:port/0",
    )
    s3_endpoint: Url = Field(
        default="http://127.0.0.1:9000",
        pattern=r"^https?://[^/?#@\s]+$",
        description="where the S3 server is, as http://host:port",
    )
    s3_region: Annotated[_Region | None, _EMPTY_IS_NONE] = Field(
        default=None,
        description="the region of the bucket, empty for us-east-1, or at Amazon for the one that it is in",
    )
    s3_access_key: EmptyIsNone = Field(
        default=None, description="the S3 server's user, empty for what environment, file or role say"
    )
    s3_secret_key: EmptyIsNone = Field(default=None, repr=False, description="the S3 server's password")
    s3_bucket: Annotated[str, AfterValidator(_bucket)] = Field(
        default="saescope",
        min_length=3,
        max_length=63,
        pattern=r"^[a-z0-9]+(-+[a-z0-9]+)*(\.[a-z0-9]+(-+[a-z0-9]+)*)*$",
        description="the bucket of the runs: 3 to 63 lower-case letters, digits, hyphens and dots",
    )
    s3_prefix: Annotated[str, AfterValidator(_folder_of_keys)] = Field(
        default="",
        pattern=r"^([A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*/?)?$",
        max_length=500,
        description="the folder of the bucket that holds the runs, as team/saescope, empty for the bucket itself",
    )
    data_folder: Folder = Field(default=Path("/data"), description="the folder whose files may be sources of runs")
    start_timeout_s: Seconds = Field(
        default=60.0, description="how many seconds to wait for Redis and the store at the start"
    )
    lease_s: Seconds = Field(default=10.0, description="after how many seconds of silence a worker has lost its chunk")
    reap_every_s: Seconds = Field(default=3.0, description="every how many seconds lost work is looked for")
    max_waiting_chunks: Count = Field(default=32, description="how many chunks may wait before ingest holds back")
    chunk_attempts: Count = Field(default=3, description="how many attempts a chunk has before it is marked failed")
    patience_s: Seconds = Field(
        default=600.0,
        description="after how many seconds without any progress a piece of work counts as hung, at least",
    )
    longest_pause_s: Seconds = Field(
        default=30.0, description="how many seconds a worker waits at most that starts fresh again and again"
    )
    other_kind_s: Seconds = Field(
        default=900.0,
        description="after how many seconds a run fails for which all encoders have another kind of processor",
    )
    save_every_s: Seconds = Field(default=5.0, description="every how many seconds the aggregator saves its state")
    metrics_port: int = Field(default=0, ge=0, le=65535, description="the port of the Prometheus metrics, 0 for none")
    api_token: EmptyIsNone = Field(
        default=None, repr=False, description="the bearer token that writing needs, empty for none"
    )
    guard_reading: Annotated[bool, BeforeValidator(lambda value: value or False)] = Field(
        default=False, description="whether reading needs the token too, true or false"
    )
    allowed_hosts: Words = Field(
        default=(),
        description="the names, besides addresses and undotted ones, at which the API answers, with commas between: "
        "saescope.lab.org, *.lab.org, or * for all",
    )
    allowed_origins: Words = Field(
        default=(),
        description="the origins of other sites whose pages may read, with commas between, as https://viewer.lab.org",
    )
    root_path: str = Field(
        default="",
        pattern=r"^(/[A-Za-z0-9._~%@:+-]+)*/?$",
        description="the path prefix under which a proxy shows the API, as /saescope, empty for none",
    )
    first_run: str = Field(default="", description="the flags of the run to start when there is none, empty for no run")


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in an environment, by default in this process's.

    Raises SaescopeError with one line for each variable that is wrong or unknown.
    """
    environment = os.environ if environment is None else environment
    names = {variable_of(field): field for field in Settings.model_fields}
    own = {
        names.get(variable, variable): value
        for variable, value in environment.items()
        if variable.startswith(PREFIX) and variable not in OTHER_VARIABLES
    }
    problems = _half_of_the_keys(own)
    if own.get("guard_reading", "").lower() not in _FALSE and not own.get("api_token"):
        problems.append(f"{variable_of('guard_reading')} is set without {variable_of('api_token')}: set both")
    try:
        settings = Settings.model_validate(own)
    except ValidationError as error:
        problems = [_sentence(one) for one in error.errors()] + problems
    if problems:
        raise SaescopeError("\n".join(problems))
    return settings


def variable_of(field: str) -> str:
    """The environment variable of a field of Settings."""
    return PREFIX + field.upper()


def _half_of_the_keys(given: Mapping[str, str]) -> list[str]:
    """A sentence if only one of the store's two keys is set. If neither is, s3_credentials.py looks elsewhere."""
    keys = ("s3_access_key", "s3_secret_key")
    there = [variable_of(key) for key in keys if given.get(key)]
    missing = [variable_of(key) for key in keys if not given.get(key)]
    if len(there) != 1:
        return []
    return [
        f"{missing[0]} is not set, and {there[0]} is: set both, or neither to have credentials looked for in the "
        "environment, in a file and by role"
    ]


def _sentence(error: ErrorDetails) -> str:
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        variables = [variable_of(field) for field in Settings.model_fields]
        return f"there is no setting {name}; {did_you_mean(name, variables, cutoff=0.8, most=len(variables))}"
    field, variable = Settings.model_fields[name], variable_of(name)
    value = "empty" if error["input"] == "" else repr(error["input"]) if field.repr else "what it is"
    # The description says more about the form than a pattern does; and a reason may quote a secret.
    why = f" ({error['msg']})" if field.repr and error["type"] != "string_pattern_mismatch" else ""
    return f"{variable} can't be {value}: it is {field.description}{why}"
