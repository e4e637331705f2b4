"""A run's page without services: what it read, whether it is to be believed, what it was made of, how to repeat it."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import demo
from demo.headlines import generate
from tests.e2e.asking import api, expect_to_fit_sideways
from tests.e2e.serving import serving, summarise

COLUMN = "text \u202e<b>of</b> it"
NAME = "a first <i>look</i>"
GROUPS = {"odd": 150, "third": 75, "rest": 75}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset whose text column and groups have names of their own."""
    path = tmp_path_factory.mktemp("run-page") / "my headlines.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([COLUMN, "kind"])
        for row, headline in enumerate(generate(300, 0)):
            writer.writerow([headline.title, "odd" if row % 2 else "third" if row % 4 else "rest"])
    return path


@pytest.fixture(scope="module")
def runs_url(source: Path) -> Iterator[str]:
    models = ("--subject", demo.SUBJECT, "--autoencoder", demo.AUTOENCODER, "--layer", str(demo.LAYER))
    columns = ("--text-column", COLUMN, "--group-by", "kind")
    runs = source.parent / "runs"
    summarise("--source", source, *models, *columns, "--name", NAME, "--output", runs)
    with serving("serve", "--runs", runs) as url:
        yield url


@pytest.fixture
def page(browser: Browser, runs_url: str) -> Iterator[Page]:
    context = browser.new_context(base_url=runs_url, permissions=["clipboard-read", "clipboard-write"])
    tab = context.new_page()
    tab.goto(f"/runs/{the_run(tab)['id']}")
    yield tab
    context.close()


def the_run(page: Page) -> dict[str, Any]:
    (run,) = api(page, "/api/runs")["runs"]
    return dict(run)


def fact(page: Page, section: str, name: str) -> Locator:
    region = page.get_by_role("region", name=section, exact=True)
    return region.locator(
        f"xpath=.//dt[.='{name}']/following-sibling::dd"
    ).first  # its options have names of the same kind


def test_a_run_is_headed_by_its_name_and_its_id(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_contain_text(NAME)
    expect(page.get_by_role("heading", level=1)).to_contain_text(the_run(page)["id"])
    expect(fact(page, "Description", "name")).to_have_text(NAME)


def test_the_text_column_is_named_with_what_is_unseen_in_its_name(page: Page) -> None:
    shown = r"text (U\+202E|\\u202e)<b>of</b> it"
    expect(fact(page, "Description", "text column")).to_have_text(re.compile(f"^{shown}$"))
    expect(fact(page, "What it was made of", "read as")).to_have_text(re.compile(f"^csv, column {shown}$"))
    assert "\u202e" not in page.get_by_role("main").inner_text()


def test_the_self_check_has_its_verdict_and_its_figures(page: Page) -> None:
    check = api(page, f"/api/runs/{the_run(page)['id']}")["self_check"]
    region = page.get_by_role("region", name="Is it to be believed?")
    expect(region).to_contain_text(f"Self-check: {check['verdict']}")
    for name, value in (("FVU", f"{check['fvu']:.4f}"), ("cosine", f"{check['cosine']:.3f}")):
        expect(region.locator(f"xpath=.//dt[.='{name}']/following-sibling::dd")).to_contain_text(value)


def test_models_are_told_by_the_hashes_of_their_files(page: Page) -> None:
    for file in ("config.json", "tokenizer.json", "model.safetensors"):
        sha = hashlib.sha256((Path(demo.SUBJECT) / file).read_bytes()).hexdigest()
        expect(fact(page, "What it was made of", file)).to_have_text(sha)
    sha = hashlib.sha256(Path(demo.AUTOENCODER).read_bytes()).hexdigest()
    expect(fact(page, "What it was made of", "autoencoder, SHA-256")).to_have_text(sha)


def test_the_command_of_the_same_run_is_copied(page: Page, source: Path) -> None:
    page.get_by_role("button", name="Copy the command").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    command = page.evaluate("navigator.clipboard.readText()")
    assert command.startswith(f"saescope run --name '{NAME}' --source '{source}' --text-column '{COLUMN}'")


def test_groups_are_listed_with_their_sizes_the_largest_first(page: Page) -> None:
    rows = page.get_by_role("region", name="Groups").get_by_role("row")
    expect(rows).to_have_count(len(GROUPS) + 1)
    counted = {group["name"]: group for group in the_run(page)["groups"]}
    assert {name: group["num_rows"] for name, group in counted.items()} == GROUPS
    expect(rows.nth(1)).to_contain_text(f"odd{GROUPS['odd']}")
    rows.filter(has_text="rest").get_by_role("link").click()
    expect(page.get_by_label("Rows of A")).to_have_value("group:odd")
    expect(page.get_by_label("Rows of B")).to_have_value("group:rest")


def test_the_run_s_files_are_counted(page: Page, source: Path) -> None:
    files = [path for path in (source.parent / "runs" / the_run(page)["id"]).rglob("*") if path.is_file()]
    page.get_by_text(re.compile(rf"^{len(files)} files, [\d.]+ [kM]B$")).click()
    expect(page.get_by_role("table", name="Files").get_by_role("row", name="metadata.json")).to_be_visible()


def test_on_a_phone_nothing_scrolls_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for summary in page.locator("summary").all():
        summary.click()
    expect_to_fit_sideways(page)
