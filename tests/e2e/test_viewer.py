"""The viewer over a real demo run, in a real browser, as a person uses it."""

import re
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, expect


def ranked_features(page: Page) -> list[str]:
    """The feature numbers of the list, in the order shown."""
    page.locator("tbody a").first.wait_for()
    return page.locator("tbody a").all_inner_texts()


def api(page: Page, path: str) -> Any:
    """What the API answers to `path`, asked by the page's own browser."""
    response = page.request.get(path)
    assert response.ok
    return response.json()


def choose_metric(page: Page, metric: str) -> None:
    page.get_by_label("Ranked by").select_option(metric)
    page.wait_for_url(f"**/?metric={metric}")
    expect(page.locator("tbody tr").first).to_contain_text(str(best_feature(page, metric)))


def best_feature(page: Page, metric: str, rank: int = 0) -> int:
    ranking = api(page, f"/api/features?metric={metric}&limit=1&offset={rank}")
    return int(ranking["features"][0]["feature_id"])


def open_best_feature(page: Page, metric: str) -> int:
    feature_id = best_feature(page, metric)
    page.goto(f"/feature/{feature_id}?metric={metric}")
    expect(page.get_by_test_id("bar").first).to_be_visible()
    return feature_id


def framed_token(page: Page) -> Locator:
    """The strongest token of the strongest text."""
    return page.get_by_role("region", name="Top activations").locator(".token-peak").first


def background(token: Locator) -> str:
    return str(token.evaluate("element => getComputedStyle(element).backgroundColor"))


def test_the_metrics_offered_are_those_of_the_api(page: Page) -> None:
    page.goto("/")
    ranked_features(page)
    offered = page.get_by_label("Ranked by").locator("option").evaluate_all("options => options.map(o => o.value)")
    assert offered == api(page, "/api/features?limit=1")["metrics_available"]


def test_choosing_a_metric_ranks_the_features_by_it(page: Page) -> None:
    page.goto("/")
    before = ranked_features(page)
    choose_metric(page, "max_activation")
    after = ranked_features(page)
    expected = api(page, "/api/features?metric=max_activation&limit=50")["features"]
    assert after == [str(feature["feature_id"]) for feature in expected]
    assert after != before


def test_every_feature_that_fired_is_on_some_page_of_the_list(page: Page) -> None:
    page.goto("/")
    ranked_features(page)
    total = api(page, "/api/features?limit=1")["num_active_features"]
    page.get_by_role("link", name="Last").click()
    expect(page.get_by_text(re.compile(rf"–{total:,} of {total:,} that fired"))).to_be_visible()


def test_a_click_in_the_list_opens_the_feature(page: Page) -> None:
    page.goto("/?metric=max_activation")
    first = ranked_features(page)[0]
    page.locator("tbody a").first.click()
    expect(page.get_by_role("heading", name=f"Feature {first}")).to_be_visible()
    expect(page).to_have_title(f"Feature {first} · saescope")


def test_the_histogram_has_a_bar_for_every_bin_of_the_api(page: Page) -> None:
    feature_id = open_best_feature(page, "max_activation")
    info = api(page, f"/api/feature_info?id={feature_id}")
    assert page.get_by_test_id("bar").count() == len(info["hist"])


def test_tokens_are_coloured_where_the_feature_is_active_and_only_there(page: Page) -> None:
    feature_id = open_best_feature(page, "max_activation")
    text = api(page, f"/api/feature_info?id={feature_id}")["top"][0]
    tokens = page.get_by_role("region", name="Top activations").locator("li").first.locator(".token")
    assert tokens.count() == len(text["tokens"])
    transparent = re.compile(r"rgba\(0, 0, 0, 0\)|/ 0\)$")
    coloured = [transparent.search(background(token)) is None for token in tokens.all()]
    assert coloured == [activation > 0 for activation in text["acts"]]


def test_hovering_over_a_token_shows_its_exact_activation(page: Page) -> None:
    feature_id = open_best_feature(page, "max_activation")
    framed_token(page).hover()
    shown = page.get_by_role("tooltip").get_by_test_id("exact-activation").inner_text()
    assert float(shown) == api(page, f"/api/feature_info?id={feature_id}")["top"][0]["act"]


def test_focusing_a_token_shows_its_exact_activation(page: Page) -> None:
    feature_id = open_best_feature(page, "max_activation")
    framed_token(page).focus()
    shown = page.get_by_role("tooltip").get_by_test_id("exact-activation").inner_text()
    assert float(shown) == api(page, f"/api/feature_info?id={feature_id}")["top"][0]["act"]


def test_going_back_and_reloading_keep_the_metric_and_the_feature(page: Page) -> None:
    page.goto("/")
    ranked_features(page)
    choose_metric(page, "max_activation")
    ranking = ranked_features(page)
    page.locator("tbody a").first.click()
    expect(page.get_by_role("heading", name=f"Feature {ranking[0]}")).to_be_visible()

    page.reload()
    expect(page.get_by_role("heading", name=f"Feature {ranking[0]}")).to_be_visible()
    expect(page.get_by_text(re.compile("^rank 1 of .* by max activation$"))).to_be_visible()

    page.go_back()
    expect(page.get_by_label("Ranked by")).to_have_value("max_activation")
    assert ranked_features(page) == ranking


def test_the_keyboard_goes_to_the_next_feature_of_the_ranking_and_back(page: Page) -> None:
    first = open_best_feature(page, "max_activation")
    second = best_feature(page, "max_activation", rank=1)
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


def test_the_pages_load_nothing_from_elsewhere_and_log_no_errors(page: Page, demo_url: str) -> None:
    hosts: set[str] = set()
    problems: list[str] = []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto("/")
    page.locator("tbody a").first.click()
    expect(page.get_by_test_id("bar").first).to_be_visible()
    assert hosts == {urlsplit(demo_url).netloc}
    assert problems == []


def test_both_pages_fit_a_phone_without_sideways_scrolling(page: Page) -> None:
    page.set_viewport_size({"width": 375, "height": 812})
    page.goto("/?metric=max_activation")
    ranked_features(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.locator("tbody a").first.click()
    expect(page.get_by_test_id("bar").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
