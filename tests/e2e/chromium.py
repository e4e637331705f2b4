"""Which browser the tests drive, and how it is started. Knows nothing of what is looked at with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

PATIENCE_MS = 30_000  # for what is expected of a page; a busy machine is slow
# Without a window to paint, the first one takes half the processor time of the others, and is the same engine.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless browser with an empty profile; RuntimeError if there is none on this machine."""
    executable = find_browser()
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


def find_browser() -> str:
    """The browser's executable: $CHROMIUM, else the first known name on PATH; RuntimeError if there is none."""
    configured = os.environ.get("CHROMIUM")
    if configured is not None:
        if not Path(configured).is_file():
            raise RuntimeError(
                f"CHROMIUM names '{configured}', which is not a file; set it to a Chromium or Chrome executable"
            )
        return configured
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    with sync_playwright() as playwright:  # the one that `playwright install chromium` brings
        own = Path(playwright.chromium.executable_path)
    if own.is_file():
        return str(own)
    raise RuntimeError(
        f"the browser tests need one of {', '.join(NAMES)} on PATH, or its path in CHROMIUM; "
        "`make browser` installs one"
    )
