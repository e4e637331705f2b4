"""The list of the dataset's rows over real runs, in a real browser: texts, features, the search, the way through it.

What is shown is compared with what the API says of the rows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

import demo
from demo.headlines import write_csv
from sparse_autoencoder.runs.store import DirectoryStore
from tests.e2e.asking import api, expect_to_fit_sideways
from tests.e2e.serving import serving, summarise
from tests.support.live_runs import LiveWriter


def path_of(page: Page) -> str:
    """The page's address without its host."""
    parts = urlsplit(page.url)
    return parts.path + ("?" + parts.query if parts.query else "")


def rows(page: Page) -> Locator:
    return page.get_by_role("list", name="Rows", exact=True).locator("> li")


def row(page: Page, row_id: int) -> Locator:
    return rows(page).filter(has=page.get_by_role("link", name=f"row {row_id}", exact=True))


def expect_rows(page: Page, prompts: list[dict[str, Any]]) -> None:
    """These rows are listed, in this order."""
    expect(page.locator("[data-row-link]")).to_have_text([f"row {prompt['row_id']}" for prompt in prompts])


@pytest.fixture
def live_page(browser: Browser, tmp_path: Path) -> Iterator[tuple[Page, LiveWriter]]:
    """The page of a run that is going, and what makes it go on."""
    writer = LiveWriter.start(DirectoryStore(tmp_path))
    writer.further()
    with serving("serve", "--runs", tmp_path) as url:
        context = browser.new_context(base_url=url)
        yield context.new_page(), writer
        context.close()


def test_rows_come_in_order_with_their_text_and_their_features_and_the_tokens_these_fired_on(page: Page) -> None:
    page.goto("/prompts")
    prompts = api(page, "/api/prompts")["prompts"]
    expect_rows(page, prompts)
    third = row(page, prompts[2]["row_id"])
    expect(third.locator("p").first).to_have_text(prompts[2]["text"])
    features = prompts[2]["features"]
    chips = third.get_by_role("link").filter(has=page.locator("bdi"))
    expect(chips).to_have_count(len(features))
    for chip, feature in zip(chips.all(), features, strict=True):
        assert chip.text_content() == f"{feature['feature_id']} {feature['token_str']}"


def test_a_chip_s_colour_is_the_share_of_the_feature_s_own_strongest(page: Page) -> None:
    page.goto("/prompts")
    prompt = api(page, "/api/prompts")["prompts"][2]
    chips = row(page, prompt["row_id"]).locator("[data-chip]")
    expect(chips).to_have_count(len(prompt["features"]))
    for chip, feature in zip(chips.all(), prompt["features"], strict=True):
        share = feature["activation"] / feature["max_activation"]
        alpha = re.search(r"/ ([\d.]+)\)", chip.evaluate("chip => getComputedStyle(chip).backgroundColor"))
        assert (1.0 if alpha is None else float(alpha[1])) == pytest.approx(math.ceil(share * 10) / 10, abs=1e-3)
        assert f"{round(share * 100)} % of its strongest" in str(chip.get_attribute("title"))


def test_a_row_s_chips_are_one_tab_stop_and_arrow_keys_lead_from_chip_to_chip(page: Page) -> None:
    page.goto("/prompts")
    page.get_by_role("link", name="row 1", exact=True).focus()
    page.keyboard.press("Tab")
    chips = row(page, 1).locator("[data-chip]")
    expect(chips.nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(chips.nth(1)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="row 2", exact=True)).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(chips.nth(1)).to_be_focused()


def test_a_chip_leads_to_its_feature_and_back_leads_to_the_list(page: Page) -> None:
    page.goto("/prompts?from=20")
    feature = api(page, "/api/prompts?from=20")["prompts"][0]["features"][0]["feature_id"]
    rows(page).first.get_by_role("link").nth(1).click()
    expect(page.get_by_role("heading", name=f"Feature {feature}", exact=True)).to_be_visible()
    page.go_back()
    expect(row(page, 20)).to_be_visible()


def test_next_and_previous_go_through_the_dataset_and_begin_at_the_top(page: Page) -> None:
    page.goto("/prompts")
    pages = page.get_by_role("navigation", name="Pages of rows")
    pages.get_by_role("link", name="Next →").click()
    expect_rows(page, api(page, "/api/prompts?from=50")["prompts"])
    assert path_of(page) == "/prompts?from=50"
    assert page.evaluate("scrollY") == 0
    pages.get_by_role("link", name="← Previous").click()
    expect_rows(page, api(page, "/api/prompts")["prompts"])


