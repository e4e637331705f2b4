"""A feature's page over a real demo run, in a real browser, as a person uses it."""

from __future__ import annotations

import json
import math
import re
from itertools import combinations
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.e2e.asking import api

ALL_TOKENS = "over all counted tokens, zeros included"
DEFINITIONS = {
    "density": "Share of the counted tokens at which the feature was active: E[a > 0].",
    "mean activation": f"E[a], the mean activation {ALL_TOKENS}.",
    "variance": f"E[a²] − E[a]², {ALL_TOKENS}: around the mean.",
    "skew (0-centred)": f"E[a³] / E[a²]^1.5 {ALL_TOKENS}: moments around 0, not around the mean.",
    "kurtosis (0-centred)": f"E[a⁴] / E[a²]² {ALL_TOKENS}: moments around 0, not around the mean.",
}
KNOWN_LATER = {
    "effects": [{"name": "loss", "description": "How much worse it gets without the feature.", "value": 0.125}],
    "explanations": [{"text": "<i>upgrades</i>", "author": "somebody", "score": 0.75}],
}
BOXES = """all => all.map(element => {
    const { left, top, right, bottom } = element.getBoundingClientRect();
    return [element.textContent, { left, top, right, bottom }];
})"""
Box = dict[str, float]


def best_feature(page: Page, metric: str = "max_activation", rank: int = 0) -> int:
    ranking = api(page, f"/api/features?metric={metric}&limit=1&offset={rank}")
    return int(ranking["features"][0]["feature_id"])


def info_of(page: Page, feature_id: int) -> Any:
    """What the page shows of a feature, as the API has it."""
    return api(page, f"/api/feature_info?id={feature_id}&top_k=20")


def open_best_feature(page: Page, query: str = "") -> int:
    feature_id = best_feature(page)
    page.goto(f"/feature/{feature_id}?metric=max_activation{query}")
    expect(page.get_by_test_id("bar").first).to_be_visible()
    return feature_id


def open_commonest_feature(page: Page) -> Any:
    """Open the feature that fired at most tokens; the answer is what the API says of it."""
    (feature,) = api(page, "/api/features?sort=num_active_tokens&limit=1")["features"]
    page.goto(f"/feature/{feature['feature_id']}")
    expect(page.get_by_test_id("bar").first).to_be_visible()
    return info_of(page, feature["feature_id"])


def top_texts(page: Page) -> Locator:
    return page.get_by_role("region", name="Top activations").get_by_role("listitem")


def framed_token(page: Page) -> Locator:
    """The strongest token of the strongest text."""
    return top_texts(page).first.locator(".token-peak")


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


def background(token: Locator) -> str:
    return str(token.evaluate("element => getComputedStyle(element).backgroundColor"))


def test_every_statistic_is_shown_with_its_value(page: Page) -> None:
    info = info_of(page, open_best_feature(page))
    shown = dict(
        page.get_by_role("region", name="Statistics")
        .locator("dl > div")
        .evaluate_all("rows => rows.map(row => [row.children[0].textContent, Number(row.children[1].textContent)])")
    )
    expected = {
        "mean activation": info["mean_act"],
        "mean squared": info["mean_act_squared"],
        "variance": info["mean_act_squared"] - info["mean_act"] ** 2,
        "maximum": info["max_act"],
        "skew (0-centred)": info["skew"],
        "kurtosis (0-centred)": info["kurtosis"],
    }
    assert {name: shown[name] for name in expected} == pytest.approx(expected, rel=1e-3)  # four digits are shown


def test_the_share_and_the_number_of_active_tokens_are_shown(page: Page) -> None:
    info = info_of(page, open_best_feature(page))
    statistics = page.get_by_role("region", name="Statistics").locator("dl > div")
    density = statistics.filter(has_text="density").locator("dd").inner_text()
    assert density.endswith(" %")
    active, counted = info["num_active_tokens"], info["num_tokens"]
    assert float(density.removesuffix(" %")) == pytest.approx(100 * active / counted, rel=0.05)  # two digits are shown
    expect(statistics.filter(has_text="active tokens").locator("dd")).to_have_text(f"{active:,}")


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_term_is_defined_while_it_is_pointed_at(page: Page, name: str) -> None:
    open_best_feature(page)
    page.get_by_role("button", name=name, exact=True).hover()
    expect(page.get_by_role("tooltip")).to_have_text(DEFINITIONS[name])


