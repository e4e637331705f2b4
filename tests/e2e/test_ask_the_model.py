"""What the pages ask a run's models, with the demo's models behind a real API, in a real browser.

What is shown is compared with what the API answers to the same question, or with the run's own files.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect

from tests.e2e.accessibility import assert_axe_finds_nothing
from tests.e2e.asking import api, expect_to_fit_sideways
from tests.e2e.serving import serving

TEXT = "Shares of Apple rise after earnings & \N{LATIN SMALL LETTER E WITH ACUTE}"
HOSTILE = "<img src=x onerror=\"document.title='hit'\"> \u202eabc"
COMPUTED = 60_000  # ms; a busy machine loads models for a while


@pytest.fixture(scope="module")
def asking_url(demo_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of pages whose models can be asked; what is kept of answers is in a folder of its own."""
    runs = tmp_path_factory.mktemp("asking") / "runs"
    shutil.copytree(demo_runs, runs)
    with serving("serve", "--runs", runs, "--models") as url:
        yield url


@pytest.fixture
def asking(browser: Browser, asking_url: str) -> Iterator[Page]:
    context = browser.new_context(base_url=asking_url, viewport={"width": 1280, "height": 900}, bypass_csp=True)
    yield context.new_page()
    context.close()


def open_feature(page: Page, query: str = "") -> int:
    """Open the page of the feature that fires most often; the answer is its number."""
    first: int = api(page, "/api/features?sort=num_active_tokens&limit=1")["features"][0]["feature_id"]
    page.goto(f"/feature/{first}{query}")
    return first


