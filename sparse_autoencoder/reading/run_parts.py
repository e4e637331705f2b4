"""The part of a run's rows that a comparison is about: all of them, a half, or a group of --group-by."""

from __future__ import annotations

from dataclasses import dataclass

from sparse_autoencoder.data.row_sets import HALVES
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.reading.compare_texts import TextSet, compare_texts
from sparse_autoencoder.summaries.text_sums import NamedTextSums
from sparse_autoencoder.utils.did_you_mean import suggestion
from sparse_autoencoder.utils.printable import listed, printable

ALL = "all"
_HALF, _GROUP = "half:", "group:"


class NoSuchPartError(SaescopeError):
    """A run doesn't have the part of its rows that is asked for."""


@dataclass(frozen=True)
class HalvesComparison:
    """What comparing the random halves of a run's texts gives: what chance alone does with these rows."""

    num_tested: int
    num_found: int  # features that differ, of which there are none in truth


def part_of(named: NamedTextSums, part: str) -> TextSet:
    """`all`, `half:0`, `half:1` or `group:NAME` of a run; raises NoSuchPartError."""
    if part == ALL:
        return TextSet.of(named.sums.whole(), 0)
    return TextSet.of(named.sums, _number(named, part))


def num_rows_of(named: NamedTextSums, part: str) -> int:
    """How many rows with counted tokens a part has; raises NoSuchPartError."""
    sums, number = (named.sums.whole(), 0) if part == ALL else (named.sums, _number(named, part))
    return int(sums.num_rows[number])


def compare_halves(named: NamedTextSums) -> HalvesComparison:
    """Compare the halves of a run's texts."""
    compared = compare_texts(*(TextSet.of(named.sums, half) for half in range(HALVES)))
    return HalvesComparison(int(compared.tested.sum()), compared.num_found)


def _number(named: NamedTextSums, part: str) -> int:
    halves = [f"{_HALF}{half}" for half in range(HALVES)]
    if part in halves:
        return halves.index(part)
    names = {name: one for one, name in named.names.items()}
    if part.startswith(_GROUP) and (name := part.removeprefix(_GROUP)) in names:
        return names[name]
    groups = f", and groups: {listed(list(names))}" if names else "; a run with --group-by has groups too"
    close = suggestion(printable(part), [f"{_GROUP}{printable(name)}" for name in names])
    raise NoSuchPartError(f"there is no part {printable(part)}{close}; there are {ALL}, {listed(halves)}{groups}")
