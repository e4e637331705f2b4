"""Pages that are part of other sites' pages: who may have them, and that nothing can be changed there."""

from __future__ import annotations

from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Page, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from sparse_autoencoder.runs.store import DirectoryStore
from tests.e2e.addresses import ask
from tests.e2e.serving import serving
from tests.support.api import served_by
from tests.support.commands import small_run


def site(framed: list[str]) -> uvicorn.Server:
    """Another site, whose page has the last of these addresses in a frame."""

    def page(_request: object) -> HTMLResponse:
        return HTMLResponse(f'<!doctype html><title>lab</title><iframe src="{framed[-1]}" width=900></iframe>')

    return uvicorn.Server(uvicorn.Config(Starlette(routes=[Route("/", page)]), log_level="warning"))


@pytest.fixture
def feature(demo_url: str) -> str:
    """The address of a feature's page, as a path."""
    return f"/feature/{ask(demo_url, '/api/features?limit=1')['features'][0]['feature_id']}"


def test_an_embedded_page_has_neither_header_nor_notice_and_leads_to_the_whole_one(
    page: Page, demo_url: str, feature: str
) -> None:
    page.goto(f"{feature}?embed=1")
    expect(page.locator(".token-peak").first).to_be_visible()
    expect(page.get_by_role("banner")).to_have_count(0)
    expect(page.get_by_label("Notice")).to_have_count(0)
    expect(page.get_by_role("link", name="Open in saescope")).to_have_attribute("href", demo_url + feature)


@pytest.mark.parametrize("query", ["", "?embed=1"])
def test_another_site_may_not_have_the_pages_in_a_frame(page: Page, demo_url: str, feature: str, query: str) -> None:
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    with served_by(site([demo_url + feature + query])) as lab:
        page.goto(lab)
        expect(page.frame_locator("iframe").locator("main")).to_have_count(0)
    assert any("frame-ancestors" in text for text in refused)


def test_a_site_that_may_read_may_have_pages_to_be_embedded_in_a_frame(page: Page, tmp_path: Path) -> None:
    runs, source, framed = tmp_path / "runs", tmp_path / "source", list[str]()
    source.mkdir()
    small_run(DirectoryStore(runs), source)
    with served_by(site(framed)) as lab, serving("serve", "--runs", runs, "--allowed-origin", lab) as url:
        framed.append(f"{url}/runs?embed=1")
        page.goto(lab)
        expect(page.frame_locator("iframe").get_by_role("heading", name="Runs")).to_be_visible()
        framed.append(f"{url}/runs")
        page.goto(lab)
        expect(page.frame_locator("iframe").locator("main")).to_have_count(0)
