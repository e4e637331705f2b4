"""One field in the header finds features by number, label and token, and rows by phrase, in a real browser."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.e2e.asking import expect_to_fit_sideways
from tests.e2e.feature_list import api, open_list


def field(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Search", exact=True)


def options(page: Page, group: str) -> Locator:
    return page.get_by_role("group", name=group, exact=True).get_by_role("option")


def active(page: Page) -> Locator:
    return page.get_by_role("listbox", name="What was found").get_by_role("option", selected=True)


def test_a_token_leads_to_the_features_that_fire_on_it(page: Page) -> None:
    open_list(page)
    field(page).fill("raise")
    answer = api(page, "/api/features?token=raise&limit=4")
    found = options(page, "Features by token")
    expect(found.first).to_contain_text(f"{answer['num_matching']} features on tokens with")
    for place, feature in enumerate(answer["features"], start=1):
        expect(found.nth(place)).to_contain_text(str(feature["feature_id"]))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/\?token=raise$"))


def test_a_phrase_leads_to_the_rows_that_have_it(page: Page) -> None:
    open_list(page)
    field(page).fill("price target")
    (first, *_) = api(page, "/api/prompts?text=price%20target&limit=3")["prompts"]
    rows = options(page, "Rows")
    expect(rows.nth(1)).to_contain_text(f"row {first['row_id']}")
    expect(rows.nth(1).locator("b")).to_have_text(re.compile("price target", re.IGNORECASE))
    rows.nth(1).click()
    expect(page).to_have_url(re.compile(rf"/prompts/{first['row_id']}"))


def test_from_a_row_s_page_the_search_leads_to_a_feature_by_ctrl_k(page: Page) -> None:
    page.goto("/prompts")
    expect(page.get_by_role("list", name="Rows")).to_be_visible()
    page.keyboard.press("Control+k")
    expect(field(page)).to_be_focused()
    page.keyboard.type("12")
    expect(active(page)).to_contain_text("12")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Feature 12", exact=True)).to_be_visible()


def test_the_active_option_is_in_sight_and_announced(page: Page) -> None:
    open_list(page)
    field(page).fill("the")
    expect(options(page, "Rows").last).to_be_visible()
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    expect(active(page)).to_have_count(1)
    expect(active(page)).to_be_in_viewport(ratio=1)
    expect(field(page)).to_have_attribute("aria-activedescendant", str(active(page).get_attribute("id")))


def test_what_is_typed_meanwhile_gives_up_what_was_asked_for(page: Page) -> None:
    held: list[str] = []
    page.route("**/api/prompts?*text=price&*", lambda route: held.append(route.request.url))
    open_list(page)
    with page.expect_request("**/api/prompts?*text=price&*"):
        field(page).fill("price")
    # the question for features, which goes out beside it, is given up too if it isn't answered yet
    with page.expect_event("requestfailed", lambda request: "/api/prompts" in request.url) as failed:
        field(page).fill("price target")
    assert failed.value.url == held[0]
    expect(options(page, "Rows").nth(1)).to_be_visible()


def test_a_number_that_no_feature_has_says_which_there_are(page: Page) -> None:
    open_list(page)
    field(page).fill("99999999")
    last = api(page, "/api/features")["num_features"] - 1
    expect(field(page)).to_have_accessible_description(f"Features are numbered 0 to {last}.")


def test_on_a_phone_the_search_fits(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_list(page)
    field(page).fill("e")
    expect(options(page, "Rows").last).to_be_visible()
    expect_to_fit_sideways(page)
    box = page.get_by_role("listbox").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
