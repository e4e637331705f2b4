"""Generated financial headlines, any number of them, as a table with the columns of the Kaggle analyst-ratings file.

    python demo/headlines.py --rows 1000 --seed 0 --output headlines.csv

Rows come one by one in constant memory, and the same seed always gives the same rows. Each row also carries labelled
spans: where in its title the text means something that the generator knows, such as a price target. This file composes
and writes; words are in `lexicon.py`, how they are drawn in `slots.py`, sentences in `templates.py`. It knows nothing
of tokens or models.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple

if not __package__:  # run as a script: make the repository's packages importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from demo import lexicon, templates
from demo.lexicon import Company
from demo.slots import SLOTS, Draw, Slot, sentence_case

COLUMNS = ("", "title", "date", "stock")
SENTENCE_CASE_SHARE = 0.07
EXACT_REPEAT_SHARE = 0.03  # the same title again, later
NEAR_REPEAT_SHARE = 0.05  # a title again with something put before or after it
_RECENT = 256  # how many earlier rows a repeat is drawn from
_FEWEST = 16  # how many there must be before anything is repeated
_BEFORE = ("UPDATE: ", "BRIEF: ", "REPEAT: ", "Correction: ")
_AFTER = (" - Analyst Blog", " (Updated)", "; Shares Active", " – Bloomberg", " ...")


class Span(NamedTuple):
    """Characters `start` to `end` (exclusive) of a title mean `concept`."""

    start: int
    end: int
    concept: str


class Headline(NamedTuple):
    """One row of the table; `row_id` is its unnamed first column, `spans` is what the generator knows about `title`."""

    row_id: int
    title: str
    date: str  # as in "2019-05-03 10:30:00-04:00"
    stock: str  # ticker
    spans: tuple[Span, ...]


_ANYONE = lexicon.FAMOUS * 3 + lexicon.OTHERS + lexicon.DRUG_MAKERS
_POOLS = {
    "rated": _ANYONE + lexicon.FAMOUS * 20 + lexicon.RATED_BANKS * 2,
    "company": _ANYONE,
    "drug": lexicon.DRUG_MAKERS,
    "famous": lexicon.FAMOUS,
    "world": _ANYONE,
}
_GROUP_SHARES = {"rated": 0.4, "company": 0.36, "drug": 0.07, "famous": 0.08, "world": 0.09}


class _Piece(NamedTuple):
    """A compiled part: `fill` is None for a literal, whose two spellings are `title` and `sentence`."""

    fill: Slot | None
    title: str
    sentence: str
    concept: str


def _compile(part: templates.Part) -> _Piece:
    if part.slot:
        return _Piece(SLOTS[part.slot], "", "", part.concept)
    return _Piece(None, part.text, sentence_case(part.text), part.concept)


def _plan() -> tuple[list[float], list[tuple[tuple[Company, ...], tuple[_Piece, ...]]]]:
    """Cumulative probabilities of the patterns, and for each the companies it may be about and its pieces."""
    patterns = templates.patterns()
    totals = {group: sum(p.weight for p in patterns if p.group == group) for group in templates.GROUPS}
    shares = (_GROUP_SHARES[p.group] * p.weight / totals[p.group] for p in patterns)
    return list(accumulate(shares)), [(_POOLS[p.group], tuple(map(_compile, p.parts))) for p in patterns]


_THRESHOLDS, _PLANS = _plan()
_DAYS = tuple((date(2010, 1, 4) + timedelta(days=n)).isoformat() for n in range(3800))
_TIMES = tuple(f"{minute // 60:02d}:{minute % 60:02d}:00-04:00" for minute in range(4 * 60, 20 * 60))


def _compose(random: Callable[[], float]) -> tuple[str, str, tuple[Span, ...]]:
    """A new title, its stock and its spans."""
    pool, pieces = _PLANS[min(bisect_right(_THRESHOLDS, random()), len(_PLANS) - 1)]
    company = pool[int(random() * len(pool))]
    other = int(random() * len(_ANYONE))
    rival = _ANYONE[other] if _ANYONE[other] is not company else _ANYONE[other - 1]
    draw = Draw(random, company, rival, random() < SENTENCE_CASE_SHARE)
    texts: list[str] = []
    spans: list[Span] = []
    position = 0
    for fill, title, sentence, concept in pieces:
        text = fill(draw) if fill is not None else (sentence if draw.lower else title)
        start, position = position, position + len(text)
        if concept:
            if concept == "company":
                concept = "company:" + text
            spans.append(Span(start, position, concept))
        texts.append(text)
    joined = "".join(texts)
    return joined[0].upper() + joined[1:], company.ticker, tuple(spans)


def _repeat(random: Callable[[], float], earlier: Headline, near: bool) -> tuple[str, tuple[Span, ...]]:
    """An earlier row's title again, exactly or with a few words added; spans move with their text."""
    title, spans = earlier.title, earlier.spans
    if not near:
        return title, spans
    if random() < 0.5:
        return title + _AFTER[int(random() * len(_AFTER))], spans
    before = _BEFORE[int(random() * len(_BEFORE))]
    return before + title, tuple(Span(s.start + len(before), s.end + len(before), s.concept) for s in spans)