def section(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def encoded(page: Page, text: str) -> Any:
    response = page.request.post("/api/encode", data={"text": text})
    assert response.ok, response.text()
    return response.json()


def features_in(matrix: Locator) -> list[int]:
    return [int(text) for text in matrix.locator("tr[data-feature] a").all_inner_texts()]


def posts(page: Page) -> list[str]:
    """What will be sent, as it is."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            sent.append(request.url)

    page.on("request", note)
    return sent


def computed_effects(page: Page) -> Locator:
    """The tokens whose prediction a feature changes, on its page, when all are there."""
    effects = section(page, "What it does to later predictions")
    changed = effects.get_by_role("list", name="Examples with effects").locator(".effect-helps, .effect-hurts")
    compute = effects.get_by_role("button", name="Compute")
    expect(compute.or_(changed.first).first).to_be_visible()
    if compute.count():
        compute.click()
    expect(changed.first).to_be_visible(timeout=COMPUTED)
    expect(effects.get_by_role("progressbar")).to_have_count(0, timeout=COMPUTED)
    return changed


def test_a_text_of_one_s_own_has_all_its_features_and_is_the_same_at_its_address(asking: Page) -> None:
    asking.goto("/try")
    asking.get_by_role("textbox", name="Your text").fill(TEXT)
    asking.keyboard.press("Control+Enter")
    matrix = asking.get_by_role("grid")
    expect(matrix).to_be_visible(timeout=COMPUTED)
    answer = encoded(asking, TEXT)
    wanted = [one["feature_id"] for one in answer["features"]]
    assert features_in(matrix) == wanted[:50]
    assert matrix.locator("th[data-column]").count() == len(answer["tokens"])
    asking.reload()
    expect(matrix).to_be_visible()
    expect(asking.get_by_role("textbox", name="Your text")).to_have_value(TEXT)
    assert features_in(matrix) == wanted[:50]


def test_a_text_that_is_hostile_is_only_text(asking: Page) -> None:
    asking.goto("/try")
    asking.get_by_role("textbox", name="Your text").fill(HOSTILE)
    asking.get_by_role("button", name="Show its features").click()
    tokens = asking.get_by_role("listbox", name="Tokens of your text")
    expect(tokens).to_contain_text("<img", timeout=COMPUTED)
    expect(tokens).to_contain_text("U+202E")
    assert asking.locator("main img").count() == 0
    expect(asking).to_have_title("Try a text · saescope")


def test_a_feature_s_page_says_where_it_fires_in_a_text_of_one_s_own(asking: Page) -> None:
    answer = encoded(asking, TEXT)
    one = answer["features"][0]
    asking.goto(f"/feature/{one['feature_id']}")
    ask = section(asking, "Ask the model")
    ask.get_by_role("textbox", name="text of yours").fill(TEXT)
    ask.get_by_role("button", name="Look").click()
    places = [place for place in one["at"] if place >= 0]
    expect(ask).to_contain_text(f"It fires at {len(places)} of {len(answer['tokens'])} tokens", timeout=COMPUTED)
    coloured = ask.get_by_role("group", name="Your text").locator(".token-fires")
    assert coloured.count() == len(places)
    ask.get_by_role("link", name="All features of this text").click()
    expect(asking.get_by_role("grid")).to_be_visible(timeout=COMPUTED)


def test_what_a_row_s_files_do_not_hold_comes_from_the_model_with_the_run_s_own_values(asking: Page) -> None:
    row = api(asking, "/api/prompts/7")
    strongest = max(row["features"], key=lambda one: one["activation"])
    asking.goto("/prompts/7")
    place = f"tr[data-feature='{strongest['feature_id']}'] td[data-place] >> nth={strongest['token']}"
    kept = asking.get_by_role("grid", name="Features and tokens of row 7")
    before = kept.locator(place).get_attribute("title")
    asking.get_by_role("button", name="All features of this row").click()
    matrix = asking.get_by_role("grid", name="All features and tokens of row 7")
    expect(matrix).to_be_visible(timeout=COMPUTED)
    assert matrix.locator(place).get_attribute("title") == before
    assert len(features_in(matrix)) > len(row["features"])


def test_effects_are_computed_once_and_shown_at_once_afterwards(asking: Page) -> None:
    feature = open_feature(asking)
    changed = computed_effects(asking)
    first = api(asking, f"/api/effects?feature_id={feature}")["examples"][0]
    text = asking.get_by_role("list", name="Examples with effects").get_by_role("listitem").first
    changes = first["loss_change"][first["idx"] :]
    assert text.locator(".effect-helps").count() == sum(change > 0 for change in changes)
    assert text.locator(".effect-hurts").count() == sum(change < 0 for change in changes)
    sent = posts(asking)
    asking.reload()
    expect(changed.first).to_be_visible()
    assert sent == []


def test_the_token_that_is_pointed_at_says_how_its_prediction_changes(asking: Page) -> None:
    open_feature(asking)
    token = computed_effects(asking).first
    token.hover()
    panel = section(asking, "Prediction")
    helps = "effect-helps" in (token.get_attribute("class") or "")
    expect(panel).to_contain_text("worse without it" if helps else "better without it")
    expect(panel.get_by_role("list")).to_have_count(4)


def test_both_texts_of_steering_are_shown_and_compared(asking: Page) -> None:
    open_feature(asking)
    steering = section(asking, "Turn it up or down")
    steering.get_by_role("textbox", name="Prompt").fill("Shares of")
    steering.get_by_role("spinbutton", name="Tokens").fill("12")
    steering.get_by_role("button", name="Generate").click()
    expect(steering.get_by_role("status").last).to_contain_text("surprising", timeout=COMPUTED)
    texts = steering.get_by_role("region", name="With").get_by_role("group")
    assert [text.locator("[data-index]").count() for text in texts.all()] == [12, 12]


def test_patterns_are_shown_with_how_well_they_predict(asking: Page) -> None:
    open_feature(asking)
    patterns = section(asking, "Patterns that it fires on")
    patterns.get_by_role("button", name="Find").click()
    expect(patterns.get_by_role("list", name="How well they predict it")).to_contain_text(
        "of its firings", timeout=COMPUTED
    )
    expect(patterns.get_by_role("region", name="Patterns").get_by_role("listitem").first).to_be_visible()


def test_a_page_that_is_part_of_another_one_asks_no_model(asking: Page) -> None:
    sent = posts(asking)
    open_feature(asking, "?embed=1")
    expect(asking.locator(".token-peak").first).to_be_visible()
    expect(section(asking, "Ask the model")).to_have_count(0)
    asking.goto("/try?text=Shares&embed=1")
    expect(asking.get_by_text("the model isn’t asked")).to_be_visible()
    assert sent == []


def test_axe_finds_nothing_where_the_model_has_answered_and_nothing_is_too_wide(asking: Page) -> None:
    open_feature(asking)
    computed_effects(asking).first.hover()
    assert_axe_finds_nothing(asking)
    asking.set_viewport_size({"width": 390, "height": 800})
    expect_to_fit_sideways(asking)
    asking.goto(f"/try?text={TEXT.replace('&', '%26')}&token=1")
    expect(asking.get_by_role("grid")).to_be_visible(timeout=COMPUTED)
    assert_axe_finds_nothing(asking)
    asking.set_viewport_size({"width": 390, "height": 800})
    expect_to_fit_sideways(asking)
