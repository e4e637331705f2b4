"""Runs whose texts are out to break the page, made by the real command on the demo's models.

The rows are what datasets hold at their worst, and the tokenizer knows the worst of it as single tokens. This file
doesn't look at what becomes of them; `HOST` is a name that nothing may ever be asked of.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import demo
from tests.e2e.serving import summarise

HOST = "attacker.invalid"
SOURCE = '"><img src=x onerror=alert(1)>.jsonl'  # even the name of the file
LONG = 10_000  # characters
BOMB = "Z" + "\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324" * 12  # combining marks, piled up

MARKUP = [
    "<script>alert(1)</script>",
    f'<script src="https://{HOST}/x.js"></script>',
    f'<img src="https://{HOST}/pixel.png" onerror="alert(document.domain)">',
    "<svg/onload=alert(1)><iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    f'<style>@import "https://{HOST}/x.css"; body {{ display: none }}</style>',
    f'<link rel=stylesheet href=//{HOST}/x.css><base href="https://{HOST}/">',
    f'<meta http-equiv="refresh" content="0;url=https://{HOST}/">',
    f'<form action="https://{HOST}/"><button autofocus onfocus=alert(1)>Understood</button></form>',
    "javascript:alert(1) data:text/html,<script>alert(1)</script>",
    "\"'><details open ontoggle=alert(1)>`${alert(1)}` {{constructor.constructor('alert(1)')()}}",
    "</textarea></title></p></li></main></body></html><plaintext>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#x3C;b&#x3E; %3Cscript%3E",
    "__proto__ constructor toString hasOwnProperty null undefined NaN",
]
DIRECTIONS = [
    "\u202egnp.exe \u202dover\u202c and \u2066isolated \u2067not closed",
    "\u200f\u200eמניות עולות ב-5% after the report",
    "ارتفاع أسعار الأسهم \u061c2026 rises",
    "\u202e" * 200 + "backwards for ever",
]
SHAPES = [
    "profit 👩‍👩‍👧‍👦 rises 🏳️‍🌈 5️⃣ % 👍🏿 🇪🇺🇪🇺🇪🇺",
    f"shares {BOMB} fall {BOMB}",
    "a\u200bb\u200cc\u200dd\u2060e\ufeff zero width",
    "line\none\r\ntwo\u2028three\u2029four\tfive\x0bsix\x0cseven",
    "\x1b[31mred\x1b[0m \x07bell \x08\x08\x7f",
    "\U000e0041\U000e0042 tags \ufff9note\ufffa\ufffb \U0010ffff \ufdd0 ﷽﷽﷽",
]
SIZES = [
    "w" * LONG,
    "<b>" * (LONG // 3),
    "profit rises " * (LONG // 13),
    "\n" * 500 + "after five hundred lines" + "\n" * 500 + ".",
    "𒐫" * 2000,
]
TOKENS = [*MARKUP, *DIRECTIONS, *SHAPES, "w" * 300, "אופציות", BOMB, "👩‍👩‍👧‍👦", "\u202e", "\u0301", "\n" * 40]
LONE_SURROGATES = [r'"half \ud83d a character"', r'"\udc00\ud800 the wrong way round"']


def write_rows(path: Path) -> None:
    """Write the rows as JSON lines, among ordinary ones."""
    texts = [json.dumps(text) for text in [*MARKUP, *DIRECTIONS, *SHAPES, *SIZES]] + LONE_SURROGATES
    ordinary = [json.dumps(f"Company {number} profit rises {TOKENS[number % len(TOKENS)]}") for number in range(90)]
    lines = [f'{{"title": {text}}}' for text in texts * 2 + ordinary]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_subject(folder: Path) -> Path:
    """The demo's model with `TOKENS` in place of the tokens that its tokenizer learned last."""
    subject = shutil.copytree(demo.SUBJECT, folder / "subject")
    file = subject / "tokenizer.json"
    tokenizer = json.loads(file.read_text(encoding="utf-8"))
    model = tokenizer["model"]
    first = len(model["vocab"]) - len(TOKENS)
    kept = {token: number for token, number in model["vocab"].items() if number < first}
    model["vocab"] = kept | {token: first + place for place, token in enumerate(TOKENS)}
    model["merges"] = model["merges"][: -len(TOKENS)]  # each merge made one token
    whole = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    tokenizer["added_tokens"] += [{"id": model["vocab"][token], "content": token} | whole for token in TOKENS]
    file.write_text(json.dumps(tokenizer), encoding="utf-8")
    return subject


def make_runs(folder: Path, *, output: Path) -> None:
    """Make two runs below `output`, the first over a part of the rows; their source is kept in `folder`."""
    source = folder / SOURCE
    write_rows(source)
    models: list[str | Path] = ["--subject", write_subject(folder), "--autoencoder", demo.AUTOENCODER]
    flags = ["--source", source, *models, "--layer", str(demo.LAYER), "--location", demo.LOCATION, "--output", output]
    summarise(*flags, "--max-rows", "80")
    summarise(*flags)
