"""The card with a feature's texts beside its line in the list, in a real browser with a real mouse."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.e2e.asking import api


def card(page: Page) -> Locator:
    return page.get_by_role("tooltip")


def rest_on(page: Page, rank: int) -> Locator:
    """Put the mouse on a line of the list and leave it there; the answer is the line."""
    page.goto("/")
    line = page.locator(f"[data-row='{rank}']")
    line.hover(position={"x": 200, "y": 16})
    expect(card(page)).to_be_visible()
    return line


def test_the_card_has_texts_of_the_feature_that_the_mouse_rests_on(page: Page) -> None:
    line = rest_on(page, 2)
    feature = int(line.get_by_role("link").inner_text())
    info = api(page, f"/api/feature_info?id={feature}&top_k=20")
    strongest = card(page).get_by_role("listitem").first
    expect(strongest).to_contain_text(f"{info['max_act']:.2f}")
    expect(strongest.locator(".token-peak")).to_have_text(info["top"][0]["tokens"][info["top"][0]["idx"]].strip())
    expect(line.get_by_role("link")).to_have_attribute("aria-describedby", card(page).get_attribute("id") or "")


def test_the_mouse_may_move_onto_the_card_which_stays_until_it_leaves(page: Page) -> None:
    rest_on(page, 2)
    card(page).hover()
    box = card(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] - 4, steps=5)
    expect(card(page)).to_be_visible()
    page.get_by_role("combobox", name="Search").hover()
    expect(card(page)).to_have_count(0)


def test_the_card_is_within_the_window_also_beside_the_last_line_in_view(page: Page) -> None:
    rest_on(page, 19)
    box = card(page).bounding_box()
    assert box is not None
    assert page.viewport_size is not None
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= page.viewport_size["height"]


def test_escape_takes_the_card_away_and_it_stays_away(page: Page) -> None:
    line = rest_on(page, 2)
    page.keyboard.press("Escape")
    expect(card(page)).to_have_count(0)
    line.hover(position={"x": 260, "y": 16})
    page.locator("[data-row='4']").hover(position={"x": 260, "y": 16})
    expect(card(page)).to_be_visible()
    other = page.locator("[data-row='4']").get_by_role("link")
    expect(other).to_have_attribute("aria-describedby", card(page).get_attribute("id") or "")
