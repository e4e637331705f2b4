"""What every page must keep to so that it works for everybody; the tests say on which. Knows no page in particular."""

from __future__ import annotations

from typing import Any, Literal

from playwright.sync_api import Page

from tests.e2e.serving import REPOSITORY

AXE = REPOSITORY / "services" / "viewer" / "node_modules" / "axe-core" / "axe.min.js"
# Each width and each scheme once: what axe says of colours doesn't depend on the width.
SHOWN: tuple[tuple[int, Literal["light", "dark"]], ...] = ((1280, "light"), (375, "dark"))
# What has a place in the order of the Tab key; of a group with one tab stop that is one,
# of radio buttons the checked one.
TAB_STOPS = """() => Array.from(
    document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")
).filter(e => e.tabIndex >= 0 && !e.disabled && (e.type !== "radio" || e.checked))
    .filter(e => e.checkVisibility() && e.getClientRects().length > 0)"""


def violations(page: Page) -> list[str]:
    """What axe finds on the page as it is shown, each with the elements concerned; the policy must let it in."""
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(path=AXE)
    found: list[dict[str, Any]] = page.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations)"
    )
    return [f"{rule['id']}: {[node['html'][:200] for node in rule['nodes']]}" for rule in found]


def assert_axe_finds_nothing(page: Page) -> None:
    """Wide in light colours, and narrow in dark ones."""
    for width, scheme in SHOWN:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert violations(page) == [], f"{scheme}, {width} px"


def assert_the_tab_key_reaches_everything(page: Page) -> None:
    """Everything that can be used, in its order, and it is seen where the focus is; once nothing is to be added."""
    page.wait_for_load_state("networkidle")
    stops: int = page.evaluate(f"() => ({TAB_STOPS})().forEach((e, n) => e.dataset.stop = n) ?? ({TAB_STOPS})().length")
    reached: list[str] = []
    for _ in range(stops):
        page.keyboard.press("Tab")
        stop, outline = page.evaluate(
            "[document.activeElement.dataset.stop, getComputedStyle(document.activeElement).outlineStyle]"
        )
        assert outline != "none"
        reached.append(stop)
    assert reached == [str(stop) for stop in range(stops)]
