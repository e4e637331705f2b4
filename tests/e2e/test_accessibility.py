"""Every page works for everybody: axe finds nothing, and the Tab key leads to everything that can be used."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.accessibility import assert_axe_finds_nothing, assert_the_tab_key_reaches_everything, violations
from tests.e2e.addresses import PAGES, visit

LONG = {"prompts": "?from=290", "prompts-found": "&from=290"}  # of 300 rows; all have the same things to be reached


@pytest.fixture
def unguarded(browser: Browser) -> Iterator[Page]:
    """A tab without the page's security policy, which would keep axe out."""
    context = browser.new_context(bypass_csp=True)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(unguarded: Page, demo_runs_url: str, name: str) -> None:
    visit(unguarded, name, demo_runs_url)
    assert_axe_finds_nothing(unguarded)


@pytest.mark.parametrize("name", ["features", "prompt"])
def test_axe_finds_nothing_where_texts_are_hostile(unguarded: Page, hostile_url: str, name: str) -> None:
    visit(unguarded, name, hostile_url, fires_on="alert(1)")
    assert_axe_finds_nothing(unguarded)


def test_axe_finds_nothing_in_the_keyboard_help(unguarded: Page, demo_runs_url: str) -> None:
    visit(unguarded, "features", demo_runs_url)
    unguarded.keyboard.press("?")
    expect(unguarded.get_by_role("dialog")).to_be_visible()
    assert violations(unguarded) == []


def test_axe_finds_nothing_in_a_token_s_tooltip(unguarded: Page, demo_runs_url: str) -> None:
    visit(unguarded, "feature", demo_runs_url)
    unguarded.locator(".token-peak").first.focus()
    expect(unguarded.get_by_role("tooltip")).to_be_visible()
    assert violations(unguarded) == []


@pytest.mark.parametrize("name", PAGES)
def test_the_tab_key_reaches_everything_that_can_be_used_and_shows_where_it_is(
    page: Page, demo_runs_url: str, name: str
) -> None:
    visit(page, name, demo_runs_url)
    if name in LONG:
        page.goto(page.url + LONG[name])
        expect(page.locator(PAGES[name].sight).first).to_be_visible()
    assert_the_tab_key_reaches_everything(page)


def test_skipping_to_the_content_is_the_first_thing_that_the_tab_key_offers(page: Page, demo_runs_url: str) -> None:
    visit(page, "feature", demo_runs_url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
