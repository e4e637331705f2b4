"""The texts on a feature's page, in a real browser: which they are, and how their tokens are drawn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from sparse_autoencoder.runs.store import DirectoryStore
from tests.e2e.asking import api
from tests.e2e.serving import serving
from tests.support.live_runs import LiveWriter

LISTS = {"top": "Top activations", "random": "Random activations"}
TABS = {"top": "strongest", "random": "random"}
# the tokens of the odd run, each with how it is drawn
DRAWN = {"<|endoftext|>": "⟨bos⟩", "\n": "⏎", "\t": "⇥", "\ufffd": "\ufffd", "  ": "  ", " word": " word"}


@pytest.fixture(scope="module")
def odd_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a run whose few tokens are odd ones, and whose texts are often the same."""
    folder = tmp_path_factory.mktemp("odd")
    writer = LiveWriter.start(DirectoryStore(folder))
    writer.folder.write_vocabulary([token.encode() for token in DRAWN])
    writer.add(200)
    writer.finish()
    with serving("serve", "--runs", folder) as url:
        yield url


@pytest.fixture
def odd_page(browser: Browser, odd_url: str) -> Iterator[Page]:
    context = browser.new_context(base_url=odd_url)
    yield context.new_page()
    context.close()


def texts(page: Page, kind: str) -> Locator:
    return page.get_by_role("region", name=LISTS[kind]).get_by_role("listitem")


def open_all_texts(page: Page, feature_id: int | None = None, kind: str = "top") -> Any:
    """Open a feature, by default the strongest one, with whole texts; the answer is what the API says of it."""
    if feature_id is None:
        feature_id = api(page, "/api/features?metric=max_activation&limit=1")["features"][0]["feature_id"]
    info = api(page, f"/api/feature_info?id={feature_id}&top_k=20")
    page.goto(f"/feature/{feature_id}?show={TABS[kind]}&texts=whole")
    expect(texts(page, kind)).to_have_count(len(info[kind]))
    return info


def framed_token(page: Page) -> Locator:
    """The strongest token of the strongest text."""
    return texts(page, "top").first.locator(".token-peak")


def styles(tokens: Locator, name: str) -> list[str]:
    found: list[str] = tokens.evaluate_all(f"all => all.map(element => getComputedStyle(element).{name})")
    return found


def opacity(colour: str) -> float:
    """Of a colour as browsers write it."""
    if colour.startswith("rgba"):
        return float(colour.rstrip(")").rsplit(",", 1)[1])
    given = re.search(r"/ ([\d.e-]+)\)$", colour)
    return 1.0 if given is None else float(given[1])


def tops_of(tokens: Locator) -> list[float]:
    """How far from the top of the window each token is."""
    found: list[float] = tokens.evaluate_all("all => all.map(element => element.getBoundingClientRect().top)")
    return found


def text_with(page: Page, token: str) -> tuple[Locator, int]:
    """The tokens of a text in which that one stands before others, which is opened, and its index."""
    for feature_id in range(5):
        for place, text in enumerate(api(page, f"/api/feature_info?id={feature_id}&top_k=20")["top"]):
            if token in text["tokens"][1:-1]:
                open_all_texts(page, feature_id)
                return texts(page, "top").nth(place).locator(".token"), text["tokens"].index(token)
    raise AssertionError(f"no text has {token!r} before its end")


@pytest.mark.parametrize("kind", LISTS)
def test_the_strongest_texts_and_random_ones_are_shown_whole_with_their_activations(page: Page, kind: str) -> None:
    info = open_all_texts(page, kind=kind)
    assert info[kind]
    for shown, text in zip(texts(page, kind).all(), info[kind], strict=True):
        _marker, *tokens = shown.locator(".token").all_text_contents()
        assert "".join(tokens) == api(page, f"/api/prompts/{text['row_id']}")["text"]
        expect(shown).to_contain_text(f"{text['act']:.2f}")


def test_the_strongest_texts_come_in_the_order_of_their_maxima(page: Page) -> None:
    info = open_all_texts(page)
    shown = [float(one.inner_text().split()[0]) for one in texts(page, "top").all()]
    assert shown == sorted((round(max(text["acts"]), 2) for text in info["top"]), reverse=True)


@pytest.mark.parametrize("kind", LISTS)
def test_the_token_that_a_text_is_listed_for_is_framed_and_no_other(page: Page, kind: str) -> None:
    info = open_all_texts(page, kind=kind)
    for shown, text in zip(texts(page, kind).all(), info[kind], strict=True):
        frames = styles(shown.locator(".token"), "boxShadow")
        assert [index for index, frame in enumerate(frames) if frame != "none"] == [text["idx"]]
        if kind == "top":
            assert text["acts"][text["idx"]] == max(text["acts"])


def test_the_stronger_a_token_s_activation_the_fuller_its_colour(page: Page) -> None:
    seen = [(0.0, 0.0)]
    for kind in LISTS:
        info = open_all_texts(page, kind=kind)
        for shown, text in zip(texts(page, kind).all(), info[kind], strict=True):
            colours = styles(shown.locator(".token"), "backgroundColor")
            seen += zip(text["acts"], map(opacity, colours), strict=True)
    by_activation = sorted(set(seen))
    assert len(by_activation) > 10
    assert by_activation[0] == (0, 0)
    assert by_activation[-1] == (info["max_act"], 1)
    assert [full for _, full in by_activation] == sorted(full for _, full in by_activation)
    assert by_activation[1][1] > 0.05  # the weakest can be seen


