"""The demo's rows are always the same, and its committed models mean something on them.

How well each concept of the generated headlines has a feature is measured by `python -m demo.measure`.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from itertools import islice
from pathlib import Path

from tokenizers import Tokenizer

from demo import SUBJECT
from demo.headlines import generate, write_csv
from demo.measure import load_autoencoder, measure

REPOSITORY = Path(__file__).parents[3]
DEMO_BYTES = 8_000_000


def test_the_rows_are_those_that_the_committed_model_was_trained_on() -> None:
    # if this changes, run demo/train.py again
    assert [h.title for h in generate(3, seed=1)] == [
        "Weak Ford F-150 Sales Worry Analysts",
        "Goldman Sachs Upgrades Tesla to Outperform",
        "Rivals Copy Apple iPad, Says Piper Jaffray Analyst Mark Muñoz",
    ]


def test_a_longer_table_begins_with_the_rows_of_a_shorter_one() -> None:
    assert list(islice(generate(10**12, seed=3), 700)) == list(generate(700, seed=3))


def test_the_csv_file_parses_back_to_the_rows(tmp_path: Path) -> None:
    file = tmp_path / "headlines.csv"
    write_csv(3000, 9, str(file))
    with file.open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    assert header == ["", "title", "date", "stock"]
    assert rows == [[str(h.row_id), h.title, h.date, h.stock] for h in generate(3000, seed=9)]


def test_the_script_writes_the_same_csv_to_standard_output() -> None:
    command = [sys.executable, "demo/headlines.py", "--rows", "200", "--seed", "9", "--output", "-"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True)
    rows = list(csv.reader(io.StringIO(done.stdout.decode("utf-8"), newline="")))[1:]
    assert [row[1] for row in rows] == [h.title for h in generate(200, seed=9)]


def test_a_concept_s_feature_finds_its_tokens_in_rows_that_it_was_not_chosen_on() -> None:
    found = {"-".join(one.concept): one.f1 for one in measure(load_autoencoder(), rows=400)}
    assert len(found) == 10
    assert min(found.values()) > 0.7


def test_the_tokenizer_gives_texts_back() -> None:
    tokenizer = Tokenizer.from_file(str(SUBJECT / "tokenizer.json"))
    texts = [h.title for h in generate(300, seed=303)]
    assert [tokenizer.decode(tokenizer.encode(text).ids) for text in texts] == texts


def test_the_demo_s_files_stay_under_8_megabytes() -> None:
    files = [p for p in (REPOSITORY / "demo").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert sum(p.stat().st_size for p in files) <= DEMO_BYTES
