"""A run that is going, on the pages of what it has found so far; and the pages while nothing answers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.feature_list import row as list_row
from tests.e2e.front import NO_API
from tests.e2e.live import Live
from tests.e2e.serving import serving
from tests.support.commands import environment
from tests.support.runs import World, make_world, random_texts
from tests.support.waiting import wait_until

ROWS = 80  # in 4 chunks
HELD_AFTER = 2


@pytest.fixture
def page(browser: Browser, live: Live) -> Iterator[Page]:
    """A fresh tab whose addresses are relative to the services' pages."""
    context = browser.new_context(base_url=live.url)
    yield context.new_page()
    context.close()


def banner(page: Page) -> Locator:
    """What says that the run is going."""
    return page.get_by_role("region", name="Live run")


def expect_live(page: Page, rows: int) -> None:
    expect(banner(page)).to_contain_text(f"live: {rows} rows so far")


@contextmanager
def never_reloaded(page: Page) -> Iterator[None]:
    """The document is the same after the block."""
    page.evaluate("window.isTheSame = true")
    yield
    assert page.evaluate("window.isTheSame") is True


def strongest(live: Live, run_id: str) -> tuple[int, int]:
    """The feature that has fired at the most tokens, and at how many."""
    (feature,) = live.ask(f"/api/features?run={run_id}&sort=num_active_tokens&limit=1")["features"]
    return feature["feature_id"], feature["num_active_tokens"]


# A further chunk, and the end


def test_the_list_of_features_follows_a_live_run_to_its_end(live: Live, page: Page) -> None:
    with live.held_run(HELD_AFTER, max_rows=ROWS) as run:
        page.goto(f"/?run={run.run_id}&sort=num_active_tokens")
        count = list_row(page, 1).get_by_role("cell").nth(5)
        counts = []
        with never_reloaded(page):
            for rows in (40, 60):
                expect_live(page, rows)
                expect(banner(page).get_by_role("progressbar")).to_have_attribute("aria-valuenow", str(rows))
                counts.append(strongest(live, run.run_id)[1])
                expect(count).to_have_text(str(counts[-1]))
                run.further()
            run.finish()
            expect(banner(page)).to_have_count(0)
            counts.append(strongest(live, run.run_id)[1])
            expect(count).to_have_text(str(counts[-1]))
        assert counts == sorted(set(counts))
        expect(page.get_by_role("region", name="Run", exact=True)).to_contain_text("rows75")


def test_a_feature_follows_a_live_run_to_its_end(live: Live, page: Page) -> None:
    with live.held_run(HELD_AFTER, max_rows=ROWS) as run:
        page.goto(f"/?run={run.run_id}")
        expect_live(page, 40)
        feature_id, count = strongest(live, run.run_id)
        page.goto(f"/feature/{feature_id}?run={run.run_id}")
        sentence = page.get_by_role("main")
        with never_reloaded(page):
            expect_live(page, 40)
            expect(sentence).to_contain_text(f"({count:,} of ")
            run.further()
            expect_live(page, 60)
            further = strongest(live, run.run_id)[1]
            assert further > count
            expect(sentence).to_contain_text(f"({further:,} of ")
            run.finish()
            expect(banner(page)).to_have_count(0)
            last = strongest(live, run.run_id)[1]
            assert last > further
            expect(sentence).to_contain_text(f"({last:,} of ")


def test_the_prompts_follow_a_live_run_to_its_end(live: Live, page: Page) -> None:
    with live.held_run(HELD_AFTER, max_rows=ROWS) as run:
        page.goto(f"/prompts?run={run.run_id}&from=35")
        listed = page.get_by_role("search", name="Find rows").get_by_role("status")
        with never_reloaded(page):
            expect_live(page, 40)
            expect(listed).to_have_text("rows 35 to 39")
            run.further()
            expect(listed).to_have_text("rows 35 to 59")
            expect_live(page, 60)
            run.finish()
            expect(listed).to_have_text("rows 35 to 79, of 80 rows in all")
            expect(banner(page)).to_have_count(0)


def test_the_last_row_so_far_gets_a_next_one_by_itself(live: Live, page: Page) -> None:
    with live.held_run(HELD_AFTER, max_rows=ROWS) as run:
        page.goto(f"/prompts/39?run={run.run_id}")
        following = page.get_by_role("navigation", name="Rows").get_by_role("link", name="Next")
        with never_reloaded(page):
            expect_live(page, 40)
            expect(following).to_have_count(0)
            run.further()
            expect(following).to_have_attribute("href", f"/prompts/40?run={run.run_id}")
            expect_live(page, 60)


def test_a_row_that_is_not_merged_yet_says_so_and_comes_by_itself(live: Live, page: Page) -> None:
    with live.held_run(HELD_AFTER, max_rows=ROWS) as run:
        page.goto(f"/prompts/41?run={run.run_id}")
        expect(page.get_by_role("alert")).to_contain_text("row 41")
        run.further()
        expect(page.get_by_role("heading", name="Row 41")).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/feature/0", "/prompts"])
def test_a_run_with_nothing_merged_says_so_and_shows_the_first_chunk_by_itself(
    live: Live, page: Page, path: str
) -> None:
    with live.held_run(0, max_rows=40) as run:
        page.goto(f"{path}?run={run.run_id}")
        expect(page.get_by_role("heading", name="No features yet")).to_be_visible()
        expect(banner(page).get_by_role("progressbar")).to_have_attribute("aria-valuenow", "0")
        run.further()
        expect_live(page, 20)
        expect(page.get_by_role("heading", name="No features yet")).to_have_count(0)


