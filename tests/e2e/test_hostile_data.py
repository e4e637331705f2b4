"""Texts that are out to break the page stay texts, on every page; the policy that is sent would stop them besides."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.addresses import PAGES, ask, visit
from tests.e2e.asking import expect_to_fit_sideways
from tests.e2e.hostile import HOST, LONE_SURROGATES, MARKUP

WIDTHS = (1280, 375)
ELEMENTS_OF_NO_PAGE = "img, iframe, script, style, link, meta, base, object, embed, plaintext, form[action], [onerror]"
# Controls with something else on top of their middle, that is, which a click would miss.
COVERED = """() => Array.from(document.querySelectorAll("main a, main button, main input, main select"))
    .filter(element => {
        element.scrollIntoView({block: "center", behavior: "instant"});
        const [box] = element.getClientRects();
        if (box === undefined || !element.checkVisibility()) return false;
        const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        return top !== null && !element.contains(top) && !top.contains(element);
    })
    .map(element => element.outerHTML)"""
# Blocks of text that are wider than their place; what has an ellipsis is cut on purpose.
CUT_OFF = """() => Array.from(document.querySelectorAll("main :is(h1, h2, p, dd, [role=group]):not(.sr-only)"))
    .filter(element => element.scrollWidth > element.clientWidth)
    .filter(element => !["inline", "contents"].includes(getComputedStyle(element).display))
    .filter(element => getComputedStyle(element).textOverflow !== "ellipsis")
    .map(element => element.outerHTML.slice(0, 300))"""
ADDRESSES = [
    "/?run={}",
    "/?metric={}&sort={}",
    "/?token={}",
    "/?columns={}",
    "/feature/{}",
    "/feature/1?run={}",
    "/prompts?text={}",
    "/prompts/{}",
    "/prompts/1?run={}&token={}",
    "/compare?a={}&b={}",
    "/compare/{}?a={}",
    "/runs/{}",
    "/{}",
    "/nowhere/{}?a={}#{}",
]


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context()
    yield opened
    opened.close()


class Watch:
    """A tab, and what happened in it that must not: dialogs, requests elsewhere, errors, refusals by the policy."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page = context.new_page()
        self.incidents: list[str] = []
        own = urlsplit(url).netloc
        self.page.on("dialog", lambda dialog: self._refuse(f"dialog {dialog.message}", dialog.dismiss))
        self.page.on("request", lambda asked: self._note(urlsplit(asked.url).netloc != own, f"request {asked.url}"))
        self.page.on("pageerror", lambda error: self._note(True, f"error {error}"))
        # the API's answer to a wrong address is logged as a resource that failed to load
        self.page.on(
            "console",
            lambda said: self._note(said.type == "error" and "Failed to load resource" not in said.text, said.text),
        )
        context.on("page", lambda opened: self._note(opened != self.page, f"window {opened.url}"))

    def _refuse(self, incident: str, dismiss: object) -> None:
        self.incidents.append(incident)
        assert callable(dismiss)
        dismiss()

    def _note(self, happened: bool, incident: str) -> None:
        if happened:
            self.incidents.append(incident)


@pytest.fixture
def watch(context: BrowserContext, hostile_url: str) -> Watch:
    return Watch(context, hostile_url)


def foreign_elements(page: Page) -> list[str]:
    found: list[str] = (
        page.locator("#root").locator(ELEMENTS_OF_NO_PAGE).evaluate_all("all => all.map(e => e.outerHTML)")
    )
    return found


@pytest.mark.parametrize("name", PAGES)
def test_nothing_in_a_text_executes_becomes_an_element_or_breaks_the_layout(
    watch: Watch, hostile_url: str, name: str
) -> None:
    for width in WIDTHS:
        watch.page.set_viewport_size({"width": width, "height": 800})
        visit(watch.page, name, hostile_url, fires_on="alert(1)")
        assert foreign_elements(watch.page) == []
        expect_to_fit_sideways(watch.page)
        assert watch.page.evaluate(CUT_OFF) == []
        assert watch.page.evaluate(COVERED) == []
    assert watch.incidents == []


