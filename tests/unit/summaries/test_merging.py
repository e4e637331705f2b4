"""Long lists of examples merge as if all were sorted at once, and the bytes don't tell what was stored on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparse_autoencoder.summaries import summary_bytes
from sparse_autoencoder.summaries.example_arrays import Examples
from sparse_autoencoder.summaries.example_order import Order, SmallestDraw, SmallestDrawOfTexts, StrongestFirst
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.utils.numpy_array_ops import matches
from tests.support.oracle import OracleWindow
from tests.support.summaries import datasets, summarise

SPEC = SummarySpec(n_features=3, examples_per_feature=2, seed=7)
PER_FEATURE = 4


@dataclass(frozen=True)
class Item:
    """One example in plain Python."""

    feature: int
    value: float
    row_id: int
    window: int
    position: int
    token: int
    token_hash: int
    draw: int
    acts: tuple[tuple[int, float], ...]

    @property
    def place(self) -> tuple[int, int, int]:
        return self.row_id, self.window, self.position


def random_items(random: np.random.Generator) -> list[Item]:
    """Examples in which ties, repeated texts, short and full lists abound; what a text shows depends on it alone."""
    items = []
    for row_id in range(300):
        for window in range(2):
            text = int(random.integers(1, 200)) * 0x9E3779B97F4A7C15 % 2**64
            feature = int(40 * random.random() ** 2)
            acts = np.random.default_rng([text % 2**32, feature]).choice([0.5, 1.0, 2.0, 3.0], 3).tolist()
            draw = int(random.integers(20)) << 32 | int(random.integers(3))
            position = acts.index(max(acts))
            items.append(
                Item(feature, max(acts), row_id, window, position, text % 50, text, draw, tuple(enumerate(acts)))
            )
    return items


def strongest(items: list[Item]) -> list[Item]:
    return first_texts(sorted(items, key=lambda item: (item.feature, -item.value, item.place)))


def drawn_texts(items: list[Item]) -> list[Item]:
    return first_texts(sorted(items, key=lambda item: (item.feature, item.draw, item.place)))


def first_texts(ranked: list[Item]) -> list[Item]:
    """Each feature's first items with different texts; the items are sorted by feature."""
    chosen = []
    for _feature, own in groupby(ranked, key=lambda item: item.feature):
        texts: set[int] = set()
        for item in own:
            if item.token_hash not in texts and len(texts) < PER_FEATURE:
                texts.add(item.token_hash)
                chosen.append(item)
    return chosen


def drawn(items: list[Item]) -> list[Item]:
    chosen = []
    for feature in sorted({item.feature for item in items}):
        own = [item for item in items if item.feature == feature]
        chosen += sorted(own, key=lambda item: (item.draw, item.place))[:PER_FEATURE]
    return chosen


def to_examples(items: list[Item]) -> Examples:
    def column(name: str, dtype: type[np.generic]) -> NDArray[Any]:
        return np.array([getattr(item, name) for item in items], dtype)

    acts = [act for item in items for act in item.acts]
    return Examples(
        feature=column("feature", np.int32),
        value=column("value", np.float32),
        row_id=column("row_id", np.int64),
        window=column("window", np.int32),
        position=column("position", np.int32),
        token=column("token", np.int32),
        token_hash=column("token_hash", np.uint64),
        draw=column("draw", np.uint64),
        act_starts=np.cumsum([0, *(len(item.acts) for item in items)]),
        act_position=np.array([position for position, _value in acts], np.int32),
        act_value=np.array([value for _position, value in acts], np.float32),
    )


def to_items(examples: Examples) -> list[Item]:
    names = ("feature", "value", "row_id", "window", "position", "token", "token_hash", "draw")
    columns = zip(*(getattr(examples, name).tolist() for name in names), strict=True)
    acts = list(zip(examples.act_position.tolist(), examples.act_value.tolist(), strict=True))
    bounds = pairwise(examples.act_starts.tolist())
    return [
        Item(**dict(zip(names, row, strict=True)), acts=tuple(acts[begin:end]))
        for row, (begin, end) in zip(columns, bounds, strict=True)
    ]


@pytest.mark.parametrize(
    ("order", "oracle"),
    [(StrongestFirst(), strongest), (SmallestDraw(), drawn), (SmallestDrawOfTexts(), drawn_texts)],
)
@given(seed=st.integers(0, 2**32 - 1), n_parts=st.integers(1, 12))
def test_lists_merged_in_any_order_equal_all_sorted_at_once(
    order: Order, oracle: Callable[[list[Item]], list[Item]], seed: int, n_parts: int
) -> None:
    random = np.random.default_rng(seed)
    items = random_items(random)
    merged = Examples.empty()
    for part in random.permutation(n_parts):  # parts of very different lengths
        bounds = (len(items) * np.linspace(0, 1, n_parts + 1) ** 2).astype(int)
        merged = order.merge(merged, to_examples(oracle(items[bounds[part] : bounds[part + 1]])), PER_FEATURE)
    assert to_items(merged) == oracle(items)


@pytest.mark.parametrize(
    ("order", "oracle"),
    [(StrongestFirst(), strongest), (SmallestDraw(), drawn), (SmallestDrawOfTexts(), drawn_texts)],
)
@given(seed=st.integers(0, 2**32 - 1), n_parts=st.integers(2, 12))
def test_parts_without_what_any_earlier_lists_leave_out_merge_to_the_same_lists(
    order: Order, oracle: Callable[[list[Item]], list[Item]], seed: int, n_parts: int
) -> None:
    random = np.random.default_rng(seed)
    items = random_items(random)
    merged, cutoff_keys = [Examples.empty()], []
    bounds = np.linspace(0, len(items), n_parts + 1).astype(int).tolist()
    for begin, end in pairwise(bounds):
        cutoff_keys.append(order.cutoff_keys(merged[-1], 40, PER_FEATURE))
        part = order.reaching(to_examples(oracle(items[begin:end])), cutoff_keys[random.integers(len(cutoff_keys))])
        merged.append(order.merge(merged[-1], part, PER_FEATURE))
    for end, lists in zip(bounds, merged, strict=True):
        assert to_items(lists) == oracle(items[:end])


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.booleans()), min_size=1), st.integers(0, 63))
def test_no_entry_equal_to_a_marked_one_is_left_out(entries: list[tuple[int, bool]], shift: int) -> None:
    hashes = np.array([number >> shift for number, _marked in entries], np.uint64)
    found = set(matches(hashes, np.array([marked for _number, marked in entries])).tolist())
    wanted = {number >> shift for number, marked in entries if marked}
    assert found >= {index for index, number in enumerate(hashes.tolist()) if number in wanted}


@given(datasets(max_rows=12), st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), max_size=12))
def test_a_runs_bytes_are_the_same_whether_parts_and_states_were_stored_or_not(
    windows: list[OracleWindow], plan: list[tuple[int, bool, bool]]
) -> None:
    kept, stored = Summary.empty(SPEC), Summary.empty(SPEC)
    for length, store_part, store_state in [*plan, (len(windows), True, True)]:
        part, windows = windows[:length], windows[length:]
        if part:
            summary = summarise(part, SPEC)
            kept = kept.merge(summary)
            stored = stored.merge(through_bytes(summary) if store_part else summary)
            stored = through_bytes(stored) if store_state else stored
    assert summary_bytes.to_bytes(stored) == summary_bytes.to_bytes(kept)


def through_bytes(summary: Summary) -> Summary:
    return summary_bytes.from_bytes(summary_bytes.to_bytes(summary))[0]
