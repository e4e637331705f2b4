"""Notes on rows that are used and may still not be what the user wanted: counted by chunk, and said at a run's end."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

NUMBER = "only a number"
SINGLE_TOKEN = "a single token"  # noqa: S105, no password
SPECIAL_NAME = "a special token's name in the text, read as text"

_NUMBER = re.compile(r"[^\w]*[\d.,\s]*\d[^\w]*")  # with a sign, a currency, a percent sign or brackets


def notes_on(texts: Iterable[str], num_tokens: Iterable[int], special_names: Sequence[str]) -> Counter[str]:
    """How many of a chunk's rows there is something to say of, by what it is; `num_tokens` are the rows' tokens."""
    special = re.compile("|".join(map(re.escape, special_names))) if special_names else None
    notes: Counter[str] = Counter()
    for text, tokens in zip(texts, num_tokens, strict=True):
        if _NUMBER.fullmatch(text):
            notes[NUMBER] += 1
        elif tokens == 1:
            notes[SINGLE_TOKEN] += 1
        if special is not None and special.search(text):
            notes[SPECIAL_NAME] += 1
    return notes