def test_above_the_newest_finished_run_s_features_stands_that_a_newer_run_is_going(live: Live, page: Page) -> None:
    finished = live.finished_run(max_rows=20)
    with live.held_run(1, max_rows=40) as run:
        page.goto("/")
        expect(page.get_by_role("table", name="Features")).to_be_visible()
        assert live.ask("/api/features?limit=1")["run"] == finished
        expect(banner(page).get_by_role("link", name=run.run_id)).to_be_visible()
        banner(page).get_by_role("link", name="its features so far").click()
        expect(page).to_have_url(f"{live.url}/?run={run.run_id}")
        expect_live(page, 20)
    expect(banner(page)).to_have_count(0)


# Without services


SAVING_ALWAYS = """
import sys
from sparse_autoencoder.pipeline import single_process
from services import cli
single_process.SAVE_EVERY_S = 0.0
sys.exit(cli.main())
"""


@contextmanager
def run_on_rows_that_are_typed(world: World, folder: Path) -> Iterator[IO[str]]:
    """`saescope run` on its standard input, which saves its state after every chunk; it must come to its end."""
    flags = world.flags(folder, source="-", max_rows=60)
    process = subprocess.Popen(
        [sys.executable, "-c", SAVING_ALWAYS, "run", *flags],
        cwd=world.rows.parent,
        env=environment(world.rows.parent, OMP_NUM_THREADS="1"),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdin is not None
    try:
        yield process.stdin
        _, said = process.communicate()
        assert process.returncode == 0, said
    finally:
        process.kill()
        process.communicate()


def test_a_run_of_the_command_is_shown_live_by_an_api_without_services(browser: Browser, tmp_path: Path) -> None:
    world, folder = make_world(tmp_path / "world"), tmp_path / "runs"
    texts = [text.replace("\0", "") for text in random_texts(60, 0)]

    with run_on_rows_that_are_typed(world, folder) as typed:

        def type_rows(begin: int, end: int) -> None:
            typed.write("".join(f"{text}\n" for text in texts[begin:end]))
            typed.flush()

        type_rows(0, 21)
        wait_until(lambda: list(folder.glob("*/state/000001")))
        (run_id,) = [run.name for run in folder.iterdir()]
        with serving("serve", "--runs", folder) as url:
            context = browser.new_context(base_url=url)
            features, entry = context.new_page(), context.new_page()
            features.goto("/")
            entry.goto(f"/runs/{run_id}")
            expect_live(features, 20)
            progress = entry.get_by_role("region", name="Progress").get_by_role("listitem")
            expect(progress.first).to_have_text("20 of about 60 rows (33 %)")
            expect(entry.get_by_text("worker")).to_have_count(0)
            expect(entry.get_by_role("button", name="Cancel run")).to_have_count(0)
            type_rows(21, 41)
            expect(progress.first).to_have_text("40 of about 60 rows (66 %)")
            expect_live(features, 40)
            type_rows(41, 60)
            expect(entry.get_by_text("complete", exact=True)).to_be_visible()
            expect(banner(features)).to_have_count(0)
            context.close()


# Without an API

EVERY_PAGE = {
    "/": "main table, main [role=table]",
    "/feature/{feature}": ".token-peak",
    "/prompts": "main a[href^='/prompts/']",
    "/prompts/0": "main section[aria-label=Text]",
    "/compare": "main h1",
    "/compare?a={run}&b={run}": "main a[href^='/compare/']",
    "/compare/{feature}?a={run}&b={run}": ".token-peak",
    "/runs": "main a[href^='/runs/']",
    "/runs/{run}": "section[aria-label=Description]",
    "/runs/new": "main form",
}


def test_while_nothing_answers_every_page_says_so_and_is_there_by_itself_when_something_does(
    live: Live, page: Page
) -> None:
    run_id = live.finished_run(max_rows=20)
    feature_id, _ = strongest(live, run_id)
    pages = {path: page.context.new_page() for path in EVERY_PAGE}
    with live.api_away():
        for path, tab in pages.items():
            tab.goto(path.format(run=run_id, feature=feature_id))
            expect(tab.get_by_role("main").get_by_role("alert"), path).to_contain_text(NO_API)
    for path, tab in pages.items():
        expect(tab.locator(EVERY_PAGE[path]).first, path).to_be_visible()
        expect(tab.get_by_role("alert"), path).to_have_count(0)


@pytest.mark.parametrize("path", ["/?run={run}", "/prompts?run={run}", "/runs/{run}", "/runs"])
def test_a_live_page_says_that_nothing_answers_and_goes_on_by_itself_when_something_does(
    live: Live, page: Page, path: str
) -> None:
    with live.held_run(HELD_AFTER, max_rows=ROWS) as run:
        page.goto(path.format(run=run.run_id))
        bar = page.get_by_role("progressbar", name=f"Progress of run {run.run_id}")
        expect(bar).to_have_attribute("aria-valuenow", "40")
        with never_reloaded(page):
            with live.api_away():
                note = page.get_by_role("alert").filter(has_text="This page may be out of date")
                expect(note).to_contain_text(NO_API)
                expect(bar).to_have_attribute("aria-valuenow", "40")
            run.further()
            expect(bar).to_have_attribute("aria-valuenow", "60")
            expect(note).to_have_count(0)
