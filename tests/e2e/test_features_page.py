"""The list of all features over a real demo run, in a real browser: what is in it, in which order, on which screens.

Every figure is compared with what the API says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from benchmarks.summaries.synthetic_run import write_run
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.summaries.feature_metrics import FEATURE_METRICS, FeatureMetric
from tests.e2e.asking import expect_to_fit_sideways
from tests.e2e.feature_list import (
    ROW_PX,
    all_features,
    api,
    expect_order,
    focused_rank,
    is_in_view,
    open_list,
    query_of,
    row,
    scroll_to_rank,
)
from tests.e2e.serving import serving
from tests.support.live_runs import LiveWriter


def test_the_table_has_a_row_for_every_feature_that_fired(page: Page) -> None:
    features = open_list(page)
    total = len(features)
    assert total == api(page, "/api/features")["num_active_features"]
    page.keyboard.press("j")
    page.keyboard.press("End")
    expect(row(page, total).get_by_role("link")).to_have_text(str(features[-1]["feature_id"]))
    assert is_in_view(page, row(page, total).get_by_role("link"))


def test_a_row_has_rank_feature_tokens_value_histogram_active_tokens_and_the_other_metrics(page: Page) -> None:
    feature = open_list(page)[2]
    cells = row(page, 3).get_by_role("cell")
    expect(cells.nth(0)).to_have_text("3")
    expect(cells.nth(1)).to_have_text(str(feature["feature_id"]))
    assert cells.nth(2).locator("bdi").all_text_contents() == [token["token"] for token in feature["tokens"]]
    assert float(cells.nth(3).inner_text()) == pytest.approx(feature["value"], rel=1e-3)
    expect(cells.nth(4).get_by_test_id("sparkline")).to_be_visible()
    expect(cells.nth(5)).to_have_text(f"{feature['num_active_tokens']:,}")
    others = {name: value for name, value in feature["metrics"].items() if name != "mean_activation"}
    others["fraction_active"] *= 100  # in percent, and only two digits of small ones
    shown = [float(text.replace(",", "").removesuffix(" %")) for text in cells.all_inner_texts()[6:]]
    assert shown == pytest.approx(list(others.values()), rel=0.05)


def test_a_sparkline_is_highest_where_the_histogram_counts_most_and_empty_where_it_counts_nothing(page: Page) -> None:
    features = open_list(page, "/?metric=mean_activation")[:10]
    rank, hist = next(
        (rank, hist)
        for rank, feature in enumerate(features, start=1)
        if 10 <= max(hist := {int(bin_): count for bin_, count in feature["hist"].items()}) <= 44
    )
    bins = range(1, max(hist) + 1)
    heights = (
        row(page, rank)
        .get_by_test_id("sparkline")
        .evaluate(
            """(svg, bins) => Array.from({ length: bins }, (_, bin) => {
                const [width, height] = [svg.width.baseVal.value, svg.height.baseVal.value];
                const x = ((bin + 0.5) * width) / bins;
                const isFilled = y => svg.querySelector("path").isPointInFill(new DOMPoint(x, y));
                return Array.from({ length: 10 * height }, (_, tenth) => tenth / 10).filter(isFilled).length;
            })""",
            len(bins),
        )
    )
    counts = [hist.get(bin_, 0) for bin_ in bins]
    assert [height > 0 for height in heights] == [count > 0 for count in counts]
    assert len(set(heights)) >= 4 <= len(set(counts))
    assert max(heights) == heights[counts.index(max(counts))]
    by_count = [height for _, height in sorted(zip(counts, heights, strict=True))]
    assert by_count == sorted(by_count)


def test_the_list_of_131072_features_is_scrolled_to_its_end_with_few_rows_there(
    browser: Browser, tmp_path: Path
) -> None:
    write_run(DirectoryStore(tmp_path), 131_072, 1200)
    with serving("serve", "--runs", tmp_path) as url:
        page = browser.new_page(base_url=url)
        page.goto("/?sort=feature_id&order=asc")
        total = api(page, "/api/features")["num_active_features"]
        assert total > 80_000
        expect(row(page, 1)).to_be_visible()
        for rank in (total // 2, total):
            page.evaluate("y => window.scrollTo(0, y)", rank * ROW_PX)
            (feature,) = api(page, f"/api/features?sort=feature_id&order=asc&offset={rank - 1}&limit=1")["features"]
            expect(row(page, rank).get_by_role("link")).to_have_text(str(feature["feature_id"]))
            assert is_in_view(page, row(page, rank).get_by_role("link"))
            assert page.locator("[data-row]").count() < 100
        page.close()


def test_only_rows_near_the_view_exist(page: Page) -> None:
    total = len(open_list(page))
    assert total > 500
    assert page.locator("[data-row]").count() < 100


def test_blocks_of_rows_are_asked_for_as_they_come_into_view(page: Page) -> None:
    offsets: list[int] = []

    def note(request: Request) -> None:
        query = parse_qs(urlsplit(request.url).query)
        if "details" in query:
            offsets.append(int(query["offset"][0]))

    page.on("request", note)
    features = open_list(page)
    assert offsets == [0]
    page.keyboard.press("j")
    page.keyboard.press("End")
    expect(row(page, len(features)).get_by_role("link")).to_have_text(str(features[-1]["feature_id"]))
    last_block = (len(features) - 1) // 100 * 100
    assert last_block in offsets
    assert set(offsets) <= {0, last_block - 100, last_block}
    page.keyboard.press("Home")
    expect_order(page, features)
    assert offsets.count(0) == 1


def test_rows_that_are_on_their_way_hold_their_place_and_one_scrolled_past_is_given_up(page: Page) -> None:
    held: list[str] = []
    page.route("**/api/features?*offset=200*", lambda route: held.append(route.request.url))
    features = open_list(page)
    given_up: list[str] = []
    page.on("requestfailed", lambda request: given_up.append(request.url))
    with page.expect_request("**/api/features?*offset=200*"):
        scroll_to_rank(page, 220)
    expect(row(page, 230).get_by_role("link")).to_have_text("…")
    with page.expect_event("requestfailed"):
        page.mouse.wheel(0, 400 * ROW_PX)
    assert given_up == held
    expect(row(page, 640).get_by_role("link")).to_have_text(str(features[639]["feature_id"]))


def test_rows_that_cannot_be_had_say_so_and_are_asked_for_again(page: Page) -> None:
    page.route(
        "**/api/features?*offset=200*", lambda route: route.fulfill(status=503, json={"error": "The disk is away."})
    )
    features = open_list(page)
    scroll_to_rank(page, 220)
    alert = page.get_by_role("alert").filter(has_text="could not be loaded")
    expect(alert).to_contain_text("The disk is away.")
    page.unroute("**/api/features?*offset=200*")
    alert.get_by_role("button", name="Try again").click()
    expect(row(page, 230).get_by_role("link")).to_have_text(str(features[229]["feature_id"]))
    expect(alert).to_have_count(0)


def test_the_column_heads_stay_in_view(page: Page) -> None:
    open_list(page)
    scroll_to_rank(page, 300)
    head = page.get_by_role("columnheader", name="Feature").get_by_role("button")
    assert is_in_view(page, head)
    assert is_in_view(page, page.get_by_role("banner").get_by_role("link", name="Runs"))


def test_the_metrics_offered_are_those_of_the_api(page: Page) -> None:
    open_list(page)
    offered = page.get_by_label("Ranked by").locator("optgroup[label=Metrics] option")
    assert (
        offered.evaluate_all("options => options.map(o => o.value)") == api(page, "/api/features")["metrics_available"]
    )


@pytest.fixture
def new_metric_page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page of a run that was made with a metric more than there are."""
    metric = FeatureMetric("tokens_modulo_7", "What is left of its active tokens.", lambda totals: totals.count % 7)
    FEATURE_METRICS.append(metric)
    try:
        writer = LiveWriter.start(DirectoryStore(tmp_path))
        writer.add(60)
        writer.finish()
    finally:
        FEATURE_METRICS.remove(metric)
    with serving("serve", "--runs", tmp_path) as url:
        context = browser.new_context(base_url=url, viewport={"width": 1440, "height": 900})
        yield context.new_page()
        context.close()


