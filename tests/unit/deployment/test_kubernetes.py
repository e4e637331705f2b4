"""The Kubernetes manifests: valid for the cluster versions named here, consistent, and the same services as compose's.

No cluster is needed. kustomize's part here is small (a namespace, one label, image names), so the manifests are read as
they are; where there is a kubectl, its kustomize builds them too.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import kubernetes_validate
import pytest
import yaml

from services.common.settings import read_settings, variable_of
from services.common.tasks.celery_queue import taken_key

REPOSITORY = Path(__file__).parents[3]
MANIFESTS = REPOSITORY / "infra" / "kubernetes"
VERSIONS = ("1.30", "1.37")  # the oldest and the newest
NAMESPACE = "saescope"
SERVICES = {"redis", "s3", "ingest", "encoder", "models", "aggregator", "api", "viewer"}
LISTENING = {"redis": 6379, "s3": 9000, "api": 8765, "viewer": 1234}
NAME = "app.kubernetes.io/name"


def documents(folder: str) -> list[dict[str, Any]]:
    """What a kustomization of its own lists (not those that it builds on)."""
    listed = [name for name in kustomization(folder)["resources"] if name.endswith(".yaml")]
    return [entry for name in listed for entry in yaml.safe_load_all((MANIFESTS / folder / name).read_text())]


def kustomization(folder: str) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((MANIFESTS / folder / "kustomization.yaml").read_text())
    return parsed


ALL = documents("base") + documents("keda")
WORKLOADS = {entry["metadata"]["name"]: entry for entry in ALL if entry["kind"] in ("Deployment", "StatefulSet")}
(SCALING,) = [entry for entry in ALL if entry["kind"] == "ScaledObject"]

workload = pytest.mark.parametrize("name", sorted(WORKLOADS))


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {entry["metadata"]["name"]: entry for entry in ALL if entry["kind"] == kind}


def pod(name: str) -> dict[str, Any]:
    found: dict[str, Any] = WORKLOADS[name]["spec"]["template"]["spec"]
    return found


def container(name: str) -> dict[str, Any]:
    (only,) = pod(name)["containers"]
    assert isinstance(only, dict)
    return only


def environment(name: str) -> dict[str, str]:
    """A container's variables; those from a secret have the secret's name and key as their value."""
    found: dict[str, str] = {}
    for source in container(name).get("envFrom", []):
        found |= of_kind("ConfigMap")[source["configMapRef"]["name"]]["data"]
    for variable in container(name).get("env", []):
        secret = variable.get("valueFrom", {}).get("secretKeyRef")
        found[variable["name"]] = f"{secret['name']}/{secret['key']}" if secret else variable["value"]
    return found


def policies_for(name: str, direction: Literal["ingress", "egress"]) -> Iterator[dict[str, Any]]:
    """The rules of all policies that select a service's pods."""
    for policy in of_kind("NetworkPolicy").values():
        if selects(policy["spec"]["podSelector"], name):
            yield from policy["spec"].get(direction, [])


def selects(selector: dict[str, Any], name: str) -> bool:
    labels = selector.get("matchLabels", {})
    listed = [expression["values"] for expression in selector.get("matchExpressions", [])]
    return all(value == name for value in labels.values()) and all(name in values for values in listed)


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_are_valid_and_have_no_unknown_fields(version: str) -> None:
    for entry in ALL:
        if entry["kind"] != "ScaledObject":  # KEDA's own
            kubernetes_validate.validate(entry, version, strict=True)


