"""A feature's page over a real demo run, in a real browser, as a person uses it."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect


def api(page: Page, path: str) -> Any:
    """What the API answers to `path`, asked by the page's own browser."""
    response = page.request.get(path)
    assert response.ok
    return response.json()


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


def top_texts(page: Page) -> Locator:
    return page.get_by_role("region", name="Top activations").get_by_role("listitem")


def framed_token(page: Page) -> Locator:
    """The strongest token of the strongest text."""
    return top_texts(page).first.locator(".token-peak")


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


def test_a_term_is_defined_while_it_has_the_focus_and_escape_hides_the_definition(page: Page) -> None:
    open_best_feature(page)
    page.get_by_role("button", name="variance").focus()
    expect(page.get_by_role("tooltip")).to_have_text(
        "E[a²] − E[a]², over all counted tokens, zeros included: around the mean."
    )
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
