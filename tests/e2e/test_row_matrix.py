"""The matrix of a row's features and tokens over real runs, in a real browser, by what the runs keep of firings.

What is shown is compared with the run's files, read here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import demo
from demo.headlines import generate
from tests.e2e.accessibility import assert_axe_finds_nothing
from tests.e2e.asking import api, expect_to_fit_sideways
from tests.e2e.serving import serving, summarise

LONG, ROW = 40, 7  # the first is of thousands of tokens
MODELS = (
    *("--subject", demo.SUBJECT, "--autoencoder", demo.AUTOENCODER, "--layer", str(demo.LAYER)),
    *("--location", demo.LOCATION, "--text-column", "title"),
)
HOSTILE = '<img src=x onerror="document.title=1">\u202e\u0007' + "x" * 300


@dataclass(frozen=True)
class Kept:
    """A run with what fires at each token, and the address of its page."""

    url: str
    fires: list[list[set[int]]]  # by row and token, from the files
    rows: list[dict[str, Any]]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("kept")
    titles = [headline.title for headline in generate(400, 3)]
    texts = [*titles[:LONG], " ".join(titles)]
    source = folder / "rows.jsonl"
    lines = [{"title": text, "day": f"day {number % 3}", "<b>odd</b>": HOSTILE} for number, text in enumerate(texts)]
    source.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    keep = ("--keep-firings", "--keep-columns", "day,<b>odd</b>")
    summarise("--source", source, *MODELS, *keep, "--output", folder / "runs")
    with serving("serve", "--runs", folder / "runs") as url:
        yield Kept(url, *_read(next((folder / "runs").iterdir())))


def _read(run: Path) -> tuple[list[list[set[int]]], list[dict[str, Any]]]:
    rows = pq.read_table(run / "prompts" / "000000.parquet").to_pylist()
    firings = iter(pq.read_table(run / "firings" / "000000.parquet")["features"].to_pylist())
    return [[set(next(firings)) for _ in row["tokens"]] for row in rows], rows


@pytest.fixture
def kept_page(browser: Browser, kept: Kept) -> Iterator[Page]:
    context = browser.new_context(base_url=kept.url, viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def matrix(page: Page) -> Locator:
    return page.get_by_role("grid")


def cells(line: Locator) -> list[str]:
    """The texts of a feature's cells, token by token."""
    return [text.strip() for text in line.locator("td[data-place]").all_inner_texts()]


def features(page: Page) -> list[int]:
    """The features in their order."""
    return [int(text) for text in matrix(page).locator("tr[data-feature] a").all_inner_texts()]


def open_row(page: Page, row_id: int = ROW, query: str = "") -> Any:
    page.goto(f"/prompts/{row_id}{query}")
    expect(matrix(page)).to_be_visible()
    return api(page, f"/api/prompts/{row_id}")


def test_each_strong_feature_has_its_activation_at_its_token_and_its_share(page: Page) -> None:
    row = open_row(page)
    for feature in row["features"]:
        line = matrix(page).locator(f"tr[data-feature='{feature['feature_id']}']")
        expected = [""] * len(row["tokens"])
        expected[feature["token"]] = f"{feature['activation']:.1f}"
        assert cells(line) == expected
        share = feature["activation"] / feature["max_activation"]
        expect(line).to_contain_text(f"{round(share * 100)} %")


def test_the_heads_are_the_row_s_tokens(page: Page) -> None:
    row = open_row(page)
    heads = matrix(page).locator("th[data-column]")
    assert heads.all_text_contents() == row["tokens"]


def test_the_colour_is_the_share_of_the_feature_s_own_strongest(page: Page) -> None:
    row = open_row(page)
    for feature in row["features"]:
        cell = matrix(page).locator(f"tr[data-feature='{feature['feature_id']}'] td.token")
        heat = float(cell.evaluate("cell => cell.style.getPropertyValue('--heat')"))
        assert heat == pytest.approx(0.08 + 0.92 * feature["activation"] / feature["max_activation"], abs=1e-3)


def test_a_run_without_firings_says_that_an_empty_cell_is_not_silence(page: Page) -> None:
    open_row(page)
    expect(page.locator("main")).to_contain_text("Shown are the 10 strongest features of this row")
    expect(page.locator("main")).to_contain_text("run with --keep-firings to keep it")
    expect(page.locator("main")).not_to_contain_text("it doesn’t fire")
    expect(page.get_by_role("button", name="more features")).to_have_count(0)