def generate(rows: int, seed: int) -> Iterator[Headline]:
    """Headlines 0 to `rows`-1 of the given seed, one at a time; a longer run begins with the rows of a shorter one.

    Raises ValueError if `rows` is negative.
    """
    if rows < 0:
        raise ValueError(f"the number of headlines can't be negative, got {rows}")
    return islice(_endless(seed), rows)


def _endless(seed: int) -> Iterator[Headline]:
    # `random()` is the one method whose values are promised to stay the same in every Python version
    random_ = random.Random(seed).random
    recent: list[Headline] = []
    index = 0
    while True:
        kind = random_()
        if len(recent) >= _FEWEST and kind < EXACT_REPEAT_SHARE + NEAR_REPEAT_SHARE:
            earlier = recent[int(random_() * len(recent))]
            title, spans = _repeat(random_, earlier, near=kind >= EXACT_REPEAT_SHARE)
            headline = Headline(index, title, _when(random_), earlier.stock, spans)
        else:
            title, stock, spans = _compose(random_)
            headline = Headline(index, title, _when(random_), stock, spans)
            if len(recent) < _RECENT:
                recent.append(headline)
            else:
                recent[index % _RECENT] = headline
        yield headline
        index += 1


def _when(random: Callable[[], float]) -> str:
    return f"{_DAYS[int(random() * len(_DAYS))]} {_TIMES[int(random() * len(_TIMES))]}"


def write_csv(rows: int, seed: int, output: str) -> None:
    """Write the headlines as pandas' `to_csv` would, to a file or, for `-`, to standard output.

    Raises OSError if the file can't be written.
    """
    lines = ((h.row_id, h.title, h.date, h.stock) for h in generate(rows, seed))
    if output == "-":
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
        _write(sys.stdout, lines)
    else:
        with Path(output).open("w", encoding="utf-8", newline="") as file:
            _write(file, lines)


def _write(file: object, lines: Iterator[tuple[int, str, str, str]]) -> None:
    writer = csv.writer(file, lineterminator="\n")  # type: ignore[arg-type]
    writer.writerow(COLUMNS)
    writer.writerows(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write generated financial headlines as CSV.")
    parser.add_argument("--rows", type=int, default=1000, help="how many headlines (default 1000)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same rows (default 0)")
    parser.add_argument("--output", default="-", help="the CSV file to write, - for standard output (default)")
    arguments = parser.parse_args()
    if arguments.rows < 0:
        parser.error(f"--rows must be 0 or more, not {arguments.rows}")
    try:
        write_csv(arguments.rows, arguments.seed, arguments.output)
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        sys.stderr.close()
    except OSError as error:
        parser.exit(2, f"can't write {arguments.output}: {error.strerror}\n")


if __name__ == "__main__":
    main()
