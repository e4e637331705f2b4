"""The pages where reading is guarded by a token, and below a prefix behind a proxy, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from services.api.app import create_app
from services.api.http.access import Access
from services.commands.serve import VIEWER
from sparse_autoencoder.runs.store import DirectoryStore
from tests.e2e.front import proxy_below
from tests.support.api import backend_without_servers, serving
from tests.support.live_runs import LiveWriter

PREFIX = "/user/ada/proxy/8765"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> DirectoryStore:
    """A store with a small finished run."""
    found = DirectoryStore(tmp_path_factory.mktemp("runs"))
    writer = LiveWriter.start(found)
    writer.add(20)
    writer.finish()
    return found


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """An empty tab, at no address; what goes wrong in it fails the test."""
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if "Content Security" in message.text else None)
    yield page
    page.close()
    assert problems == []


def test_pages_ask_for_the_token_and_event_streams_come_with_it(
    tab: Page, store: DirectoryStore, tmp_path: Path
) -> None:
    access = Access("s3cret", guards_reading=True)
    app = create_app(store, VIEWER, backend_without_servers(store, tmp_path), access)
    with serving(app) as url:
        tab.goto(f"{url}/feature/0")
        tab.get_by_label("Token").fill("guess")
        tab.get_by_role("button", name="Open").click()
        expect(tab.get_by_role("alert")).to_have_text("that isn't the API's token")
        tab.get_by_label("Token").fill("s3cret")
        tab.get_by_role("button", name="Open").click()
        expect(tab.get_by_role("heading", level=1)).to_contain_text("0")
        tab.reload()
        expect(tab.get_by_role("heading", level=1)).to_contain_text("0")
        stream = "async () => (await fetch(new URL('api/runs', document.baseURI))).status"
        assert tab.evaluate(stream) == 200


def test_every_page_works_below_a_prefix(tab: Page, store: DirectoryStore) -> None:
    with serving(create_app(store, VIEWER)) as url, proxy_below(url, PREFIX) as below:
        tab.goto(below)
        expect(tab.get_by_role("table")).to_be_visible()
        expect(tab.get_by_role("row").nth(1)).to_contain_text(re.compile("[0-9]"))
        tab.get_by_role("table").get_by_role("link").first.click()
        expect(tab).to_have_url(re.compile(f"{PREFIX}/feature/[0-9]+"))
        expect(tab.get_by_role("heading", level=1)).to_be_visible()
        tab.reload()  # now the page's own path is deeper
        expect(tab.get_by_role("heading", level=1)).to_be_visible()
        for name, path in (("Rows", "/prompts"), ("Compare", "/compare"), ("Runs", "/runs"), ("Features", "/")):
            tab.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
            expect(tab).to_have_url(re.compile(f"{PREFIX}{path}"))
            expect(tab.get_by_role("alert")).to_have_count(0)
