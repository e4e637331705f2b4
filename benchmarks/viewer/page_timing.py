"""What a user of the viewer waits for, done in a real browser and timed by the page itself.

Times come from the page's clock and frames (viewer_timing.js), not from how long this process waited. Knows the
viewer's pages and keys, no limits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, ViewportSize

from tests.e2e.addresses import ask

SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
VIEWPORT: ViewportSize = {"width": 1440, "height": 900}
LONG_FRAME_MS = 50.0
_TEXTS = 3  # of a feature, that must be there
_LOOK_MS = 400  # how long a page is looked at before the next key
_MIDDLE = {"x": 720, "y": 600}  # of the list
_ROLLED = {"yDistance": -24_000, "speed": 8_000}  # pixels and pixels/s: a wheel that is spun
_DRAGGED = {"yDistance": -120_000, "speed": 60_000}  # a scroll bar that is dragged
_JUMPS = 10
_JUMP_MS = 250


@dataclass(frozen=True)
class Feature:
    """A feature, and the rows of the texts by which its page is known."""

    feature_id: int
    row_ids: list[int]


@dataclass(frozen=True)
class Frames:
    """A page's frames: milliseconds between each and the last, and how long those took that its own work made long."""

    intervals: list[float]
    long_frames: list[float]

    @property
    def longest(self) -> float:
        """Milliseconds."""
        return max(self.intervals)

    @property
    def too_long(self) -> int:
        """How many came after more than 50 ms."""
        return sum(interval > LONG_FRAME_MS for interval in self.intervals)


@dataclass(frozen=True)
class Viewer:
    """The viewer's pages of one run."""

    url: str
    run: str

    @property
    def list_address(self) -> str:
        """Of all features."""
        return f"{self.url}/?run={self.run}"

    def feature_address(self, feature: Feature) -> str:
        """Of a feature's page."""
        return f"{self.url}/feature/{feature.feature_id}?run={self.run}"

    def ranking(self, length: int) -> list[int]:
        """The ids of the first features of the list."""
        listed = ask(self.url, f"/api/features?run={self.run}&limit={length}")
        return [feature["feature_id"] for feature in listed["features"]]

    def feature(self, feature_id: int) -> Feature:
        """What the page of a feature must show."""
        info = ask(self.url, f"/api/feature_info?run={self.run}&id={feature_id}")
        return Feature(feature_id, [example["row_id"] for example in info["top"][:_TEXTS]])


@contextmanager
def fresh_page(browser: Browser, script: str = "") -> Iterator[Page]:
    """A page in a context with an empty cache, in which `script` runs before the page's own."""
    context = browser.new_context(viewport=VIEWPORT)
    try:
        context.add_init_script(SCRIPT + script)
        yield context.new_page()
    finally:
        context.close()


def first_feature_ms(browser: Browser, viewer: Viewer) -> float:
    """From navigation to the list until its first feature is painted."""
    return _navigation_ms(browser, viewer.list_address, _listed(0))


def feature_page_ms(browser: Browser, viewer: Viewer, feature: Feature) -> float:
    """From navigation to a feature's own address until its texts are painted."""
    return _navigation_ms(browser, viewer.feature_address(feature), _shown(feature))


def _navigation_ms(browser: Browser, address: str, condition: str) -> float:
    # a page's clock begins with the navigation
    with fresh_page(browser, f"; window.there = viewerTiming.painted(() => {condition});") as page:
        page.goto(address)
        return float(page.evaluate("there"))


def _listed(rank: int) -> str:
    return f"viewerTiming.featureListed({rank})"


def _shown(feature: Feature) -> str:
    return f"viewerTiming.featureShown({feature.feature_id}, {feature.row_ids})"


def open_page(page: Page, address: str, condition: str) -> None:
    """Open a page and wait until it shows what it should."""
    page.goto(address)
    _wait_until(page, condition)


def _wait_until(page: Page, condition: str) -> None:
    page.evaluate(f"viewerTiming.painted(() => {condition})")


