"""Two real runs compared, in a real browser: which runs, the list of features, and one feature side by side.

Figures are worked out here from what the API says of each run alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import demo
from demo.headlines import write_csv
from sparse_autoencoder.runs.store import DirectoryStore
from tests.e2e.asking import api, expect_to_fit_sideways
from tests.e2e.serving import serving, summarise
from tests.support.live_runs import LiveWriter

ROWS = 150


def summarise_headlines(folder: Path, seed: int, layer: int = demo.LAYER) -> None:
    """Make a run over other headlines for every seed."""
    source = folder / f"seed-{seed}.csv"
    write_csv(ROWS, seed, str(source))
    models = ("--subject", demo.SUBJECT, "--autoencoder", demo.AUTOENCODER)
    hook = ("--layer", str(layer), "--location", demo.LOCATION)
    summarise("--source", source, *models, *hook, "--output", folder / "runs")


@pytest.fixture(scope="module")
def runs_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of three runs: two over different headlines, and one that reads another layer."""
    folder = tmp_path_factory.mktemp("compare")
    summarise_headlines(folder, seed=1)
    summarise_headlines(folder, seed=2)
    summarise_headlines(folder, seed=3, layer=demo.LAYER - 1)
    with serving("serve", "--runs", folder / "runs") as url:
        yield url


