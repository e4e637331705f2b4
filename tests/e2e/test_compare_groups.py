"""Groups and halves of a run compared, what the summary says and lists, and the ways to a comparison.

Which features differ is worked out here from what the API lists of all features.
"""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import demo
from demo.headlines import generate
from tests.e2e.asking import api, expect_to_fit_sideways
from tests.e2e.serving import serving, summarise

HOSTILE = "\u202e<img src=x onerror=alert(1)>" + "x" * 150
NAME = "both <b>kinds</b>"
PLANTED = " zebra"


@pytest.fixture(scope="module")
def runs_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a run of three groups, one of them with a name out to break the page, and of another run."""
    folder = tmp_path_factory.mktemp("groups")
    titles = [headline.title for headline in generate(700, 3)]
    rows = [(title, "bulls") for title in titles[:400]]
    rows += [(title + PLANTED * (row % 5 == 0), "bears") for row, title in enumerate(titles[380:])]
    rows += [(title, HOSTILE) for title in titles[:20]]
    random.Random(1).shuffle(rows)
    models = ("--subject", demo.SUBJECT, "--autoencoder", demo.AUTOENCODER, "--layer", str(demo.LAYER))
    for name, listed, more in (
        ("other.csv", rows[:200], ()),
        ("grouped.csv", rows, ("--group-by", "kind", "--name", NAME)),
    ):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("title", "kind"), *listed])
        summarise("--source", folder / name, *models, *more, "--output", folder / "runs")
    with serving("serve", "--runs", folder / "runs") as url:
        yield url


@pytest.fixture
def page(browser: Browser, runs_url: str) -> Iterator[Page]:
    context = browser.new_context(base_url=runs_url, viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def run_ids(page: Page) -> tuple[str, str]:
    """The run with groups, and the other."""
    grouped, other = (run["id"] for run in api(page, "/api/runs")["runs"])
    return grouped, other


def bulls_and_bears(page: Page) -> str:
    grouped, _ = run_ids(page)
    return f"a={grouped}&b={grouped}&part_a=group%3Abulls&part_b=group%3Abears"


def compared(page: Page, query: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = api(page, f"/api/compare?{query}&limit=10000")["features"]
    return listed


def differ(features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [feature for feature in features if feature["q"] is not None and feature["q"] <= 0.05]


def rows_of(page: Page) -> Locator:
    return page.get_by_role("table", name="Features").get_by_role("row").filter(has=page.get_by_role("cell"))


def expect_listed(page: Page, features: list[dict[str, Any]]) -> None:
    """These features are listed, in this order."""
    expect(page.get_by_role("table", name="Features")).to_have_attribute("aria-rowcount", str(len(features) + 1))
    for place, feature in enumerate(features[:5]):
        expect(rows_of(page).nth(place).get_by_role("link")).to_have_text(str(feature["feature_id"]))


def asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


# --- groups and halves


def test_two_groups_of_a_run_are_chosen_on_the_page_and_named_in_the_heads(page: Page) -> None:
    grouped, _ = run_ids(page)
    page.goto(f"/compare?a={grouped}&b={grouped}")
    page.get_by_label("Rows of A").select_option(label="bulls · 400 rows")
    page.get_by_label("Rows of B").select_option(label="bears · 320 rows")
    heads = page.get_by_role("table", name="Features").get_by_role("columnheader")
    expect(heads.nth(2)).to_contain_text("bulls")
    expect(heads.nth(3)).to_contain_text("bears")
    assert asked(page)["part_a"] == ["group:bulls"]
    assert asked(page)["part_b"] == ["group:bears"]
    expect_listed(page, compared(page, bulls_and_bears(page)))


def test_a_row_says_in_which_group_it_fires_more_and_has_the_run_s_tokens_once(page: Page) -> None:
    page.goto(f"/compare?{bulls_and_bears(page)}")
    for place, feature in enumerate(compared(page, bulls_and_bears(page))[:3]):
        cells = rows_of(page).nth(place).get_by_role("cell")
        expect(cells.nth(1)).to_contain_text("in B" if feature["log_ratio"] > 0 else "in A")
        expect(cells.nth(4).locator("bdi")).to_have_text([token["token"] for token in feature["a"]["tokens"]])
        expect(rows_of(page).nth(place).locator("bdi")).to_have_count(len(feature["a"]["tokens"]))


def test_the_control_stands_beside_and_leads_to_the_halves_of_the_run(page: Page) -> None:
    page.goto(f"/compare?{bulls_and_bears(page)}")
    halves = api(page, f"/api/compare?{bulls_and_bears(page)}&limit=1")["a"]["halves"]
    control = page.get_by_text("Control").locator("xpath=..")
    expect(control).to_contain_text(f"{halves['num_found']} of {halves['num_tested']:,} features seem to differ")
    control.get_by_role("link").click()
    expect(page.get_by_label("Rows of A")).to_have_value("half:0")
    expect(page.get_by_label("Rows of B")).to_have_value("half:1")
    expect(page.get_by_role("radio", name=re.compile(rf"^{halves['num_found']} differ"))).to_be_visible()


# --- the summary


def test_the_summary_counts_features_that_differ_and_says_in_which_side_they_fire_more(page: Page) -> None:
    page.goto(f"/compare?{bulls_and_bears(page)}")
    found = differ(compared(page, bulls_and_bears(page)))
    in_b = sum(feature["log_ratio"] > 0 for feature in found)
    card = page.get_by_role("radio", name=re.compile(rf"^{len(found)} differ")).locator("xpath=ancestor::label")
    expect(card).to_contain_text(re.compile(rf"{len(found) - in_b} fire more in\s*A, {in_b} in\s*B"))


def test_only_those_that_differ_are_listed_and_that_is_in_the_address(page: Page) -> None:
    page.goto(f"/compare?{bulls_and_bears(page)}")
    found = differ(compared(page, bulls_and_bears(page)))
    page.get_by_role("radio", name=re.compile("differ")).check()
    expect_listed(page, found)
    assert asked(page)["show"] == ["differ"]
    page.reload()
    expect_listed(page, found)


@pytest.mark.parametrize(("side", "silent", "column"), [("A", "b", 3), ("B", "a", 2)])
def test_only_those_of_one_side_are_listed(page: Page, side: str, silent: str, column: int) -> None:
    page.goto(f"/compare?{bulls_and_bears(page)}")
    lonely = [feature for feature in compared(page, bulls_and_bears(page)) if feature[silent]["num_active_tokens"] == 0]
    page.get_by_role("radio", name=re.compile(rf"^{len(lonely)} only in\s*{side}")).check()
    expect_listed(page, lonely)
    expect(rows_of(page).first.get_by_role("cell").nth(1)).to_contain_text(f"only in {side}")
    expect(rows_of(page).first.get_by_role("cell").nth(column)).to_have_text(re.compile("never"))


def test_where_nothing_differs_the_page_says_so_and_leads_to_all(page: Page) -> None:
    grouped, _ = run_ids(page)
    page.goto(f"/compare?a={grouped}&b={grouped}&part_a=half:0&part_b=half:1&show=differ")
    expect(page.get_by_role("heading", name="No feature differs")).to_be_visible()
    page.get_by_role("link", name="List all that fire").click()
    expect(rows_of(page).first).to_be_visible()


def test_the_summary_is_one_tab_stop_moved_through_by_arrows(page: Page) -> None:
    page.goto(f"/compare?{bulls_and_bears(page)}")
    page.get_by_role("radio", name=re.compile("differ")).check()
    expect(page.get_by_role("radio", name=re.compile("differ"))).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**show=only_a")


# --- one feature


def test_a_feature_of_two_groups_has_the_figures_of_each_and_the_run_s_texts_once(page: Page) -> None:
    feature = compared(page, bulls_and_bears(page))[0]
    page.goto(f"/compare/{feature['feature_id']}?{bulls_and_bears(page)}")
    figures = page.get_by_role("table", name="Statistics").get_by_role("row", name="active tokens").get_by_role("cell")
    expect(figures.nth(0)).to_have_text(f"{feature['a']['num_active_tokens']:,}")
    expect(figures.nth(1)).to_have_text(f"{feature['b']['num_active_tokens']:,}")
    expect(page.get_by_role("region", name="Top activations in the whole run")).to_be_visible()


def test_two_runs_histograms_stand_on_one_axis(page: Page) -> None:
    grouped, other = run_ids(page)
    sides = [api(page, f"/api/features?run={run}&metric=max_activation&limit=1") for run in (other, grouped)]
    feature = sides[0]["features"][0]["feature_id"]
    page.goto(f"/compare/{feature}?a={other}&b={grouped}")
    infos = [api(page, f"/api/feature_info?id={feature}&run={run}") for run in (other, grouped)]
    bins = max(int(number) for info in infos for number in info["hist"])
    for side, info in zip("ab", infos, strict=True):
        bars = page.get_by_test_id(f"bar-{side}")
        expect(bars).to_have_count(bins)
        heights = bars.evaluate_all("bars => bars.map(bar => Number(bar.getAttribute('height')))")
        filled = {place + 1 for place, height in enumerate(heights) if height > 0}
        assert filled == {int(number) for number in info["hist"]}


# --- the ways in


def test_two_runs_ticked_in_the_list_are_compared(page: Page) -> None:
    grouped, other = run_ids(page)
    page.goto("/runs")
    for run in (grouped, other):
        page.get_by_role("checkbox", name=re.compile(run)).check()
    page.get_by_role("group", name="To compare").get_by_role("link").click()
    expect(rows_of(page).first).to_be_visible()
    assert (asked(page)["a"], asked(page)["b"]) == ([other], [grouped])


def test_a_run_s_page_leads_to_its_groups_and_halves_compared(page: Page) -> None:
    grouped, _ = run_ids(page)
    page.goto(f"/runs/{grouped}")
    page.get_by_role("link", name="Compare its groups").click()
    expect(page.get_by_label("Rows of A")).to_have_value("group:bulls")
    expect(page.get_by_label("Rows of B")).to_have_value("group:bears")
    page.go_back()
    page.get_by_role("link", name="Compare its halves").click()
    expect(page.get_by_label("Rows of B")).to_have_value("half:1")


def test_a_feature_s_address_with_one_run_offers_what_it_can_be_compared_in(page: Page) -> None:
    grouped, other = run_ids(page)
    feature = compared(page, f"a={other}&b={grouped}")[0]["feature_id"]
    page.goto(f"/compare/{feature}?a={grouped}")
    expect(page.get_by_role("heading", name=f"Compare feature {feature}")).to_be_visible()
    page.get_by_role("link", name=re.compile("^other.csv")).click()
    expect(page.get_by_role("heading", name=f"Feature {feature} compared")).to_be_visible()


def test_with_one_run_only_it_says_how_there_come_to_be_two(browser: Browser, demo_url: str) -> None:
    page = browser.new_page(base_url=demo_url)
    page.goto("/compare")
    expect(page.get_by_role("heading", name="There is only one run")).to_be_visible()
    expect(page.locator("main")).to_contain_text("saescope run --source FILE")
    page.close()


# --- names


def test_a_run_is_called_by_its_name_wherever_it_is_chosen(page: Page) -> None:
    grouped, _ = run_ids(page)
    page.goto("/compare")
    option = page.get_by_label("Run A").locator(f"option[value='{grouped}']")
    expect(option).to_have_text(re.compile(rf"^{re.escape(NAME)} · grouped\.csv · 740 rows · today \d\d:\d\d$"))
    page.goto("/")
    picker = page.get_by_role("combobox", name="Run")
    expect(picker.locator("option").first).to_have_text(re.compile(rf"^{re.escape(NAME)} · .*\(newest\)$"))


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("path", ["/runs/{run}", "/compare?a={run}&b={run}&part_a=group:bulls&part_b=group:{group}"])
def test_a_hostile_group_s_name_is_text_that_breaks_nothing(page: Page, path: str, width: int) -> None:
    grouped, _ = run_ids(page)
    page.add_init_script("window.alert = () => { window.wasRun = true }")
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(path.format(run=grouped, group=quote(HOSTILE)))
    expect(page.get_by_text(re.compile(r"^U\+202E<img")).first).to_be_attached()
    expect_to_fit_sideways(page)
    assert page.locator("main img").count() == 0
    assert page.evaluate("window.wasRun") is None
