"""Encodings: whatever was written is read back when it is said, and refused, not read wrongly, when it isn't."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.data.encodings import checked_encoding, encoding_of
from sparse_autoencoder.data.row_skip_rules import Row, SkippedRow
from sparse_autoencoder.data.source import open_source
from sparse_autoencoder.data.table import ReadingOptions
from sparse_autoencoder.errors import SaescopeError

ENCODINGS = {  # with a sentence that needs each
    "cp1252": "Société Générale relève – ses prévisions après l’été",
    "latin-1": "Société Générale relève ses prévisions après l'été",
    "cp1250": "Spółka podwyższyła prognozę zysków",
    "iso8859-2": "Spółka podwyższyła prognozę zysków",
    "cp1251": "Газпром повышает прогноз по добыче газа",
    "koi8-r": "Газпром повышает прогноз по добыче газа",
    "cp1253": "Η τράπεζα αναβάθμισε τις προβλέψεις",
    "mac-roman": "Société Générale relève ses prévisions",
    "shift-jis": "トヨタ自動車は業績予想を上方修正した",
    "euc-jp": "トヨタ自動車は業績予想を上方修正した",
    "gb18030": "贵州茅台上调全年业绩预期",
    "big5": "台積電上調全年營收預期",
    "euc-kr": "삼성전자 실적 전망 상향 조정",
}
WIDE = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


def read(path: Path, content: bytes, encoding: str | None = None) -> list[str]:
    path.write_bytes(content)
    with open_source(str(path), ReadingOptions(encoding=encoding)) as source:
        return [record.text if isinstance(record, Row) else f"skipped: {record.reason}" for record in source]


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.json"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_format_is_read_in_the_encoding_that_is_said(tmp_path: Path, name: str, encoding: str) -> None:
    text = ENCODINGS[encoding]
    content = {
        "a.txt": text,
        "a.csv": f"id,title\n1,{text}\n",
        "a.jsonl": f'{{"title": "{text}"}}\n',
        "a.json": f'[{{"title": "{text}"}}]',
    }[name]
    assert read(tmp_path / name, content.encode(encoding), encoding) == [text]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("others", [0, 50])
def test_none_is_read_when_it_is_not_said(tmp_path: Path, encoding: str, others: int) -> None:
    lines = [*(f"A plain headline, number {i}" for i in range(others)), *[ENCODINGS[encoding]] * 3]
    with pytest.raises(SaescopeError, match=r"a\.txt isn't UTF-8: it is likely .*--encoding [\w-]+.*--encoding utf-8"):
        read(tmp_path / "a.txt", "\n".join(lines).encode(encoding))


@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("text", ["Apple upgraded", "Größe; 😀", "贵州茅台上调 2026 全年业绩预期"])
def test_wide_encodings_are_told_apart(tmp_path: Path, encoding: str, marked: bool, text: str) -> None:
    mark = "\ufeff" if marked else ""
    content = f"{mark}id,title\n1,{text}\n".encode(encoding)
    if marked:
        assert read(tmp_path / "a.csv", content) == [text]
    else:
        with pytest.raises(SaescopeError, match=f"--encoding {encoding}"):
            read(tmp_path / "a.csv", content)
        assert read(tmp_path / "a.csv", content, encoding) == [text]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=200), st.integers(1, 2000))
def test_no_utf8_is_refused_wherever_its_beginning_is_cut(text: str, cut: int) -> None:
    content = f"headline: {text}\nanother é\n".encode()
    if b"\0" not in content:
        assert encoding_of(content[:cut], cut >= len(content), None, "a") in ("utf-8", "utf-8-sig")


def test_a_few_broken_rows_of_many_sound_ones_are_skipped(tmp_path: Path) -> None:
    lines = [f"Größe {i}".encode() for i in range(100)]
    lines[7] = "Größe".encode("latin-1")
    found = read(tmp_path / "a.txt", b"\n".join(lines))
    assert [text for text in found if text.startswith("skipped")] == ["skipped: not valid Unicode"]
    assert len(found) == 100


def test_an_encoding_that_turns_out_to_be_wrong_later_on_ends_the_reading(tmp_path: Path) -> None:
    plain = [f"A plain headline, number {i}".encode() for i in range(60_000)]  # beyond what is looked at first
    other = ["Société Générale".encode("cp1252")] * 30
    with pytest.raises(SaescopeError, match=r"a\.txt isn't UTF-8: of its first 60,020 rows 20 can't be decoded"):
        read(tmp_path / "a.txt", b"\n".join(plain + other))
    found = read(tmp_path / "a.txt", b"\n".join(plain + other), "utf-8")
    assert found[60_000:] == ["skipped: not valid Unicode"] * 30


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE])
def test_an_encoding_that_is_not_the_mark_s_is_an_error(tmp_path: Path, mark: bytes) -> None:
    with pytest.raises(SaescopeError, match=r"begins with the byte-order mark of utf-.*leave out --encoding cp1252"):
        read(tmp_path / "a.txt", mark + b"a\0\0\0", "cp1252")


@pytest.mark.parametrize("name", ["klingon", "base64", "rot13", "hex", "zip", "", "\udcff", "idna\0", "undefined"])
def test_what_is_no_encoding_of_texts_is_an_error(name: str) -> None:
    with pytest.raises(SaescopeError, match="there is no text encoding"):
        checked_encoding(name)


def test_parquet_is_read_in_the_encoding_that_is_said(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"title": ["Crédit".encode("cp1252"), b"plain"]}), tmp_path / "a.parquet")
    for encoding, expected in (("cp1252", Row(0, "Crédit")), (None, SkippedRow(0, "not valid Unicode"))):
        with open_source(str(tmp_path / "a.parquet"), ReadingOptions(encoding=encoding)) as source:
            assert list(source) == [expected, Row(1, "plain")]
