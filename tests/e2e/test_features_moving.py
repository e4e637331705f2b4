"""Moving through the list of features and from there to a feature and back, by mouse, keys and address."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.feature_list import (
    ROW_PX,
    all_features,
    expect_order,
    focused_rank,
    is_in_view,
    open_list,
    query_of,
    row,
    scroll_to_rank,
)


def test_a_slash_leads_to_the_field_that_finds_a_feature_by_its_number(page: Page) -> None:
    feature_id = open_list(page)[7]["feature_id"]
    page.keyboard.press("/")
    page.keyboard.type(f"{feature_id}\n")
    expect(page.get_by_role("heading", name=f"Feature {feature_id}", exact=True)).to_be_visible()


def test_the_random_feature_is_one_of_the_features_that_match(page: Page) -> None:
    page.goto("/?token=+upgrade")
    matching = {str(one["feature_id"]) for one in all_features(page, "token=%20upgrade")}
    page.get_by_role("button", name="Random feature").click()
    page.wait_for_url(re.compile(r"/feature/\d+\?token=\+upgrade"))
    assert urlsplit(page.url).path.rsplit("/", 1)[1] in matching


def test_a_click_anywhere_in_a_row_opens_its_feature(page: Page) -> None:
    feature_id = open_list(page, "/?metric=max_activation")[1]["feature_id"]
    row(page, 2).click(position={"x": 1200, "y": ROW_PX / 2})
    expect(page.get_by_role("heading", name=f"Feature {feature_id}", exact=True)).to_be_visible()
    expect(page).to_have_title(f"Feature {feature_id} · saescope")


def test_j_and_k_move_from_row_to_row_beyond_what_was_there_and_enter_opens(page: Page) -> None:
    features = open_list(page)
    for _ in range(81):
        page.keyboard.press("j")
    page.keyboard.press("k")
    assert focused_rank(page) == 80
    assert is_in_view(page, row(page, 80).get_by_role("link"))
    expect(row(page, 80).get_by_role("link")).to_have_text(str(features[79]["feature_id"]))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Feature {features[79]['feature_id']}", exact=True)).to_be_visible()


def test_arrows_home_end_and_the_page_keys_move_from_a_row(page: Page) -> None:
    features = open_list(page)
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    assert focused_rank(page) == 2
    page.keyboard.press("ArrowUp")
    assert focused_rank(page) == 1
    page.keyboard.press("PageDown")
    below = focused_rank(page)
    assert below is not None
    assert 10 < below < 40
    assert is_in_view(page, row(page, below).get_by_role("link"))
    page.keyboard.press("End")
    assert focused_rank(page) == len(features)
    page.keyboard.press("PageUp")
    assert focused_rank(page) == len(features) + 1 - below
    page.keyboard.press("Home")
    assert focused_rank(page) == 1
    assert is_in_view(page, row(page, 1).get_by_role("link"))


def test_the_focus_stays_on_its_row_however_far_it_is_scrolled_away(page: Page) -> None:
    open_list(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    scroll_to_rank(page, 600)
    assert focused_rank(page) == 2
    page.keyboard.press("j")
    assert focused_rank(page) == 3
    assert is_in_view(page, row(page, 3).get_by_role("link"))


def test_the_table_s_rows_are_one_stop_of_the_tab_key_the_first_one_in_view(page: Page) -> None:
    open_list(page)
    scroll_to_rank(page, 300)
    stops = page.locator("[data-row] a[tabindex='0']")
    expect(stops).to_have_count(1)
    first = int(query_of(page)["offset"][0]) + 1
    expect(row(page, first).locator("a[tabindex='0']")).to_have_count(1)
    assert is_in_view(page, stops)
    assert not is_in_view(page, row(page, first - 1).get_by_role("link"))


@pytest.mark.parametrize("leave", ["reload", "back"])
def test_reloading_and_going_back_find_the_place_in_the_list_again(page: Page, leave: str) -> None:
    features = open_list(page, "/?metric=std")
    scroll_to_rank(page, 420)
    rank = int(query_of(page)["offset"][0]) + 1
    before = row(page, rank).get_by_role("link")
    expect(before).to_have_text(str(features[rank - 1]["feature_id"]))
    place = before.bounding_box()
    if leave == "reload":
        page.reload()
    else:
        before.click()
        expect(
            page.get_by_role("heading", name=f"Feature {features[rank - 1]['feature_id']}", exact=True)
        ).to_be_visible()
        page.go_back()
    expect(before).to_have_text(str(features[rank - 1]["feature_id"]))
    after = before.bounding_box()
    assert place is not None
    assert after is not None
    assert after["y"] == pytest.approx(place["y"], abs=ROW_PX)


def test_a_click_right_after_scrolling_comes_back_to_where_it_was(page: Page) -> None:
    open_list(page)
    page.evaluate("window.scrollTo(0, 9000)")
    expect(row(page, 270).get_by_role("link")).to_be_visible()
    row(page, 270).get_by_role("link").click()
    page.go_back()
    expect(row(page, 270).get_by_role("link")).to_be_in_viewport()


def test_another_list_begins_at_its_top_and_going_back_leads_to_the_place_in_the_last(page: Page) -> None:
    open_list(page)
    scroll_to_rank(page, 300)
    there = page.evaluate("scrollY")
    page.get_by_role("columnheader", name="Kurtosis").get_by_role("button").click()
    expect_order(page, all_features(page, "metric=kurtosis"))
    assert page.evaluate("scrollY") == 0
    page.go_back()
    page.wait_for_function("scrollY > 0")
    assert page.evaluate("scrollY") == pytest.approx(there, abs=ROW_PX)


def test_previous_and_next_go_through_the_filtered_list(page: Page) -> None:
    page.goto("/?token=e&metric=skew&order=asc")
    features = all_features(page, "token=e&metric=skew&order=asc")
    row(page, 2).get_by_role("link").click()
    place = page.get_by_role("navigation", name="Ranking")
    expect(place).to_contain_text("rank 2 of")
    for key, rank in (("j", 3), ("ArrowRight", 4), ("k", 3), ("ArrowLeft", 2)):
        page.keyboard.press(key)
        expect(place).to_contain_text(f"rank {rank} of {len(features):,} by skew, lowest first, filtered")
        assert urlsplit(page.url).path == f"/feature/{features[rank - 1]['feature_id']}"


def test_the_next_feature_is_there_before_it_is_asked_for(page: Page) -> None:
    features = open_list(page)
    following = f"id={features[1]['feature_id']}&"
    with (
        page.expect_response(lambda answer: "feature_info" in answer.url and following in answer.url),
        page.expect_response(lambda answer: "feature_rank" in answer.url and following in answer.url),
    ):
        row(page, 1).get_by_role("link").click()
    page.route(f"**/api/*{following}*", lambda route: route.abort())
    page.keyboard.press("j")
    expect(page.get_by_role("heading", name=f"Feature {features[1]['feature_id']}", exact=True)).to_be_visible()
    expect(page.get_by_test_id("bar").first).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_feature_s_rank_leads_back_to_its_place_in_the_list(page: Page) -> None:
    feature_id = all_features(page, "metric=std")[399]["feature_id"]
    page.goto(f"/feature/{feature_id}?metric=std")
    page.get_by_role("link", name=re.compile("^rank 400 of .* by std$")).click()
    expect(row(page, 400).get_by_role("link")).to_be_in_viewport()
