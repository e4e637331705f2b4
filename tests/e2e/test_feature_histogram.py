"""The histogram on a feature's page, in a real browser: what it counts, and that it is the legend of the bands."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.asking import api
from tests.e2e.test_feature_page import info_of, open_best_feature

BOXES = """all => all.map(element => {
    const { left, top, right, bottom } = element.getBoundingClientRect();
    return [element.textContent, { left, top, right, bottom }];
})"""
Box = dict[str, float]


def open_commonest_feature(page: Page) -> Any:
    """Open the feature that fired at most tokens; the answer is what the API says of it."""
    (feature,) = api(page, "/api/features?sort=num_active_tokens&limit=1")["features"]
    page.goto(f"/feature/{feature['feature_id']}")
    expect(page.get_by_text("All statistics")).to_be_visible()  # which is drawn last
    return info_of(page, feature["feature_id"])


def histogram(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Histogram")


def bands(page: Page) -> Locator:
    return page.get_by_role("region", name="Activations ")


def boxes(elements: Locator) -> list[tuple[str, Box]]:
    """The text and the place of each element."""
    found: list[tuple[str, Box]] = elements.evaluate_all(BOXES)
    return found


def are_apart(one: Box, other: Box) -> bool:
    beside = one["right"] <= other["left"] or other["right"] <= one["left"]
    return beside or one["bottom"] <= other["top"] or other["bottom"] <= one["top"]


def bars_of(page: Page, info: Any) -> tuple[dict[int, int], dict[int, Box]]:
    """The counts of the histogram, and the places of their bars, by bin."""
    counts = {int(bin_): info["hist"][bin_] for bin_ in sorted(info["hist"], key=int)}
    return counts, dict(zip(counts, (box for _, box in boxes(page.get_by_test_id("bar"))), strict=True))


def height_of(count: float, counts: dict[int, int], bars: dict[int, Box]) -> float:
    """Where a bar of so many tokens ends, on a log axis through the ends of the lowest bar and of the highest."""
    low, high = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    share = math.log(count / counts[low]) / math.log(counts[high] / counts[low])
    return bars[low]["top"] + share * (bars[high]["top"] - bars[low]["top"])


def test_the_histogram_has_a_bar_for_every_bin_of_the_api(page: Page) -> None:
    info = info_of(page, open_best_feature(page))
    assert page.get_by_test_id("bar").count() == len(info["hist"])


def test_how_often_it_did_not_fire_is_said_in_words(page: Page) -> None:
    info = open_commonest_feature(page)
    silent = 100 * (1 - info["num_active_tokens"] / info["num_tokens"])
    expect(page.get_by_text(f"silent at {silent:.1f} % of tokens")).to_be_visible()


def test_a_bar_is_as_high_as_the_logarithm_of_its_count(page: Page) -> None:
    counts, bars = bars_of(page, open_commonest_feature(page))
    assert len(set(counts.values())) > 2
    tops = [bar["top"] for bar in bars.values()]
    assert tops == pytest.approx([height_of(count, counts, bars) for count in counts.values()], abs=0.5)


@pytest.mark.parametrize("width", [1440, 375])
def test_the_labels_of_the_axes_are_where_they_belong_and_apart(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    info = open_commonest_feature(page)
    counts, bars = bars_of(page, info)
    labels = boxes(histogram(page).locator("text"))
    (_, frame), *_ = boxes(histogram(page))
    for (_, one), (_, other) in combinations(labels, 2):
        assert are_apart(one, other)
    for _, box in labels:
        assert frame["left"] <= box["left"] < box["right"] <= frame["right"]
        assert frame["top"] <= box["top"] < box["bottom"] <= frame["bottom"]

    numbers = [(float(text.replace(",", "")), box) for text, box in labels]
    bottom = max(bar["bottom"] for bar in bars.values())
    of_counts = [label for label in numbers if label[1]["top"] < bottom - 8]
    of_activations = [label for label in numbers if label[1]["top"] >= bottom - 8]
    assert min(len(of_counts), len(of_activations)) >= 2
    middles = [(box["top"] + box["bottom"]) / 2 for _, box in of_counts]
    assert middles == pytest.approx([height_of(count, counts, bars) for count, _ in of_counts], abs=3)
    first, last = min(bars), max(bars)
    per_bin = (bars[last]["left"] - bars[first]["left"]) / (last - first)
    origin = bars[first]["left"] - (first - 1) * per_bin
    centres = [(box["left"] + box["right"]) / 2 for _, box in of_activations]
    expected = [origin + activation / info["bin_width"] * per_bin for activation, _ in of_activations]
    assert centres == pytest.approx(expected, abs=1.5)


def test_the_histogram_names_a_bin_and_its_count_by_keyboard(page: Page) -> None:
    info = info_of(page, open_best_feature(page))
    histogram(page).focus()
    page.keyboard.press("ArrowRight")
    count = info["hist"].get("1", 0)
    expect(page.get_by_text(f"0 < a ≤ 0.2: {count} token{'' if count == 1 else 's'}")).to_be_visible()


def test_a_bar_has_the_colour_of_its_band(page: Page) -> None:
    info = open_commonest_feature(page)
    heats = page.get_by_test_id("bar").evaluate_all("all => all.map(bar => bar.style.getPropertyValue('--heat'))")
    swatches = bands(page).locator(".band-swatch")
    of_bands = swatches.evaluate_all("all => all.map(one => one.style.getPropertyValue('--heat'))")
    assert list(dict.fromkeys(heats)) == of_bands[::-1]  # bars from the weakest, bands from the strongest
    assert len(heats) == len(info["hist"])


def test_clicking_on_a_bar_shows_the_examples_of_its_band_alone_and_again_all(page: Page) -> None:
    open_commonest_feature(page)
    expect(bands(page).nth(1)).to_be_visible()
    titles = [one.get_attribute("aria-label") for one in bands(page).all()]
    weakest = page.get_by_test_id("bar").first
    weakest.click()
    expect(bands(page)).to_have_count(1)
    assert bands(page).get_attribute("aria-label") == titles[-1]
    page.reload()
    expect(bands(page)).to_have_count(1)
    page.get_by_test_id("bar").first.click()
    expect(bands(page)).to_have_count(len(titles))


def test_a_band_is_chosen_with_the_keyboard_in_the_histogram_from_any_tab(page: Page) -> None:
    open_commonest_feature(page)
    page.get_by_role("tab", name="Random").click()
    histogram(page).focus()
    while page.get_by_role("option", selected=True).count() == 0:
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
    expect(bands(page)).to_have_count(1)
    expect(page.get_by_role("tab", name="By strength")).to_have_attribute("aria-selected", "true")


def test_clicking_on_a_band_s_title_shows_it_alone_and_again_all(page: Page) -> None:
    open_commonest_feature(page)
    expect(bands(page).nth(1)).to_be_visible()
    number = bands(page).count()
    bands(page).first.get_by_role("button").click()
    expect(bands(page)).to_have_count(1)
    bands(page).first.get_by_role("button").click()
    expect(bands(page)).to_have_count(number)


def test_a_chosen_band_is_not_taken_to_the_next_feature(page: Page) -> None:
    open_commonest_feature(page)
    expect(bands(page).nth(1)).to_be_visible()
    page.get_by_test_id("bar").first.click()
    page.wait_for_url("**band=*")
    page.keyboard.press("j")
    page.wait_for_url(lambda url: "band=" not in url)
