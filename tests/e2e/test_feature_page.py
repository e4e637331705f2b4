"""A feature's page over a real demo run, in a real browser: what it says of the feature, and the ways from it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from sparse_autoencoder.runs.store import DirectoryStore
from tests.e2e.asking import api
from tests.e2e.serving import serving
from tests.support.live_runs import LiveWriter

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
REASON = "FVU is 1.20, so the mean vector would be a better reconstruction"


def best_feature(page: Page, metric: str = "max_activation", rank: int = 0) -> int:
    ranking = api(page, f"/api/features?metric={metric}&limit=1&offset={rank}")
    return int(ranking["features"][0]["feature_id"])


def info_of(page: Page, feature_id: int) -> Any:
    """What the page shows of a feature, as the API has it."""
    return api(page, f"/api/feature_info?id={feature_id}&top_k=20")


def open_best_feature(page: Page) -> int:
    feature_id = best_feature(page)
    page.goto(f"/feature/{feature_id}?metric=max_activation")
    expect(page.get_by_text("All statistics")).to_be_visible()  # which is drawn last
    return feature_id


def open_all_statistics(page: Page) -> Any:
    info = info_of(page, open_best_feature(page))
    page.get_by_text("All statistics").click()
    return info


def sentence(page: Page) -> Locator:
    return page.locator("main p").first


def percent(share: float) -> str:
    """As people read it in passing."""
    return "<1 %" if 0 < share < 0.01 else ">99 %" if 0.99 < share < 1 else f"{math.floor(share * 100 + 0.5)} %"


def answered_with(page: Page, path: str, more: dict[str, Any]) -> None:
    """From now on the API also says this."""

    def know_more(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | more)

    page.route(path, know_more)


@pytest.fixture
def old_page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of a finished run without tables of tokens, texts and weights."""
    folder = tmp_path_factory.mktemp("old")
    writer = LiveWriter.start(DirectoryStore(folder))
    writer.add(60)
    writer.finish()
    with serving("serve", "--runs", folder) as url:
        context = browser.new_context(base_url=url)
        yield context.new_page()
        context.close()


def test_the_sentence_says_on_what_it_fires_how_often_and_how_strongly(page: Page) -> None:
    info = info_of(page, open_best_feature(page))
    said = sentence(page).inner_text()
    first = info["tokens"][0]
    assert said.startswith("Fires on ")
    expect(sentence(page).locator("bdi").first).to_have_text(first["token"])
    assert percent(first["share"]) in said
    assert f"({info['num_active_tokens']:,} of {info['num_tokens']:,})" in said
    one_in = info["num_tokens"] / info["num_active_tokens"]
    assert f"1 token in {one_in:,.0f}" in said or f"1 token in {one_in:.1f}" in said
    assert f"in {percent(info['num_active_texts'] / info['num_texts'])} of texts" in said
    assert f"strongest {info['max_act']:.2f}" in said


