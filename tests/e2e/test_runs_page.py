"""The pages of runs over real services, in a real browser: the list, the form, what is said and done with a run."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect

from services.common.run_workspace import Workspace
from sparse_autoencoder.runs.run_state import FailedChunk
from tests.e2e.live import Live
from tests.support.runs import break_token, make_world


@pytest.fixture
def page(browser: Browser, live: Live) -> Iterator[Page]:
    """A fresh tab whose addresses are relative to the services' pages."""
    context = browser.new_context(base_url=live.url, viewport={"width": 1440, "height": 900}, timezone_id="UTC")
    yield context.new_page()
    context.close()


def status(page: Page, run_id: str) -> Locator:
    """Beside the heading of a run's page."""
    return page.get_by_role("heading", name=run_id, level=1).locator("xpath=following-sibling::span")


def fact(page: Page, name: str) -> Locator:
    """What a run's description says under a name."""
    region = page.get_by_role("region", name="Description")
    return region.locator(f"xpath=.//dt[.='{name}']/following-sibling::dd").first  # some options have the same name


def delete_all_runs(live: Live) -> None:
    for run in live.ask("/api/runs")["runs"]:
        live.ask(f"/api/runs/{run['id']}", "DELETE")


def a_finished_run(live: Live) -> str:
    """One of the tests before, if there is one."""
    complete = [run["id"] for run in live.ask("/api/runs")["runs"] if run["status"] == "complete"]
    return complete[0] if complete else live.finished_run(max_rows=40)


# The list


def test_where_there_are_no_runs_the_list_leads_to_the_form_for_one(live: Live, page: Page) -> None:
    delete_all_runs(live)
    page.goto("/runs")
    expect(page.get_by_role("heading", name="There are no runs yet")).to_be_visible()
    page.get_by_role("link", name="Start a run").click()
    expect(page.get_by_role("form", name="New run")).to_be_visible()


def test_the_list_says_of_a_run_its_status_dataset_model_autoencoder_tokens_and_date(live: Live, page: Page) -> None:
    run_id = a_finished_run(live)
    page.goto("/runs")
    cells = page.get_by_role("row", name=run_id).get_by_role("cell")
    expect(cells.nth(1)).to_have_text("complete")
    expect(cells.nth(2)).to_have_text("rows.jsonl")
    expect(cells.nth(3)).to_have_text(re.compile(r"subject.*layer 1, resid_post_mlp"))
    expect(cells.nth(4)).to_have_text("topk.pt")
    expect(cells.nth(5)).to_have_text(str(live.ask(f"/api/runs/{run_id}")["num_tokens"]))
    date, time = run_id[:8], run_id[9:13]
    shown = cells.nth(0).get_by_role("time").inner_text()
    assert re.fullmatch(rf"{int(date[6:])} \w+ {date[:4]}, {time[:2]}:\d\d", shown)


def test_the_newest_run_is_the_first_of_the_list_and_leads_to_its_page(live: Live, page: Page) -> None:
    older, newer = a_finished_run(live), live.finished_run(max_rows=20)
    page.goto("/runs")
    links = page.get_by_role("row").get_by_role("link")
    expect(links.first).to_contain_text(newer)
    expect(links.nth(1)).to_contain_text(older)
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{live.url}/runs/{older}")


def test_the_list_shows_a_live_run_s_progress_and_its_end_by_itself(live: Live, page: Page) -> None:
    with live.held_run(2, max_rows=60) as run:
        page.goto("/runs")
        row = page.get_by_role("row", name=run.run_id)
        bar = row.get_by_role("progressbar")
        expect(bar).to_have_attribute("aria-valuetext", "40 of 60 rows")
        expect(row).to_contain_text("running")
        run.finish()
        expect(row).to_contain_text("complete")
        expect(bar).to_have_count(0)


# The form


