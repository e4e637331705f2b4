"""Labels, stars and notes in a real browser: given on a feature's page, kept, and shown wherever the feature is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from sparse_autoencoder.runs.label_entries import Change
from sparse_autoencoder.runs.label_log import LabelLog
from sparse_autoencoder.runs.store import DirectoryStore
from tests.e2e.accessibility import assert_axe_finds_nothing
from tests.e2e.asking import expect_to_fit_sideways
from tests.e2e.demo_runs import make_runs
from tests.e2e.feature_list import api, expect_order, filter_menu, row
from tests.e2e.serving import serving

LONG = "w" * 500
HOSTILE = "\u202e<img src=x onerror=document.title='hit'>\u0000" + "Z" + "\u0351" * 200


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one autoencoder."""
    return make_runs(tmp_path_factory.mktemp("labels"), rows=300)


@pytest.fixture(scope="module")
def url(runs: Path) -> Iterator[str]:
    with serving("serve", "--runs", runs) as url:
        yield url


@pytest.fixture
def page(browser: Browser, url: str, log: LabelLog) -> Iterator[Page]:
    """A tab, before anything is said of any feature."""
    for entry in log.read().present:
        log.write([Change(entry.feature_id, {"label": None, "note": None, "starred": False})])
    context = browser.new_context(base_url=url, viewport={"width": 1440, "height": 900}, bypass_csp=True)
    yield context.new_page()
    context.close()


@pytest.fixture
def log(runs: Path) -> LabelLog:
    """What is said of the autoencoder's features, as somebody else's process sees it."""
    metadata: Any = json.loads(next(runs.glob("2026*/metadata.json")).read_text())
    return LabelLog(DirectoryStore(runs), metadata["autoencoder"]["sha256"])


def features(page: Page) -> list[int]:
    return [one["feature_id"] for one in api(page, "/api/features?limit=10")["features"]]


def star(page: Page) -> Locator:
    return page.get_by_role("button", name="Star", exact=True)


def label(page: Page, feature_id: int, text: str) -> None:
    page.goto(f"/feature/{feature_id}")
    expect(star(page)).to_be_visible()
    page.keyboard.press("l")
    page.get_by_label("Label", exact=True).fill(text)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("label")).to_have_text(text)


def test_a_label_is_there_after_a_reload_in_the_list_in_the_search_and_in_another_run(page: Page) -> None:
    page.goto("/")
    feature_id = features(page)[2]
    label(page, feature_id, "price targets")
    page.reload()
    expect(page.get_by_test_id("label")).to_have_text("price targets")
    page.goto("/")
    expect(row(page, 3).get_by_test_id("label")).to_have_text("price targets")
    page.get_by_label("Search", exact=True).fill("TARGETS")
    found = page.get_by_role("group", name="Labels").get_by_role("option")
    expect(found).to_contain_text("price targets")
    expect(found).to_contain_text(str(feature_id))
    older = api(page, "/api/runs")["runs"][1]["id"]
    page.goto(f"/feature/{feature_id}?run={older}")
    expect(page.get_by_test_id("label")).to_have_text("price targets")


def test_starred_and_labelled_features_are_listed(page: Page) -> None:
    page.goto("/")
    first, second, third = features(page)[:3]
    label(page, second, "second")
    page.goto(f"/feature/{third}")
    star(page).press("Enter")
    expect(star(page)).to_have_attribute("aria-pressed", "true")
    page.goto("/")
    filter_menu(page).get_by_label("labelled").check()
    expect_order(page, [{"feature_id": second}])
    expect(page.get_by_role("search").get_by_role("status")).to_contain_text("1 of ")
    page.get_by_role("button", name="Without the filter: labelled").click()
    filter_menu(page).get_by_label("starred").check()
    expect_order(page, [{"feature_id": third}])
    expect(row(page, 1)).to_contain_text("starred")
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.get_by_role("link", name="All labels as JSON Lines").click()
    lines = [json.loads(line) for line in download.value.path().read_text().splitlines()]
    assert {line["feature_id"]: (line["label"], line["starred"]) for line in lines} == {
        second: ("second", False),
        third: (None, True),
    }
    assert first not in (second, third)


def test_nothing_starred_yet_says_how_to_star(page: Page) -> None:
    page.goto("/?starred=1")
    expect(page.get_by_role("main")).to_contain_text("Label or star a feature on its page")


@pytest.mark.parametrize(("choice", "holds"), [("Keep yours", "mine"), ("Take theirs", "theirs")])
def test_of_two_who_write_at_once_the_later_one_chooses(page: Page, log: LabelLog, choice: str, holds: str) -> None:
    page.goto("/feature/3")
    expect(star(page)).to_be_visible()
    page.keyboard.press("l")
    log.write([Change(3, {"label": "theirs"})])
    page.get_by_label("Label", exact=True).fill("mine")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody changed this meanwhile: label “theirs”")
    page.get_by_role("button", name=choice).click()
    expect(page.get_by_test_id("label")).to_have_text(holds)
    assert log.read().of(3).label == holds


def test_a_star_and_a_label_of_two_people_at_once_are_both_kept(page: Page, log: LabelLog) -> None:
    page.goto("/feature/3")
    expect(star(page)).to_be_visible()
    log.write([Change(3, {"label": "theirs"})])
    page.keyboard.press("s")
    expect(page.get_by_test_id("label")).to_have_text("theirs")
    entry = log.read().of(3)
    assert (entry.label, entry.starred) == ("theirs", True)


@pytest.mark.parametrize("text", [HOSTILE, LONG])
def test_hostile_labels_do_nothing_and_break_no_page(page: Page, log: LabelLog, text: str) -> None:
    page.goto("/")
    feature_id = features(page)[0]
    log.write([Change(feature_id, {"label": text, "note": text * 3}, "\u202e<b>")])
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        for path in ("/", f"/feature/{feature_id}"):
            page.goto(path)
            expect(page.get_by_test_id("label").first).to_be_visible()
            expect_to_fit_sideways(page)
        page.get_by_label("Search", exact=True).fill(text[:9])
        expect(page.get_by_role("option").first).to_be_visible()
        expect_to_fit_sideways(page)
    assert "hit" not in page.title()


def test_labels_are_for_everybody(page: Page, log: LabelLog) -> None:
    log.write([Change(3, {"label": "dates", "note": "mostly years", "starred": True})])
    page.goto("/feature/3")
    expect(page.get_by_test_id("label")).to_be_visible()
    assert_axe_finds_nothing(page)
    page.keyboard.press("l")
    expect(page.get_by_label("Note")).to_be_visible()
    assert_axe_finds_nothing(page)
    page.get_by_label("Search", exact=True).fill("dat")
    expect(page.get_by_role("group", name="Labels")).to_be_visible()
    assert_axe_finds_nothing(page)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_where_nothing_can_be_written_the_page_says_so(page: Page, runs: Path) -> None:
    runs.chmod(0o555)
    try:
        page.goto("/feature/3")
        star(page).click()
        expect(page.get_by_role("alert")).to_contain_text("Not saved")
    finally:
        runs.chmod(0o755)


def test_fewer_than_ten_tabs_lead_to_the_first_feature(page: Page) -> None:
    page.goto("/")
    expect(row(page, 1)).to_be_visible()
    for tabs in range(1, 10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('[data-row]') !== null"):
            assert tabs < 10
            return
    raise AssertionError("the first feature is more than nine Tabs away")
