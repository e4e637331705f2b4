"""Tokens' strings: a character of several tokens is whole in the first, and all strings together are the text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.reading.token_strings import GOES_ON, Vocabulary
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.runs import tiny_tokenizer

RUN = "20260101-000000_run-001"
PIECES = [b"a", b" b", b" \xf0\x9f", b"\x98", b"\x80", b"\xc3", b"\xa9", "é".encode(), b""]


@pytest.fixture(scope="module")
def bytewise(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    """A vocabulary with a token for each byte."""
    return vocabulary(tmp_path_factory.mktemp("bytewise"), [bytes([byte]) for byte in range(256)])


def vocabulary(folder: Path, tokens: list[bytes]) -> Vocabulary:
    run = RunFolder(DirectoryStore(folder), RUN)
    run.write_vocabulary(tokens)
    return Vocabulary(run)


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_the_strings_of_a_text_s_bytes_are_the_text(bytewise: Vocabulary, text: str) -> None:
    strings = bytewise.joined(list(text.encode()))
    assert "".join(strings) == text
    assert [string for string in strings if string != GOES_ON] == list(text)


@given(st.binary(max_size=30))
def test_whatever_the_bytes_there_is_a_string_for_each_token(bytewise: Vocabulary, content: bytes) -> None:
    strings = bytewise.joined(list(content))
    assert len(strings) == len(content)
    assert "".join(strings).replace("\ufffd", "") == content.decode(errors="replace").replace("\ufffd", "")


@pytest.mark.parametrize(
    ("ids", "strings"),
    [
        ([0, 1], ["a", " b"]),
        ([0, 2, 3, 4, 1], ["a", " 😀", "", "", " b"]),
        ([2, 3], [" \ufffd\ufffd", "\ufffd"]),
        ([5, 6, 7], ["é", "", "é"]),
        ([5], ["\ufffd"]),
        ([6, 5], ["\ufffd", "\ufffd"]),
        ([4, 2, 3, 4], ["\ufffd", " 😀", "", ""]),
        ([], []),
    ],
)
def test_a_character_is_in_the_token_where_it_begins(tmp_path: Path, ids: list[int], strings: list[str]) -> None:
    assert vocabulary(tmp_path, PIECES).joined(ids) == strings


def test_a_run_without_the_bytes_shows_each_token_by_itself(tmp_path: Path) -> None:
    found = vocabulary(tmp_path, PIECES)
    (tmp_path / RUN / "vocabulary_bytes.json").unlink()
    assert found.joined([0, 5, 6]) == ["a", "\ufffd", "\ufffd"]


def test_a_real_tokenizer_s_tokens_are_the_text(tmp_path: Path) -> None:
    from sparse_autoencoder.tokens.token_bytes import bytes_of_tokens

    tokenizer = tiny_tokenizer()
    text = "A beat: profit 😀 é\n贵"
    found = vocabulary(tmp_path, bytes_of_tokens(tokenizer, tokenizer.get_vocab_size()))
    assert "".join(found.joined(tokenizer.encode(text).ids)) == text