def test_tokens_are_coloured_where_the_feature_is_active_and_only_there(page: Page) -> None:
    text = open_all_texts(page)["top"][0]
    tokens = texts(page, "top").first.locator(".token")
    coloured = [opacity(colour) > 0 for colour in styles(tokens, "backgroundColor")]
    assert coloured == [activation > 0 for activation in text["acts"]]


def test_pointing_at_a_token_shows_its_exact_activation_and_its_id(page: Page) -> None:
    text = open_all_texts(page)["top"][0]
    framed_token(page).hover()
    tooltip = page.get_by_role("tooltip")
    assert float(tooltip.get_by_test_id("exact-activation").inner_text()) == text["act"]
    expect(tooltip.get_by_text(str(text["token_ints"][text["idx"]]), exact=True)).to_be_visible()


def test_in_a_text_the_arrow_keys_go_from_token_to_token(page: Page) -> None:
    text = open_all_texts(page)["top"][0]
    framed_token(page).focus()
    shown = page.get_by_role("tooltip").get_by_test_id("exact-activation")
    assert float(shown.inner_text()) == text["act"]
    page.keyboard.press("ArrowLeft")
    assert float(shown.inner_text()) == text["acts"][text["idx"] - 1]


def test_of_a_near_miss_that_was_drawn_no_other_token_s_activation_is_claimed(page: Page) -> None:
    for feature in api(page, "/api/features?sort=num_active_tokens&limit=20")["features"]:
        info = api(page, f"/api/feature_info?id={feature['feature_id']}&top_k=20")
        drawn = [one for token in info["not_firing"] for one in token["examples"] if one["idx"] > 1]
        if drawn:
            break
    page.goto(f"/feature/{info['feature_id']}?show=not-firing&texts=whole")
    line = page.get_by_role("list", name="Not firing on").get_by_role("listitem")
    line = line.filter(has=page.get_by_role("link", name=f"row {drawn[0]['row_id']}", exact=True)).first
    shown = page.get_by_role("tooltip").get_by_test_id("exact-activation")
    line.locator(".token-peak").focus()
    expect(shown).to_have_text("0")
    page.keyboard.press("ArrowLeft")
    expect(shown).to_have_text("not looked at")


def test_a_text_s_row_number_links_to_the_listed_token_in_its_row(page: Page) -> None:
    info = open_all_texts(page)
    text = info["top"][0]
    address = urlsplit(texts(page, "top").first.get_by_role("link", name="row ").get_attribute("href") or "")
    assert address.path == f"/prompts/{text['row_id']}"
    # the marker before the text isn't one of the row's tokens
    assert parse_qs(address.query) == {"run": [info["run"]], "token": [str(text["idx"] - 1)]}


def test_how_texts_are_shown_outlives_going_to_the_next_feature(page: Page) -> None:
    info = open_all_texts(page)
    page.get_by_label("show newlines").check()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("heading", name=f"Feature {info['feature_id']}", exact=True)).to_have_count(0)
    expect(page.get_by_label("show newlines")).to_be_checked()
    expect(page.get_by_role("tab", name="Strongest")).to_have_attribute("aria-selected", "true")


def test_a_text_that_occurred_several_times_says_how_often_and_no_other_does(odd_page: Page) -> None:
    counts: list[int] = []
    for feature_id in range(5):
        info = open_all_texts(odd_page, feature_id)
        for shown, text in zip(texts(odd_page, "top").all(), info["top"], strict=True):
            said = re.findall(r"×([\d,]+)", shown.inner_text())
            assert said == ([f"{text['count']:,}"] if text["count"] > 1 else [])
            counts.append(text["count"])
    assert min(counts) == 1 < max(counts)


def test_white_space_and_parts_of_characters_are_drawn_as_marks(odd_page: Page) -> None:
    drawn: set[str] = set()
    for feature_id in range(5):
        info = open_all_texts(odd_page, feature_id)
        for shown, text in zip(texts(odd_page, "top").all(), info["top"], strict=True):
            tokens = shown.locator(".token").all_text_contents()
            assert tokens == [DRAWN[token] for token in text["tokens"]]
            drawn |= set(tokens)
    assert drawn == set(DRAWN.values())


def test_spaces_keep_their_width(odd_page: Page) -> None:
    tokens, index = text_with(odd_page, "  ")
    box = tokens.nth(index).bounding_box()
    assert box is not None
    assert box["width"] > 10


def test_a_token_s_tooltip_quotes_white_space_and_says_what_a_part_of_a_character_is(odd_page: Page) -> None:
    tooltip = odd_page.get_by_role("tooltip")
    tokens, index = text_with(odd_page, "\n")
    tokens.nth(index).hover()
    expect(tooltip).to_contain_text('"\\n"')
    tokens, index = text_with(odd_page, "\ufffd")
    tokens.nth(index).hover()
    expect(tooltip).to_contain_text("stands for part of a character’s bytes")


def test_line_breaks_end_lines_when_newlines_are_shown_and_only_then(odd_page: Page) -> None:
    tokens, index = text_with(odd_page, "\n")
    before = tops_of(tokens)
    assert before[index + 1] == pytest.approx(before[index], abs=3)
    odd_page.get_by_label("show newlines").check()
    expect(tokens.nth(index)).to_have_text("⏎\n", use_inner_text=False)
    after = tops_of(tokens)
    assert after[index + 1] > after[index] + 10
