"""What every page of the viewer has, in a real browser: colours, the notice, the keyboard help."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.e2e.addresses import visit


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
    page.get_by_label("Go to feature").fill("")
    page.get_by_label("Go to feature").press_sequentially("?")
    expect(page.get_by_label("Go to feature")).to_have_value("?")
    expect(page.get_by_role("dialog")).to_be_hidden()