@pytest.fixture
def page(browser: Browser, runs_url: str) -> Iterator[Page]:
    context = browser.new_context(base_url=runs_url, viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def run_ids(page: Page) -> list[str]:
    """The runs, oldest first: a, b and the one of another layer."""
    return [run["id"] for run in reversed(api(page, "/api/runs")["runs"])]


def both(page: Page) -> str:
    """The query that compares the first two runs."""
    a, b, _ = run_ids(page)
    return f"a={a}&b={b}"


def compared(page: Page, query: str = "") -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = api(page, f"/api/compare?{both(page)}&limit=10000&{query}")["features"]
    return listed


def rows(page: Page) -> Locator:
    """The features' rows."""
    return page.get_by_role("table", name="Features").get_by_role("row").filter(has=page.get_by_role("cell"))


def expect_order(page: Page, features: list[dict[str, Any]]) -> None:
    """The first rows are these features."""
    for place, feature in enumerate(features[:8]):
        expect(rows(page).nth(place).get_by_role("link")).to_have_text(str(feature["feature_id"]))


def numbers_in(text: str) -> list[float]:
    return [float(number.replace("−", "-")) for number in re.findall(r"[+−]?\d+\.\d+", text)]


def interval_by_hand(page: Page, feature_id: int) -> list[float]:
    """Log ratio of a feature from each run's own counts, and the ends of its interval."""
    sides = [api(page, f"/api/feature_info?id={feature_id}&run={run}") for run in run_ids(page)[:2]]
    (x, n), (y, m) = ((side["num_active_tokens"] + 0.5, side["num_tokens"] + 1) for side in sides)
    (feature,) = api(page, f"/api/compare?{both(page)}&id={feature_id}")["features"]
    return [math.log2((y / m) / (x / n)), feature["low"], feature["high"]]


# --- which runs


def test_the_header_leads_to_where_two_runs_are_chosen_and_the_address_keeps_them(page: Page) -> None:
    a, b, _ = run_ids(page)
    page.goto("/")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", name="Choose two runs")).to_be_visible()
    page.get_by_label("Run A").select_option(a)
    page.get_by_label("Run B").select_option(b)
    expect_order(page, compared(page))
    assert urlsplit(page.url).query == f"a={a}&b={b}"
    page.reload()
    expect_order(page, compared(page))
    expect(page.get_by_label("Run A")).to_have_value(a)


def test_runs_of_different_layers_can_t_be_compared_and_it_says_what_to_choose(page: Page) -> None:
    a, b, other = run_ids(page)
    page.goto(f"/compare?a={other}&b={b}")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("layers differ")
    expect(alert).to_contain_text("choose two runs of the same autoencoder")
    page.get_by_label("Run A").select_option(a)
    expect_order(page, compared(page))


def test_a_run_that_isn_t_there_is_named(page: Page) -> None:
    page.goto(f"/compare?a=nobody&b={run_ids(page)[0]}")
    expect(page.get_by_role("alert")).to_contain_text("nobody")


# --- the list


def test_features_are_ordered_by_how_differently_they_fire_for_sure(page: Page) -> None:
    page.goto(f"/compare?{both(page)}")
    features = compared(page)
    expect_order(page, features)
    first = interval_by_hand(page, features[0]["feature_id"])
    assert first[1] > 0 or first[2] < 0
    shown = page.get_by_role("navigation", name="Pages of features")
    expect(shown).to_contain_text(f"of {len(features):,} features")


def test_a_row_has_the_ratio_and_its_interval_as_numbers_and_as_a_bar_around_0(page: Page) -> None:
    page.goto(f"/compare?{both(page)}&sort=density_a")
    expect(rows(page).first).to_be_visible()
    for place in (0, 1, 2):
        row = rows(page).nth(place)
        expect(row.get_by_test_id("beyond")).to_have_count(0)
        feature_id = int(row.get_by_role("link").inner_text())
        by_hand = interval_by_hand(page, feature_id)
        words, numbers = row.get_by_role("cell").nth(1).inner_text().splitlines()
        assert numbers_in(numbers) == pytest.approx(by_hand, abs=0.006)
        factor, side = 2 ** abs(by_hand[0]), "A" if by_hand[0] < 0 else "B"
        assert words.startswith((f"{factor:.1f}× in {side}", "as often"))
        zero, low, high, dot = row.get_by_test_id("interval").evaluate(
            """svg => {
                const [, zero, bar] = svg.querySelectorAll("line");
                const at = (element, name) => Number(element.getAttribute(name));
                return [at(zero, "x1"), at(bar, "x1"), at(bar, "x2"), at(svg.querySelector("circle"), "cx")];
            }"""
        )
        assert (low - zero) / (dot - zero) == pytest.approx(by_hand[1] / by_hand[0], rel=1e-3)
        assert (high - zero) / (dot - zero) == pytest.approx(by_hand[2] / by_hand[0], rel=1e-3)


def test_a_row_has_density_and_tokens_of_both_sides(page: Page) -> None:
    page.goto(f"/compare?{both(page)}")
    feature = compared(page)[0]
    for cell, side in ((2, feature["a"]), (3, feature["b"])):
        shown = rows(page).first.get_by_role("cell").nth(cell)
        expect(shown).to_be_visible()
        assert shown.locator("bdi").all_text_contents() == [token["token"] for token in side["tokens"]]
        density = float(re.findall(r"[\d.]+(?= %)", shown.inner_text())[0]) / 100
        assert density == pytest.approx(side["density"], rel=0.05)


def test_it_says_what_the_interval_is_and_what_it_takes_for_independent(page: Page) -> None:
    page.goto(f"/compare?{both(page)}")
    page.get_by_text("What the numbers are").click()
    note = page.get_by_text("95 % confidence interval")
    expect(note).to_contain_text("takes whole texts for independent, and rows with the same text for one")


@pytest.mark.parametrize("sort", ["log_ratio", "density_a", "density_b", "feature_id"])
def test_the_list_can_be_ordered_otherwise_and_the_other_way_round(page: Page, sort: str) -> None:
    page.goto(f"/compare?{both(page)}")
    page.get_by_label("Ordered by").select_option(sort)
    order = "asc" if sort == "feature_id" else "desc"
    expect_order(page, compared(page, f"sort={sort}&order={order}"))
    page.get_by_role("button", name=re.compile("first [↑↓]")).click()
    turned = "desc" if order == "asc" else "asc"
    expect_order(page, compared(page, f"sort={sort}&order={turned}"))
    page.go_back()
    expect_order(page, compared(page, f"sort={sort}&order={order}"))


def test_features_that_fired_too_rarely_are_left_out_and_that_is_in_the_address(page: Page) -> None:
    page.goto(f"/compare?{both(page)}&sort=log_ratio")
    page.get_by_label("active tokens in both runs together, at least").fill("50")
    frequent = [
        feature
        for feature in compared(page, "sort=log_ratio")
        if feature["a"]["num_active_tokens"] + feature["b"]["num_active_tokens"] >= 50
    ]
    expect(page.get_by_role("navigation", name="Pages of features")).to_contain_text(f"of {len(frequent)} features")
    expect_order(page, frequent)
    assert page.url.endswith("&min_count=50")


def test_pages_of_a_hundred_lead_to_every_feature(page: Page) -> None:
    features = compared(page)
    page.goto(f"/compare?{both(page)}")
    pages = page.get_by_role("navigation", name="Pages of features")
    for offset in range(100, len(features), 100):
        pages.get_by_role("link", name="Next →").click()
        expect_order(page, features[offset:])
        assert page.evaluate("scrollY") == 0
    assert rows(page).count() == len(features) % 100
    expect(pages.get_by_role("link", name="Next →")).to_have_count(0)
    page.go_back()
    expect_order(page, features[len(features) // 100 * 100 - 100 :])


def test_the_list_works_without_a_mouse(page: Page) -> None:
    features = compared(page)
    page.goto(f"/compare?{both(page)}")
    expect_order(page, features)
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    name = f"Feature {features[1]['feature_id']} compared"
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def test_the_figures_of_a_run_that_is_going_are_refreshed(browser: Browser, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    finished, going = (LiveWriter.start(store, f"20300101-000000_run-00{n}", seed=n) for n in (1, 2))
    finished.add(30)
    finished.finish()
    going.further()
    with serving("serve", "--runs", tmp_path) as url:
        page = browser.new_page(base_url=url)
        page.goto(f"/compare?a={finished.metadata.run_id}&b={going.metadata.run_id}&sort=feature_id&order=asc")
        interval = rows(page).nth(1).get_by_role("cell").nth(1)
        expect(interval).to_be_visible()
        before = interval.inner_text()
        going.further()
        expect(interval).not_to_have_text(before)
        page.close()


# --- one feature


def test_a_feature_has_statistics_and_strongest_texts_of_both_runs_side_by_side(page: Page) -> None:
    feature_id = compared(page)[0]["feature_id"]
    page.goto(f"/compare?{both(page)}")
    rows(page).first.get_by_role("link").click()
    expect(page.get_by_role("heading", name=f"Feature {feature_id} compared")).to_be_visible()
    lefts = []
    statistics = page.get_by_role("table", name="Statistics")
    for column, (side, run) in enumerate(zip("AB", run_ids(page), strict=False)):
        info = api(page, f"/api/feature_info?id={feature_id}&run={run}")
        active = statistics.get_by_role("row", name="active tokens").get_by_role("cell").nth(column)
        expect(active).to_have_text(f"{info['num_active_tokens']:,}")
        texts = page.get_by_role("region", name=f"Top activations in {side}")
        peak = texts.get_by_role("listitem").first.locator(".token-peak")
        expect(peak).to_have_text(info["top"][0]["tokens"][info["top"][0]["idx"]])
        box = texts.bounding_box()
        assert box is not None
        lefts.append(box["x"])
    assert lefts[1] > lefts[0] + 400


def test_a_colour_means_the_same_activation_in_both_runs(page: Page) -> None:
    runs = run_ids(page)[:2]
    for feature in compared(page):
        tops = [api(page, f"/api/feature_info?id={feature['feature_id']}&run={run}")["max_act"] for run in runs]
        if min(tops) > 0 and max(tops) > 1.5 * min(tops):
            break
    page.goto(f"/compare/{feature['feature_id']}?{both(page)}")
    peaks = [
        page.get_by_role("region", name=f"Top activations in {side}").locator(".token-peak").first for side in "AB"
    ]
    heats = [float(peak.evaluate("e => e.style.getPropertyValue('--heat')")) for peak in peaks]
    assert heats == pytest.approx([0.08 + 0.92 * top / max(tops) for top in tops], abs=1e-3)


def test_the_way_back_leads_to_the_same_list(page: Page) -> None:
    query = f"{both(page)}&sort=density_b&min_count=20"
    page.goto(f"/compare?{query}")
    rows(page).nth(3).get_by_role("link").click()
    page.get_by_role("link", name="All compared features").click()
    expect_order(page, compared(page, "sort=density_b&min_count=20"))
    assert urlsplit(page.url).query == query


def test_more_examples_are_kept_in_the_address(page: Page) -> None:
    feature = compared(page, "sort=density_b")[0]["feature_id"]
    page.goto(f"/compare/{feature}?{both(page)}")
    page.get_by_role("region", name="Top activations in A").get_by_role("button").click()
    page.wait_for_url("**examples=all")
    texts = page.get_by_role("region", name="Top activations in B").get_by_role("listitem")
    shown = texts.count()
    assert shown > 5
    page.reload()
    expect(texts).to_have_count(shown)


def test_a_feature_is_found_by_its_number_and_one_that_fired_in_one_run_only_says_so(page: Page) -> None:
    lonely = next(feature for feature in compared(page) if feature["a"]["num_active_tokens"] == 0)
    page.goto(f"/compare?{both(page)}")
    expect(rows(page).first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type(str(lonely["feature_id"]))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Feature {lonely['feature_id']} compared")).to_be_visible()
    expect(page.get_by_text("It was inactive at all")).to_have_count(1)
    expect(page.get_by_role("region", name="Top activations in B")).to_be_visible()


@pytest.mark.parametrize("address", ["/compare/3", "/compare/nobody", "/compare/99999999?{both}"])
def test_what_isn_t_there_says_so_and_leads_to_the_list(page: Page, address: str) -> None:
    page.goto(address.format(both=both(page)))
    expect(page.locator("main h1")).to_be_visible()
    page.locator("main").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Compare", exact=True)).to_be_visible()


def expect_stacked(page: Page, first: Locator, second: Locator) -> None:
    """The second is below the first, and the page is no wider than the screen."""
    expect(first).to_be_visible()
    upper, lower = first.bounding_box(), second.bounding_box()
    assert upper is not None
    assert lower is not None
    assert lower["y"] >= upper["y"] + upper["height"]
    expect_to_fit_sideways(page)


def test_on_a_phone_a_row_s_sides_are_stacked(page: Page) -> None:
    page.set_viewport_size({"width": 375, "height": 812})
    page.goto(f"/compare?{both(page)}")
    cells = rows(page).first.get_by_role("cell")
    expect_stacked(page, cells.nth(2), cells.nth(3))


def test_on_a_phone_a_feature_s_sides_are_stacked(page: Page) -> None:
    page.set_viewport_size({"width": 375, "height": 812})
    page.goto(f"/compare/{compared(page)[0]['feature_id']}?{both(page)}")
    texts = page.get_by_role("region", name="Top activations in A")
    expect_stacked(page, texts, page.get_by_role("region", name="Top activations in B"))