def test_previous_leads_past_the_rows_of_a_failed_chunk(browser: Browser, tmp_path: Path) -> None:
    writer = LiveWriter.start(DirectoryStore(tmp_path))
    writer.add(80)
    writer.fail(300)
    writer.add(80)
    writer.finish()
    with serving("serve", "--runs", tmp_path) as url:
        page = browser.new_page(base_url=url)
        first = api(page, "/api/prompts?from=200&limit=1")["prompts"][0]["row_id"]
        before = api(page, f"/api/prompts/{first}")["previous"]
        assert first - before > 50
        page.goto(f"/prompts?from={first}")
        page.get_by_role("link", name="← Previous").click()
        expect(row(page, before)).to_be_visible()
        page.close()


def test_a_row_s_number_typed_in_begins_the_list_there(page: Page) -> None:
    page.goto("/prompts")
    page.get_by_label("from row").fill("123")
    expect_rows(page, api(page, "/api/prompts?from=123")["prompts"])
    expect(page.get_by_role("status")).to_have_text("rows 123 to 172, of 300 rows in all")
    assert path_of(page) == "/prompts?from=123"


def test_a_text_typed_in_finds_the_rows_with_it_marks_it_and_is_in_the_address(page: Page) -> None:
    page.goto("/prompts")
    page.get_by_label("with the text").fill("PRICE target")
    texts = [prompt["text"] for prompt in api(page, "/api/prompts?limit=300")["prompts"]]
    found = [row_id for row_id, text in enumerate(texts) if "price target" in text.lower()]
    assert 1 < len(found) < 50
    expect(page.get_by_role("status")).to_have_text(f"{len(found)} rows found")
    expect_rows(page, [{"row_id": row_id} for row_id in found])
    assert {text.lower() for text in page.locator("mark").all_inner_texts()} == {"price target"}
    assert path_of(page) == "/prompts?text=PRICE+target"
    page.reload()
    expect_rows(page, [{"row_id": row_id} for row_id in found])


def test_a_search_says_how_far_it_looked_and_goes_on_by_itself(page: Page) -> None:
    """A real search over so few rows is done at once, so the first answer is cut here as the API cuts one in time."""
    held: list[Route] = []
    page.route(re.compile(r"/api/prompts\?text=.*&from=0&"), lambda route: answer_to_row(100, route))
    page.route(re.compile(r"/api/prompts\?text=.*&from=100&"), lambda route: held.append(route))
    with page.expect_request(re.compile("from=100&")):
        page.goto("/prompts?text=price+target")
    found = [prompt["row_id"] for prompt in api(page, "/api/prompts?text=price+target")["prompts"]]
    early = [row_id for row_id in found if row_id < 100]
    expect(page.get_by_role("status")).to_have_text(f"{len(early)} rows found before row 100, looking further…")
    held[0].continue_()
    expect(page.get_by_role("status")).to_have_text(f"{len(found)} rows found")
    expect_rows(page, [{"row_id": row_id} for row_id in found])


def answer_to_row(end: int, route: Route) -> None:
    """Pass on what the API answers as if its time had been up before this row."""
    answer = route.fetch().json()
    answer["prompts"] = [prompt for prompt in answer["prompts"] if prompt["row_id"] < end]
    route.fulfill(json=answer | {"next": end})


def test_a_text_that_is_nowhere_says_how_to_look_otherwise(page: Page) -> None:
    page.goto("/prompts?text=no+row+has+this")
    expect(page.get_by_role("heading", name="There are no such rows")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Look for a shorter part of the text")


def test_a_text_that_is_nowhere_leads_to_its_words_that_are_somewhere(page: Page) -> None:
    texts = [str(prompt["text"]).lower() for prompt in api(page, "/api/prompts?limit=300")["prompts"]]
    count = sum("price" in text for text in texts)
    page.goto("/prompts?text=price+zebra")
    parts = page.get_by_role("list", name="Shorter texts").get_by_role("listitem")
    expect(parts).to_have_text([f"“price”, {count} rows"])
    parts.get_by_role("link").click()
    expect(page.locator("[data-row-link]")).to_have_count(min(count, 50))
    assert path_of(page) == "/prompts?text=price"


def test_the_features_of_the_rows_found_say_over_how_many_rows_and_lead_to_the_feature(page: Page) -> None:
    page.goto("/prompts?text=price+target")
    answer = api(page, "/api/prompts/features?text=price+target")
    shared = page.get_by_role("region", name="Features of these rows")
    expect(shared).to_contain_text(
        f"In {answer['num_found']} rows found these are among the 10 strongest of a row more often than in all 300 rows"
    )
    first = answer["features"][0]
    expect(shared.get_by_role("link").first).to_contain_text(f"{round(first['share'] * 100)} %")
    expect(shared.get_by_role("link").first).to_contain_text(f"×{first['lift']:.1f}")
    shared.get_by_role("button", name="more").click()
    expect(shared.get_by_role("link")).to_have_count(len(answer["features"]))
    shared.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=f"Feature {first['feature_id']}", exact=True)).to_be_visible()