@pytest.mark.parametrize("folder", ["base", "keda"])
def test_every_file_is_listed_and_every_listed_file_is_there(folder: str) -> None:
    files = {path.name for path in (MANIFESTS / folder).iterdir()} - {"kustomization.yaml"}
    listed = kustomization(folder)["resources"]
    assert sorted(name for name in listed if name.endswith(".yaml")) == sorted(files)
    assert all((MANIFESTS / folder / name / "kustomization.yaml").is_file() for name in set(listed) - files)
    assert kustomization(folder)["namespace"] == NAMESPACE


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl: its kustomize can't be asked")
@pytest.mark.parametrize(("folder", "parts"), [("base", ["base"]), ("keda", ["base", "keda"])])
def test_kustomize_builds_every_resource_into_the_namespace(folder: str, parts: list[str]) -> None:
    command = ["kubectl", "kustomize", str(MANIFESTS / folder)]
    built = list(yaml.safe_load_all(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    names = sorted((entry["kind"], entry["metadata"]["name"]) for entry in built)
    assert names == sorted((e["kind"], e["metadata"]["name"]) for part in parts for e in documents(part))
    assert {entry["metadata"]["namespace"] for entry in built if entry["kind"] != "Namespace"} == {NAMESPACE}


def test_the_services_are_those_of_compose() -> None:
    assert WORKLOADS.keys() == SERVICES
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
    assert compose["services"].keys() - {"credentials"} == SERVICES  # here, a secret


@workload
def test_a_pod_runs_as_an_ordinary_user_who_can_change_nothing_but_its_volumes(name: str) -> None:
    context = pod(name)["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(name)["automountServiceAccountToken"] is False
    # else Kubernetes would add variables for every service, and settings that nobody made stop our services
    assert pod(name)["enableServiceLinks"] is False


@pytest.mark.parametrize("name", ["ingest", "encoder", "models", "aggregator", "api"])
def test_the_settings_of_every_service_are_settings_and_lead_to_the_services(name: str) -> None:
    settings = read_settings(environment(name))
    assert settings.redis_url == "redis://redis:6379/0"
    assert settings.s3_endpoint == "http://s3:9000"
    assert settings.metrics_port == (0 if name == "api" else 9100)


def test_credentials_come_from_secrets_and_no_secret_is_in_the_files() -> None:
    assert of_kind("Secret") == {}
    for field in ("s3_access_key", "s3_secret_key", "api_token"):
        for name in WORKLOADS:
            assert environment(name).get(variable_of(field), "saescope-").startswith("saescope-")
    assert environment("s3")["MINIO_ROOT_USER"] == environment("api")["SAESCOPE_S3_ACCESS_KEY"] == "saescope-s3/user"
    assert environment("s3")["MINIO_ROOT_PASSWORD"] == environment("api")["SAESCOPE_S3_SECRET_KEY"]


def test_images_are_those_that_compose_builds_and_kustomize_can_rename_each() -> None:
    ours = {container(name)["image"] for name in SERVICES - {"s3"}}
    assert {image["name"] for image in kustomization("base")["images"]} == ours
    files = "".join((REPOSITORY / f).read_text() for f in ("docker-compose.yml", "infra/compose.gpu.yml"))
    assert ours <= set(re.findall(r"image: (\S+)", files))


def test_the_store_is_the_same_release_as_compose_s() -> None:
    image = container("s3")["image"]
    assert f"ARG MINIO_IMAGE={image}\n" in (REPOSITORY / "infra/minio.Dockerfile").read_text()
    assert f"#MINIO_IMAGE={image}\n" in (REPOSITORY / ".env.example").read_text()
    assert re.fullmatch(r"quay\.io/minio/minio:RELEASE\.\S+@sha256:[0-9a-f]{64}", image)


def test_nothing_reaches_anything_unless_a_policy_says_so() -> None:
    assert of_kind("NetworkPolicy")["nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize(
    ("client", "server"),
    [(client, server) for client in ("ingest", "encoder", "models", "aggregator", "api") for server in ("redis", "s3")]
    + [("viewer", "api")],
)
def test_policies_let_a_service_reach_what_it_uses(client: str, server: str) -> None:
    def allows(rule: dict[str, Any], peers: str, other: str) -> bool:
        ports = [port["port"] for port in rule["ports"]]
        return LISTENING[server] in ports and any(
            "podSelector" in peer and selects(peer["podSelector"], other) for peer in rule[peers]
        )

    assert any(allows(rule, "to", server) for rule in policies_for(client, "egress") if "to" in rule)
    assert any(allows(rule, "from", client) for rule in policies_for(server, "ingress") if "from" in rule)


def test_only_what_downloads_reaches_the_internet() -> None:
    def outward(name: str) -> bool:
        return any("ipBlock" in peer for rule in policies_for(name, "egress") for peer in rule["to"])

    assert {name for name in SERVICES if outward(name)} == {"ingest", "encoder", "models"}


def test_encoders_are_wanted_by_the_queue_of_chunks_where_the_services_keep_it() -> None:
    assert [trigger["metadata"]["listName"] for trigger in SCALING["spec"]["triggers"]] == [
        "encode",
        taken_key("encode"),
    ]
    for trigger in SCALING["spec"]["triggers"]:
        assert trigger["metadata"]["address"] == f"redis.{NAMESPACE}.svc.cluster.local:{LISTENING['redis']}"
        assert environment("encoder")["SAESCOPE_REDIS_URL"].endswith(f"/{trigger['metadata']['databaseIndex']}")


def test_policies_let_keda_look_at_the_queue() -> None:
    rules = [rule for rule in policies_for("redis", "ingress") for peer in rule["from"] if "namespaceSelector" in peer]
    (peer,) = rules[0]["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "keda"}
    assert [port["port"] for port in rules[0]["ports"]] == [LISTENING["redis"]]
