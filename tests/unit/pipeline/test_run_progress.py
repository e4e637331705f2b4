"""How far a run is, as batches of its chunks are encoded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from sparse_autoencoder.pipeline.run_progress import RunProgress
from sparse_autoencoder.tokens.chunks import Chunk


def chunk(rows: int) -> Chunk:
    return cast(Chunk, SimpleNamespace(n_records=rows))


def rows_of(progress: RunProgress) -> str:
    return progress.describe().split(", ")[0]


def test_batches_move_it_within_a_chunk_by_their_tokens() -> None:
    progress = RunProgress(0, None)
    encoded = progress.encoding(chunk(100))
    said = []
    for tokens in (50, 50, 100):
        encoded(tokens, 200)
        said.append(rows_of(progress))
    assert said == ["25 rows", "50 rows", "100 rows"]


def test_what_is_encoded_again_for_lack_of_memory_counts_once() -> None:
    progress = RunProgress(0, None)
    first = progress.encoding(chunk(100))
    first(150, 200)
    first(200, 200)
    assert rows_of(progress) == "100 rows"
    progress.encoding(chunk(100))(100, 200)
    assert rows_of(progress) == "150 rows"


def test_rows_are_estimated_by_the_share_that_was_read_and_known_at_the_end() -> None:
    progress = RunProgress(0, None)
    shares = iter([0.25, 0.5])
    reading = progress.read([chunk(100), chunk(100)], lambda: next(shares))
    for one in reading:
        progress.encoding(one)(10, 10)
        if progress.describe().startswith("100"):
            assert rows_of(progress) == "100 of about 400 rows (25%)"
    assert rows_of(progress) == "200 of 200 rows (100%)"


def test_a_run_that_goes_on_begins_at_its_rows() -> None:
    progress = RunProgress(500, None)
    progress.encoding(chunk(100))(1, 2)
    assert rows_of(progress) == "550 rows"