def next_features_ms(page: Page, viewer: Viewer, features: list[Feature], *, pause_ms: int = _LOOK_MS) -> list[float]:
    """From the key for the next feature until its texts are painted, for all but the first, which is opened.

    The key is pressed when the feature before was there for `pause_ms`.
    """
    open_page(page, viewer.feature_address(features[0]), _shown(features[0]))
    times = []
    for feature in features[1:]:
        page.wait_for_timeout(pause_ms)
        page.get_by_role("link", name="Next").wait_for()  # before, the key does nothing
        times.append(_key_ms(page, "ArrowRight", feature))
    return times


def listed_features_ms(page: Page, viewer: Viewer, features: dict[int, Feature]) -> list[float]:
    """From Enter in the list, on the feature at each of these ranks (from 0), until its texts are painted."""
    page.goto(viewer.list_address)
    times = []
    for rank, feature in features.items():
        _wait_until(page, _listed(rank))
        page.locator(f'[data-row="{rank}"] a').focus()
        page.wait_for_timeout(_LOOK_MS)
        times.append(_key_ms(page, "Enter", feature))
        page.go_back()
    return times


def _key_ms(page: Page, key: str, feature: Feature) -> float:
    # stored, not returned: what an evaluation returns is waited for
    page.evaluate(f"() => {{ window.there = viewerTiming.paintedAfterKey(() => {_shown(feature)}); }}")
    page.keyboard.press(key)
    return float(page.evaluate("there"))


def scrolled_list(browser: Browser, viewer: Viewer) -> Frames:
    """The frames while a list that was just opened is scrolled through."""
    with fresh_page(browser) as page:
        return _frames(page, _open_list(page, viewer))


def scrolled_nothing(browser: Browser, height_px: int) -> Frames:
    """The frames while a blank page of that height is scrolled through in the same way."""
    with fresh_page(browser) as page:
        page.evaluate("height => { document.body.style.height = `${height}px`; }", height_px)
        return _frames(page, height_px)


def longest_task_ms(browser: Browser, viewer: Viewer) -> float:
    """Processor time of the longest piece of work of the page while its list is scrolled through.

    A frame of an otherwise idle machine takes little more, and other processes change it little. From the browser's
    trace: https://www.chromium.org/developers/how-tos/trace-event-profiling-tool/
    """
    with fresh_page(browser) as page:
        height_px = _open_list(page, viewer)
        browser.start_tracing(page=page, categories=["toplevel"])
        _scroll(page, height_px)
        events: list[dict[str, Any]] = json.loads(browser.stop_tracing())["traceEvents"]
    pages = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    microseconds = [
        event.get("tdur", 0)
        for event in events
        if event["name"] == "ThreadControllerImpl::RunTask" and (event["pid"], event["tid"]) in pages
    ]
    return float(max(microseconds)) / 1000


def _open_list(page: Page, viewer: Viewer) -> int:
    """Open the list and wait until it is there; returns its height in pixels."""
    open_page(page, viewer.list_address, _listed(0))
    page.wait_for_timeout(_LOOK_MS)
    return int(page.evaluate("document.documentElement.scrollHeight"))


def _frames(page: Page, height_px: int) -> Frames:
    page.evaluate("() => { window.stop = viewerTiming.watchFrames(); }")
    _scroll(page, height_px)
    measured = page.evaluate("stop()")
    return Frames(measured["intervals"], measured["longFrames"])


def _scroll(page: Page, height_px: int) -> None:
    """Spin the wheel, drag the scroll bar, then jump over a third of the page and back in steps, and so on."""
    page.mouse.move(_MIDDLE["x"], _MIDDLE["y"])
    gestures = page.context.new_cdp_session(page)
    _gesture(gestures, _ROLLED)
    _gesture(gestures, _DRAGGED)
    for jump in range(_JUMPS):
        page.mouse.wheel(0, height_px * (0.37 if jump % 3 == 0 else -0.13))
        page.wait_for_timeout(_JUMP_MS)


def _gesture(gestures: CDPSession, how: dict[str, int]) -> None:
    # made by the browser itself, so that sending events takes nothing from what is measured
    gestures.send("Input.synthesizeScrollGesture", {**_MIDDLE, **how, "gestureSourceType": "mouse"})
