"""Rows drawn from a run: each at most once, whole, and none more likely than another."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from sparse_autoencoder.reading.live_run import load_live
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.live_runs import LiveWriter

EVERYTHING = 1 << 30


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    """A run of three chunks that were encoded, and one that failed; the last has two row groups."""
    writer = LiveWriter.start(DirectoryStore(tmp_path_factory.mktemp("runs")), chunk_size=12)
    writer.add(12)
    writer.fail(12)
    writer.add(12)
    writer.add(1500)
    writer.save()
    return load_live(writer.folder, writer.metadata, writer.state.next_chunk)


def drawn(view: RunView, seed: int, most_tokens: int = EVERYTHING) -> list[list[int]]:
    """The drawn rows of each row group that have tokens."""
    found = [rows.row_ids[np.diff(rows.starts) > 0].tolist() for rows in view.drawn_rows(seed, most_tokens)]
    assert all(ids == sorted(ids) for ids in found)
    return found


def rows_with_tokens(view: RunView) -> set[int]:
    return {row.row_id for row in view.rows.page(0, 10_000).rows if row.skipped is None and row.text}


def test_without_a_limit_every_row_comes_once(view: RunView) -> None:
    found = [row_id for ids in drawn(view, 0) for row_id in ids]
    assert len(found) == len(set(found))
    assert set(found) == rows_with_tokens(view)


def test_rows_come_with_their_tokens(view: RunView) -> None:
    for rows in view.drawn_rows(3, 40):
        for number, row_id in enumerate(rows.row_ids.tolist()):
            assert rows.row(number).tolist() == view.rows.row(row_id).token_ids


def test_chunks_take_turns(view: RunView) -> None:
    sizes = [len(ids) for ids in drawn(view, 1)]
    assert len(sizes) == 4
    assert max(sizes[3:]) > 100  # the second group of the large chunk, after one group of each chunk


@pytest.mark.parametrize("most", [1, 30, 100])
def test_of_a_row_group_come_as_many_rows_as_fit(view: RunView, most: int) -> None:
    sizes = [(len(rows.tokens), len(rows.row_ids)) for rows in view.drawn_rows(2, most)]
    assert all(tokens <= most or rows == 1 for tokens, rows in sizes)
    assert max(tokens for tokens, _rows in sizes) > most - 12  # no row has more than 11 tokens


def test_the_seed_decides_which_rows_are_drawn(view: RunView) -> None:
    assert drawn(view, 5, 50) == drawn(view, 5, 50)
    assert drawn(view, 5, 50) != drawn(view, 6, 50)


def test_rows_are_equally_likely_wherever_they_are(view: RunView) -> None:
    group = max(drawn(view, 0), key=len)
    middle = np.median(group)
    ids = [row_id for seed in range(40) for own in drawn(view, seed, 200) for row_id in own if row_id in group]
    assert len(ids) > 1000
    assert 0.45 < np.mean(np.array(ids) > middle) < 0.55


def test_only_what_is_asked_for_is_read(view: RunView) -> None:
    assert len(list(islice(view.drawn_rows(0, 10), 1))) == 1
