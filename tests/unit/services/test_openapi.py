"""The API's description: that it is OpenAPI, says what the routes do, and is what the viewer's types are made of."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.testclient import TestClient

from services.api.app import ENDPOINTS, create_app
from services.api.http.openapi import openapi
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.api import backend_without_servers

REPOSITORY = Path(__file__).parents[3]
DESCRIPTION = openapi(ENDPOINTS)
OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
}
QUERIES = [
    pytest.param(f"{method} {path}", parameter, id=f"{method} {path} {parameter['name']}")
    for (method, path), operation in OPERATIONS.items()
    for parameter in operation.get("parameters", [])
    if parameter["in"] == "query"
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The API on a folder without runs: what is understood is answered with 404."""
    with TestClient(create_app(DirectoryStore(tmp_path_factory.mktemp("runs")))) as client:
        yield client


def routes_of(app: Starlette) -> set[tuple[str, str]]:
    """Methods and paths of an application, HEAD left out, which comes with GET."""

    def found(routes: list[BaseRoute], before: str) -> Iterator[tuple[str, str]]:
        for route in routes:
            if isinstance(route, Mount) and isinstance(route.app, Router):
                yield from found(route.app.routes, route.path)
            elif isinstance(route, Route):
                yield from ((method, before + route.path) for method in route.methods or ())

    return {(method, path) for method, path in found(app.routes, "") if method != "HEAD"}


