"""`saescope labels`: what is taken away from a folder of runs, or from an API, and what is brought in."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.api.app import create_app
from services.api.http.access import Access
from services.cli import main
from services.client.submit import TOKEN_VARIABLE, URL_VARIABLE
from sparse_autoencoder.runs.label_entries import change_of
from sparse_autoencoder.runs.label_log import LabelLog
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.api import serving

SAID: dict[int, dict[str, Any]] = {
    3: {"label": "dates\u2028<b>", "note": "a\nb", "starred": True, "author": "ada"},
    5: {"starred": True},
}


@pytest.fixture
def runs(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "runs" / finished.name)
    return tmp_path / "runs"


@pytest.fixture
def log(runs: Path) -> LabelLog:
    return log_in(runs)


@pytest.fixture
def elsewhere(finished: Path, tmp_path: Path) -> Path:
    """Another folder with the same run, of whose features nothing is said."""
    shutil.copytree(finished, tmp_path / "elsewhere" / finished.name)
    return tmp_path / "elsewhere"


@pytest.fixture
def said(log: LabelLog) -> None:
    log.write([change_of(feature, content) for feature, content in SAID.items()])


def log_in(runs: Path) -> LabelLog:
    (file,) = runs.glob("*/metadata.json")
    return LabelLog(DirectoryStore(runs), json.loads(file.read_text(encoding="utf-8"))["autoencoder"]["sha256"])


def labels(runs: Path) -> dict[int, tuple[str | None, str | None, bool, str | None]]:
    present = log_in(runs).read().present
    return {one.feature_id: (one.label, one.note, one.starred, one.author) for one in present}


def asked(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    status = main(["labels", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def file_of(tmp_path: Path, *lines: Any) -> Path:
    file = tmp_path / "lines.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


@pytest.mark.usefixtures("said")
def test_an_export_is_brought_into_another_folder(
    runs: Path, elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "labels.jsonl"
    status, out, err = asked(capsys, "export", "latest", "--runs", runs, "--output", file)
    assert (status, out, err) == (0, "", "saescope: something is said of 2 features\n")
    status, out, err = asked(capsys, "import", "latest", file, "--runs", elsewhere)
    assert (status, err) == (0, "")
    assert dict(line.rsplit(maxsplit=1) for line in out.splitlines()) == {
        "added": "2",
        "changed": "0",
        "unchanged": "0",
        "conflicts": "0",
        "left out": "0",
    }
    assert labels(elsewhere) == labels(runs)
    assert asked(capsys, "import", "latest", file, "--runs", elsewhere)[1].split()[4:6] == ["unchanged", "2"]


@pytest.mark.usefixtures("said")
def test_an_export_prints_a_line_for_each_feature(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _err = asked(capsys, "export", "latest", "--runs", runs)
    assert status == 0
    printed = [json.loads(line) for line in out.split("\n")[:-1]]
    assert [line["feature_id"] for line in printed] == [3, 5]
    assert printed[0].items() >= SAID[3].items()


@pytest.mark.usefixtures("said")
def test_labels_whose_run_is_gone_are_reached_by_the_autoencoder_s_hash(
    runs: Path, elsewhere: Path, log: LabelLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = (path for path in runs.iterdir() if not path.name.startswith("_"))
    shutil.rmtree(run)
    file = tmp_path / "labels.jsonl"
    assert asked(capsys, "export", log.sha256, "--runs", runs, "--output", file)[0] == 0
    assert asked(capsys, "import", log.sha256, file, "--runs", elsewhere)[0] == 0
    assert sorted(labels(elsewhere)) == [3, 5]


def test_a_run_s_own_folder_names_it(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = runs.iterdir()
    file = file_of(tmp_path, {"feature_id": 2, "label": "two"})
    assert asked(capsys, "import", run, file)[0] == 0
    assert labels(runs) == {2: ("two", None, False, None)}


@pytest.mark.usefixtures("said")
def test_what_is_said_stays_and_is_reported_unless_it_is_to_be_replaced(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = file_of(tmp_path, {"feature_id": 5, "label": "five"}, {"feature_id": 3, "label": "years"}, "nothing")
    _status, out, _err = asked(capsys, "import", "latest", lines, "--runs", runs)
    assert out.splitlines() == [
        "added      0",
        "changed    1",
        "unchanged  0",
        "conflicts  1",
        "left out   1",
        "line 2: feature 3 has another label already",
        "line 3: it is no JSON object",
        "what was said here stays; with --replace the lines' labels and notes take its place",
    ]
    assert (labels(runs)[3][0], labels(runs)[5][0]) == (SAID[3]["label"], "five")
    asked(capsys, "import", "latest", lines, "--runs", runs, "--replace")
    assert labels(runs)[3][:2] == ("years", SAID[3]["note"])


@pytest.mark.parametrize(
    ("content", "status", "sentence"),
    [
        (b"", 2, "has no line that can be used"),
        (b"<html>\n<b>", 2, "has no line that can be used: line 1, it is not JSON"),
        (b"\xff\xfe", 5, "is not UTF-8, as JSON Lines are (byte 0)"),
        (None, 2, "can't read"),
    ],
)
def test_a_file_of_something_else_is_refused(
    content: bytes | None, status: int, sentence: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lines.jsonl"
    if content is not None:
        file.write_bytes(content)
    ended, out, err = asked(capsys, "import", "latest", file, "--runs", runs)
    assert (ended, out) == (status, "")
    assert sentence in err
    assert labels(runs) == {}


def test_lines_come_from_standard_input(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = io.BytesIO(b'{"index": "4", "description": "four", "explanationModelName": "gpt"}\n')
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=lines))
    assert asked(capsys, "import", "latest", "-", "--runs", runs)[0] == 0
    assert labels(runs) == {4: ("four", None, False, "gpt")}


@pytest.fixture
def url(elsewhere: Path) -> Iterator[str]:
    """An API on the other folder, which takes changes from those with its token."""
    with serving(create_app(DirectoryStore(elsewhere), access=Access("secret"))) as address:
        yield address


@pytest.mark.usefixtures("said")
def test_an_api_takes_and_gives_the_same(
    url: str,
    runs: Path,
    elsewhere: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "labels.jsonl"
    asked(capsys, "export", "latest", "--runs", runs, "--output", file)
    monkeypatch.setenv(URL_VARIABLE, url)
    status, _out, err = asked(capsys, "import", "latest", file)
    assert (status, "this needs the API's token" in err) == (2, True)
    monkeypatch.setenv(TOKEN_VARIABLE, "secret")
    status, out, _err = asked(capsys, "import", "latest", file)
    assert (status, out.split()[:2]) == (0, ["added", "2"])
    assert labels(elsewhere) == labels(runs)
    _status, out, _err = asked(capsys, "export", "latest")
    assert [json.loads(line)["feature_id"] for line in out.split("\n")[:-1]] == [3, 5]
