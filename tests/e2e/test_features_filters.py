"""Narrowing down the list of features, in a real browser; what a filter leaves is worked out here from all features."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.feature_list import (
    Feature,
    all_features,
    api,
    expect_dead,
    expect_length,
    expect_order,
    filter_menu,
    open_list,
    query_of,
    row,
)


def densities(page: Page) -> tuple[list[Feature], int]:
    return all_features(page), api(page, "/api/features")["num_tokens"]


def expect_matching(page: Page, expected: list[Feature], total: int) -> None:
    expect(page.get_by_role("search").get_by_role("status")).to_contain_text(f"{len(expected):,} of {total:,} match")
    expect_length(page, len(expected))
    expect_order(page, expected)


def test_a_range_of_densities_leaves_the_features_in_it(page: Page) -> None:
    open_list(page)
    features, num_tokens = densities(page)
    filter_menu(page).get_by_label("density from, in percent").fill("0.2")
    filter_menu(page).get_by_label("density to, in percent").fill("0.5")
    expected = [one for one in features if 0.002 <= one["num_active_tokens"] / num_tokens <= 0.005]
    assert 0 < len(expected) < len(features)
    expect_matching(page, expected, len(features))
    assert query_of(page) == {"min_density": ["0.002"], "max_density": ["0.005"]}


def test_a_minimum_count_leaves_the_features_with_as_many_active_tokens(page: Page) -> None:
    features = open_list(page)
    filter_menu(page).get_by_label("active tokens at least").fill("50")
    expect_matching(page, [one for one in features if one["num_active_tokens"] >= 50], len(features))


def test_features_that_fire_on_a_token_are_found_and_its_spaces_count(page: Page) -> None:
    total = len(open_list(page))
    field = filter_menu(page).get_by_label("fires on")
    field.fill("upgrade")
    expect(page.get_by_role("status")).to_contain_text("match")
    anywhere = api(page, "/api/features?token=upgrade")["num_matching"]
    expect_length(page, anywhere)
    field.fill(" upgrade")
    expected = all_features(page, "token=%20upgrade")
    assert 0 < len(expected) <= anywhere < total
    expect_matching(page, expected, total)
    chip = page.get_by_role("button", name="Without the filter: fires on").locator("bdi")
    expect(chip).to_have_text(" upgrade", use_inner_text=True)
    expect(chip).to_have_css("background-image", re.compile("gradient"))  # what is drawn for the space
    page.goto(f"/feature/{expected[0]['feature_id']}?examples=all")
    strongest = page.locator(".token-peak").filter(has_text=re.compile(" upgrade", re.IGNORECASE))
    expect(strongest.first).to_be_visible()


def test_features_that_never_fired_are_counted_and_listed_by_number(page: Page) -> None:
    open_list(page)
    listed = api(page, "/api/features")
    num_dead = listed["num_features"] - listed["num_active_features"]
    page.get_by_role("region", name="Run").get_by_role("link", name=f"{num_dead:,}").click()
    expect(page.get_by_role("status")).to_have_text(f"{num_dead:,} features never fired")
    dead = sorted(set(range(listed["num_features"])) - {one["feature_id"] for one in all_features(page)})
    expect_dead(page, dead)
    grid = page.get_by_role("list", name="Features that never fired")
    page.keyboard.press("j")
    page.keyboard.press("ArrowRight")
    expect(grid.get_by_role("link", name=str(dead[1]), exact=True)).to_be_focused()
    page.keyboard.press("End")
    expect(grid.get_by_role("link", name=str(dead[-1]), exact=True)).to_be_visible()
    page.keyboard.press("Home")
    grid.get_by_role("link", name=str(dead[0]), exact=True).click()
    expect(page.get_by_role("heading", name="This feature never fired")).to_be_visible()


def test_all_filters_are_cleared_at_once(page: Page) -> None:
    page.goto("/?metric=std&token=a&min_count=3&min_density=0.0001")
    page.get_by_role("button", name="Clear all").click()
    expect_order(page, all_features(page, "metric=std"))
    assert query_of(page) == {"metric": ["std"]}
    for field in filter_menu(page).get_by_role("textbox").all():
        expect(field).to_have_value("")


def test_a_filter_s_chip_takes_it_away_and_no_other(page: Page) -> None:
    page.goto("/?min_count=50&token=e")
    page.get_by_role("button", name="at least 50 active tokens").click()
    expect_order(page, all_features(page, "token=e"))
    assert query_of(page) == {"token": ["e"]}


def test_densities_are_percentages_in_the_list_and_in_its_filters(page: Page) -> None:
    features = open_list(page, "/?metric=fraction_active&min_density=0.001")
    density = features[0]["metrics"]["fraction_active"]
    shown = row(page, 1).get_by_role("cell").nth(3)
    expect(shown).to_have_text(re.compile(r"^[0-9.]+ %$"))
    assert float(shown.inner_text().removesuffix(" %")) == pytest.approx(100 * density, rel=0.01)
    expect(page.get_by_role("button", name="density from 0.1 %")).to_be_visible()


def test_the_menu_closes_by_escape_and_by_going_elsewhere(page: Page) -> None:
    open_list(page)
    menu = filter_menu(page)
    expect(menu.get_by_label("fires on")).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(page.get_by_text("+ Filter", exact=True)).to_be_focused()
    filter_menu(page)
    page.get_by_label("Search", exact=True).focus()
    expect(menu).to_be_hidden()


def test_typing_adds_nothing_to_the_history_and_asks_only_after_a_pause(page: Page) -> None:
    page.clock.install()
    page.goto("/runs")
    page.get_by_role("banner").get_by_role("link").first.click()
    expect(row(page, 1)).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "token=" in request.url else None)
    page.clock.pause_at(datetime.now() + timedelta(minutes=1))
    for key in " the":
        filter_menu(page).get_by_label("fires on").press_sequentially(key)
        page.clock.run_for(200)
    page.clock.resume()
    page.wait_for_url("**/?token=+the")
    expect(page.get_by_role("status")).to_contain_text("match")
    assert {parse_qs(urlsplit(url).query)["token"][0] for url in asked} == {" the"}
    page.go_back()
    expect(page).to_have_url(re.compile("/runs$"))


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("density from, in percent", "101", "Type a percentage from 0 to 100, such as 0.5."),
        ("density to, in percent", "some", "Type a percentage from 0 to 100, such as 0.5."),
        ("active tokens at least", "-3", "Type a whole number, such as 100."),
    ],
)
def test_wrong_input_says_so_beside_the_field(page: Page, field: str, typed: str, sentence: str) -> None:
    open_list(page)
    filter_menu(page).get_by_label(field).fill(typed)
    expect(filter_menu(page).get_by_label(field)).to_have_accessible_description(sentence)
    expect(page.get_by_role("alert")).to_have_text(sentence)
    expect(row(page, 1)).to_be_visible()


def test_a_list_without_features_says_what_to_do(page: Page) -> None:
    page.goto("/?min_count=99999999")
    expect(page.get_by_role("heading", name="No feature matches")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("ask for fewer active tokens")
    page.get_by_role("button", name="Clear all").click()
    expect(row(page, 1)).to_be_visible()