def test_the_three_orders_are_in_the_address_and_stay_on_the_next_row(page: Page) -> None:
    listed = open_row(page)["features"]
    assert features(page) == [one["feature_id"] for one in sorted(listed, key=lambda one: one["token"])]
    page.get_by_text("strongest", exact=True).click()
    page.wait_for_url("**/prompts/7?sort=strongest")
    assert features(page) == [one["feature_id"] for one in listed]
    page.get_by_text("rarest in the dataset").click()
    page.wait_for_url("**/prompts/7?sort=rarest")
    assert features(page) == [one["feature_id"] for one in sorted(listed, key=lambda one: one["density"])]
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Next →").click()
    page.wait_for_url("**/prompts/8?sort=rarest")


def test_with_firings_every_token_of_a_strong_feature_is_marked(kept_page: Page, kept: Kept) -> None:
    row = open_row(kept_page)
    expect(kept_page.locator("main")).to_contain_text("In an empty cell it doesn’t fire.")
    for feature in row["features"]:
        fired = [feature["feature_id"] in here for here in kept.fires[ROW]]
        line = matrix(kept_page).locator(f"tr[data-feature='{feature['feature_id']}']")
        assert [text != "" for text in cells(line)] == fired
    total = len(set().union(*kept.fires[ROW]))
    expect(kept_page.locator("main")).to_contain_text(f"{total} features fire in this row")


def test_the_other_features_of_the_row_come_below_when_asked_for(kept_page: Page, kept: Kept) -> None:
    strongest = {feature["feature_id"] for feature in open_row(kept_page)["features"]}
    others = set().union(*kept.fires[ROW]) - strongest
    assert len(others) > 10
    shown = len(strongest)
    while kept_page.get_by_role("button", name="more feature").count():
        kept_page.get_by_role("button", name="more feature").click()
        shown = min(shown + 40, len(strongest | others))
        expect(matrix(kept_page).locator("tr[data-feature]")).to_have_count(shown)
    assert set(features(kept_page)) == strongest | others
    for other in list(others)[:5]:
        line = matrix(kept_page).locator(f"tr[data-feature='{other}']")
        assert cells(line) == ["●" if other in here else "" for here in kept.fires[ROW]]


def test_with_saved_activations_every_feature_has_its_values(browser: Browser, tmp_path: Path) -> None:
    source, root = tmp_path / "rows.jsonl", tmp_path / "runs"
    lines = [json.dumps({"title": headline.title}) for headline in generate(ROW + 1, 3)]
    source.write_text("\n".join(lines), encoding="utf-8")
    summarise("--source", source, *MODELS, "--save-activations", "--skip-directions", "--output", root)
    (folder,) = root.iterdir()
    values: dict[int, dict[int, float]] = {}
    for record in pq.read_table(folder / "activations" / "000000.parquet").to_pylist():
        if record["row"] == ROW:
            values.setdefault(record["feature"], {})[record["token"]] = record["value"]
    with serving("serve", "--runs", root) as url:
        page = browser.new_page(base_url=url)
        row = open_row(page)
        page.get_by_role("button", name="more feature").click()
        expect(matrix(page).locator("tr[data-feature]")).to_have_count(min(len(values), len(row["features"]) + 40))
        for feature in features(page):
            texts = cells(matrix(page).locator(f"tr[data-feature='{feature}']"))
            for token, text in enumerate(texts):
                value = values[feature].get(token)
                assert text == ("" if value is None else f"{value:.2f}" if value < 0.095 else f"{value:.1f}")
        expect(page.locator("main")).to_contain_text("Numbers are activations. In an empty cell it doesn’t fire.")
        page.close()


def test_a_selected_token_has_all_features_that_fire_there(kept_page: Page, kept: Kept) -> None:
    open_row(kept_page)
    silent = len(kept.fires[ROW]) - 1
    matrix(kept_page).locator(f"th[data-column='{silent}']").click()
    kept_page.wait_for_url(f"**/prompts/{ROW}?token={silent}")
    selected = kept_page.get_by_role("region", name="Selected token")
    expect(selected.get_by_role("heading")).to_contain_text(f"Token {silent + 1}")
    links = selected.get_by_role("link")
    expect(links).to_have_count(len(kept.fires[ROW][silent]))
    assert {int(text.removeprefix("feature ")) for text in links.all_inner_texts()} == kept.fires[ROW][silent]