def test_a_new_metric_appears_by_itself(new_metric_page: Page) -> None:
    page = new_metric_page
    open_list(page)
    expect(page.get_by_role("columnheader", name="Tokens modulo 7")).to_be_visible()
    page.get_by_label("Ranked by").select_option("tokens_modulo_7")
    features = all_features(page, "metric=tokens_modulo_7")
    expect_order(page, features)
    values = [feature["value"] for feature in features]
    assert values == sorted((feature["num_active_tokens"] % 7 for feature in features), reverse=True)
    expect(page.get_by_label("Ranked by")).to_have_accessible_description("What is left of its active tokens.")
    row(page, 1).get_by_role("link").click()
    page.get_by_text("All statistics").click()
    metric = page.get_by_role("region", name="Metrics").get_by_role("link", name="Tokens modulo 7")
    expect(metric).to_contain_text(f"{values[0]:.0f}")


def test_choosing_a_metric_ranks_the_features_by_it(page: Page) -> None:
    open_list(page)
    page.get_by_label("Ranked by").select_option("max_activation")
    expect_order(page, all_features(page, "metric=max_activation"))
    assert query_of(page) == {"metric": ["max_activation"]}


@pytest.mark.parametrize(
    ("head", "first", "other"),
    [
        ("Kurtosis", "metric=kurtosis", "metric=kurtosis&order=asc"),
        ("Std", "metric=std", "metric=std&order=asc"),
        ("Feature", "sort=feature_id&order=asc", "sort=feature_id"),
        ("Active tokens", "sort=num_active_tokens", "sort=num_active_tokens&order=asc"),
    ],
)
def test_a_column_s_head_sorts_by_it_and_then_the_other_way_round(
    page: Page, head: str, first: str, other: str
) -> None:
    open_list(page)
    column = page.get_by_role("columnheader", name=head, exact=True)
    for query in (first, other):
        column.get_by_role("button").press("Enter")
        expect_order(page, all_features(page, query))
        direction = "ascending" if "asc" in query else "descending"
        expect(column).to_have_attribute("aria-sort", direction)
        assert urlsplit(page.url).query == query
        expect(column.get_by_role("button")).to_be_focused()


