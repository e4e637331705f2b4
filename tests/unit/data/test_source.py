"""Sources: where they are, which format they have, and what is said when they can't be read."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from sparse_autoencoder.data.row_skip_rules import MAX_ROW_CHARS, Record, Row, SkippedRow
from sparse_autoencoder.data.source import open_source, prompt_file, single_row
from sparse_autoencoder.data.table import ReadingOptions
from sparse_autoencoder.errors import SaescopeError


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def test_a_source_tells_what_it_is(tmp_path: Path) -> None:
    source = write(tmp_path / "news.csv", "id,title\n1,a\n")
    with open_source(source) as opened:
        assert opened.describe() == {
            "source": source,
            "file": "news.csv",
            "bytes": 13,
            "format": "csv",
            "compression": None,
            "text_column": "title",
        }
        assert opened.notice is None


def test_a_prefix_forces_the_format(tmp_path: Path) -> None:
    source = write(tmp_path / "news.data", "title\na\n")
    with open_source(f"csv:{source}") as opened:
        assert list(opened) == [Row(0, "a")]


def test_an_upper_case_extension_is_known(tmp_path: Path) -> None:
    with open_source(write(tmp_path / "NEWS.CSV", "title\na\n")) as opened:
        assert list(opened) == [Row(0, "a")]


def test_gzip_is_known_by_its_extension(tmp_path: Path) -> None:
    with open_source(write(tmp_path / "news.csv.gz", gzip.compress(b"title\na\n"))) as opened:
        assert list(opened) == [Row(0, "a")]
        assert opened.describe()["compression"] == "gzip"


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    with open_source(write(tmp_path / "news.csv", gzip.compress(b"title\na\n"))) as opened:
        assert list(opened) == [Row(0, "a")]


@pytest.mark.parametrize("name", ["big.txt", "big.txt.gz"])
def test_the_fraction_read_grows_from_0_to_1(tmp_path: Path, name: str) -> None:
    noise = random.Random(0)
    content = "".join(f"{noise.random()}\n" for _ in range(50_000)).encode()
    path = write(tmp_path / name, gzip.compress(content) if name.endswith(".gz") else content)
    with open_source(path) as source:
        fractions = [source.fraction_read() for _ in source]
    known = [fraction for fraction in fractions if fraction is not None]
    assert len(known) == 50_000
    assert known == sorted(known)
    assert known[0] < 0.1
    assert 0.4 < known[25_000] < 0.6
    assert known[-1] == 1.0


def from_standard_input(source: str, content: bytes) -> str:
    program = (
        "import sys; from sparse_autoencoder.data.source import open_source\n"
        "with open_source(sys.argv[1]) as source: print(list(source), source.fraction_read(), source.describe())"
    )
    done = subprocess.run([sys.executable, "-c", program, source], input=content, capture_output=True, check=True)
    return done.stdout.decode()


def test_standard_input_is_plain_text() -> None:
    assert from_standard_input("-", b"a\nb\n").startswith(
        "[Row(row_id=0, text='a', columns=()), Row(row_id=1, text='b', columns=())] None"
    )


def test_standard_input_takes_a_format_and_gzip() -> None:
    output = from_standard_input("csv:-", gzip.compress(b"id,title\n1,a\n"))
    assert output.startswith("[Row(row_id=0, text='a', columns=())]")
    assert "'file': 'standard input'" in output


def test_a_named_pipe_is_read_and_its_progress_is_unknown(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", 'echo a > "$0"', str(pipe)]), open_source(str(pipe)) as source:
        assert list(source) == [Row(0, "a")]
        assert source.fraction_read() is None


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SaescopeError, match=r"there is no file .*nowhere\.csv"):
        open_source(str(tmp_path / "nowhere.csv"))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt", "a.parquet", "a.csv.gz"])
def test_an_empty_file_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(SaescopeError, match=f"{name} is empty"):
        open_source(write(tmp_path / name, ""))


def test_a_truncated_gzip_file_is_an_error_after_the_rows_that_can_be_read(tmp_path: Path) -> None:
    noise = random.Random(0)
    lines = [f"{i} {noise.random()}" for i in range(20_000)]
    whole = gzip.compress("\n".join(lines).encode())
    seen: list[Record] = []
    with (
        open_source(write(tmp_path / "a.txt.gz", whole[: len(whole) // 2])) as source,
        pytest.raises(
            SaescopeError, match=r"a\.txt\.gz is truncated: its compressed data ends early after [\d,]+ rows"
        ),
    ):
        seen.extend(source)
    assert 9_000 < len(seen) < 11_000
    assert seen == [Row(i, line) for i, line in enumerate(lines[: len(seen)])]


def test_a_gzip_file_with_a_flipped_bit_is_an_error(tmp_path: Path) -> None:
    damaged = bytearray(gzip.compress(b"title\n" + b"a b c d\n" * 1000))
    damaged[-6] ^= 1  # in the checksum
    with (
        open_source(write(tmp_path / "a.csv.gz", bytes(damaged))) as source,
        pytest.raises(SaescopeError, match=r"a\.csv\.gz can't be read on after .* rows"),
    ):
        list(source)


def test_a_file_that_only_claims_to_be_gzip_is_read_as_it_is(tmp_path: Path) -> None:
    with open_source(write(tmp_path / "a.csv.gz", "title\na\n")) as source:
        assert list(source) == [Row(0, "a")]


def test_plain_text_has_a_row_for_each_line_and_blank_ones_are_skipped(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbfone\r\n\n  two \n\xff\nthree"
    with open_source(write(tmp_path / "a.txt", content)) as source:
        assert list(source) == [
            Row(0, "one"),
            SkippedRow(1, "no text"),
            Row(2, "two"),
            SkippedRow(3, "not valid Unicode"),
            Row(4, "three"),
        ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_beyond_the_limit_is_skipped_wherever_it_is_cut(tmp_path: Path, end: str) -> None:
    lines = ["x" * (MAX_ROW_CHARS + extra) for extra in (-1, 0, 1, 2, MAX_ROW_CHARS - 1, MAX_ROW_CHARS, 2**21)]
    with open_source(write(tmp_path / "a.txt", end.join([*lines, "end"]))) as source:
        kinds = [type(record) for record in source]
    assert kinds == [Row, Row, *[SkippedRow] * 5, Row]


def test_a_text_column_of_plain_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SaescopeError, match="plain text, which has no columns"):
        open_source(write(tmp_path / "a.txt", "a"), ReadingOptions("title"))


def test_a_prompt_file_is_one_row(tmp_path: Path) -> None:
    with prompt_file(write(tmp_path / "prompt", "\n one\n\ntwo \n")) as source:
        assert list(source) == [Row(0, "one\n\ntwo")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no text"),
        (b" \n ", "no text"),
        (b"a\0", "NUL bytes in the text"),
        (b"x" * (MAX_ROW_CHARS + 1), "longer than 1,048,576 characters"),
    ],
    ids=["empty", "spaces", "nul", "long"],
)
def test_a_prompt_file_without_usable_text_is_an_error(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(SaescopeError, match=f"the prompt file .* can't be used: {reason}"):
        prompt_file(write(tmp_path / "prompt", content))


def test_a_missing_prompt_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SaescopeError, match="there is no file"):
        prompt_file(tmp_path / "prompt")


def test_a_single_row_keeps_its_number(tmp_path: Path) -> None:
    with single_row(open_source(write(tmp_path / "a.txt", "a\nb\nc\n")), 1) as source:
        assert list(source) == [Row(1, "b")]
        assert source.describe()["row"] == 1


def test_a_row_beyond_the_end_is_an_error_that_says_how_many_there_are(tmp_path: Path) -> None:
    with (
        single_row(open_source(write(tmp_path / "a.txt", "a\nb\n")), 2) as source,
        pytest.raises(SaescopeError, match=r"there is no row 2: a\.txt has 2 rows"),
    ):
        list(source)


def test_a_negative_row_is_an_error(tmp_path: Path) -> None:
    with (
        open_source(write(tmp_path / "a.txt", "a\n")) as source,
        pytest.raises(SaescopeError, match="there is no row -1"),
    ):
        single_row(source, -1)