def test_the_typical_activation_is_the_median_as_far_as_the_histogram_has_it(page: Page) -> None:
    info = info_of(page, open_best_feature(page))
    bins = [int(bin_) for bin_ in info["hist"] for _ in range(info["hist"][bin_])]
    median, width = sorted(bins)[(len(bins) - 1) // 2], info["bin_width"]
    said = re.search(r"typical about ([\d.]+)", sentence(page).inner_text())
    assert said is not None
    assert (median - 1) * width <= float(said[1]) <= median * width


def test_every_statistic_is_shown_with_its_value(page: Page) -> None:
    info = open_all_statistics(page)
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


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_term_is_defined_while_it_is_pointed_at(page: Page, name: str) -> None:
    open_all_statistics(page)
    page.get_by_role("button", name=name, exact=True).hover()
    expect(page.get_by_role("tooltip")).to_have_text(DEFINITIONS[name])


def test_a_term_is_defined_while_it_has_the_focus_and_escape_hides_the_definition(page: Page) -> None:
    open_all_statistics(page)
    page.get_by_role("button", name="variance").focus()
    expect(page.get_by_role("tooltip")).to_have_text(DEFINITIONS["variance"])
    page.keyboard.press("Escape")
    expect(page.get_by_role("tooltip")).to_have_count(0)


def test_a_metric_is_described_in_the_api_s_words_while_it_is_pointed_at(page: Page) -> None:
    open_all_statistics(page)
    page.get_by_role("region", name="Metrics").get_by_role("link", name="Density").hover()
    description = api(page, "/api/features?limit=1")["metric_descriptions"]["fraction_active"]
    expect(page.get_by_role("tooltip")).to_have_text(description)


def test_the_table_of_tokens_has_their_shares_how_often_they_fire_and_how_strongly(page: Page) -> None:
    info = info_of(page, open_best_feature(page))
    rows = page.get_by_role("region", name="Fires on").locator("tbody tr")
    expect(rows).to_have_count(min(10, len(info["tokens"])))
    for row, token in zip(rows.all(), info["tokens"], strict=False):
        expect(row.locator("th bdi").first).to_have_text(token["token"].replace("\n", "⏎"))
        occurrences = round(token["count"] / token["share_of_occurrences"])
        *_, share, fires, mean = row.locator("td").all_inner_texts()
        assert share == percent(token["share"])
        assert fires == f"{percent(token['share_of_occurrences'])} of {occurrences:,}"
        assert mean == f"{token['mean_activation']:.2f}"


def test_what_the_table_of_tokens_leaves_out_is_counted_and_what_the_api_has_of_it_can_be_shown(page: Page) -> None:
    feature_id = next(
        one["feature_id"]
        for one in api(page, "/api/features?sort=num_active_tokens&limit=50")["features"]
        if len(info_of(page, one["feature_id"])["tokens"]) > 10
    )
    info = info_of(page, feature_id)
    page.goto(f"/feature/{feature_id}")
    region = page.get_by_role("region", name="Fires on")
    others = info["token_spread"]["num_distinct_tokens"] - 10
    share = 1 - sum(token["count"] for token in info["tokens"][:10]) / info["token_spread"]["num_active_tokens"]
    expect(region).to_contain_text(f"{others:,} other token{'' if others == 1 else 's'}, {percent(share)}")
    region.get_by_role("button", name="show").click()
    expect(region.locator("tbody tr")).to_have_count(len(info["tokens"]))


def test_the_tokens_that_it_makes_likelier_and_less_likely_are_shown_as_the_api_has_them(page: Page) -> None:
    effects = info_of(page, open_best_feature(page))["logit_effects"]
    region = page.get_by_role("region", name="Makes likelier, less likely")
    for name, title in {"promoted": "Makes likelier", "suppressed": "Makes less likely"}.items():
        rows = region.get_by_role("list", name=title).get_by_role("listitem")
        expect(rows).to_have_count(len(effects[name][:8]))
        for row, one in zip(rows.all(), effects[name][:8], strict=True):
            expect(row.locator("bdi")).to_have_text(one["token"].replace("\n", "⏎"))
            expect(row).to_contain_text(f"{one['value']:+.2f}".replace("-", "−"))
    expect(region).to_contain_text(effects["variant"])


def test_the_nearest_features_lead_to_their_pages_and_say_on_what_those_fire(page: Page) -> None:
    near = info_of(page, open_best_feature(page))["neighbours"][0]
    first = page.get_by_role("region", name="Nearest features").get_by_role("listitem").first
    expect(first).to_contain_text(f"{near['cosine']:.2f}")
    drawn = [token["token"].replace("\n", "⏎") for token in near["tokens"]]
    assert first.locator("bdi").all_text_contents() == drawn
    first.get_by_role("link").click()
    expect(page.get_by_role("heading", name=f"Feature {near['feature_id']}", exact=True)).to_be_visible()


def test_positions_say_which_share_of_the_firings_and_of_all_tokens_is_there(page: Page) -> None:
    ranges = info_of(page, open_best_feature(page))["positions"]["ranges"]
    fired, tokens = (sum(one[key] for one in ranges) for key in ("num_active_tokens", "num_tokens"))
    (second,) = (one for one in ranges if (one["windows"], one["first"]) == ("first", 2))
    bar = page.get_by_role("region", name="Where in the window").get_by_role("listitem").filter(has_text="2–3")
    share, of_tokens = second["num_active_tokens"] / fired, second["num_tokens"] / tokens
    expect(bar).to_contain_text(f"{percent(share)} of its firings, {percent(of_tokens)} of all tokens")


def test_effects_and_explanations_are_shown_when_the_api_has_them(page: Page) -> None:
    open_best_feature(page)
    for name in ("Effects", "Explanations"):
        expect(page.get_by_role("region", name=name)).to_have_count(0)
    answered_with(page, "**/api/feature_info?*", KNOWN_LATER)
    page.reload()
    expect(page.get_by_role("region", name="Effects").get_by_role("definition")).to_have_text("0.1250")
    page.get_by_role("button", name="loss").hover()
    expect(page.get_by_role("tooltip")).to_have_text("How much worse it gets without the feature.")
    explanation = page.get_by_role("region", name="Explanations").get_by_role("listitem")
    expect(explanation).to_have_text("<i>upgrades</i> somebody, score 0.7500")


def test_why_a_part_is_missing_is_said_in_the_api_s_words(page: Page) -> None:
    without = {"logit_effects": None, "neighbours": None, "missing": {"logit_effects": "<b>no", "neighbours": "nor"}}
    answered_with(page, "**/api/feature_info?*", without)
    open_best_feature(page)
    expect(page.get_by_role("region", name="Makes likelier, less likely")).to_contain_text("<b>no")
    expect(page.get_by_role("region", name="Nearest features")).to_contain_text("nor")


def test_a_doubtful_autoencoder_is_called_so_with_the_reason_and_the_way_to_the_run(page: Page) -> None:
    runs = api(page, "/api/runs")["runs"]
    expect(page.get_by_role("note")).to_have_count(0)
    checked = [run | {"self_check": {"verdict": "doubtful", "reasons": [REASON]}} for run in runs]
    answered_with(page, "**/api/runs", {"runs": checked})
    open_best_feature(page)
    expect(page.get_by_role("note")).to_contain_text(REASON)
    page.get_by_role("note").get_by_role("link").click()
    expect(page.get_by_role("heading", name=runs[0]["id"])).to_be_visible()


def test_of_a_feature_that_never_fired_what_follows_from_the_weights_is_shown(page: Page) -> None:
    (dead,) = api(page, "/api/features?dead=true&limit=1")["features"]
    info = info_of(page, dead["feature_id"])
    page.goto(f"/feature/{dead['feature_id']}")
    expect(page.get_by_role("heading", name="This feature never fired")).to_be_visible()
    likelier = page.get_by_role("list", name="Makes likelier").locator("bdi").first
    expect(likelier).to_have_text(info["logit_effects"]["promoted"][0]["token"])
    near = page.get_by_role("region", name="Nearest features").get_by_role("link").first
    expect(near).to_have_text(f"Feature {info['neighbours'][0]['feature_id']}")
    expect(page.get_by_role("tab")).to_have_count(0)


def test_a_run_without_weights_has_pages_without_what_follows_from_them(old_page: Page) -> None:
    info = info_of(old_page, best_feature(old_page))
    assert info["logit_effects"] is None
    old_page.goto(f"/feature/{info['feature_id']}")
    expect(old_page.locator(".token-peak").first).to_be_visible()
    for key, name in {"logit_effects": "Makes likelier, less likely", "neighbours": "Nearest features"}.items():
        region = old_page.get_by_role("region", name=name)
        if key in info.get("missing", {}):
            expect(region).to_contain_text(info["missing"][key])
        else:
            expect(region).to_have_count(0)


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
    sentence_of_the_api = page.request.get("/api/feature_info?id=99999999").json()["error"]
    page.goto("/feature/99999999")
    expect(page.get_by_role("alert")).to_contain_text(sentence_of_the_api)