def test_a_term_is_defined_while_it_has_the_focus_and_escape_hides_the_definition(page: Page) -> None:
    open_best_feature(page)
    page.get_by_role("button", name="variance").focus()
    expect(page.get_by_role("tooltip")).to_have_text(DEFINITIONS["variance"])
    page.keyboard.press("Escape")
    expect(page.get_by_role("tooltip")).to_have_count(0)


def test_a_metric_is_described_in_the_api_s_words_while_it_is_pointed_at(page: Page) -> None:
    open_best_feature(page)
    page.get_by_role("region", name="Metrics").get_by_role("link", name="Fraction active").hover()
    description = api(page, "/api/features?limit=1")["metric_descriptions"]["fraction_active"]
    expect(page.get_by_role("tooltip")).to_have_text(description)


def test_the_histogram_has_a_bar_for_every_bin_of_the_api(page: Page) -> None:
    info = info_of(page, open_best_feature(page))
    assert page.get_by_test_id("bar").count() == len(info["hist"])


def test_a_bar_is_as_high_as_the_logarithm_of_its_count(page: Page) -> None:
    counts, bars = bars_of(page, open_commonest_feature(page))
    assert len(set(counts.values())) > 2
    tops = [bar["top"] for bar in bars.values()]
    assert tops == pytest.approx([height_of(count, counts, bars) for count in counts.values()], abs=0.5)


@pytest.mark.parametrize("width", [1440, 375])
def test_the_histogram_s_axes_are_named_and_their_labels_are_where_they_belong_and_apart(
    page: Page, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    info = open_commonest_feature(page)
    counts, bars = bars_of(page, info)
    plot = page.get_by_role("img", name="Histogram")
    labels = boxes(plot.locator("text"))
    (_, frame), *_ = boxes(plot)
    for (_, one), (_, other) in combinations(labels, 2):
        assert are_apart(one, other)
    for _, box in labels:
        assert frame["left"] <= box["left"] < box["right"] <= frame["right"]
        assert frame["top"] <= box["top"] < box["bottom"] <= frame["bottom"]
    assert {"activation a > 0", "tokens (log)"} <= {text for text, _ in labels}

    numbers = [(float(text.replace(",", "")), box) for text, box in labels if text[0].isdigit()]
    bottom = max(bar["bottom"] for bar in bars.values())
    of_counts = [label for label in numbers if label[1]["top"] < bottom]
    of_activations = [label for label in numbers if label[1]["top"] >= bottom]
    assert min(len(of_counts), len(of_activations)) >= 3
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
    page.get_by_role("img", name="Histogram").focus()
    page.keyboard.press("ArrowRight")
    count = info["hist"].get("1", 0)
    expect(page.get_by_text(f"0 < a ≤ 0.2: {count} token{'' if count == 1 else 's'}")).to_be_visible()


def test_tokens_are_coloured_where_the_feature_is_active_and_only_there(page: Page) -> None:
    text = info_of(page, open_best_feature(page))["top"][0]
    tokens = top_texts(page).first.locator(".token")
    assert tokens.count() == len(text["tokens"])
    transparent = re.compile(r"rgba\(0, 0, 0, 0\)|/ 0\)$")
    coloured = [transparent.search(background(token)) is None for token in tokens.all()]
    assert coloured == [activation > 0 for activation in text["acts"]]


def test_hovering_over_a_token_shows_its_exact_activation_and_its_id(page: Page) -> None:
    text = info_of(page, open_best_feature(page))["top"][0]
    framed_token(page).hover()
    tooltip = page.get_by_role("tooltip")
    assert float(tooltip.get_by_test_id("exact-activation").inner_text()) == text["act"]
    expect(tooltip.get_by_text(str(text["token_ints"][text["idx"]]), exact=True)).to_be_visible()


def test_focusing_a_token_shows_its_exact_activation(page: Page) -> None:
    text = info_of(page, open_best_feature(page))["top"][0]
    framed_token(page).focus()
    shown = page.get_by_role("tooltip").get_by_test_id("exact-activation").inner_text()
    assert float(shown) == text["act"]


def test_in_a_text_the_arrow_keys_go_from_token_to_token(page: Page) -> None:
    text = info_of(page, open_best_feature(page))["top"][0]
    framed_token(page).focus()
    page.keyboard.press("ArrowLeft")
    shown = page.get_by_role("tooltip").get_by_test_id("exact-activation").inner_text()
    assert float(shown) == text["acts"][text["idx"] - 1]


def test_a_text_s_row_number_links_to_the_strongest_token_in_its_row(page: Page) -> None:
    info = info_of(page, open_best_feature(page))
    text = info["top"][0]
    address = urlsplit(top_texts(page).first.get_by_role("link", name="row ").get_attribute("href") or "")
    assert address.path == f"/prompts/{text['row_id']}"
    # the marker before the text isn't one of the row's tokens
    assert parse_qs(address.query) == {"run": [info["run"]], "token": [str(text["idx"] - 1)]}


def test_all_texts_are_shown_on_demand_and_still_after_reloading(page: Page) -> None:
    info = info_of(page, open_best_feature(page))
    expect(top_texts(page)).to_have_count(5)
    page.get_by_role("button", name=f"Show {len(info['top']) - 5} more").first.click()
    expect(top_texts(page)).to_have_count(len(info["top"]))
    page.reload()
    expect(top_texts(page)).to_have_count(len(info["top"]))


def test_showing_newlines_outlives_reloading_and_going_to_the_next_feature(page: Page) -> None:
    first = open_best_feature(page)
    page.get_by_label("show newlines").check()
    page.reload()
    expect(page.get_by_label("show newlines")).to_be_checked()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("heading", name=f"Feature {first}")).to_have_count(0)
    expect(page.get_by_label("show newlines")).to_be_checked()


