"""What are the bytes that a chunk contributes, and how many are left when examples beyond the cutoffs are left out?

    python -m benchmarks.partial_bytes [--chunks 100] [--behind 4]

The chunks of merge_speed.py. The first, the tenth and the hundredth are told, whole and cut by the cutoffs of the state
some chunks before (as many as encoders are at work on): all bytes as stored, each kind of array compressed by itself,
and the processor time of decoding and merging, whole and cut in turns. In the end both ways give the same state.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from statistics import median

import pyarrow as pa

from benchmarks.merge_speed import SPEC, make_parts
from sparse_autoencoder.runs.example_cutoffs import ExampleCutoffs
from sparse_autoencoder.runs.partial_format import Partial
from sparse_autoencoder.runs.state import RunState
from sparse_autoencoder.summaries.serialization import stored_arrays
from sparse_autoencoder.summaries.summary import Summary

TOLD = (1, 10, 30, 100)
REPEATS = 5


def by_kind(part: RunState) -> Counter[str]:
    """The bytes of a part's arrays, each compressed by itself, by kind: sums, histogram, top, random, window."""
    kinds: Counter[str] = Counter()
    for name, array in stored_arrays(part.packed()).items():
        kind, dot, _rest = name.partition(".")
        kinds[kind if dot and kind != "extra" else "sums"] += len(pa.compress(array.tobytes(), "zstd", asbytes=True))
    return kinds


def merge_seconds(state: RunState, partials: list[bytes]) -> list[float]:
    """The median processor time of decoding and merging each of these, in turns."""
    seconds: list[list[float]] = [[] for _ in partials]
    for _ in range(REPEATS):
        for number, partial in enumerate(partials):
            begin = time.process_time()
            Partial.from_bytes(partial).merged_into(state)
            seconds[number].append(time.process_time() - begin)
    return [median(each) for each in seconds]


def tell(state: RunState, whole: Partial, cut: Partial) -> None:
    """Print what a chunk takes, whole and cut."""
    partials = [whole.to_bytes(), cut.to_bytes()]
    print(f"chunk {whole.state.next_chunk}: {whole.state.summary.num_tokens:,} tokens")
    for name, part, partial, seconds in zip(
        ("whole", "cut"), (whole, cut), partials, merge_seconds(state, partials), strict=True
    ):
        kinds = ", ".join(f"{kind} {size / 1e6:.2f}" for kind, size in sorted(by_kind(part.state).items()))
        print(f"  {name:6}{len(partial) / 1e6:6.2f} MB ({kinds}); decoded and merged in {1000 * seconds:.0f} ms")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=100, help="chunks of the run")
    parser.add_argument("--behind", type=int, default=4, help="chunks by which cutoffs are behind")
    args = parser.parse_args()
    state = whole_state = RunState(Summary.empty(SPEC))
    cutoffs: list[bytes] = []
    for chunk, part in enumerate(make_parts(args.chunks)):
        cutoffs.append(ExampleCutoffs.of(state).to_bytes())
        before = ExampleCutoffs.from_bytes(cutoffs[max(0, chunk - args.behind)], SPEC.n_features)
        cut = Partial(part).cut_by(before)
        if chunk + 1 in TOLD:
            tell(state, Partial(part), cut)
        state, whole_state = cut.merged_into(state), whole_state.merge(part)
    print(f"cutoffs {len(cutoffs[-1]) / 1e6:.2f} MB, state {len(state.to_bytes()) / 1e6:.1f} MB")
    if state.to_bytes() != whole_state.to_bytes():
        raise SystemExit("the states differ")


if __name__ == "__main__":
    main()
