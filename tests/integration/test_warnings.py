"""What is said of runs that end well and may not be what was wanted: by the command, in metadata.json, in the API.

Also which column was read, whatever it was, and that names which can't be printed disturb nobody.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient

from demo import AUTOENCODER, LAYER
from services.api.app import create_app
from services.cli import main
from sparse_autoencoder.model import Autoencoder
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.commands import metadata_of, one_sentence, run_flags, run_folders

pytestmark = pytest.mark.usefixtures("work")

SOUND = [f"Headline number {i} is a text" for i in range(20)]
PLACE = ["--layer", str(LAYER)]
Printed = tuple[int, list[str], str]


@pytest.fixture(scope="module")
def autoencoder() -> Path:
    """The demo's, whose self-check has nothing against it."""
    return AUTOENCODER


@pytest.fixture
def run(autoencoder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Printed]:
    """Calls `saescope run`; the exit status, the lines of its output, and what it said besides."""

    def call(rows: list[str], *flags: str) -> Printed:
        Path("news.csv").write_text("\n".join(["title", *rows]) + "\n", encoding="utf-8")
        status = main([*run_flags(autoencoder), *PLACE, "--source", "news.csv", "--chunk-size", "7", *flags])
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err

    return call


@pytest.mark.parametrize(
    ("rows", "warning"),
    [
        (
            [*SOUND, '""', '""', '""'],
            "3 of 23 rows, 13%, were skipped, and the statistics are of the others alone: no text (3)",
        ),
        (
            [*SOUND[:10], '""', *["\u200b"] * 2],
            "3 of 13 rows, 23%, were skipped, and the statistics are of the others alone: only invisible "
            "characters (2), no text (1)",
        ),
        ([*SOUND[:3], *["1.50", "$ 2", "3%", "-4", "(5)"]], "5 of 8 texts are only numbers: is that the right column?"),
        ([*SOUND[:3], *["a"] * 5], "5 of 8 texts are only single tokens: is that the right column?"),
    ],
)
def test_a_warning_is_on_the_last_line_in_the_metadata_and_in_the_api(
    run: Callable[..., Printed], work: Path, rows: list[str], warning: str
) -> None:
    status, printed, _ = run(rows)
    assert status == 0
    assert printed[-2].startswith(f"warning: {warning}")
    (folder,) = run_folders(work)
    (recorded,) = metadata_of(folder)["warnings"]
    assert printed[-2] == f"warning: {recorded}"
    with TestClient(create_app(DirectoryStore(folder.parent))) as client:
        assert client.get(f"/api/runs/{folder.name}").json()["warnings"] == [recorded]
    assert run(rows, "--strict")[0] == 4


def test_rows_whose_group_has_no_sums_of_its_own_are_counted_in_a_warning(run: Callable[..., Printed]) -> None:
    rows = [f"Headline number {i} is a text" for i in range(60)]
    _, printed, _ = run(rows, "--group-by", "title")
    assert printed[-2] == (
        "warning: 10 of 60 rows have values in 'title' that came after the first 50, "
        "and are one group together, (other)"
    )


@pytest.mark.parametrize(
    "rows", [[*SOUND, '""', '""'], [*SOUND[:6], *["7"] * 5], [*SOUND[:5], "a", "b"]], ids=["rows", "numbers", "tokens"]
)
def test_a_few_such_rows_are_no_warning(run: Callable[..., Printed], work: Path, rows: list[str]) -> None:
    status, printed, _ = run(rows, "--strict")
    assert (status, [line for line in printed if line.startswith("warning")]) == (0, [])
    assert metadata_of(run_folders(work)[0])["warnings"] == []


def test_names_of_special_tokens_are_text_and_counted(run: Callable[..., Printed], work: Path) -> None:
    rows = [*SOUND, "a <|endoftext|> inside", "<|endoftext|>"]
    status, printed, _ = run(rows, "--strict")
    assert status == 0
    assert "noted 2 rows: a special token's name in the text, read as text" in printed
    metadata = metadata_of(run_folders(work)[0])
    assert metadata["noted_rows"]["a special token's name in the text, read as text"] == 2
    assert metadata["num_prompts"] == 22


def test_the_column_and_the_format_are_said_at_the_beginning(run: Callable[..., Printed]) -> None:
    assert "saescope: reading the column 'title' of news.csv (csv)\n" in run(SOUND)[2]
    Path("news.csv").unlink()
    rows = [f"{i};{text}" for i, text in enumerate(SOUND)]
    Path("other.csv").write_text("\n".join(["id;title", *rows]))
    said = run(SOUND, "--source", "other.csv")[2]
    assert "saescope: reading the column 'title' of other.csv (csv, delimiter ';')\n" in said


def test_an_autoencoder_that_names_no_activation_is_warned_of_unless_it_is_said(
    autoencoder: Path, tmp_path: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state: dict[str, Any] = Autoencoder.from_state_dict(torch.load(autoencoder, weights_only=True)).state_dict()
    unnamed = {name: value for name, value in state.items() if not name.startswith("activation")}
    torch.save(unnamed, tmp_path / "unnamed.pt")
    Path("news.csv").write_text("\n".join(["title", *SOUND]))
    flags = [*run_flags(tmp_path / "unnamed.pt"), *PLACE, "--source", "news.csv", "--strict"]
    assert main(flags) == 4
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert "warning: the autoencoder's file names no activation function, so it was read as ReLU" in text
    assert main([*flags, "--activation", "topk:4"]) == 0
    assert [metadata_of(folder)["autoencoder"]["activation"] for folder in run_folders(work)] == ["ReLU", "TopK"]


# Names that are no UTF-8.


@pytest.mark.parametrize("flag", ["--source", "--prompt-file", "--subject", "--autoencoder", "--output"])
def test_a_path_that_is_no_utf8_is_an_error_that_says_what_to_do(
    autoencoder: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    assert main([*run_flags(autoencoder), flag, os.fsdecode(b"caf\xe9.csv")]) == 2
    sentence = one_sentence(capsys.readouterr().err)
    assert sentence.startswith(f"{flag} caf\\xe9.csv isn't UTF-8: rename it")
    assert ("or give a pattern, as in --source 'caf?.csv'" in sentence) is (flag == "--source")


def test_a_file_whose_name_is_no_utf8_is_read_by_a_pattern(run: Callable[..., Printed], work: Path) -> None:
    Path(os.fsdecode(b"caf\xe9.csv")).write_text("\n".join(["title", *SOUND]))
    status, _, said = run(SOUND, "--source", "caf?.csv")
    assert (status, "of caf\\xe9.csv (csv)" in said) == (0, True)
    assert metadata_of(run_folders(work)[0])["source"]["file"] == "caf\\xe9.csv"


@pytest.mark.parametrize(
    ("name", "content", "column"),
    [
        ("a.csv", b"t\xe9xt\nApple is a text\n", "t\\xe9xt"),
        ("a.jsonl", b'{"t\\ud800": "Apple is a text"}\n', "t\\ud800"),
        ("a.csv", "\u202eid\u0007\nApple is a text\n".encode(), "\\u202eid\\x07"),
    ],
)
def test_a_column_whose_name_can_not_be_printed_is_read(
    run: Callable[..., Printed], work: Path, name: str, content: bytes, column: str
) -> None:
    Path(name).write_bytes(content)
    status, _, said = run(SOUND, "--source", name, "--encoding", "utf-8")
    assert (status, f"reading the column '{column}' of" in said) == (0, True)
    assert metadata_of(run_folders(work)[0])["text_column"] == column
