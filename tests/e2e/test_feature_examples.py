"""The examples on a feature's page, in a real browser: which are in which band, and how their lines are aligned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.asking import api, expect_to_fit_sideways
from tests.e2e.feature_list import all_features
from tests.e2e.test_feature_page import info_of, percent

HEBREW_OR_ARABIC = re.compile(r"[\u0590-\u08ff]")


@pytest.fixture
def hostile_page(browser: Browser, hostile_url: str) -> Iterator[Page]:
    context = browser.new_context(base_url=hostile_url, viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def open_feature(page: Page, feature_id: int, query: str = "") -> Any:
    page.goto(f"/feature/{feature_id}{query}")
    expect(page.get_by_text("All statistics")).to_be_visible()  # which is drawn last
    return info_of(page, feature_id)


def open_commonest(page: Page, query: str = "") -> Any:
    (feature,) = api(page, "/api/features?sort=num_active_tokens&limit=1")["features"]
    return open_feature(page, feature["feature_id"], query)


def open_with_near_misses(page: Page, query: str = "") -> Any:
    """Open a feature that is silent at some occurrences of a token that it often fires on."""
    for feature in api(page, "/api/features?sort=num_active_tokens&limit=20")["features"]:
        info = info_of(page, feature["feature_id"])
        if any(one["examples"] for one in info["not_firing"]):
            open_feature(page, feature["feature_id"], query)
            return info
    raise AssertionError("no feature has near misses")


def bands(page: Page) -> Locator:
    return page.get_by_role("region", name="Activations ")


def edges(band: Locator) -> tuple[float, float]:
    title = band.get_attribute("aria-label") or ""
    low, high = title.removeprefix("Activations ").split(" to ")
    return float(low), float(high)


def activations(band: Locator) -> list[float]:
    return [float(one.inner_text().split()[0]) for one in band.get_by_role("listitem").all()]


def lefts(tokens: Locator) -> list[float]:
    found: list[float] = tokens.evaluate_all("all => all.map(one => one.getBoundingClientRect().left)")
    return found


def test_bands_come_strongest_first_and_each_has_what_lies_in_it_the_strongest_first(page: Page) -> None:
    info = open_commonest(page)
    shown = [edges(band) for band in bands(page).all()]
    assert len(shown) >= 2
    assert shown == sorted(shown, reverse=True)
    assert shown[0][1] == round(info["max_act"], 2)
    for (low, high), band in zip(shown, bands(page).all(), strict=True):
        found = activations(band)
        assert found
        assert found == sorted(found, reverse=True)
        assert all(low <= one <= high for one in found)


def test_a_band_says_how_many_tokens_are_in_it_and_their_share(page: Page) -> None:
    info = open_commonest(page)
    width = info["bin_width"]
    total = 0
    for band in bands(page).all():
        low, high = edges(band)
        # the strongest band ends within a bin, so bins belong where they begin
        begins = {bin_: (int(bin_) - 1) * width + 1e-6 for bin_ in info["hist"]}
        count = sum(info["hist"][bin_] for bin_, begin in begins.items() if low < begin < high)
        expect(band.get_by_role("button")).to_contain_text(
            f"{count:,} token{'' if count == 1 else 's'}, {percent(count / info['num_active_tokens'])}"
        )
        total += count
    assert total == info["num_active_tokens"]


def test_all_the_examples_of_a_band_that_the_api_has_can_be_shown_each_text_once(page: Page) -> None:
    info = open_commonest(page, "?examples=all")
    stored = [*info["top"], *info["random"], *(one for band in info["bands"] for one in band["examples"])]
    for place, band in enumerate(bands(page).all()):
        low, high = edges(band)
        most = info["max_act"] if place == 0 else high
        texts = {(one["idx"], *one["token_ints"]) for one in stored if low < one["act"] <= most}
        expect(band.get_by_role("listitem")).to_have_count(len(texts))


def test_the_listed_tokens_of_all_texts_begin_on_one_line(page: Page) -> None:
    open_commonest(page)
    places = lefts(page.locator(".example-line .token-peak"))
    assert len(places) > 10
    assert max(places) - min(places) < 1


def test_a_line_is_cut_at_whole_tokens_around_the_listed_one_and_says_so(page: Page) -> None:
    page.set_viewport_size({"width": 700, "height": 900})
    info = open_commonest(page, "?show=strongest")
    lines = page.get_by_role("region", name="Top activations").get_by_role("listitem")
    cut = 0
    for line, text in zip(lines.all(), info["top"], strict=True):
        shown = line.locator(".token")
        first, last = (int(shown.nth(n).get_attribute("data-index") or "") for n in (0, shown.count() - 1))
        assert first <= text["idx"] <= last
        ellipses = line.locator(".kwic").inner_text().count("…")
        assert ellipses == (first > 0) + (last < len(text["tokens"]) - 1)
        cut += ellipses
    assert cut > 0


def test_whole_texts_are_shown_on_demand_and_still_after_reloading(page: Page) -> None:
    info = open_commonest(page, "?show=strongest")
    page.get_by_label("whole text").check()
    page.reload()
    expect(page.get_by_label("whole text")).to_be_checked()
    lines = page.get_by_role("region", name="Top activations").get_by_role("listitem")
    for line, text in zip(lines.all(), info["top"], strict=True):
        expect(line.locator(".token")).to_have_count(len(text["tokens"]))


def test_a_text_that_is_read_from_right_to_left_is_aligned_and_goes_on_to_the_left(hostile_page: Page) -> None:
    for feature in all_features(hostile_page):
        info = info_of(hostile_page, feature["feature_id"])
        for place, text in enumerate(info["top"]):
            first = re.search(r"[^\W\d_]", "".join(text["tokens"][1:]))
            if first is None or not HEBREW_OR_ARABIC.match(first[0]) or len(info["top"]) == 1:
                continue
            open_feature(hostile_page, feature["feature_id"], "?show=strongest")
            lines = hostile_page.get_by_role("region", name="Top activations").get_by_role("listitem")
            peak = lines.nth(place).locator(".token-peak").bounding_box()
            others = lefts(hostile_page.locator("[dir=ltr] .token-peak"))
            assert peak is not None
            assert others
            assert peak["x"] + peak["width"] == pytest.approx(others[0], abs=4)
            return
    raise AssertionError("no text is read from right to left")


@pytest.mark.parametrize("query", ["", "?texts=whole", "?show=not-firing"])
def test_on_a_phone_nothing_scrolls_sideways_and_lines_are_still_aligned(page: Page, query: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_with_near_misses(page, query)
    expect_to_fit_sideways(page)
    if "whole" not in query:
        places = lefts(page.locator(".example-line .token-peak"))
        assert max(places) - min(places) < 1


def test_hostile_texts_leave_the_page_as_wide_as_the_phone(hostile_page: Page) -> None:
    hostile_page.set_viewport_size({"width": 390, "height": 844})
    for feature in all_features(hostile_page)[:6]:
        open_feature(hostile_page, feature["feature_id"])
        expect_to_fit_sideways(hostile_page)


def test_where_the_same_words_do_not_make_it_fire_is_shown_below_the_bands(page: Page) -> None:
    info = open_with_near_misses(page)
    main = {token["token_id"] for token in info["tokens"]}
    drawn = {one["row_id"]: one for token in info["not_firing"] for one in token["examples"]}
    lines = page.get_by_role("region", name="Same words, and it doesn’t fire").get_by_role("listitem")
    found = 0
    for line in lines.all():
        assert line.inner_text().split()[0] == "0"
        row_id = int((line.get_by_role("link").inner_text()).removeprefix("row "))
        example = drawn.get(row_id)
        if example is not None:
            assert example["token_ints"][example["idx"]] in main
            found += 1
    assert found > 0


def test_the_framed_token_of_a_near_miss_has_no_colour(page: Page) -> None:
    open_with_near_misses(page)
    lines = page.get_by_role("region", name="Same words, and it doesn’t fire").locator(".token-peak")
    expect(lines).not_to_have_count(0)
    assert page.locator("[aria-label='Where it doesn’t fire'] .token-peak.token-fires").count() == 0


def test_the_tab_of_near_misses_shows_each_token_where_it_fires_and_where_not(page: Page) -> None:
    info = open_with_near_misses(page, "?show=not-firing")
    token = next(one for one in info["not_firing"] if one["examples"])
    listed = next(one for one in info["tokens"] if one["token_id"] == token["token_id"])
    region = page.get_by_role("region", name=f"Where “{token['token'].strip()}” doesn’t make it fire")
    occurrences = round(listed["count"] / listed["share_of_occurrences"])
    expect(region.locator("h2")).to_contain_text(
        f"fires at {percent(listed['share_of_occurrences'])} of its {occurrences:,}"
    )
    silent = region.get_by_role("list", name="Not firing").locator(".token-peak")
    assert set(silent.all_text_contents()) == {token["token"]}
    assert silent.count() >= len(token["examples"])


def test_the_arrow_keys_go_from_tab_to_tab_and_stay_on_the_feature(page: Page) -> None:
    info = open_commonest(page)
    page.get_by_role("tab", name="By strength").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Strongest")).to_be_focused()
    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="Doesn’t fire")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="By strength")).to_be_focused()
    expect(page.get_by_role("heading", name=f"Feature {info['feature_id']}", exact=True)).to_be_visible()


def test_fewer_than_ten_tabs_lead_from_the_top_of_the_page_to_the_first_token(page: Page) -> None:
    open_commonest(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # skips to the content
    tabs = 1
    while tabs < 10 and not page.evaluate("document.activeElement.classList.contains('token')"):
        page.keyboard.press("Tab")
        tabs += 1
    assert tabs < 10


def test_a_text_s_name_says_what_fires_in_it_and_how_strongly(page: Page) -> None:
    info = open_commonest(page, "?show=strongest")
    text = info["top"][0]
    fired = [
        f"“{token.strip()}” {act:.2f}" for token, act in zip(text["tokens"], text["acts"], strict=True) if act >= 0.01
    ]
    name = page.get_by_role("region", name="Top activations").get_by_role("group").first.get_attribute("aria-label")
    assert name is not None
    own = f"“{text['tokens'][text['idx']].strip()}” {text['act']:.2f}"
    assert name.startswith(f"Row {text['row_id']}: {own}")
    assert all(one in name for one in fired[:5])


def test_without_colours_a_line_under_a_token_says_how_strongly_it_fires(browser: Browser, demo_url: str) -> None:
    context = browser.new_context(base_url=demo_url, forced_colors="active")
    page = context.new_page()
    open_commonest(page)
    widths = []
    for band in bands(page).all():
        border = band.locator(".token-peak").first.evaluate("one => getComputedStyle(one).borderBottomWidth")
        widths.append(float(border.removesuffix("px")))
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] >= 1
    assert widths[0] > widths[-1]
    frame = page.locator(".token-peak").first.evaluate("one => getComputedStyle(one).outlineStyle")
    assert frame == "solid"
    context.close()


def test_on_paper_there_are_the_texts_and_their_colours_but_no_controls(page: Page) -> None:
    open_commonest(page)
    page.emulate_media(media="print")
    expect(page.locator(".token-peak").first).to_be_visible()
    adjust = page.locator(".token-peak").first.evaluate("one => getComputedStyle(one).printColorAdjust")
    assert adjust == "exact"
    for hidden in (page.get_by_role("banner"), page.get_by_role("tablist"), page.get_by_label("whole text")):
        expect(hidden).to_be_hidden()
