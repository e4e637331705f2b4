"""What every page of the viewer has, in a real browser: colours, notice, keyboard help, loading, nothing to show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from sparse_autoencoder.runs.store import DirectoryStore
from tests.e2e.addresses import PAGES, path_of, visit
from tests.e2e.serving import serving
from tests.support.live_runs import LiveWriter


def theme_switch(page: Page) -> Locator:
    return page.get_by_role("button", name="Theme")


def is_dark(page: Page) -> bool:
    return bool(page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(20, 22, 26)")


def test_the_colours_are_the_system_s_until_others_are_chosen(page: Page) -> None:
    page.goto("/runs")
    page.emulate_media(color_scheme="dark")
    assert is_dark(page)
    theme_switch(page).click()
    expect(theme_switch(page)).to_have_accessible_name("Theme: light colours")
    assert not is_dark(page)
    page.emulate_media(color_scheme="light")
    theme_switch(page).click()
    expect(theme_switch(page)).to_have_accessible_name("Theme: dark colours")
    assert is_dark(page)
    theme_switch(page).click()
    expect(theme_switch(page)).to_have_accessible_name("Theme: the system’s colours")
    assert not is_dark(page)


def test_chosen_colours_are_there_before_the_page_is(page: Page) -> None:
    page.goto("/runs")
    theme_switch(page).click()
    theme_switch(page).click()
    expect(theme_switch(page)).to_have_accessible_name("Theme: dark colours")
    viewer = page.locator("script[type=module]").get_attribute("src")
    page.route(f"**{viewer}", lambda route: route.abort())
    page.reload()
    expect(page.locator("#root")).to_be_empty()
    assert is_dark(page)


def test_the_notice_that_texts_may_be_offensive_is_shown_until_it_is_dismissed_and_never_again(page: Page) -> None:
    page.goto("/")
    notice = page.get_by_role("complementary", name="Notice")
    expect(notice).to_contain_text("some may be offensive")
    page.goto("/runs")
    notice.get_by_role("button", name="Understood").press("Enter")
    expect(notice).to_have_count(0)
    page.goto("/")
    expect(page.get_by_role("banner")).to_be_visible()
    expect(notice).to_have_count(0)


def test_the_question_mark_opens_the_keyboard_help_and_escape_closes_it(page: Page) -> None:
    page.goto("/runs")
    theme_switch(page).focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_contain_text("next and previous feature of the list")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(theme_switch(page)).to_be_focused()


def test_the_keyboard_help_has_a_button_and_closes_by_its_own(page: Page) -> None:
    page.goto("/runs")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_keys_do_nothing_to_the_page_under_the_keyboard_help(page: Page, demo_url: str) -> None:
    visit(page, "feature", demo_url)
    expect(page.get_by_role("link", name="Next")).to_be_visible()
    address = page.url
    page.keyboard.press("?")
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.url == address


def test_a_question_mark_that_is_typed_into_a_field_opens_nothing(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Search", exact=True).fill("")
    page.get_by_label("Search", exact=True).press_sequentially("?")
    expect(page.get_by_label("Search", exact=True)).to_have_value("?")
    expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.parametrize("name", [name for name in PAGES if name != "nowhere"])
def test_a_page_that_is_on_its_way_says_so_and_then_is_there(page: Page, demo_runs_url: str, name: str) -> None:
    page.route("**/api/**", lambda route: None)
    page.goto(demo_runs_url + path_of(name, demo_runs_url, None))
    loading = page.locator("main [role=status][aria-label]")
    expect(loading).to_be_visible()
    page.unroute("**/api/**")  # lets go what is held
    expect(page.locator(PAGES[name].sight).first).to_be_visible()
    expect(loading).to_have_count(0)


@pytest.fixture
def empty_page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page of a folder without a run."""
    with serving("serve", "--runs", tmp_path) as url:
        context = browser.new_context(base_url=url)
        yield context.new_page()
        context.close()


def test_without_runs_every_list_says_how_there_come_to_be_some(empty_page: Page) -> None:
    for path in ("/", "/prompts", "/runs", "/compare"):
        empty_page.goto(path)
        expect(empty_page.get_by_role("heading", name="There are no runs yet"), path).to_be_visible()
        expect(empty_page.get_by_role("main"), path).to_contain_text("saescope run --source texts.csv --max-rows 1000")


def test_the_first_run_is_shown_when_it_comes(empty_page: Page, tmp_path: Path) -> None:
    empty_page.goto("/")
    expect(empty_page.get_by_role("heading", name="There are no runs yet")).to_be_visible()
    writer = LiveWriter.start(DirectoryStore(tmp_path))
    writer.add(20)
    writer.finish()
    expect(empty_page.get_by_role("heading", name="There are no runs yet")).to_be_hidden(timeout=20_000)
    expect(empty_page.get_by_role("main")).to_contain_text("features")


@pytest.mark.parametrize("path", ["/feature/3", "/prompts/3"])
def test_without_runs_what_is_part_of_one_says_so_and_leads_on(empty_page: Page, path: str) -> None:
    empty_page.goto(path)
    expect(empty_page.get_by_role("alert")).to_contain_text(
        empty_page.request.get("/api/features").json()["error"].replace("`", "")  # which set commands as code
    )
    empty_page.get_by_role("main").get_by_role("link").first.click()
    expect(empty_page.get_by_role("heading", name="There are no runs yet")).to_be_visible()