def test_the_form_offers_every_option_with_its_default_and_its_meaning(live: Live, page: Page) -> None:
    options = live.ask("/api/options")["options"]
    page.goto("/runs/new")
    page.get_by_text("More options").click()
    form = page.get_by_role("form", name="New run")
    expect(form.locator("input, select")).to_have_count(len(options))
    for name, option in options.items():
        field = form.get_by_label(name.replace("_", " "), exact=True)
        default = "" if option["default"] is None else str(option["default"])
        default = default.lower() if option["type"] == "boolean" else default
        if "choices" in option:
            expect(field.locator("option").first).to_have_text(f"{default} (default)")
            offered = {
                value or default for value in field.locator("option").evaluate_all("all => all.map(o => o.value)")
            }
            assert offered == set(option["choices"])
        else:
            expect(field).to_have_attribute("placeholder", default)
        expect(field).to_have_value("")
        expect(field).to_have_accessible_description(" ".join(option["description"].split()))


def test_a_run_that_is_started_on_the_page_is_computed_to_its_end_and_shown(live: Live, page: Page) -> None:
    page.goto("/runs/new")
    expect(page.locator("datalist option[value='rows.jsonl']")).to_have_count(1)
    filled = {"source": "rows.jsonl", "max rows": "40", "subject": "subject", "autoencoder": "topk.pt", "layer": "1"}
    filled["name"] = "forty rows"
    for label, value in filled.items():
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_text("More options").click()
    page.get_by_label("chunk size", exact=True).fill("20")
    page.get_by_label("max tokens", exact=True).fill("12")
    page.get_by_label("bos", exact=True).select_option("none")
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile(r"/runs/\d{8}-\d{6}_run-\d{3}$"))
    run_id = page.url.rpartition("/")[2]
    expect(status(page, run_id)).to_have_text("complete")
    expect(page.get_by_role("heading", level=1)).to_contain_text("forty rows")
    for name, value in (("dataset", "rows.jsonl"), ("model", "subject, layer 1, resid_post_mlp"), ("rows", "37")):
        expect(fact(page, name)).to_have_text(value)
    entry = live.ask(f"/api/runs/{run_id}")
    assert (
        entry["options"] | {"name": "forty rows", "max_rows": 40, "chunk_size": 20, "max_tokens": 12, "bos": "none"}
        == entry["options"]
    )
    page.get_by_role("link", name="Features", exact=True).last.click()
    expect(page.get_by_role("table", name="Features")).to_have_attribute(
        "aria-rowcount", str(entry["num_active_features"] + 1)
    )


def test_what_cannot_be_started_is_said_at_its_field_in_the_api_s_words(page: Page) -> None:
    page.goto("/runs/new?source=nowhere.csv&layer=1")
    page.get_by_role("button", name="Start the run").click()
    source = page.get_by_label("source", exact=True)
    expect(source).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert")).to_contain_text("source can't be 'nowhere.csv', there is nothing of that name in")
    expect(source).to_be_focused()
    source.fill("rows.jsonl")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_run_like_another_is_started_from_its_options(live: Live, page: Page) -> None:
    run_id = a_finished_run(live)
    page.goto(f"/runs/{run_id}")
    page.get_by_role("link", name="Start one like this").click()
    expect(page.get_by_label("autoencoder", exact=True)).to_have_value("topk.pt")
    page.get_by_label("max rows", exact=True).fill("40")
    page.get_by_role("button", name="Start the run").click()
    expect(fact(page, "rows")).to_have_text("37")
    assert not page.url.endswith(run_id)


# What is said of a run


