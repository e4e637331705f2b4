"""Every page works for everybody: axe finds nothing, and the Tab key leads to everything that can be used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.addresses import PAGES, visit
from tests.e2e.serving import REPOSITORY

AXE = REPOSITORY / "services" / "viewer" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = (1280, 375)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# What has a place in the order of the Tab key; of a group with one tab stop that is one.
TAB_STOPS = """() => Array.from(
    document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")
).filter(e => e.tabIndex >= 0 && !e.disabled && e.checkVisibility() && e.getClientRects().length > 0)"""


@pytest.fixture
def unguarded(browser: Browser) -> Iterator[Page]:
    """A tab without the page's security policy, which would keep axe out."""
    context = browser.new_context(bypass_csp=True)
    yield context.new_page()
    context.close()


def violations(page: Page) -> list[str]:
    """What axe finds on the page as it is shown, each with the elements concerned."""
    found: list[dict[str, Any]] = page.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations)"
    )
    return [f"{rule['id']}: {[node['html'][:200] for node in rule['nodes']]}" for rule in found]


def assert_axe_finds_nothing(page: Page) -> None:
    """In light and dark, wide and narrow."""
    page.add_script_tag(path=AXE)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert violations(page) == [], f"{scheme}, {width} px"


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(unguarded: Page, demo_runs_url: str, name: str) -> None:
    visit(unguarded, name, demo_runs_url)
    assert_axe_finds_nothing(unguarded)


@pytest.mark.parametrize("name", ["features", "feature", "prompts", "prompt", "compare"])
def test_axe_finds_nothing_where_texts_are_hostile(unguarded: Page, hostile_url: str, name: str) -> None:
    visit(unguarded, name, hostile_url, fires_on="alert(1)")
    assert_axe_finds_nothing(unguarded)


def test_axe_finds_nothing_in_the_keyboard_help(unguarded: Page, demo_runs_url: str) -> None:
    visit(unguarded, "features", demo_runs_url)
    unguarded.keyboard.press("?")
    expect(unguarded.get_by_role("dialog")).to_be_visible()
    unguarded.add_script_tag(path=AXE)
    assert violations(unguarded) == []


def test_axe_finds_nothing_in_a_token_s_tooltip(unguarded: Page, demo_runs_url: str) -> None:
    visit(unguarded, "feature", demo_runs_url)
    unguarded.locator(".token-peak").first.focus()
    expect(unguarded.get_by_role("tooltip")).to_be_visible()
    unguarded.add_script_tag(path=AXE)
    assert violations(unguarded) == []


@pytest.mark.parametrize("name", PAGES)
def test_the_tab_key_reaches_everything_that_can_be_used_and_shows_where_it_is(
    page: Page, demo_runs_url: str, name: str
) -> None:
    visit(page, name, demo_runs_url)
    stops: int = page.evaluate(f"() => ({TAB_STOPS})().forEach((e, n) => e.dataset.stop = n) ?? ({TAB_STOPS})().length")
    reached: list[str] = []
    for _ in range(stops):
        page.keyboard.press("Tab")
        stop, outline = page.evaluate(
            "[document.activeElement.dataset.stop, getComputedStyle(document.activeElement).outlineStyle]"
        )
        assert outline != "none"
        reached.append(stop)
    assert reached == [str(stop) for stop in range(stops)]


def test_skipping_to_the_content_is_the_first_thing_that_the_tab_key_offers(page: Page, demo_runs_url: str) -> None:
    visit(page, "feature", demo_runs_url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
