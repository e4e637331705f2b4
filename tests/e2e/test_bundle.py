"""The built viewer's size, and that nothing is left out when it is measured."""

from __future__ import annotations

import gzip
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, Request, expect

from services.commands.serve import VIEWER
from tests.e2e.bundle import javascript_kb, scripts_of


def test_the_viewer_s_javascript_is_at_most_180_kb_gzipped() -> None:
    assert 0 < javascript_kb(VIEWER) <= 180


def test_a_browser_loads_no_script_that_is_not_counted(page: Page) -> None:
    loaded: set[str] = set()

    def note(request: Request) -> None:
        if request.resource_type == "script":
            loaded.add(urlsplit(request.url).path)

    page.on("request", note)
    page.goto("/")
    page.locator("main a[href^='/feature/']").first.click()
    expect(page.locator(".token-peak").first).to_be_visible()
    assert loaded
    assert loaded <= {f"/{script.name}" for script in scripts_of(VIEWER)}


def test_scripts_that_scripts_name_count_and_those_that_an_older_build_left_do_not(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<script src=/viewer.2.js></script>")
    (tmp_path / "viewer.2.js").write_text('import("/part.2.js")')
    (tmp_path / "part.2.js").write_text('import("/viewer.2.js")')
    (tmp_path / "viewer.1.js").write_text('import("/part.2.js")')
    expected = len(gzip.compress(b'import("/part.2.js")')) + len(gzip.compress(b'import("/viewer.2.js")'))
    assert javascript_kb(tmp_path) == expected / 1000
