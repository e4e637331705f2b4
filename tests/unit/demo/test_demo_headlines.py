"""The demo's generator of headlines: what its rows promise to the tests and benchmarks that use them."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import pytest

from demo.headlines import Headline, generate, write_csv
from demo.templates import parse, patterns

REPOSITORY = Path(__file__).parents[3]
DEMO_BYTES = 8_000_000

# What the text of a span of each concept must look like, written independently of how it is drawn.
SPAN_TEXT = {
    "percentage": r"\d+(\.\d+)?%",
    "price_target": r"\$\d+(\.\d\d)?",
    "target_to": r"to",
    "target_change": r"(Raises|Boosts|Lifts|Lowers|Cuts|Trims)",
    "quarter": r"(Q[1-4]|First|Second|Third|Fourth)",
    "upgrade": r"(Upgrades|Upgraded)",
    "downgrade": r"(Downgrades|Downgraded)",
    "earnings_beat": r"Beats?",
    "earnings_miss": r"Miss(es)?",
    "fda_approval": r"FDA( Approval| Approves| Clearance)?",
    "merger": r"Acquire",
    "eps": r"\$\d\.\d\d",
    "sales": r"\$(\d+\.\dB|\d+M)",
    "deal_value": r"\$(\d+\.\dB|\d+M|\d+ Million)",
    "month": r"(January|February|March|April|May|June|July|August|September|October|November|December)",
    "year": r"20[12]\d",
    "ticker": r"\((NYSE|NASDAQ): [A-Z]+\)",
    "coverage": r"Initiates Coverage",
    "maintains": r"Maintains",
    "dividend": r"Dividend",
    "year_range": r"52-Week",
    "work_visa": r"H-1B Visa",
    "rating_list": r"Upgrades, Downgrades",
    "analyst_name": r"\w+ \w+",
    "analyst_firm": r"[A-Z][\w&. ]+",
    "rating": r"[A-Z][A-Za-z -]+",
}


@pytest.fixture(scope="module")
def headlines() -> list[Headline]:
    return list(generate(20_000, seed=5))


def test_the_same_seed_gives_the_same_rows() -> None:
    assert list(generate(2000, seed=3)) == list(generate(2000, seed=3))


def test_another_seed_gives_other_rows() -> None:
    assert [h.title for h in generate(50, seed=3)] != [h.title for h in generate(50, seed=4)]


def test_a_longer_run_begins_with_the_rows_of_a_shorter_one() -> None:
    assert list(islice(generate(5000, seed=3), 700)) == list(generate(700, seed=3))


def test_the_rows_are_those_that_the_committed_model_was_trained_on() -> None:
    # if this changes, run demo/train.py again
    assert [h.title for h in generate(3, seed=1)] == [
        "Weak Ford F-150 Sales Worry Analysts",
        "Goldman Sachs Upgrades Tesla to Outperform",
        "Rivals Copy Apple iPad, Says Piper Jaffray Analyst Mark Muñoz",
    ]


def test_millions_of_rows_can_be_asked_for_and_begun_at_once() -> None:
    assert len(list(islice(generate(10**12, seed=0), 5))) == 5


@pytest.mark.parametrize("rows", [0, 1, 100])
def test_there_are_as_many_rows_as_asked_for_numbered_from_0(rows: int) -> None:
    assert [h.row_id for h in generate(rows, seed=0)] == list(range(rows))


def test_a_negative_number_of_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="negative, got -1"):
        generate(-1, seed=0)


def test_every_span_holds_text_of_its_concept(headlines: list[Headline]) -> None:
    wrong = [
        (text, concept)
        for h in headlines
        for start, end, concept in h.spans
        for text in [h.title[start:end]]
        if not concept.startswith("company:") and not re.fullmatch(SPAN_TEXT[concept], text, re.IGNORECASE)
    ]
    assert wrong == []


def test_a_company_span_holds_the_company_it_names(headlines: list[Headline]) -> None:
    spans = [(h.title[s.start : s.end], s.concept) for h in headlines for s in h.spans if s.concept[:8] == "company:"]
    assert len(spans) > 10_000
    assert all(concept == f"company:{text}" for text, concept in spans if text != "EBay")  # as a title's first word


def test_spans_are_in_order_and_don_t_overlap(headlines: list[Headline]) -> None:
    assert all(left.end <= right.start for h in headlines for left, right in pairwise(h.spans))


def test_every_concept_is_frequent(headlines: list[Headline]) -> None:
    counts = Counter(s.concept for h in headlines for s in h.spans)
    rare = {concept: counts[concept] for concept in SPAN_TEXT if counts[concept] < 60}
    assert rare == {}


@pytest.mark.parametrize(
    ("word", "concept"),
    [
        ("Target", "company:Target"),  # the company; elsewhere a price target
        ("Apple", "company:Apple"),  # the company; elsewhere the fruit
        ("Upgrades", "upgrade"),  # a rating; elsewhere a network
        ("Raises", "target_change"),  # a price target; elsewhere capital
        ("Beats", "earnings_beat"),  # estimates; elsewhere a lawsuit
        ("Buy", "rating"),  # a rating; elsewhere a purchase
        ("to", "target_to"),  # before a price target; elsewhere everywhere
    ],
)
def test_an_ambiguous_word_occurs_in_its_concept_and_outside_it(
    headlines: list[Headline], word: str, concept: str
) -> None:
    inside = outside = 0
    for h in headlines:
        starts = {s.start for s in h.spans if s.concept == concept}
        for match in re.finditer(rf"\b{word}\b", h.title):
            inside += match.start() in starts
            outside += match.start() not in starts
    assert inside >= 40
    assert outside >= 40


def test_titles_are_varied(headlines: list[Headline]) -> None:
    assert len({h.title for h in headlines}) > 0.8 * len(headlines)
    assert len({h.stock for h in headlines}) > 130
    assert len(patterns()) > 120


def test_some_titles_come_again_exactly_and_some_with_a_few_words_more(headlines: list[Headline]) -> None:
    titles = {h.title for h in headlines}
    exact = len(headlines) - len(titles)
    near = sum(1 for h in headlines if h.title.startswith("UPDATE: ") and h.title.removeprefix("UPDATE: ") in titles)
    assert exact > 0.03 * len(headlines) * 0.8
    assert near > 50


def test_spans_of_a_prefixed_repeat_move_with_their_text() -> None:
    repeat = next(h for h in generate(20_000, seed=5) if h.title.startswith("UPDATE: ") and h.spans)
    original = next(h for h in generate(20_000, seed=5) if h.title == repeat.title.removeprefix("UPDATE: "))
    assert [(s.start, s.concept) for s in repeat.spans] == [(s.start + 8, s.concept) for s in original.spans]


def test_titles_hold_what_makes_reading_them_hard(headlines: list[Headline]) -> None:
    text = "\n".join(h.title for h in headlines)
    missing = [sign for sign in ',"’é–€£“阿🚀' if sign not in text]
    assert missing == []


def test_some_titles_are_in_sentence_case(headlines: list[Headline]) -> None:
    lower = sum(" shares " in h.title for h in headlines)
    title_case = sum(" Shares " in h.title for h in headlines)
    assert 0.03 < lower / (lower + title_case) < 0.2


def test_the_csv_file_parses_back_to_the_rows(tmp_path: Path) -> None:
    file = tmp_path / "headlines.csv"
    write_csv(3000, 9, str(file))
    with file.open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    assert header == ["", "title", "date", "stock"]
    assert rows == [[str(h.row_id), h.title, h.date, h.stock] for h in generate(3000, seed=9)]


def test_the_csv_file_quotes_only_where_it_must_and_doubles_quotes(tmp_path: Path) -> None:
    file = tmp_path / "headlines.csv"
    write_csv(3000, 9, str(file))
    lines = file.read_bytes().decode().split("\n")
    assert lines[0] == ",title,date,stock"
    assert lines[-1] == ""
    for line, h in zip(lines[1:-1], generate(3000, seed=9), strict=True):
        quoted = '"' + h.title.replace('"', '""') + '"' if "," in h.title or '"' in h.title else h.title
        assert line == f"{h.row_id},{quoted},{h.date},{h.stock}"
    assert any('""' in line for line in lines)


def test_dates_are_written_as_in_the_kaggle_file(headlines: list[Headline]) -> None:
    form = re.compile(r"20[12]\d-[01]\d-[0-3]\d [012]\d:[0-5]\d:00-04:00")
    assert all(form.fullmatch(h.date) for h in headlines)


def test_the_script_writes_the_same_csv_to_standard_output() -> None:
    command = [sys.executable, "demo/headlines.py", "--rows", "200", "--seed", "9", "--output", "-"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True)
    rows = list(csv.reader(io.StringIO(done.stdout.decode("utf-8"), newline="")))[1:]
    assert [row[1] for row in rows] == [h.title for h in generate(200, seed=9)]


def test_the_script_says_which_file_it_can_t_write(tmp_path: Path) -> None:
    target = str(tmp_path / "missing" / "headlines.csv")
    command = [sys.executable, "demo/headlines.py", "--rows", "2", "--output", target]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"can't write {target}: No such file or directory\n"


def test_a_pattern_with_a_bracket_left_over_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unbalanced brackets in the headline pattern: Fed \{up"):
        parse("Fed {up")


def test_the_generator_starts_without_loading_torch() -> None:
    command = [sys.executable, "-c", "import sys, demo.headlines; print('torch' in sys.modules)"]
    assert subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout == "False\n"


def test_the_demo_s_files_stay_under_8_megabytes() -> None:
    files = [p for p in (REPOSITORY / "demo").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert sum(p.stat().st_size for p in files) <= DEMO_BYTES
