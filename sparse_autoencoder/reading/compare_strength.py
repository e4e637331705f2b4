"""Compares how strongly a feature fires, when it does, in two sets of rows, by its histograms there."""

from collections.abc import Mapping


def probability_stronger(a: Mapping[int, int], b: Mapping[int, int]) -> float | None:
    """The probability that an activation in b is in a higher bin than one in a; None if either has none.

    Activations of the same bin count half. So 0.5 is no difference, 1 means that every activation in b is stronger.
    This is Mann and Whitney's U divided by the number of pairs (1947; Vargha and Delaney's A, 2000), exact up to the
    width of a bin.
    """
    pairs = sum(a.values()) * sum(b.values())
    if not pairs:
        return None
    halves = below = 0  # twice the pairs in which b is stronger, and a's activations in lower bins
    for number in sorted(a.keys() | b.keys()):
        halves += b.get(number, 0) * (2 * below + a.get(number, 0))
        below += a.get(number, 0)
    return halves / (2 * pairs)