def test_a_live_run_s_bar_speed_workers_and_time_left_move_by_events(live: Live, page: Page) -> None:
    with live.held_run(2, max_rows=80) as run:
        page.goto(f"/runs/{run.run_id}")
        bar = page.get_by_role("progressbar")
        expect(bar).to_have_attribute("aria-valuenow", "40")
        expect(bar).to_have_attribute("aria-valuemax", "80")
        figures = page.get_by_role("region", name="Progress").get_by_role("listitem")
        patterns = (r"40 of 80 rows \(50 %\)", r"\d+ tokens", r"[\d.]+ tokens/s", "1 worker", "about .+ left")
        expect(figures).to_have_text([re.compile(f"^{pattern}$") for pattern in patterns])
        asked = requests_for(page, run.run_id)
        _, tokens, speed, _, left = figures.all_inner_texts()
        expect(figures.nth(2)).not_to_have_text(speed)  # it waits, and becomes slower
        expect(figures.nth(4)).not_to_have_text(left)
        run.further()
        expect(figures.nth(0)).to_have_text("60 of 80 rows (75 %)")
        expect(figures.nth(1)).not_to_have_text(tokens)
        expect(bar).to_have_attribute("aria-valuenow", "60")
        assert asked == []
        run.finish()
        expect(status(page, run.run_id)).to_have_text("complete")
        expect(bar).to_have_count(0)
        expect(fact(page, "rows")).to_have_text("75")


def test_an_event_stream_that_was_dropped_comes_back(live: Live, page: Page) -> None:
    with live.held_run(2, max_rows=80) as run:
        with page.expect_response("**/events"):
            page.goto(f"/runs/{run.run_id}")
        rows = page.get_by_role("region", name="Progress").get_by_role("listitem").first
        expect(rows).to_have_text("40 of 80 rows (50 %)")
        again = page.expect_response(lambda answer: answer.url.endswith("/events") and answer.ok)
        with again, live.api_away():
            pass
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        asked = requests_for(page, run.run_id)
        run.further()
        expect(rows).to_have_text("60 of 80 rows (75 %)")
        assert asked == []


def requests_for(page: Page, run_id: str) -> list[str]:
    """The requests for a run's entry from now on; while there is none, what changes came by events."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith(f"/api/runs/{run_id}"):
            asked.append(request.url)

    page.on("request", note)
    return asked


def test_failed_chunks_are_listed_with_their_error_and_skipped_rows_with_their_reasons(live: Live, page: Page) -> None:
    world = make_world(live.cluster.data / "broken", 100)
    break_token(world, "#")
    paths = {"source": "broken/rows.jsonl", "subject": "broken/subject", "autoencoder": "broken/topk.pt"}
    run_id = live.finished_run(**paths)
    page.goto(f"/runs/{run_id}")
    expect(status(page, run_id)).to_have_text("completed with errors")
    failed = page.get_by_role("region", name="1 failed chunk").get_by_role("listitem")
    expect(failed).to_have_count(1)
    expect(failed).to_contain_text("chunk 1: rows 20 to 39")
    expect(failed).to_contain_text(live.ask(f"/api/runs/{run_id}")["failed_chunks"][0]["error"])
    skipped = page.get_by_role("region", name="6 skipped rows").get_by_role("listitem")
    expect(skipped).to_have_text(["5no text", "1NUL bytes in the text"])


def test_a_run_that_failed_says_why(live: Live, page: Page) -> None:
    run_id = live.start_run(layer=7, max_rows=20)
    page.goto(f"/runs/{run_id}")
    expect(status(page, run_id)).to_have_text("failed")
    expect(page.get_by_role("alert")).to_contain_text("layer")


def test_a_run_that_is_not_there_is_an_error_that_leads_to_the_list(page: Page) -> None:
    page.goto("/runs/nothing")
    expect(page.get_by_role("alert")).to_contain_text("nothing")
    page.get_by_role("link", name="All runs").click()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()


# What is done with it


def test_a_run_is_cancelled_and_resumed_and_then_comes_to_its_end(live: Live, page: Page) -> None:
    with live.held_run(2, max_rows=60) as run:
        page.goto(f"/runs/{run.run_id}")
        page.get_by_role("button", name="Cancel run").click()
        expect(status(page, run.run_id)).to_have_text("cancelled")
        expect(page.get_by_role("progressbar")).to_have_count(0)
        assert live.ask(f"/api/runs/{run.run_id}")["status"] == "cancelled"
        page.get_by_role("button", name="Resume run").click()
        expect(status(page, run.run_id)).to_have_text("running")
        run.finish()
        expect(status(page, run.run_id)).to_have_text("complete")
        expect(page.get_by_role("button", name="Cancel run")).to_have_count(0)
        expect(page.get_by_role("button", name="Resume run")).to_have_count(0)


def test_failed_chunks_are_tried_again_with_a_click(live: Live, page: Page) -> None:
    run_id = live.finished_run(max_rows=60)
    before = live.cluster.finish(Workspace(live.cluster.store, run_id))
    name_a_failed_chunk(live, run_id)  # as if nothing was kept
    page.goto(f"/runs/{run_id}")
    expect(status(page, run_id)).to_have_text("completed with errors")
    actions = page.get_by_role("region", name="Actions")
    expect(actions).to_contain_text("everything is computed again, as nothing was kept from before the failed chunks")
    actions.get_by_role("button", name="Try failed chunks again").click()
    expect(status(page, run_id)).to_have_text("complete")
    expect(page.get_by_role("region", name="1 failed chunk")).to_have_count(0)
    expect(page.get_by_role("button", name="Try failed chunks again")).to_have_count(0)
    expect(fact(page, "rows")).to_have_text("55")
    assert live.cluster.finish(Workspace(live.cluster.store, run_id)) == before


def name_a_failed_chunk(live: Live, run_id: str) -> None:
    """Have a finished run's metadata say that one of its chunks has failed."""
    folder = Workspace(live.cluster.store, run_id).folder
    failed = FailedChunk(chunk=1, first_row=20, last_row=39, num_rows=20, error="it was too hard")
    changes = {"status": "completed_with_errors", "failed_chunks": [failed]}
    folder.write_metadata(folder.read_metadata().model_copy(update=changes))


