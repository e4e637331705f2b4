"""What the tests of several pages ask of a page. Knows no page in particular."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page


def api(page: Page, path: str) -> Any:
    """What the API answers to `path`, asked by the page's own browser."""
    response = page.request.get(path)
    assert response.ok, response.text()
    return response.json()


def fits_sideways(page: Page) -> bool:
    """Whether the page is no wider than the screen."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
