"""What somebody has in view is in the address: opened in another browser it shows the same, and back leads back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.feature_list import all_features, api, expect_order, filter_menu, query_of, row


@pytest.fixture
def runs_page(browser: Browser, demo_runs_url: str) -> Iterator[Page]:
    """The page of two runs."""
    context = browser.new_context(base_url=demo_runs_url, viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


@contextmanager
def opened_elsewhere(page: Page, browser: Browser) -> Iterator[Page]:
    """The page's address in another browser."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    other = context.new_page()
    other.goto(page.url)
    yield other
    context.close()


def run_ids(page: Page) -> tuple[str, str]:
    """The newest run, and the one before."""
    newest, older = api(page, "/api/runs")["runs"]
    return newest["id"], older["id"]


def run_picker(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Run")


def heads(page: Page) -> Locator:
    return page.get_by_role("columnheader")


def choose(page: Page) -> str:
    """Choose a run, a ranking, filters and columns by hand; the answer is what asks the API for the same list."""
    _, older = run_ids(page)
    page.goto("/")
    run_picker(page).select_option(older)
    page.get_by_label("Ranked by").select_option("std")
    page.get_by_role("button", name="highest first").click()
    menu = filter_menu(page)
    menu.get_by_label("fires on").fill("e")
    menu.get_by_label("active tokens at least").fill("20")
    menu.get_by_label("density to, in percent").fill("2")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("checkbox", name="Skew").uncheck()
    page.keyboard.press("Escape")
    query = f"run={older}&metric=std&order=asc&token=e&min_count=20&max_density=0.02"
    expect_order(page, all_features(page, query))
    return query


def shown_in_list(page: Page) -> dict[str, Any]:
    """What a list of features shows of what it is a list of."""
    fields = filter_menu(page).get_by_role("textbox")
    return {
        "heads": heads(page).all_inner_texts(),
        "fields": [field.input_value() for field in fields.all()],
        "run": run_picker(page).input_value(),
        "ranking": page.get_by_label("Ranked by").input_value(),
        "found": page.get_by_role("search").get_by_role("status").inner_text(),
        "facts": page.get_by_role("region", name="Run").inner_text(),
    }


def test_a_list_that_was_put_together_is_the_same_elsewhere(runs_page: Page, browser: Browser) -> None:
    query = choose(runs_page)
    expect(heads(runs_page).filter(has_text="Skew")).to_have_count(0)
    with opened_elsewhere(runs_page, browser) as other:
        expect_order(other, all_features(runs_page, query))
        assert shown_in_list(other) == shown_in_list(runs_page)


def test_a_feature_that_was_come_to_is_the_same_elsewhere_and_back_leads_to_its_list(
    runs_page: Page, browser: Browser
) -> None:
    page = runs_page
    query = choose(page)
    listed = page.url
    feature_id = all_features(page, query)[1]["feature_id"]
    row(page, 2).get_by_role("link").click()
    page.get_by_role("tab", name="Strongest").click()
    page.get_by_label("whole text").check()
    page.get_by_label("show newlines").check()
    info = api(page, f"/api/feature_info?id={feature_id}&run={query_of(page)['run'][0]}&top_k=20")
    place = page.get_by_role("navigation", name="Ranking")
    with opened_elsewhere(page, browser) as other:
        expect(other.get_by_role("heading", name=f"Feature {feature_id}", exact=True)).to_be_visible()
        expect(other.get_by_role("navigation", name="Ranking")).to_have_text(place.inner_text(), use_inner_text=True)
        expect(other.get_by_label("show newlines")).to_be_checked()
        texts = other.get_by_role("region", name="Top activations").get_by_role("listitem")
        expect(texts).to_have_count(len(info["top"]))
    page.go_back()
    expect(page).to_have_url(listed)
    expect_order(page, all_features(page, query))


def test_the_run_that_is_chosen_is_kept_from_page_to_page(runs_page: Page) -> None:
    page = runs_page
    _, older = run_ids(page)
    page.goto("/")
    run_picker(page).select_option(older)
    expect_order(page, all_features(page, f"run={older}"))
    row(page, 1).get_by_role("link").click()
    page.get_by_role("region", name="Activations ").get_by_role("link").first.click()
    expect(page.get_by_role("listbox", name="Tokens of row")).to_be_visible()
    assert query_of(page)["run"] == [older]
    page.get_by_role("link", name="rows from here").click()
    expect(page.get_by_role("list", name="Rows", exact=True)).to_be_visible()
    assert query_of(page)["run"] == [older]
    page.get_by_role("banner").get_by_role("link", name="saescope").click()
    expect_order(page, all_features(page, f"run={older}"))


@pytest.mark.parametrize("path", ["/feature/{feature}", "/prompts"])
def test_the_run_can_be_changed_on_a_page_and_back_leads_to_the_one_before(runs_page: Page, path: str) -> None:
    page = runs_page
    newest, older = run_ids(page)
    feature = all_features(page)[0]["feature_id"]
    page.goto(path.format(feature=feature) + f"?run={newest}")
    run_picker(page).select_option(older)
    page.wait_for_url(f"**{path.format(feature=feature)}?run={older}")
    expect(run_picker(page)).to_have_value(older)
    page.go_back()
    expect(run_picker(page)).to_have_value(newest)
