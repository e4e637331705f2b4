"""What the tests of several pages ask of a page. Knows no page in particular."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.support.waiting import wait_until


def api(page: Page, path: str) -> Any:
    """What the API answers to `path`, asked by the page's own browser."""
    response = page.request.get(path)
    assert response.ok, response.text()
    return response.json()


def expect_to_fit_sideways(page: Page) -> None:
    """The page is no wider than the screen, once it is laid out for it: columns follow a moment after the screen."""
    wait_until(lambda: page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