def test_the_description_is_valid_openapi_31() -> None:
    assert DESCRIPTION["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(DESCRIPTION).validate()


def test_the_committed_description_is_what_the_server_says() -> None:
    committed = (REPOSITORY / "services" / "viewer" / "openapi.json").read_text(encoding="utf-8")
    printed = subprocess.run(
        [sys.executable, "-m", "services.api.print_openapi"],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    assert committed == printed, "the API has changed: make types"


def test_every_route_is_described_and_everything_described_has_a_route(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    app = create_app(store, backend=backend_without_servers(store, tmp_path))
    assert routes_of(app) == OPERATIONS.keys()


def test_without_services_all_routes_but_the_metrics_are_there(tmp_path: Path) -> None:
    assert OPERATIONS.keys() - routes_of(create_app(DirectoryStore(tmp_path))) == {("GET", "/metrics")}


def test_the_server_gives_its_description(client: TestClient) -> None:
    assert client.get("/api/openapi.json").json() == json.loads(json.dumps(DESCRIPTION))


def test_every_object_that_is_answered_has_only_keys_that_are_described() -> None:
    loose = [
        name
        for name, schema in DESCRIPTION["components"]["schemas"].items()
        if schema.get("additionalProperties") is not False
    ]
    assert loose == []


def test_everything_that_is_described_is_used() -> None:
    text = json.dumps(DESCRIPTION)
    unused = [name for name in DESCRIPTION["components"]["schemas"] if f'"#/components/schemas/{name}"' not in text]
    assert unused == []


def forbidden_by(schema: dict[str, Any]) -> list[str]:
    """Texts of values that a parameter's schema excludes."""
    if schema["type"] == "boolean":
        return ["", "1", "True", "yes"]
    if "enum" in schema:
        return ["", "sideways", schema["enum"][0].upper()]
    if schema["type"] == "string":
        return ["x" * (schema["minLength"] - 1), "x" * (schema["maxLength"] + 1)] if "maxLength" in schema else []
    words = ["", "x", "nan", "inf", "-inf", " 1", "1_0", "٣", "0x1", "1\n", "1" * 400]
    whole = ["1.5", "1e3"] if schema["type"] == "integer" else ["1e999"]
    ends = [str(schema["minimum"] - 1), str(schema["maximum"] + 1)] if "maximum" in schema else []
    return words + whole + ends


def allowed_by(schema: dict[str, Any]) -> list[str]:
    """Texts of values that a parameter's schema includes, the outermost ones above all."""
    if schema["type"] == "boolean":
        return ["true", "false"]
    if "enum" in schema:
        return list(schema["enum"])
    if schema["type"] == "string":
        return ["x" * schema["minLength"], "x" * schema["maxLength"]] if "maxLength" in schema else ["x", "é 💥"]
    return [str(schema.get("minimum", -7)), str(schema.get("maximum", 7))]


def answer(client: TestClient, operation: str, parameter: dict[str, Any], *texts: str) -> Any:
    """The answer to a request with these values of one parameter, and right ones of the others that are required."""
    method, _, path = operation.partition(" ")
    described = OPERATIONS[method, path]
    others = described.get("parameters", [])
    required = [other["name"] for other in others if other["required"] and other["in"] == "query"]
    query = [f"{name}=1" for name in required if name != parameter["name"]]
    query += [urlencode({parameter["name"]: text}) for text in texts]
    headers = {"Content-Type": next(iter(content_of(described)))}
    return client.request(
        method, filled(path), params="&".join(query), content="{}" if method == "PUT" else None, headers=headers
    )


def content_of(operation: dict[str, Any]) -> dict[str, Any]:
    """What an operation takes, by media type."""
    taken: dict[str, Any] = operation.get("requestBody", {}).get("content", {"application/json": None})
    return taken


def filled(path: str) -> str:
    """A path with something in place of its parameters."""
    return path.replace("{row_id}", "1").replace("{feature_id}", "1").replace("{id}", "x")


@pytest.mark.parametrize(("operation", "parameter"), QUERIES)
def test_what_the_description_forbids_is_refused(client: TestClient, operation: str, parameter: dict[str, Any]) -> None:
    for text in forbidden_by(parameter["schema"]):
        response = answer(client, operation, parameter, text)
        assert (response.status_code, text) == (400, text)
        assert response.json()["error"].startswith(f"{parameter['name']} ")


@pytest.mark.parametrize(("operation", "parameter"), QUERIES)
def test_what_the_description_allows_is_taken(client: TestClient, operation: str, parameter: dict[str, Any]) -> None:
    for text in allowed_by(parameter["schema"]):
        response = answer(client, operation, parameter, text)
        assert (response.status_code, text) == (404, text)
        assert "run" in response.json()["error"]


@pytest.mark.parametrize(("operation", "parameter"), QUERIES)
def test_what_is_there_twice_is_refused(client: TestClient, operation: str, parameter: dict[str, Any]) -> None:
    response = answer(client, operation, parameter, "1", "1")
    assert response.status_code == 400
    assert response.json() == {"error": f"{parameter['name']} is there 2 times: give it once"}


@pytest.mark.parametrize(("operation", "parameter"), QUERIES)
def test_what_is_missing_is_refused_if_it_is_required(
    client: TestClient, operation: str, parameter: dict[str, Any]
) -> None:
    response = answer(client, operation, parameter)
    assert response.status_code == (400 if parameter["required"] else 404)
    assert response.json()["error"].startswith(f"{parameter['name']} is missing: ") == parameter["required"]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_is_not_described_is_refused(tmp_path: Path, method: str, path: str) -> None:
    store = DirectoryStore(tmp_path)
    with TestClient(create_app(store, backend=backend_without_servers(store, tmp_path))) as client:
        headers = {"Host": "localhost", "Content-Type": next(iter(content_of(OPERATIONS[method, path])))}
        response = client.request(method, filled(path), params={"hue": "1"}, content="{}", headers=headers)
    assert response.status_code == 400
    assert response.json()["error"].startswith("there is no parameter 'hue'; there are ")


def test_queries_are_read_in_one_place_only() -> None:
    sources = (REPOSITORY / "services" / "api").rglob("*.py")
    assert [path.name for path in sources if "query_params" in path.read_text()] == ["parameters.py"]


def test_the_description_is_not_made_before_somebody_asks() -> None:
    program = "import services.api.app, sys; print('services.api.http.openapi' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], cwd=REPOSITORY, text=True) == "False\n"
