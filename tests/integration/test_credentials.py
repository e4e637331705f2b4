"""Without keys in the settings, credentials are found where Amazon's own tools find them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.common.object_store import ObjectStore
from services.common.s3_credentials import NoCredentialsError, s3_credentials
from services.common.settings import Settings
from tests.support.servers import S3Server

VARIABLES = ["ACCESS_KEY_ID", "ACCESS_KEY", "SECRET_ACCESS_KEY", "SECRET_KEY", "SESSION_TOKEN", "PROFILE"]
VARIABLES += ["SHARED_CREDENTIALS_FILE", "WEB_IDENTITY_TOKEN_FILE", "CONTAINER_CREDENTIALS_RELATIVE_URI"]
NOBODY = "http://127.0.0.1:9/"  # a port that nothing listens to


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials anywhere, and nobody asked who isn't on this machine."""
    for variable in VARIABLES:
        monkeypatch.delenv(f"AWS_{variable}", raising=False)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", NOBODY)
    monkeypatch.setenv("HOME", str(tmp_path))


def write_file(path: Path, key: str, secret: str, profile: str = "default") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    return path


def found() -> tuple[str, str]:
    """What requests would be signed with."""
    credentials = s3_credentials(None, None).retrieve()
    return credentials.access_key, credentials.secret_key


class _Role(BaseHTTPRequestHandler):
    """An endpoint for the credentials of a container's role."""

    keys = ("role-key", "role-secret")
    status = 200

    def do_GET(self) -> None:
        key, secret = self.keys
        names = {"AccessKeyId": key, "SecretAccessKey": secret, "Token": "", "Expiration": "2999-01-01T00:00:00Z"}
        body = json.dumps(names).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quietly."""


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Role]]:
    """The role of the container that the tests run in."""
    handler = type("Handler", (_Role,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{server.server_port}/role")
        yield handler
        server.shutdown()


def test_keys_that_are_set_come_before_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other-secret")
    credentials = s3_credentials("key", "secret").retrieve()
    assert (credentials.access_key, credentials.secret_key) == ("key", "secret")


def test_the_environment_comes_before_the_file_and_the_file_before_the_role(
    tmp_path: Path, role: type[_Role], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found() == ("role-key", "role-secret")
    write_file(tmp_path / ".aws" / "credentials", "file-key", "file-secret")
    assert found() == ("file-key", "file-secret")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "env-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
    assert found() == ("env-key", "env-secret")


def test_another_file_and_another_profile_are_named_by_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(write_file(tmp_path / "keys", "a", "b", "work")))
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert found() == ("a", "b")


def test_a_key_in_the_file_may_have_any_characters(tmp_path: Path) -> None:
    write_file(tmp_path / ".aws" / "credentials", "key", "a%b%(c)s=d#e;f [g]")
    assert found() == ("key", "a%b%(c)s=d#e;f [g]")


def test_a_file_that_is_replaced_counts_at_once(tmp_path: Path) -> None:
    file = write_file(tmp_path / ".aws" / "credentials", "key", "secret")
    credentials = s3_credentials(None, None)
    assert credentials.retrieve().secret_key == "secret"
    write_file(file, "key", "another")
    assert credentials.retrieve().secret_key == "another"


def test_without_any_the_error_says_where_they_were_looked_for(tmp_path: Path) -> None:
    expected = (
        "there are no credentials for the S3 server: none in the environment (no keys); none in "
        f"{tmp_path}/.aws/credentials, profile default (No such file or directory); none of a role (nobody answers who "
        "gives them out); set SAESCOPE_S3_ACCESS_KEY and SAESCOPE_S3_SECRET_KEY, or provide one of these"
    )
    with pytest.raises(NoCredentialsError, match=f"^{re.escape(expected)}$"):
        found()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("hidden", "it is no credentials file"),
        ("[default]\naws_access_key_id = hidden\n", "no keys"),
        ("[other]\naws_access_key_id = hidden\naws_secret_access_key = hidden\n", "no keys"),
    ],
)
def test_a_file_without_credentials_is_named_and_not_quoted(tmp_path: Path, content: str, reason: str) -> None:
    write_file(tmp_path / ".aws" / "credentials", "", "").write_text(content)
    with pytest.raises(NoCredentialsError, match=f"credentials, profile default \\({reason}\\)") as caught:
        found()
    assert "hidden" not in str(caught.value)


def test_a_role_that_is_refused_is_said(role: type[_Role]) -> None:
    role.status = 403
    with pytest.raises(NoCredentialsError, match=r"none of a role \(HTTP status code 403\)"):
        found()


@pytest.mark.parametrize("source", ["environment", "file", "role"])
def test_a_store_is_opened_with_what_was_found(
    s3: S3Server, tmp_path: Path, role: type[_Role], monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    if source == "environment":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
    elif source == "file":
        write_file(tmp_path / ".aws" / "credentials", s3.access_key, s3.secret_key)
    else:
        role.keys = (s3.access_key, s3.secret_key)
    store = ObjectStore.from_settings(Settings(s3_endpoint=f"http://{s3.endpoint}", s3_bucket=f"by-{source}"))
    store.create_bucket()
    store.put("a", b"content")
    assert store.get("a") == b"content"


def test_a_store_without_credentials_says_so(s3: S3Server) -> None:
    store = ObjectStore.from_settings(Settings(s3_endpoint=f"http://{s3.endpoint}"))
    with pytest.raises(NoCredentialsError, match="there are no credentials for the S3 server"):
        store.create_bucket()