@pytest.mark.parametrize("address", ADDRESSES)
def test_markup_in_an_address_stays_text(watch: Watch, hostile_url: str, address: str) -> None:
    attack = quote("""'"></title><img src=x onerror=alert(1)><script>alert(2)</script>""", safe="")
    watch.page.goto(hostile_url + address.replace("{}", attack))
    expect(watch.page.locator("main h1, main table, main [role=grid]").first).to_be_visible()
    assert foreign_elements(watch.page) == []
    assert watch.incidents == []


def test_hovering_over_and_walking_through_hostile_tokens_shows_them_as_text(watch: Watch, hostile_url: str) -> None:
    visit(watch.page, "feature", hostile_url, fires_on="alert(1)")
    page = watch.page
    for text in page.get_by_role("region", name="Activations ").get_by_role("listitem").all()[:5]:
        text.locator(".token-peak").hover()
        expect(page.get_by_role("tooltip")).to_be_visible()
        assert foreign_elements(page) == []
    assert watch.incidents == []


def test_the_run_holds_what_it_is_meant_to_hold(hostile_url: str) -> None:
    prompts = ask(hostile_url, f"/api/prompts?limit={len(MARKUP)}")["prompts"]
    assert [prompt["text"] for prompt in prompts] == MARKUP


def test_a_text_with_lone_surrogates_is_a_skipped_row_with_the_reason(watch: Watch, hostile_url: str) -> None:
    watch.page.goto(f"{hostile_url}/prompts")
    skipped = watch.page.get_by_role("list", name="Rows", exact=True).locator("> li").filter(has_text="skipped:")
    expect(skipped).to_have_count(len(LONE_SURROGATES))
    for row in skipped.all():
        expect(row).to_contain_text("skipped: not valid Unicode")
    skipped.last.get_by_role("link").click()
    expect(watch.page.get_by_role("heading", name="This row was skipped")).to_be_visible()
    assert watch.incidents == []


ATTEMPTS = {
    "a script from elsewhere": ("document.createElement('script').src = URL", "require-trusted-types-for"),
    "an inline script": ("document.createElement('script').textContent = 'alert(1)'", "require-trusted-types-for"),
    "a text as markup": ("document.body.innerHTML = '<b>bold</b>'", "require-trusted-types-for"),
    "a text as code": ("document.body.setAttribute('onclick', 'alert(1)')", "require-trusted-types-for"),
    "an inline style": (
        "document.head.append(Object.assign(document.createElement('style'), {textContent: 'body {color: red}'}))",
        "style-src-elem",
    ),
    "a style in an attribute": ("document.body.setAttribute('style', 'color: red')", "style-src-attr"),
    "a picture from elsewhere": ("new Image().src = URL", "img-src"),
    "a picture in the address itself": ("new Image().src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw='", "img-src"),
    "a request elsewhere": ("fetch(URL).catch(() => undefined)", "connect-src"),
    "a frame": ("document.body.append(Object.assign(document.createElement('iframe'), {src: URL}))", "frame-src"),
    "a form sent elsewhere": (
        "{const f = Object.assign(document.createElement('form'), {action: URL}); document.body.append(f); f.submit()}",
        "form-action",
    ),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_the_security_policy_refuses(context: BrowserContext, hostile_url: str, attempt: str) -> None:
    code, directive = ATTEMPTS[attempt]
    page = context.new_page()
    visit(page, "nowhere", hostile_url)
    refused = page.evaluate(
        """() => new Promise(resolve => {
            addEventListener("securitypolicyviolation", event => resolve(event.effectiveDirective));
            const URL = "https://HOST/x";
            try { CODE } catch (error) { if (!(error instanceof TypeError)) throw error; }
        })""".replace("HOST", HOST).replace("CODE", code)
    )
    assert refused == directive
