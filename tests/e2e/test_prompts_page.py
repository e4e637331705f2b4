"""The dataset's rows over real runs, in a real browser: the list with its search, and a row's page, token by token.

What is shown is compared with what the API says of the rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

import demo
from demo.headlines import generate
from sparse_autoencoder.store import DirectoryStore
from tests.e2e.hostile import write_subject
from tests.e2e.serving import serving, summarise
from tests.support.live_runs import LiveWriter

SKIPPED, WINDOWS, HEBREW, LONG = 1, 2, 3, 4  # rows of the odd run
FIRST_TOKENS = 2000  # that a long row shows at first


def api(page: Page, path: str) -> Any:
    """What the API answers to `path`, asked by the page's own browser."""
    response = page.request.get(path)
    assert response.ok, response.text()
    return response.json()


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


def token(page: Page, index: int) -> Locator:
    return page.locator(f"[data-index='{index}']")


def selected_token(page: Page) -> Locator:
    return page.get_by_role("region", name="Selected token")


def fits_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def open_row(page: Page, row_id: int, query: str = "") -> Any:
    """Open a row's page and wait for its text; the answer is what the API says of the row."""
    page.goto(f"/prompts/{row_id}{query}")
    expect(page.get_by_role("listbox")).to_be_visible()
    return api(page, f"/api/prompts/{row_id}")


