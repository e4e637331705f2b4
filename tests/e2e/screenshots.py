"""Pictures of every page, light, dark and on a phone: `python -m tests.e2e.screenshots FOLDER`.

They show demo runs whose names, times and paths are always the same, so that a picture changes only with what it shows.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.sync_api import Browser, ViewportSize

from tests.e2e.addresses import PAGES, visit
from tests.e2e.chromium import launched
from tests.e2e.demo_runs import make_runs, make_runs_of_two_kinds
from tests.e2e.serving import serving

ROWS = 5000
UNINTERESTING = {"features-none", "feature-dead", "feature-missing", "compare-choose", "nowhere"}


@dataclass(frozen=True)
class Look:
    """How the page is shown."""

    scheme: Literal["light", "dark"]
    viewport: ViewportSize


LOOKS = {
    "light": Look("light", {"width": 1280, "height": 800}),
    "dark": Look("dark", {"width": 1280, "height": 800}),
    "phone": Look("light", {"width": 375, "height": 812}),
}


def main() -> None:
    """Take all pictures and say where they are."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.screenshots", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go, as PAGE-LOOK.png")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    compared = {name for name in PAGES if name.startswith("compare")}
    with launched() as browser:
        for make, names in ((make_runs, PAGES.keys() - compared), (make_runs_of_two_kinds, compared)):
            with TemporaryDirectory() as work, serving("serve", "--runs", make(Path(work), ROWS)) as url:
                for name in names - UNINTERESTING:
                    for look in LOOKS:
                        take(browser, url, name, LOOKS[look], folder / f"{name}-{look}.png")
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")


def take(browser: Browser, url: str, name: str, look: Look, file: Path) -> None:
    """Take a picture of what is in view when the page of that name is opened."""
    context = browser.new_context(
        viewport=look.viewport, color_scheme=look.scheme, reduced_motion="reduce", locale="en-GB", timezone_id="UTC"
    )
    context.add_init_script("localStorage.setItem('saescope-notice', 'seen')")
    page = context.new_page()
    visit(page, name, url)
    page.screenshot(path=file, animations="disabled")
    context.close()


if __name__ == "__main__":
    main()
