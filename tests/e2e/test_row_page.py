"""A row's page over real runs, in a real browser: its text token by token, and what fired on them.

What is shown is compared with what the API says of the row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, expect

import demo
from demo.headlines import generate
from tests.e2e.asking import api, expect_to_fit_sideways
from tests.e2e.hostile import write_subject
from tests.e2e.serving import serving, summarise

SKIPPED, WINDOWS, HEBREW, LONG = 1, 2, 3, 4  # rows of the odd run
FIRST_TOKENS = 2000  # that a long row shows at first


def token(page: Page, index: int) -> Locator:
    return page.locator(f"[data-index='{index}']")


def selected_token(page: Page) -> Locator:
    return page.get_by_role("region", name="Selected token")


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
    expect(tooltip).to_contain_text("What else fired is not in this run’s files.")
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


def test_previous_and_next_lead_to_the_rows_beside_by_link_and_by_key(page: Page) -> None:
    open_row(page, 7)
    page.get_by_role("link", name="Next →").click()
    expect(page.get_by_role("listbox", name="Tokens of row 8", exact=True)).to_be_visible()
    for key, row_id in (("j", 9), ("ArrowLeft", 8), ("k", 7), ("ArrowRight", 8)):
        page.keyboard.press(key)
        expect(page.get_by_role("heading", name=f"Row {row_id}", exact=True)).to_be_visible()
        expect(page.get_by_role("listbox", name=f"Tokens of row {row_id}", exact=True)).to_be_visible()


def test_an_example_of_a_feature_leads_to_its_token_in_the_row(page: Page) -> None:
    feature = api(page, "/api/features?metric=max_activation&limit=1")["features"][0]["feature_id"]
    example = api(page, f"/api/feature_info?id={feature}")["top"][0]
    page.goto(f"/feature/{feature}")
    page.get_by_role("region", name="Activations ").first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=f"Row {example['row_id']}", exact=True)).to_be_visible()
    selected = page.locator("[role=option][aria-selected=true]")
    assert selected.text_content() == example["tokens"][example["idx"]]


def test_a_token_has_the_same_number_beside_a_feature_and_in_its_row(page: Page) -> None:
    feature = api(page, "/api/features?metric=max_activation&limit=1")["features"][0]["feature_id"]
    example = api(page, f"/api/feature_info?id={feature}")["top"][0]
    page.goto(f"/feature/{feature}")
    page.locator(".token-peak").first.focus()
    expect(page.get_by_role("tooltip")).to_contain_text(f"token {example['idx']}")
    page.keyboard.press("Escape")
    page.locator(".token-peak").first.locator("xpath=ancestor::li").get_by_role("link").first.click()
    expect(selected_token(page).get_by_role("heading")).to_contain_text(f"Token {example['idx']}")


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
    assert "�" not in drawn  # though tokens may hold one of a letter's two bytes


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


def test_a_skipped_row_is_listed_with_its_reason_and_says_it_on_its_page_too(odd_page: Page) -> None:
    odd_page.goto("/prompts")
    listed = odd_page.get_by_role("list", name="Rows").locator("> li").nth(SKIPPED)
    expect(listed).to_contain_text("skipped: no text")
    listed.get_by_role("link").click()
    expect(odd_page.get_by_role("heading", name="This row was skipped")).to_be_visible()
    expect(odd_page.locator("main")).to_contain_text("no text")


def test_on_a_phone_the_selected_token_s_features_stay_in_sight_below_a_long_text(odd_page: Page) -> None:
    odd_page.set_viewport_size({"width": 375, "height": 812})
    open_row(odd_page, WINDOWS, "?token=0")
    expect(selected_token(odd_page)).to_be_in_viewport()
    assert odd_page.evaluate("document.documentElement.scrollHeight") > 2 * 812


def test_no_hostile_row_breaks_the_layout_or_executes(browser: Browser, hostile_url: str) -> None:
    page = browser.new_page(base_url=hostile_url, viewport={"width": 375, "height": 812})
    incidents: list[str] = []

    def refuse(dialog: Dialog) -> None:
        incidents.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    page.on("pageerror", lambda error: incidents.append(str(error)))
    prompts = api(page, "/api/prompts?limit=28")["prompts"]
    page.goto("/prompts")
    for prompt in prompts:
        expect(page.get_by_role("link", name=f"row {prompt['row_id']}", exact=True)).to_be_visible()
    expect_to_fit_sideways(page)
    open_row(page, prompts[0]["row_id"])
    for prompt in prompts[1:]:
        page.keyboard.press("j")
        expect(page.get_by_role("listbox", name=f"Tokens of row {prompt['row_id']}", exact=True)).to_be_visible()
        expect_to_fit_sideways(page)
    assert incidents == []
    page.close()