def test_all_rows_have_no_features_of_their_own(page: Page) -> None:
    page.goto("/prompts")
    expect(rows(page).first).to_be_visible()
    expect(page.get_by_role("region", name="Features of these rows")).to_have_count(0)


@pytest.fixture(scope="module")
def columns_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a run that keeps two columns of its rows."""
    folder = tmp_path_factory.mktemp("columns")
    write_csv(60, 1, str(folder / "headlines.csv"))
    models = ("--subject", demo.SUBJECT, "--autoencoder", demo.AUTOENCODER)
    hook = ("--layer", str(demo.LAYER), "--location", demo.LOCATION, "--keep-columns", "stock,date")
    summarise("--source", folder / "headlines.csv", *models, *hook, "--output", folder / "runs")
    with serving("serve", "--runs", folder / "runs") as url:
        yield url


def test_rows_are_filtered_by_a_column_that_the_run_keeps(browser: Browser, columns_url: str) -> None:
    page = browser.new_page(base_url=columns_url)
    stocks = [str(prompt["columns"]["stock"]) for prompt in api(page, "/api/prompts?limit=60")["prompts"]]
    wanted = stocks[0]
    page.goto("/prompts")
    page.get_by_label("value in the column").fill(wanted.lower())
    expect_rows(page, [{"row_id": row_id} for row_id, stock in enumerate(stocks) if wanted in stock])
    assert path_of(page) == f"/prompts?column=stock&contains={wanted.lower()}"
    page.get_by_label("how the column’s value is compared").select_option("is")
    expect(page.get_by_role("heading", name="There are no such rows")).to_be_visible()
    page.get_by_label("value in the column").fill(wanted)
    expect_rows(page, [{"row_id": row_id} for row_id, stock in enumerate(stocks) if stock == wanted])
    page.get_by_label("column", exact=True).select_option("date")
    expect(page.get_by_role("heading", name="There are no such rows")).to_be_visible()
    page.get_by_role("link", name="Whatever is in the column").click()
    expect(page.locator("[data-row-link]")).to_have_count(50)
    page.close()


def test_the_list_works_without_a_mouse(page: Page) -> None:
    page.goto("/prompts")
    expect(rows(page).first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="row 2", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Row 2", exact=True)).to_be_visible()


def test_the_header_leads_to_the_rows_of_the_run_that_is_shown(page: Page) -> None:
    run = api(page, "/api/runs")["runs"][0]["id"]
    page.goto(f"/?run={run}&token=e")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Rows").click()
    expect(rows(page).first).to_be_visible()
    assert path_of(page) == f"/prompts?run={run}"


@pytest.mark.parametrize("address", ["/prompts/99999999", "/prompts/nobody", "/prompts?run=nobody"])
def test_what_isn_t_there_says_so_and_leads_on(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("main h1")).to_be_visible()
    page.locator("main").get_by_role("link").first.click()
    expect(rows(page).first).to_be_visible()


def test_the_rows_of_a_run_that_is_going_come_by_themselves(live_page: tuple[Page, LiveWriter]) -> None:
    page, writer = live_page
    page.goto("/prompts")
    before = api(page, "/api/prompts")["prompts"]
    expect_rows(page, before)
    expect(page.get_by_role("region", name="Live run")).to_contain_text("live: 10 rows so far")
    writer.further()
    expect(page.locator("[data-row-link]")).to_have_count(len(before) + 10)
    rows(page).last.get_by_role("link").first.click()
    expect(page.get_by_role("region", name="Live run")).to_contain_text("live: 20 rows so far")


def test_the_rows_of_a_run_that_is_going_come_also_when_they_take_the_api_several_answers(
    live_page: tuple[Page, LiveWriter],
) -> None:
    page, writer = live_page
    page.route(re.compile(r"/api/prompts\?from=0&"), lambda route: answer_to_row(5, route))
    page.goto("/prompts")
    expect(page.locator("[data-row-link]")).to_have_count(10)
    writer.further()
    expect(page.locator("[data-row-link]")).to_have_count(20)


@pytest.mark.parametrize("address", ["/prompts", "/prompts?text=e", "/prompts/7?token=2"])
def test_on_a_phone_nothing_scrolls_sideways(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 375, "height": 812})
    page.goto(address)
    expect(page.locator("[data-row-link], [data-index]").first).to_be_visible()
    expect_to_fit_sideways(page)
