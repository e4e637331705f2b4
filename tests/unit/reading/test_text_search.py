"""Which texts a search finds: those that contain its letters, whatever their case."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sparse_autoencoder.reading.run_rows import containing


@pytest.mark.parametrize("text", [".", ".*", "[a", "a|b", "(?i)a", "\\", "%", "_", "^", "$", "a+", "{1}", "\\d", "*"])
def test_what_is_searched_is_no_pattern(text: str) -> None:
    texts = ["a", "b", "aa", "1", "", f"x{text}y"]
    assert containing(pa.chunked_array([texts]), text).tolist() == [False] * 5 + [True]


def test_a_search_ignores_the_case_of_every_letter_that_has_one() -> None:
    pairs = [
        (character, other)
        for character in map(chr, [*range(0xD800), *range(0xE000, 0x110000)])
        for other in (character.lower(), character.upper())
        if len(other) == 1 and other != character and character != "ı"  # Turkic: its capital is i's, too
    ]
    assert len(pairs) > 2700
    missed = [
        (character, other)
        for character, other in pairs
        if containing(pa.chunked_array([[f"x{character}y", f"x{other}y"]]), f"X{other}").tolist() != [True, True]
    ]
    assert missed == []


def test_accents_and_widths_are_no_matter_of_case() -> None:
    texts = pa.chunked_array([["resume", "résumé", "ＲＥＳ", None]])
    assert containing(texts, "RÉSUMÉ").tolist() == [False, True, False, False]
    assert containing(texts, "ＲＥＳ").tolist() == [False, False, True, False]
    assert containing(texts, "res").tolist() == [True, False, False, False]


@pytest.mark.parametrize("text", ["ä" * 1000, "漢" * 1000, "🚀k" * 500, "a\0b", "\x1b[31m", "\u202e", "\ufffd"])
def test_long_and_odd_texts_are_searched(text: str) -> None:
    texts = pa.chunked_array([["x", f"1{text.upper()}2", text[1:]]])
    assert containing(texts, text).tolist() == [False, True, False]