def test_pointing_at_a_feature_marks_in_the_text_where_it_fires(kept_page: Page, kept: Kept) -> None:
    row = open_row(kept_page)
    fires = {one["feature_id"]: [one["feature_id"] in here for here in kept.fires[ROW]] for one in row["features"]}
    feature, fired = max(fires.items(), key=lambda one: sum(one[1]))
    matrix(kept_page).locator(f"tr[data-feature='{feature}'] a").focus()
    tokens = kept_page.locator("[role=option]")
    outlined = tokens.evaluate_all("all => all.map(token => getComputedStyle(token).outlineStyle === 'solid')")
    assert outlined == fired


def test_the_matrix_is_one_tab_stop_and_is_moved_through_by_arrow_keys(page: Page) -> None:
    row = open_row(page)
    expect(matrix(page).locator("[tabindex='0']")).to_have_count(1)
    first = min(row["features"], key=lambda one: one["token"])
    page.get_by_role("link", name=f"Feature {first['feature_id']}", exact=True).focus()
    for _ in range(first["token"] + 1):
        page.keyboard.press("ArrowRight")
    focused = page.locator(":focus")
    expect(focused).to_have_text(f"{first['activation']:.1f}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/prompts/7?token={first['token']}")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    expect(matrix(page).locator("[tabindex='0']")).to_have_count(1)
    second = features(page)[1]
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Feature {second}", exact=True)).to_be_visible()


def test_the_heads_and_the_features_stay_in_sight_while_a_long_row_scrolls(kept_page: Page) -> None:
    open_row(kept_page, LONG)
    expect(kept_page.get_by_role("group", name="Tokens shown")).to_contain_text("tokens 1–128 of")
    feature = matrix(kept_page).locator("tr[data-feature] a").first
    before = feature.bounding_box()
    matrix(kept_page).locator("th[data-column='120']").scroll_into_view_if_needed()
    assert matrix(kept_page).locator("..").evaluate("scroller => scroller.scrollLeft") > 500
    after = feature.bounding_box()
    assert before is not None
    assert after is not None
    assert after["x"] == before["x"]
    expect_to_fit_sideways(kept_page)


def test_a_long_row_s_windows_are_marked_and_a_strong_feature_leads_to_its_stretch(kept_page: Page) -> None:
    row = open_row(kept_page, LONG)
    borders = (
        matrix(kept_page)
        .locator("th[data-column]")
        .evaluate_all(
            """all => all.filter(e => parseFloat(getComputedStyle(e).borderInlineStartWidth) > 1)
                .map(e => e.dataset.column)"""
        )
    )
    assert list(map(int, borders)) == [begin for begin in row["windows"] if 0 < begin < 128]
    far = next(feature for feature in row["features"] if feature["token"] >= 128)
    line = matrix(kept_page).locator(f"tr[data-feature='{far['feature_id']}']")
    line.get_by_role("button", name=f"at token {far['token'] + 1:,}").click()
    expect(line).to_contain_text(f"{far['activation']:.1f}")
    expect(matrix(kept_page).locator(f"th[data-column='{far['token']}']")).to_have_attribute("aria-selected", "true")


def test_the_dataset_s_own_columns_are_shown_as_text_and_lead_to_the_rows_with_the_same(kept_page: Page) -> None:
    open_row(kept_page)
    columns = kept_page.get_by_label("Columns of this row")
    expect(columns).to_contain_text("<b>odd</b>")
    expect(columns).to_contain_text("<img src=x onerror=")
    assert columns.locator("img, b").count() == 0
    expect_to_fit_sideways(kept_page)
    columns.get_by_role("link", name=f"day {ROW % 3}").click()
    kept_page.wait_for_url("**/prompts?column=day&value=day+1")
    expect(kept_page.locator("[data-row-link]").first).to_have_text("row 1")


def test_axe_finds_nothing_with_all_features_shown_and_a_token_selected(browser: Browser, kept: Kept) -> None:
    context = browser.new_context(base_url=kept.url, bypass_csp=True)
    page = context.new_page()
    open_row(page, ROW, "?token=3")
    page.get_by_role("button", name="more feature").click()
    expect(page.get_by_text("fire here too")).to_be_visible()
    assert_axe_finds_nothing(page)
    context.close()


def test_on_a_phone_the_matrix_scrolls_by_itself(browser: Browser, kept: Kept) -> None:
    page = browser.new_page(base_url=kept.url, viewport={"width": 390, "height": 844})
    open_row(page)
    expect_to_fit_sideways(page)
    assert matrix(page).locator("..").evaluate("scroller => scroller.scrollWidth > scroller.clientWidth")
    page.close()
