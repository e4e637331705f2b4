"""What the pages ask of the API is what its description says may be asked."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Request

from tests.e2e.addresses import PAGES, ask, visit
from tests.e2e.serving import REPOSITORY


@pytest.fixture(scope="module")
def described(demo_runs_url: str) -> Any:
    return ask(demo_runs_url, "/api/openapi.json")


def undescribed(request: Request, described: Any) -> list[str]:
    """What of a request the description doesn't know."""
    asked = urlsplit(request.url)
    for path, operations in described["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), asked.path) and request.method.lower() in operations:
            parameters = operations[request.method.lower()].get("parameters", [])
            known = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
            return [f"{path}?{name}" for name in parse_qs(asked.query).keys() - known]
    return [f"{request.method} {asked.path}"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_that_is_not_described(
    page: Page, demo_runs_url: str, described: Any, name: str
) -> None:
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if "/api/" in request.url else None)
    visit(page, name, demo_runs_url)
    assert asked != [] or name == "nowhere"
    assert [unknown for request in asked for unknown in undescribed(request, described)] == []


def test_the_viewer_s_types_are_made_of_the_description_that_the_server_gives(described: Any) -> None:
    made_of = (REPOSITORY / "services" / "viewer" / "openapi.json").read_text(encoding="utf-8")
    assert described == json.loads(made_of)