def test_a_run_whose_deletion_is_declined_stays(live: Live, page: Page) -> None:
    run_id = a_finished_run(live)
    before = live.cluster.files(run_id)
    page.goto(f"/runs/{run_id}")
    page.get_by_role("button", name="Delete run…").click()
    dialog = page.get_by_role("alertdialog", name="Delete this run?")
    expect(dialog).to_contain_text("That can’t be undone.")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Delete run…")).to_be_focused()
    assert live.cluster.files(run_id) == before
    assert run_id in [run["id"] for run in live.ask("/api/runs")["runs"]]


def test_a_run_is_deleted_with_all_its_files_after_it_was_confirmed(live: Live, page: Page) -> None:
    run_id = a_finished_run(live)
    page.goto(f"/runs/{run_id}")
    page.get_by_role("button", name="Delete run…").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page).to_have_url(f"{live.url}/runs")
    expect(page.get_by_role("link", name=run_id)).to_have_count(0)
    assert set(live.cluster.files(run_id)) <= {"stopped.json"}


# Without services


@pytest.mark.parametrize("path", ["/runs", "/runs/new", "/runs/{run}"])
def test_where_runs_can_only_be_looked_at_nothing_else_is_offered_and_the_page_says_why(
    browser: Browser, demo_url: str, path: str
) -> None:
    context = browser.new_context(base_url=demo_url)
    page = context.new_page()
    run_id = page.request.get("/api/runs").json()["runs"][0]["id"]
    page.goto(path.format(run=run_id))
    main = page.get_by_role("main")
    expect(main.get_by_text("no services stand behind this API: use saescope run")).to_be_visible()
    expect(main.get_by_role("button")).to_have_count(1 if path == "/runs/{run}" else 0)  # to copy the command
    expect(main.get_by_role("form")).to_have_count(0)
    expect(main.get_by_role("link", name="Start")).to_have_count(0)
    context.close()
