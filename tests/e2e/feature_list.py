"""What the tests of the list of features share: the API's list, and the rows that are shown of it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, expect

ROW_PX = 34
Feature = dict[str, Any]


def api(page: Page, path: str) -> Any:
    """What the API answers to `path`, asked by the page's own browser."""
    response = page.request.get(path)
    assert response.ok, response.text()
    return response.json()


def all_features(page: Page, query: str = "") -> list[Feature]:
    """Everything that the API lists, in its order."""
    listed: list[Feature] = api(page, f"/api/features?limit=10000&details=true&{query}")["features"]
    return listed


def row(page: Page, rank: int) -> Locator:
    """The row of that rank (from 1)."""
    return page.locator(f"[role=row][aria-rowindex='{rank + 1}']")


def expect_order(page: Page, features: list[Feature]) -> None:
    """The first ranks are these features."""
    for rank, feature in enumerate(features[:8], start=1):
        expect(row(page, rank).get_by_role("link")).to_have_text(str(feature["feature_id"]))


def expect_length(page: Page, length: int) -> None:
    expect(page.get_by_role("table", name="Features")).to_have_attribute("aria-rowcount", str(length + 1))


def query_of(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query, keep_blank_values=True)


def open_list(page: Page, path: str = "/") -> list[Feature]:
    """Open the list and wait for its first rows; the answer is all of it."""
    page.goto(path)
    features = all_features(page, urlsplit(path).query)
    expect_length(page, len(features))
    return features


def filter_menu(page: Page) -> Locator:
    """The menu of filters, opened."""
    summary = page.get_by_text("+ Filter", exact=True)
    if not summary.evaluate("summary => summary.parentElement.open"):
        summary.click()
    return page.get_by_role("group", name="Filters")


def expect_dead(page: Page, features: list[int]) -> None:
    """The grid of features that never fired is as long as these, and begins with them."""
    grid = page.get_by_role("list", name="Features that never fired")
    expect(grid.get_by_role("listitem").first).to_have_attribute("aria-setsize", str(len(features)))
    for place, feature_id in enumerate(features[:8]):
        expect(grid.get_by_role("listitem").nth(place)).to_have_text(str(feature_id))


def is_in_view(page: Page, element: Locator) -> bool:
    """Whether nothing covers the middle of it."""
    return bool(
        element.evaluate(
            """element => {
                const { x, y, width, height } = element.getBoundingClientRect();
                return element.contains(document.elementFromPoint(x + width / 2, y + height / 2));
            }"""
        )
    )


def scroll_to_rank(page: Page, rank: int) -> None:
    """Scroll as by the wheel, and wait until the address says so."""
    page.mouse.move(600, 600)
    page.mouse.wheel(0, rank * ROW_PX)
    page.wait_for_url(re.compile(r"offset=\d+"))


def focused_rank(page: Page) -> int | None:
    """The rank (from 1) of the row with the focus."""
    rank: int | None = page.evaluate(
        "(rank => rank === undefined ? null : Number(rank) + 1)"
        "(document.activeElement.closest('[data-row]')?.dataset.row)"
    )
    return rank
