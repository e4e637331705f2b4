"""What a user starts, `saescope demo`, and a real browser to look at it.

Knows the command line and the page's address, nothing of the API or of the run's files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e import hostile
from tests.e2e.chromium import launched
from tests.e2e.demo_runs import make_runs
from tests.e2e.live import Live, live_services
from tests.e2e.serving import REPOSITORY, serving

SCREENSHOTS = REPOSITORY / "test-results" / "e2e"


@pytest.fixture(scope="session")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a demo run's page."""
    with serving("demo", "--max-rows", "300", "--output", tmp_path_factory.mktemp("demo")) as url:
        yield url


@pytest.fixture(scope="session")
def demo_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two demo runs."""
    return make_runs(tmp_path_factory.mktemp("demo-runs"), rows=300)


@pytest.fixture(scope="session")
def demo_runs_url(demo_runs: Path) -> Iterator[str]:
    """The address of a page that shows two demo runs."""
    with serving("serve", "--runs", demo_runs) as url:
        yield url


@pytest.fixture(scope="session")
def hostile_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page that shows runs whose texts are out to break it."""
    folder = tmp_path_factory.mktemp("hostile")
    hostile.make_runs(folder, output=folder / "runs")
    with serving("serve", "--runs", folder / "runs") as url:
        yield url


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Services, and the page that shows what they do, for the tests of one file."""
    with live_services(tmp_path_factory.mktemp("live")) as services:
        yield services


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless browser with an empty profile."""
    with launched() as started:
        yield started


@pytest.fixture
def page(browser: Browser, demo_url: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh tab whose addresses are relative to the demo; where a test fails, test-results has a screenshot of it."""
    context = browser.new_context(base_url=demo_url, viewport={"width": 1440, "height": 900})
    tab = context.new_page()
    failed_before = request.session.testsfailed
    yield tab
    if request.session.testsfailed > failed_before:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        tab.screenshot(path=SCREENSHOTS / f"{request.node.name}.png")
    context.close()
