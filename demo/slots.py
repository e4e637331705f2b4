"""How each slot of a headline is filled: with words of the lexicon, or with numbers of a likely size and form.

This file knows what may stand in a slot; it doesn't know the sentences around it, nor where random numbers come from.
"""

from __future__ import annotations

from collections.abc import Callable

from demo import lexicon
from demo.lexicon import Company


class Draw:
    """The random choices of one row: its companies, whether it is in sentence case, and the last amount it named."""

    __slots__ = ("amount", "company", "form", "lower", "random", "rival")

    def __init__(self, random: Callable[[], float], company: Company, rival: Company, lower: bool) -> None:
        self.random = random
        self.company = company
        self.rival = rival
        self.lower = lower
        self.amount = 0.0
        self.form = ""


Slot = Callable[[Draw], str]


def sentence_case(text: str) -> str:
    """The text as in mid-sentence: capitals only where a word is a name or an abbreviation."""
    words = text.split(" ")
    return " ".join(w if w.strip(",;:.") in lexicon.PROPER or not w[1:].islower() else w.lower() for w in words)


def _names(*values: str) -> Slot:
    """One of the values, as it is in either case."""
    n = len(values)
    return lambda draw: values[int(draw.random() * n)]


def _words(*values: str) -> Slot:
    """One of the values, lower-cased in sentence case."""
    n = len(values)
    lowered = tuple(map(sentence_case, values))
    if n == 1:
        return lambda draw: lowered[0] if draw.lower else values[0]
    return lambda draw: (lowered if draw.lower else values)[int(draw.random() * n)]


def _number(form: str, low: float, high: float, skew: float = 1.0) -> Slot:
    """A number from `low` to `high` in the printf-like form; the greater `skew`, the more small ones."""
    width = high - low
    return lambda draw: form % (low + width * draw.random() ** skew)


def _amount(form: str, low: float, high: float, skew: float = 1.0) -> Slot:
    """As `_number`, and remembered for `_relative`."""
    width = high - low

    def fill(draw: Draw) -> str:
        draw.form = form
        draw.amount = low + width * draw.random() ** skew
        return form % draw.amount

    return fill


def _relative(low: float, high: float) -> Slot:
    """The row's last amount times a factor from `low` to `high`, in the same form."""
    width = high - low
    return lambda draw: draw.form % (draw.amount * (low + width * draw.random()))


def _either(*slots: Slot) -> Slot:
    n = len(slots)
    return lambda draw: slots[int(draw.random() * n)](draw)


_RATINGS = lexicon.POSITIVE_RATINGS + lexicon.NEUTRAL_RATINGS + lexicon.NEGATIVE_RATINGS
_PEOPLE = tuple(f"{first} {last}" for first in lexicon.FIRST_NAMES for last in lexicon.LAST_NAMES)
_YEARS = tuple(map(str, range(2010, 2021)))
SLOTS: dict[str, Slot] = {
    "company": lambda draw: draw.company.name,
    "rival": lambda draw: draw.rival.name,
    "product": lambda draw: lexicon.PRODUCTS[draw.company.name][int(draw.random() * 2)],
    "listing": lambda draw: f"({draw.company.exchange}: {draw.company.ticker})",
    "firm": _names(*lexicon.FIRMS),
    "person": _names(*_PEOPLE),
    "executive": _names(*_PEOPLE),
    "good": _words(*lexicon.POSITIVE_RATINGS),
    "neutral": _words(*lexicon.NEUTRAL_RATINGS),
    "bad": _words(*lexicon.NEUTRAL_RATINGS, *lexicon.NEGATIVE_RATINGS),
    "any": _words(*_RATINGS),
    "raises": _words("Raises", "Raises", "Boosts", "Lifts"),
    "lowers": _words("Lowers", "Lowers", "Cuts", "Trims"),
    "pt": _words("Price Target", "Price Target", "PT"),
    "target": _either(_amount("$%d", 5, 99), _amount("$%d", 10, 60), _amount("$%d", 100, 400, 2)),
    "target_higher": _relative(1.1, 1.6),
    "target_lower": _relative(0.5, 0.9),
    "eps": _amount("$%.2f", 0.1, 2, 2),
    "eps_higher": _relative(1.02, 1.3),
    "eps_lower": _relative(0.7, 0.98),
    "sales": _either(_amount("$%.1fB", 1, 10, 2), _amount("$%d0M", 5, 99)),
    "sales_higher": _relative(1.01, 1.1),
    "sales_lower": _relative(0.9, 0.99),
    "money": _either(_number("$%d0M", 5, 99), _number("$%.1fB", 1, 10, 2), _number("$%d Million", 5, 99)),
    "strike": _either(_number("$%d", 10, 99), _number("$%d.50", 10, 60)),
    "percent": _number("%.1f%%", 1, 10),
    "decimal": _number("%.1f", 1, 60, 2),
    "number": _number("%d", 5, 60),
    "days": _number("%d", 3, 90, 2),
    "day": _number("%d", 1, 29),
    "phase": _number("%d", 1, 4),
    "quarter": _names("Q1", "Q2", "Q3", "Q4"),
    "spoken": _words(*lexicon.SPOKEN_QUARTERS),
    "year": _names(*_YEARS),
    "month": _names(*lexicon.MONTHS),
    "weekday": _names(*lexicon.WEEKDAYS),
    "up": _words("Rise", "Up", "Gain", "Jump", "Rally"),
    "down": _words("Fall", "Down", "Drop", "Slip", "Tumble"),
    "trading": _words("Up", "Down", "Rising", "Falling", "Trading Higher By", "Trading Lower By"),
    "session": _words("Premarket", "After Hours", "on Heavy Volume", "Friday", "Monday", "in Early Trading"),
    "beats": _words("Beats"),
    "misses": _words("Misses"),
    "security": _words("Stock", "Bond", "Convertible Note", "Private"),
    "upgradable": _words(*lexicon.UPGRADABLES),
    "target_buy": _words(*lexicon.TARGET_BUYS),
    "drug": _words(*lexicon.DRUGS),
    "sector": _words(*lexicon.SECTORS),
    "country": _names(*lexicon.COUNTRIES),
    "indicator": _words(*lexicon.INDICATORS),
    "quotation": _names(*lexicon.QUOTES),
    "quote": _words("Top Pick", "Time to Buy", "Stay Away", "Too Cheap to Ignore", "Risks Are Balanced"),
    "cjk": _names(*lexicon.CJK_ASIDES),
    "emoji": _names(*lexicon.EMOJI),
}