def test_copying_puts_the_feature_s_json_into_the_clipboard_and_says_so(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    info = info_of(page, open_best_feature(page))
    page.get_by_role("button", name="Copy the JSON").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == info


def test_where_nothing_may_be_copied_the_page_says_what_to_do_instead(page: Page) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    open_best_feature(page)
    page.get_by_role("button", name="Copy the JSON").click()
    expect(page.get_by_text("open the JSON and copy it there")).to_be_visible()


def test_the_link_to_the_json_has_the_api_s_answer(page: Page) -> None:
    feature_id = open_best_feature(page)
    page.get_by_role("link", name="OpenAI-compatible JSON").click()
    expect(page.locator("body")).to_contain_text(f'"feature_id":{feature_id}')


def test_the_keyboard_goes_to_the_next_feature_of_the_ranking_and_back(page: Page) -> None:
    first = open_best_feature(page)
    second = best_feature(page, rank=1)
    expect(page.get_by_role("link", name="Next")).to_be_visible()
    page.keyboard.press("j")
    expect(page.get_by_role("heading", name=f"Feature {second}")).to_be_visible()
    expect(page.get_by_role("link", name="Previous")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("heading", name=f"Feature {first}")).to_be_visible()


def test_a_feature_that_does_not_exist_is_an_error_in_the_api_s_words(page: Page) -> None:
    sentence = page.request.get("/api/feature_info?id=99999999").json()["error"]
    page.goto("/feature/99999999")
    expect(page.get_by_role("alert")).to_contain_text(sentence)


def test_logits_are_shown_as_the_api_has_them(page: Page) -> None:
    effects = info_of(page, open_best_feature(page))["logit_effects"]
    logits = page.get_by_role("region", name="Logits")
    for name in ("promoted", "suppressed"):
        shown = logits.get_by_role("list", name=name.capitalize()).locator("bdi")
        assert shown.all_text_contents() == [one["token"].replace("\n", "⏎") for one in effects[name]]


def test_effects_and_explanations_are_shown_when_the_api_has_them(page: Page) -> None:
    def know_more(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | KNOWN_LATER)

    open_best_feature(page)
    for name in ("Effects", "Explanations"):
        expect(page.get_by_role("region", name=name)).to_have_count(0)
    page.route("**/api/feature_info?*", know_more)
    page.reload()
    expect(page.get_by_role("region", name="Effects").get_by_role("definition")).to_have_text("0.1250")
    page.get_by_role("button", name="loss").hover()
    expect(page.get_by_role("tooltip")).to_have_text("How much worse it gets without the feature.")
    explanation = page.get_by_role("region", name="Explanations").get_by_role("listitem")
    expect(explanation).to_have_text("<i>upgrades</i> somebody, score 0.7500")