@pytest.fixture(scope="module")
def odd_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a run with a skipped row, one of several windows, one from right to left, and a long one."""
    folder = tmp_path_factory.mktemp("odd")
    titles = [headline.title for headline in generate(800, 3)]
    texts = [titles[0], "   ", " ".join(titles[1:30]), "אופציות עולות ב-5% after\n\tthe report", " ".join(titles)]
    source = folder / "odd.jsonl"
    source.write_text("\n".join(json.dumps({"title": text}) for text in texts), encoding="utf-8")
    # its tokenizer knows a Hebrew word as one token
    models = ("--subject", write_subject(folder), "--autoencoder", demo.AUTOENCODER)
    hook = ("--layer", str(demo.LAYER), "--location", demo.LOCATION)
    summarise("--source", source, *models, *hook, "--output", folder / "runs")
    with serving("serve", "--runs", folder / "runs") as url:
        yield url


@pytest.fixture
def odd_page(browser: Browser, odd_url: str) -> Iterator[Page]:
    context = browser.new_context(base_url=odd_url, viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


@pytest.fixture
def live_page(browser: Browser, tmp_path: Path) -> Iterator[tuple[Page, LiveWriter]]:
    """The page of a run that is going, and what makes it go on."""
    writer = LiveWriter.start(DirectoryStore(tmp_path))
    writer.further()
    with serving("serve", "--runs", tmp_path) as url:
        context = browser.new_context(base_url=url)
        yield context.new_page(), writer
        context.close()


# --- the list


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


def test_a_chip_leads_to_its_feature_and_back_leads_to_the_list(page: Page) -> None:
    page.goto("/prompts?from=20")
    feature = api(page, "/api/prompts?from=20")["prompts"][0]["features"][0]["feature_id"]
    rows(page).first.get_by_role("link").nth(1).click()
    expect(page.get_by_role("heading", name=f"Feature {feature}", exact=True)).to_be_visible()
    page.go_back()
    expect(row(page, 20)).to_be_visible()


def test_a_skipped_row_is_listed_with_its_reason_and_says_it_on_its_page(odd_page: Page) -> None:
    odd_page.goto("/prompts")
    expect(row(odd_page, SKIPPED)).to_contain_text("skipped: no text")
    row(odd_page, SKIPPED).get_by_role("link").click()
    expect(odd_page.get_by_role("heading", name="This row was skipped")).to_be_visible()
    expect(odd_page.locator("main")).to_contain_text("no text")


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

    def stop_at_row_100(route: Route) -> None:
        answer = route.fetch().json()
        answer["prompts"] = [prompt for prompt in answer["prompts"] if prompt["row_id"] < 100]
        route.fulfill(json=answer | {"next": 100})

    page.route(re.compile(r"/api/prompts\?text=.*&from=0&"), stop_at_row_100)
    page.route(re.compile(r"/api/prompts\?text=.*&from=100&"), lambda route: held.append(route))
    page.goto("/prompts?text=price+target")
    found = [prompt["row_id"] for prompt in api(page, "/api/prompts?text=price+target")["prompts"]]
    early = [row_id for row_id in found if row_id < 100]
    expect(page.get_by_role("status")).to_have_text(f"{len(early)} rows found before row 100, looking further…")
    held[0].continue_()
    expect(page.get_by_role("status")).to_have_text(f"{len(found)} rows found")
    expect_rows(page, [{"row_id": row_id} for row_id in found])


def test_a_text_that_is_nowhere_says_how_to_look_otherwise(page: Page) -> None:
    page.goto("/prompts?text=no+row+has+this")
    expect(page.get_by_role("heading", name="There are no such rows")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Look for a shorter part of the text")


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
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Prompts").click()
    expect(rows(page).first).to_be_visible()
    assert path_of(page) == f"/prompts?run={run}"


# --- one row


def test_a_row_has_its_whole_text_token_by_token(page: Page) -> None:
    info = open_row(page, 7)
    assert page.get_by_role("option").all_text_contents() == info["tokens"]
    assert "".join(info["tokens"]) == info["text"]


def test_tokens_that_features_fired_on_are_marked_and_no_others(page: Page) -> None:
    info = open_row(page, 7)
    fired = {feature["token"] for feature in info["features"]}
    assert 0 < len(fired) < len(info["tokens"])
    for index in range(len(info["tokens"])):
        line = token(page, index).evaluate("element => getComputedStyle(element).textDecorationLine")
        assert (line == "underline") == (index in fired)


def test_pointing_at_a_token_says_which_features_fired_on_it_or_that_none_did(page: Page) -> None:
    info = open_row(page, 7)
    strongest = info["features"][0]
    token(page, strongest["token"]).hover()
    tooltip = page.get_by_role("tooltip")
    expect(tooltip).to_contain_text(f"feature {strongest['feature_id']}: {strongest['activation']:.3f}")
    fired = {feature["token"] for feature in info["features"]}
    silent = next(index for index in range(len(info["tokens"])) if index not in fired)
    token(page, silent).focus()
    expect(tooltip).to_contain_text("None of this row’s strongest features")
    page.keyboard.press("Escape")
    expect(tooltip).to_have_count(0)


def test_a_token_is_selected_by_keyboard_is_in_the_address_and_leads_to_its_features(page: Page) -> None:
    info = open_row(page, 7)
    strongest = info["features"][0]
    token(page, 0).focus()
    for _ in range(strongest["token"]):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/prompts/7?token={strongest['token']}")
    expect(token(page, strongest["token"])).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Tab")
    expect(selected_token(page).get_by_role("link").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Feature {strongest['feature_id']}", exact=True)).to_be_visible()


def test_the_token_in_the_address_is_selected_when_the_page_is_opened_again(page: Page) -> None:
    strongest = open_row(page, 7)["features"][0]
    token(page, strongest["token"]).click()
    expect(selected_token(page)).to_contain_text(f"feature {strongest['feature_id']}")
    page.reload()
    expect(token(page, strongest["token"])).to_have_attribute("aria-selected", "true")
    expect(selected_token(page)).to_contain_text(f"feature {strongest['feature_id']}")


def test_a_token_that_no_strong_feature_fired_on_says_so(page: Page) -> None:
    info = open_row(page, 7)
    fired = {feature["token"] for feature in info["features"]}
    token(page, next(index for index in range(len(info["tokens"])) if index not in fired)).click()
    expect(selected_token(page)).to_contain_text("None of this row’s strongest features fired most strongly here.")


def test_the_strongest_features_are_listed_and_pointing_at_one_marks_its_token(page: Page) -> None:
    info = open_row(page, 7)
    listed = page.get_by_role("region", name="Strongest features").get_by_role("listitem")
    expect(listed).to_have_count(len(info["features"]))
    for item, feature in zip(listed.all(), info["features"], strict=True):
        expect(item.get_by_role("link")).to_have_text(str(feature["feature_id"]))
        expect(item).to_contain_text(f"{feature['activation']:.3f}")
    third = info["features"][2]
    listed.nth(2).hover()
    expect(token(page, third["token"])).to_have_css("outline-style", "solid")
    listed.nth(2).get_by_role("button").click()
    expect(token(page, third["token"])).to_have_attribute("aria-selected", "true")
    listed.nth(2).get_by_role("link").click()
    expect(page.get_by_role("heading", name=f"Feature {third['feature_id']}", exact=True)).to_be_visible()


def test_previous_and_next_lead_to_the_rows_beside_by_link_and_by_key(page: Page) -> None:
    open_row(page, 7)
    page.get_by_role("link", name="Next →").click()
    expect(page.get_by_role("heading", name="Row 8", exact=True)).to_be_visible()
    for key, row_id in (("j", 9), ("ArrowLeft", 8), ("k", 7), ("ArrowRight", 8)):
        page.keyboard.press(key)
        expect(page.get_by_role("heading", name=f"Row {row_id}", exact=True)).to_be_visible()


def test_an_example_of_a_feature_leads_to_its_token_in_the_row(page: Page) -> None:
    feature = api(page, "/api/features?metric=max_activation&limit=1")["features"][0]["feature_id"]
    example = api(page, f"/api/feature_info?id={feature}")["top"][0]
    page.goto(f"/feature/{feature}")
    page.get_by_role("region", name="Top activations").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=f"Row {example['row_id']}", exact=True)).to_be_visible()
    selected = page.locator("[aria-selected=true]")
    assert selected.text_content() == example["tokens"][example["idx"]]


def test_where_windows_begin_is_marked_when_there_are_several(odd_page: Page) -> None:
    windows = open_row(odd_page, WINDOWS)["windows"]
    assert len(windows) > 2
    widths = odd_page.get_by_role("option").evaluate_all(
        "all => all.map(e => parseFloat(getComputedStyle(e).borderInlineStartWidth))"
    )
    assert [index for index, width in enumerate(widths) if width > 0] == windows[1:]
    expect(odd_page.locator("main")).to_contain_text(f"in {len(windows)} windows")


def test_text_from_right_to_left_runs_that_way_and_unseen_characters_are_drawn(odd_page: Page) -> None:
    open_row(odd_page, HEBREW)
    assert odd_page.get_by_role("listbox").evaluate("e => getComputedStyle(e).direction") == "rtl"
    drawn = "".join(odd_page.get_by_role("option").all_text_contents())
    assert "⏎" in drawn
    assert "⇥" in drawn
    assert "�" in drawn  # tokens may hold one of a letter's two bytes


def test_a_long_row_shows_its_first_tokens_and_then_all_of_them(odd_page: Page) -> None:
    info = open_row(odd_page, LONG)
    count = len(info["tokens"])
    assert count > 4 * FIRST_TOKENS
    expect(odd_page.get_by_role("option")).to_have_count(FIRST_TOKENS)
    odd_page.get_by_role("button", name=f"Show all {count:,} tokens").click()
    expect(odd_page.get_by_role("listbox")).to_contain_text("".join(info["tokens"][-20:]).strip())
    assert FIRST_TOKENS <= odd_page.get_by_role("option").count() < count  # far ones are plain text until they are near
    odd_page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
    expect(token(odd_page, count - 1)).to_be_visible()


def test_an_address_with_a_token_far_into_a_long_row_brings_it_into_view(odd_page: Page) -> None:
    open_row(odd_page, LONG, "?token=7000")
    expect(token(odd_page, 7000)).to_be_in_viewport()
    expect(token(odd_page, 7000)).to_have_attribute("aria-selected", "true")


@pytest.mark.parametrize("address", ["/prompts/99999999", "/prompts/nobody", "/prompts?run=nobody"])
def test_what_isn_t_there_says_so_and_leads_on(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("main h1")).to_be_visible()
    page.locator("main").get_by_role("link").first.click()
    expect(rows(page).first).to_be_visible()


# --- live, small and hostile


def test_the_rows_of_a_run_that_is_going_come_by_themselves(live_page: tuple[Page, LiveWriter]) -> None:
    page, writer = live_page
    page.goto("/prompts")
    before = api(page, "/api/prompts")["prompts"]
    expect_rows(page, before)
    expect(page.get_by_role("region", name="Live run")).to_contain_text("live: 10 rows so far")
    writer.further()
    expect(page.locator("[data-row-link]")).to_have_count(len(before) + 10, timeout=15_000)
    rows(page).last.get_by_role("link").first.click()
    expect(page.get_by_role("region", name="Live run")).to_contain_text("live: 20 rows so far")


@pytest.mark.parametrize("address", ["/prompts", "/prompts?text=e", "/prompts/7?token=2"])
def test_on_a_phone_nothing_scrolls_sideways(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 375, "height": 812})
    page.goto(address)
    expect(page.locator("[data-row-link], [data-index]").first).to_be_visible()
    assert fits_sideways(page)


def test_on_a_phone_the_selected_token_s_features_stay_in_sight_below_a_long_text(odd_page: Page) -> None:
    odd_page.set_viewport_size({"width": 375, "height": 812})
    open_row(odd_page, WINDOWS, "?token=0")
    expect(selected_token(odd_page)).to_be_in_viewport()
    assert odd_page.evaluate("document.documentElement.scrollHeight") > 2 * 812


def test_no_hostile_row_breaks_the_layout_or_executes(browser: Browser, hostile_url: str) -> None:
    page = browser.new_page(base_url=hostile_url, viewport={"width": 375, "height": 812})
    incidents: list[str] = []
    page.on("dialog", lambda dialog: (incidents.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: incidents.append(str(error)))
    prompts = api(page, "/api/prompts?limit=28")["prompts"]
    page.goto("/prompts")
    for prompt in prompts:
        expect(row(page, prompt["row_id"])).to_be_visible()
    assert fits_sideways(page)
    open_row(page, prompts[0]["row_id"])
    for prompt in prompts[1:]:
        page.keyboard.press("j")
        expect(page.get_by_role("listbox", name=f"Tokens of row {prompt['row_id']}", exact=True)).to_be_visible()
        assert fits_sideways(page), prompt["text"][:80]
    assert incidents == []
    page.close()