def test_every_metric_s_column_sorts(page: Page) -> None:
    metrics = api(page, "/api/features")["metrics_available"]
    open_list(page)
    sorting = page.get_by_role("columnheader").get_by_role("button")
    expect(sorting).to_have_count(2 + len(metrics))  # feature, active tokens
    for metric in metrics:
        name = {"fraction_active": "Density"}.get(metric, metric.replace("_", " ").capitalize())
        page.get_by_role("columnheader", name=name).get_by_role("button", name=name).click()
        expect(page.locator("[aria-sort]")).to_have_text([re.compile(f"^{name}")])
        expect_order(page, all_features(page, urlsplit(page.url).query))


def test_the_metric_columns_are_chosen_and_are_in_the_address(page: Page) -> None:
    open_list(page)
    heads = page.get_by_role("columnheader")
    all_heads = heads.all_inner_texts()
    page.get_by_text("Columns", exact=True).press("Enter")
    page.get_by_role("checkbox", name="Skew").press("Space")
    expect(heads).to_have_count(len(all_heads) - 1)
    expect(page.get_by_role("columnheader", name="Skew")).to_have_count(0)
    assert "skew" not in query_of(page)["columns"][0]
    page.reload()
    expect(heads).to_have_count(len(all_heads) - 1)
    page.get_by_text("Columns", exact=True).press("Enter")
    page.get_by_role("checkbox", name="Skew").press("Space")
    expect(heads).to_have_count(len(all_heads))
    assert query_of(page) == {}


def test_on_a_phone_tokens_and_value_stay_and_nothing_scrolls_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 375, "height": 812})
    open_list(page, "/?metric=max_activation")
    expect(page.get_by_role("columnheader")).to_have_text(["Feature", "Tokens", "Max activation ↓"])
    expect(row(page, 1).locator("bdi").first).to_be_visible()
    expect_to_fit_sideways(page)
    page.get_by_label("Ranked by").select_option("num_active_tokens")
    expect_order(page, all_features(page, "metric=max_activation&sort=num_active_tokens"))


@pytest.fixture
def live_page(browser: Browser, tmp_path: Path) -> Iterator[tuple[Page, Callable[[], None]]]:
    """The page of a run that is going, and a function by which it goes on."""
    writer = LiveWriter.start(DirectoryStore(tmp_path))
    writer.further()
    with serving("serve", "--runs", tmp_path) as url:
        context = browser.new_context(base_url=url)
        yield context.new_page(), writer.further
        context.close()


def test_the_figures_of_a_live_run_are_refreshed_where_one_is(live_page: tuple[Page, Callable[[], None]]) -> None:
    page, further = live_page
    page.goto("/?sort=feature_id&order=asc")
    count = row(page, 3).get_by_role("cell").nth(5)
    expect(count).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    before = count.inner_text()
    height = page.evaluate("document.documentElement.scrollHeight")
    further()
    expect(count).not_to_have_text(before)
    assert focused_rank(page) == 2
    assert page.evaluate("document.documentElement.scrollHeight") == height
    expect(count).to_have_text(str(all_features(page, "sort=feature_id&order=asc")[2]["num_active_tokens"]))
