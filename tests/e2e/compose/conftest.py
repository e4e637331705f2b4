"""Leaves this folder's tests out unless a stack is up for them; `python -m tests.e2e.compose` brings one up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.compose.stack import UNDER_TEST, VIEWER
from tests.e2e.conftest import SCREENSHOTS


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Skip test files silently: they are another command's."""
    return True if collection_path.name.startswith("test_") and UNDER_TEST not in os.environ else None


@pytest.fixture
def tab(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh tab on the stack's viewer; leaves a screenshot of its last state in test-results."""
    context = browser.new_context(base_url=VIEWER, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    yield page
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{request.node.name}.png")
    context.close()
