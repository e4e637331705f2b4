"""The address of every page of the viewer, and what is in sight when the page is there.

A page that is added to the viewer is added here, and is then looked at by the tests of all pages.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from playwright.sync_api import Page, expect


@dataclass(frozen=True)
class Address:
    """A page: its address, in which {names} stand for what only the API knows, and a selector of what it then shows."""

    path: str
    sight: str


PAGES = {
    "features": Address("/", "main a[href^='/feature/']"),
    "features-filtered": Address("/?metric=max_activation&min_count=2&token=e", "main a[href^='/feature/']"),
    "features-dead": Address("/?dead=1", "main a[href^='/feature/']"),
    "features-none": Address("/?token=no+such+token", "main >> text=/no feature/i"),
    "feature": Address("/feature/{feature}?metric=max_activation&examples=all&newlines=1", ".token-peak"),
    "feature-dead": Address("/feature/{dead}", "h2:text('This feature never fired')"),
    "feature-missing": Address("/feature/99999999", "[role=alert]"),
    "prompts": Address("/prompts", "main a[href^='/prompts/']"),
    "prompts-found": Address("/prompts?text=o", "main a[href^='/prompts/']"),
    "prompt": Address("/prompts/{row}?token=0", "main section[aria-label=Text]"),
    "try": Address("/try?text=Shares+of+Apple+rise", "h1:text('Try a text')"),
    "compare-choose": Address("/compare", "main select"),
    "compare": Address("/compare?a={other_run}&b={run}", "main a[href^='/compare/']"),
    "compare-feature": Address("/compare/{feature}?a={other_run}&b={run}", ".token-peak"),
    "runs": Address("/runs", "main a[href^='/runs/']"),
    "run": Address("/runs/{run}", "section[aria-label=Description]"),
    "run-new": Address("/runs/new", "main h1"),
    "nowhere": Address("/nowhere", "h1:text('There is no such page')"),
}


def ask(url: str, path: str) -> Any:
    """What the API at `url` answers to `path`."""
    with urlopen(url + path) as answer:
        return json.load(answer)


def path_of(name: str, url: str, fires_on: str | None) -> str:
    """The address of the page of that name for the newest run behind `url`, compared with the oldest."""
    if "{" not in PAGES[name].path:
        return PAGES[name].path
    only = "" if fires_on is None else f"&token={quote(fires_on)}"
    strongest = ask(url, f"/api/features?metric=max_activation&limit=1{only}")
    feature = strongest["features"][0]["feature_id"]
    dead = ask(url, "/api/features?dead=true&limit=1")
    return PAGES[name].path.format(
        run=strongest["run"],
        other_run=ask(url, "/api/runs")["runs"][-1]["id"],
        feature=feature,
        dead=dead["features"][0]["feature_id"],
        row=ask(url, f"/api/feature_info?id={feature}")["top"][0]["row_id"],
    )


def visit(page: Page, name: str, url: str, *, fires_on: str | None = None) -> None:
    """Open the page of that name and wait until it is there.

    A page of a feature is that of the strongest one, among those with an example on a token that contains `fires_on`.
    """
    page.goto(url + path_of(name, url, fires_on))
    expect(page.locator(PAGES[name].sight).first).to_be_visible()
    expect(page.locator("main [role=status][aria-label^=Loading]")).to_have_count(0)
