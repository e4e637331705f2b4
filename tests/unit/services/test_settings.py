"""Settings come from the environment, typed; whatever is wrong names its variable."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from services.client.submit import URL_VARIABLE
from services.common.settings import OTHER_VARIABLES, Settings, read_settings, variable_of
from sparse_autoencoder.autoencoders.azure_download import ENDPOINT_VARIABLE
from sparse_autoencoder.autoencoders.checkpoints import CACHE_VARIABLE
from sparse_autoencoder.errors import SaescopeError

KEYS = {"SAESCOPE_S3_ACCESS_KEY": "user", "SAESCOPE_S3_SECRET_KEY": "hidden-password"}


def test_no_variable_is_needed() -> None:
    assert read_settings({}) == Settings(
        redis_url="redis://127.0.0.1:6379/0",
        s3_endpoint="http://127.0.0.1:9000",
        s3_region=None,
        s3_access_key=None,
        s3_secret_key=None,
        s3_bucket="saescope",
        s3_prefix="",
        data_folder=Path("/data"),
        start_timeout_s=60.0,
        lease_s=10.0,
        reap_every_s=3.0,
        max_waiting_chunks=32,
        chunk_attempts=3,
        save_every_s=5.0,
        metrics_port=0,
        api_token=None,
        first_run="",
    )


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("REDIS_URL", "rediss://:pass@redis:6380/1", "rediss://:pass@redis:6380/1"),
        (
            "REDIS_URL",
            "rediss://redis?ssl_ca_certs=/ca&ssl_cert_reqs=required",
            "rediss://redis?ssl_ca_certs=/ca&ssl_cert_reqs=required",
        ),
        ("S3_ENDPOINT", "https://s3.example.org", "https://s3.example.org"),
        ("S3_REGION", "eu-central-1", "eu-central-1"),
        ("S3_REGION", "", None),
        ("S3_BUCKET", "my-runs-2", "my-runs-2"),
        ("S3_BUCKET", "runs.example.org", "runs.example.org"),
        ("S3_PREFIX", "", ""),
        ("S3_PREFIX", "team/saescope", "team/saescope/"),
        ("S3_PREFIX", "team/", "team/"),
        ("DATA_FOLDER", "/srv/data", Path("/srv/data")),
        ("START_TIMEOUT_S", "2.5", 2.5),
        ("LEASE_S", "7", 7.0),
        ("REAP_EVERY_S", "0.5", 0.5),
        ("MAX_WAITING_CHUNKS", "1", 1),
        ("CHUNK_ATTEMPTS", "5", 5),
        ("SAVE_EVERY_S", "1e1", 10.0),
        ("LONGEST_PAUSE_S", "2", 2.0),
        ("METRICS_PORT", "9100", 9100),
        ("API_TOKEN", "secret", "secret"),
        ("API_TOKEN", "", None),
        ("FIRST_RUN", "--max-rows 100", "--max-rows 100"),
    ],
)
def test_a_variable_sets_its_field(variable: str, value: str, expected: Any) -> None:
    settings = read_settings({f"SAESCOPE_{variable}": value})
    assert getattr(settings, variable.lower()) == expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("S3_REGION", "eu central"),
        ("S3_REGION", "-eu"),
        ("S3_ENDPOINT", "minio:9000"),
        ("S3_ENDPOINT", "http://minio:9000/bucket"),
        ("S3_ENDPOINT", "http://user:pass@minio"),
        ("S3_ENDPOINT", "http://minio:port"),
        ("S3_ENDPOINT", "http://minio:90000"),
        ("S3_ENDPOINT", ""),
        ("S3_BUCKET", "Runs"),
        ("S3_BUCKET", "ab"),
        ("S3_BUCKET", "runs/mine"),
        ("S3_BUCKET", "runs..mine"),
        ("S3_BUCKET", "runs-.mine"),
        ("S3_BUCKET", "192.168.1.1"),
        ("S3_BUCKET", "x" * 64),
        ("S3_BUCKET", ""),
        ("S3_PREFIX", "/runs"),
        ("S3_PREFIX", "runs//mine"),
        ("S3_PREFIX", "runs/../mine"),
        ("S3_PREFIX", "my runs"),
        ("DATA_FOLDER", "data"),
        ("DATA_FOLDER", ""),
        ("START_TIMEOUT_S", "0"),
        ("LEASE_S", "-1"),
        ("LEASE_S", "nan"),
        ("LEASE_S", "inf"),
        ("LEASE_S", "ten"),
        ("LEASE_S", ""),
        ("REAP_EVERY_S", "3s"),
        ("MAX_WAITING_CHUNKS", "0"),
        ("MAX_WAITING_CHUNKS", "1.5"),
        ("CHUNK_ATTEMPTS", "many"),
        ("SAVE_EVERY_S", "0"),
        ("METRICS_PORT", "65536"),
        ("METRICS_PORT", "-1"),
    ],
)
def test_a_wrong_value_is_a_sentence_with_variable_value_and_meaning(variable: str, value: str) -> None:
    with pytest.raises(SaescopeError) as caught:
        read_settings({f"SAESCOPE_{variable}": value})
    meaning = Settings.model_fields[variable.lower()].description
    shown = repr(value) if value else "empty"
    assert str(caught.value).startswith(f"SAESCOPE_{variable} can't be {shown}: it is {meaning}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    ["http://:hidden@redis", "redis", "redis://", "redis://r:hidden", "redis://r/hidden", "redis://r?password=hidden"],
)
def test_a_wrong_redis_url_is_not_repeated_as_it_may_hold_a_password(value: str) -> None:
    with pytest.raises(SaescopeError) as caught:
        read_settings({"SAESCOPE_REDIS_URL": value})
    assert str(caught.value) == "SAESCOPE_REDIS_URL can't be what it is: it is where Redis is, as redis://host:port/0"


def test_an_empty_variable_says_that_it_is_empty() -> None:
    with pytest.raises(SaescopeError, match=r"^SAESCOPE_REDIS_URL can't be empty: it is "):
        read_settings({"SAESCOPE_REDIS_URL": ""})


def test_both_keys_are_read() -> None:
    settings = read_settings(KEYS)
    assert (settings.s3_access_key, settings.s3_secret_key) == ("user", "hidden-password")


def test_two_empty_keys_are_none() -> None:
    assert read_settings(dict.fromkeys(KEYS, "")) == read_settings({})


@pytest.mark.parametrize("empty", [{}, {"SAESCOPE_S3_ACCESS_KEY": "", "SAESCOPE_S3_SECRET_KEY": ""}])
@pytest.mark.parametrize(("there", "missing"), [tuple(KEYS), tuple(reversed(KEYS))])
def test_one_key_without_the_other_is_a_sentence_that_names_both(
    there: str, missing: str, empty: dict[str, str]
) -> None:
    with pytest.raises(SaescopeError, match=f"^{missing} is not set, and {there} is: set both, or neither") as caught:
        read_settings(empty | {there: KEYS[there]})
    assert "hidden" not in str(caught.value)


def test_an_unknown_variable_is_named_with_the_one_that_is_meant() -> None:
    expected = "there is no setting SAESCOPE_S3_BUKET; did you mean SAESCOPE_S3_BUCKET?"
    with pytest.raises(SaescopeError, match=f"^{re.escape(expected)}$"):
        read_settings({"SAESCOPE_S3_BUKET": "runs"})


def test_an_unknown_variable_like_no_other_is_named_with_all_that_there_are() -> None:
    everything = ", ".join(map(variable_of, Settings.model_fields))
    with pytest.raises(SaescopeError, match=f"^there is no setting SAESCOPE_X; there are {everything}$"):
        read_settings({"SAESCOPE_X": "1"})


def test_variables_are_upper_case() -> None:
    with pytest.raises(SaescopeError, match="there is no setting SAESCOPE_lease_s"):
        read_settings({"SAESCOPE_lease_s": "1"})


def test_every_wrong_variable_has_its_line() -> None:
    with pytest.raises(SaescopeError) as caught:
        read_settings({"SAESCOPE_S3_BUCKET": "X", "SAESCOPE_LEASE_S": "x", "SAESCOPE_ZEBRA": "1"})
    assert sorted(re.findall(r"SAESCOPE_\w+(?= can't|; there)", str(caught.value))) == [
        "SAESCOPE_LEASE_S",
        "SAESCOPE_S3_BUCKET",
        "SAESCOPE_ZEBRA",
    ]
    assert str(caught.value).count("\n") == 2


def test_other_programs_variables_and_the_librarys_are_left_alone() -> None:
    others = {"PATH": "/bin", "AWS_REGION": "x"} | dict.fromkeys(OTHER_VARIABLES, "/somewhere")
    assert read_settings(others) == read_settings({})


def test_the_librarys_variables_are_those_that_it_reads() -> None:
    assert sorted(OTHER_VARIABLES) == sorted([CACHE_VARIABLE, ENDPOINT_VARIABLE, URL_VARIABLE])


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAESCOPE_S3_BUCKET", "from-the-process")
    assert read_settings().s3_bucket == "from-the-process"


def test_what_is_secret_is_not_printed() -> None:
    secrets = {"SAESCOPE_API_TOKEN": "hidden-token", "SAESCOPE_REDIS_URL": "redis://:hidden-too@redis"}
    assert "hidden" not in repr(read_settings(KEYS | secrets))


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
