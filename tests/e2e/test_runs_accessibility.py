"""The pages of runs over real services work for everybody, as test_accessibility.py holds for the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.accessibility import assert_axe_finds_nothing, assert_the_tab_key_reaches_everything
from tests.e2e.asking import expect_to_fit_sideways
from tests.e2e.live import Live


@pytest.fixture
def unguarded(browser: Browser, live: Live) -> Iterator[Page]:
    """A tab without the page's security policy, which would keep axe out."""
    context = browser.new_context(base_url=live.url, bypass_csp=True)
    yield context.new_page()
    context.close()


def assert_works_for_everybody(page: Page) -> None:
    assert_axe_finds_nothing(page)
    for width in (1280, 375):
        page.set_viewport_size({"width": width, "height": 800})
        expect_to_fit_sideways(page)


def test_the_form_works_for_everybody(unguarded: Page) -> None:
    unguarded.goto("/runs/new")
    unguarded.get_by_text("More options").click()
    assert_works_for_everybody(unguarded)
    unguarded.reload()
    expect(unguarded.get_by_role("form", name="New run")).to_be_visible()
    assert_the_tab_key_reaches_everything(unguarded)
    unguarded.get_by_label("source", exact=True).fill("nowhere.csv")
    unguarded.keyboard.press("Enter")
    expect(unguarded.get_by_role("alert")).to_be_visible()
    assert_works_for_everybody(unguarded)


@pytest.mark.parametrize("path", ["/runs", "/runs/{run}", "/?run={run}", "/prompts?run={run}"])
def test_the_pages_of_a_live_run_work_for_everybody(live: Live, unguarded: Page, path: str) -> None:
    with live.held_run(2, max_rows=60) as run:
        unguarded.goto(path.format(run=run.run_id))
        expect(unguarded.get_by_role("progressbar").first).to_be_visible()
        expect(unguarded.locator("main [role=status][aria-label^=Loading]")).to_have_count(0)
        assert_works_for_everybody(unguarded)


def test_the_page_of_a_run_that_failed_and_its_deletion_work_for_everybody(live: Live, unguarded: Page) -> None:
    run_id = live.finished_run(layer=7, max_rows=20)
    unguarded.goto(f"/runs/{run_id}")
    expect(unguarded.get_by_role("alert")).to_be_visible()
    assert_works_for_everybody(unguarded)
    assert_the_tab_key_reaches_everything(unguarded)
    unguarded.get_by_role("button", name="Delete run…").press("Enter")
    expect(unguarded.get_by_role("alertdialog")).to_be_visible()
    assert_works_for_everybody(unguarded)
