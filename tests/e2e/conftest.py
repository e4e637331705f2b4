"""Starts what a user starts, `saescope demo`, and a real browser to look at it.

Knows the command line and the page's address, nothing of the API or of the run's files.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 20.0
BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
REPOSITORY = Path(__file__).parents[2]
SCREENSHOTS = REPOSITORY / "test-results" / "e2e"


def find_browser() -> str:
    """The browser's executable: $CHROMIUM, else the first known name on PATH; the test fails if there is none."""
    configured = os.environ.get("CHROMIUM")
    if configured is not None:
        if not Path(configured).is_file():
            pytest.fail(
                f"CHROMIUM names '{configured}', which is not a file; set it to a Chromium or Chrome executable"
            )
        return configured
    for name in BROWSER_NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    with sync_playwright() as playwright:  # the one that `playwright install chromium` brings
        own = Path(playwright.chromium.executable_path)
    if own.is_file():
        return str(own)
    return pytest.fail(
        f"the browser tests need one of {', '.join(BROWSER_NAMES)} on PATH, or its path in CHROMIUM; "
        "`make browser` installs one"
    )


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Demo:
    """`saescope demo` as a process, with what it printed so far."""

    def __init__(self, output: Path) -> None:
        port = free_port()
        command = [str(Path(sys.executable).with_name("saescope")), "demo"]
        command += ["--max-rows", "300", "--port", str(port), "--output", str(output)]
        self._address = re.compile(rf"http://127\.0\.0\.1:{port}\b")
        self._printed: list[str] = []
        self._ready_or_ended = threading.Event()
        self.url: str | None = None
        self._process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        # the pipe is read to its end: a full one would stop the server
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._printed.append(line)
            found = self._address.search(line)
            if found is not None and self.url is None:
                self.url = found.group()
                self._ready_or_ended.set()
        self._ready_or_ended.set()

    def wait_until_up(self) -> str:
        """The page's address, once the command has printed it."""
        self._ready_or_ended.wait(START_TIMEOUT_S)
        if self.url is None:
            pytest.fail("saescope demo didn't come up; it printed:\n" + "".join(self._printed[-50:]))
        return self.url

    def stop(self) -> None:
        """End the process, by force if it doesn't end on request."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(STOP_TIMEOUT_S)
        if self._process.stdout is not None:
            self._process.stdout.close()


@pytest.fixture(scope="session")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a demo run's page."""
    demo = Demo(tmp_path_factory.mktemp("demo"))
    try:
        yield demo.wait_until_up()
    finally:
        demo.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless browser with an empty profile."""
    executable = find_browser()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=BROWSER_ARGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, demo_url: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh tab whose addresses are relative to the demo; leaves a screenshot of its last state in test-results."""
    context = browser.new_context(base_url=demo_url, viewport={"width": 1440, "height": 900})
    tab = context.new_page()
    yield tab
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    tab.screenshot(path=SCREENSHOTS / f"{request.node.name}.png")
    context.close()
