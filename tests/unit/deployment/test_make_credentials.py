"""The S3 server's user and password are made at the first start, kept, and replaced by those that are set."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.common.s3_credentials import CredentialsFile

PROGRAM = Path(__file__).parents[3] / "infra" / "make_credentials.py"


def make(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Start the program as its container does, which has the variables, empty if .env doesn't set them."""
    folder.mkdir(exist_ok=True)
    environment = {"S3_USER": "", "S3_PASSWORD": ""} | variables
    return subprocess.run([sys.executable, PROGRAM, folder], env=environment, capture_output=True, text=True)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_the_first_start_makes_them_for_the_server_and_for_its_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make(tmp_path).returncode == 0
    made = contents(tmp_path)
    assert made.keys() == {"user", "password", "aws"}
    assert len(made["password"]) >= 32
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws"))
    found = CredentialsFile().retrieve()
    assert (found.access_key, found.secret_key) == (made["user"], made["password"])


def test_each_installation_has_others(tmp_path: Path) -> None:
    make(tmp_path / "one")
    make(tmp_path / "two")
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert one["user"] != two["user"]
    assert one["password"] != two["password"]


def test_later_starts_keep_them(tmp_path: Path) -> None:
    make(tmp_path)
    made = contents(tmp_path)
    assert make(tmp_path).returncode == 0
    assert contents(tmp_path) == made


def test_a_start_that_was_cut_off_is_made_good_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "user").write_text("half")
    (tmp_path / ".password").write_text("of it")
    assert make(tmp_path).returncode == 0
    made = contents(tmp_path)
    assert made.keys() == {"user", "password", "aws"}
    assert made["user"] in made["aws"]


def test_those_that_are_set_are_taken_and_kept_when_they_are_no_longer_set(tmp_path: Path) -> None:
    make(tmp_path)
    assert make(tmp_path, S3_USER="me", S3_PASSWORD="x" * 8).returncode == 1
    assert make(tmp_path, S3_USER="myself", S3_PASSWORD="pass%word;1").returncode == 0
    assert make(tmp_path).returncode == 0
    made = contents(tmp_path)
    assert (made["user"], made["password"]) == ("myself", "pass%word;1")


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        (
            {"S3_USER": "myself"},
            "S3_PASSWORD is not set in .env, and the other of S3_USER and S3_PASSWORD is: set both",
        ),
        ({"S3_PASSWORD": "hidden-one"}, "S3_USER is not set in .env, and the other"),
        ({"S3_USER": "myself", "S3_PASSWORD": "hidden"}, "S3_PASSWORD in .env can't be used: it must have 8 to 128"),
        ({"S3_USER": "my self", "S3_PASSWORD": "hidden-one"}, "S3_USER in .env can't be used: it must have 3 to 128"),
    ],
)
def test_what_can_t_be_used_is_a_sentence_and_changes_nothing(
    tmp_path: Path, variables: dict[str, str], problem: str
) -> None:
    make(tmp_path)
    made = contents(tmp_path)
    done = make(tmp_path, **variables)
    assert done.returncode == 1
    assert done.stderr.startswith(f"saescope: {problem}")
    assert "hidden" not in done.stderr
    assert contents(tmp_path) == made


def test_nobody_but_their_owner_may_read_them(tmp_path: Path) -> None:
    make(tmp_path)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o400}
