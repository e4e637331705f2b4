"""What happens to a file of an unfinished run, whatever it is, never passes for what was written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aggregator.summary_merging import SummaryMerging
from sparse_autoencoder.data.row_skip_rules import SkippedRow
from sparse_autoencoder.errors import DamagedError, OtherVersionError
from sparse_autoencoder.runs.checksums import FORMAT, seal, unseal
from sparse_autoencoder.runs.example_cutoffs import ExampleCutoffs
from sparse_autoencoder.runs.partial_format import Partial
from sparse_autoencoder.runs.rows_file_format import chunk_from_parquet, chunk_to_parquet
from sparse_autoencoder.runs.run_state import FailedChunk, RunState
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.tokens.chunks import Chunk
from tests.support.oracle import OracleWindow
from tests.support.summaries import summarise

SPEC = SummarySpec(n_features=40, examples_per_feature=5, seed=7)
CHUNK = 2  # the chunk that the files are about


def windows(first_row: int, seed: int) -> list[OracleWindow]:
    random = np.random.default_rng(seed)
    return [
        OracleWindow(
            row,
            0,
            [0, *random.integers(1, 50, 6).tolist()],
            random.choice([0.0, 0.0, 0.5, 1.0, 3.7], (7, SPEC.n_features)).astype(np.float32).astype(np.float64),
        )
        for row in range(first_row, first_row + 30)
    ]


def state_before() -> RunState:
    """Two chunks, of which one failed."""
    failed = [FailedChunk(chunk=1, first_row=30, last_row=59, num_rows=30, error="it was too hard")]
    return RunState(summarise(windows(0, 1), SPEC), next_chunk=CHUNK, num_records=60, failed_chunks=failed)


def chunk_of_rows() -> Chunk:
    tokens = np.arange(200, dtype=np.int32)
    texts = [f"text {row} é" for row in range(20)]
    return Chunk(CHUNK, np.arange(60, 80), texts, tokens, np.arange(0, 201, 10), [SkippedRow(81, "no text")])


@dataclass(frozen=True)
class Kind:
    """A kind of file: one of its files, and what reads it."""

    data: bytes
    read: Callable[[bytes], object]


STATE = state_before()
PART = RunState(summarise(windows(60, 2), SPEC), next_chunk=CHUNK + 1, num_records=30, num_prompts=30, num_windows=30)
KINDS = {
    "state": Kind(STATE.to_bytes(), SummaryMerging().load),
    "partial": Kind(
        Partial(PART).cut_by(ExampleCutoffs.of(STATE)).to_bytes(),
        lambda data: SummaryMerging().merge(STATE, data),
    ),
    "cutoffs": Kind(ExampleCutoffs.of(STATE).to_bytes(), lambda data: ExampleCutoffs.from_bytes(data, SPEC.n_features)),
    "rows": Kind(chunk_to_parquet(chunk_of_rows()), lambda data: chunk_from_parquet(data, CHUNK)),
}
kinds = pytest.mark.parametrize("kind", KINDS)


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """One of the ways in which a file can become another one; places are shares of its length, often near its ends."""
    at = draw(st.one_of(st.floats(0, 1, exclude_max=True), st.floats(0, 0.01), st.sampled_from([0.0, 0.999999])))
    bit, span = draw(st.integers(0, 7)), draw(st.binary(min_size=1, max_size=100))

    def flip(data: bytes) -> bytes:
        place = int(at * len(data))
        return data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :]

    def cut(data: bytes) -> bytes:
        return data[: int(at * len(data))]

    def overwrite(data: bytes) -> bytes:
        place = int(at * len(data))
        return (data[:place] + span + data[place + len(span) :])[: max(len(data), place + 1)]

    def insert(data: bytes) -> bytes:
        place = int(at * len(data))
        return data[:place] + span + data[place:]

    def lose(data: bytes) -> bytes:
        place = int(at * len(data))
        return data[:place] + data[place + len(span) :]

    return draw(st.sampled_from([flip, flip, flip, cut, overwrite, insert, lose]))


def test_the_files_are_of_some_size() -> None:
    assert len(PART.summary.top) > 100
    assert all(len(kind.data) > 150 for kind in KINDS.values())


@kinds
def test_what_was_written_is_read(kind: str) -> None:
    KINDS[kind].read(KINDS[kind].data)


@kinds
@settings(max_examples=100)
@given(damage=damages())
def test_whatever_happens_to_a_file_is_known_as_damage(kind: str, damage: Callable[[bytes], bytes]) -> None:
    data = damage(KINDS[kind].data)
    if data != KINDS[kind].data:
        with pytest.raises(DamagedError):
            KINDS[kind].read(data)


@pytest.mark.parametrize("kind", ["state", "cutoffs"])
def test_no_single_bit_can_be_changed(kind: str) -> None:
    data = KINDS[kind].data
    step = max(1, len(data) * 8 // 4000)
    for place in range(0, len(data) * 8, step):
        changed = bytearray(data)
        changed[place // 8] ^= 1 << (place % 8)
        with pytest.raises(DamagedError):
            KINDS[kind].read(bytes(changed))


@kinds
@pytest.mark.parametrize("other", [*KINDS, "nothing"])
def test_another_file_in_its_place_is_known_as_damage(kind: str, other: str) -> None:
    if other != kind:
        with pytest.raises(DamagedError):
            KINDS[kind].read(KINDS[other].data if other in KINDS else b"")


def test_rows_of_another_chunk_are_no_rows_of_this_one() -> None:
    with pytest.raises(DamagedError, match=r"^the rows of chunk 3 can't be read: .* it holds a chunk-000002$"):
        chunk_from_parquet(KINDS["rows"].data, 3)


@pytest.mark.parametrize("next_chunk", [1, CHUNK, CHUNK + 2, 100])
def test_a_partial_of_another_chunk_is_damage(next_chunk: int) -> None:
    other = RunState(PART.summary, next_chunk=next_chunk)
    with pytest.raises(DamagedError, match=f"chunk {CHUNK} is to be merged next, not {next_chunk - 1}"):
        SummaryMerging().merge(STATE, Partial(other).to_bytes())


# Files that are as they were written, and mean nothing.


NONSENSE = [b"", b"\n", b"{}", b"{}\n", b"{}\n" + bytes(50), b"nonsense" * 20, b"\xff" * 200, b"PAR1", b"12345678\x28"]


@pytest.mark.parametrize("content", NONSENSE)
@kinds
def test_nonsense_under_a_sound_seal_is_damage(kind: str, content: bytes) -> None:
    with pytest.raises(DamagedError):
        KINDS[kind].read(seal("chunk-000002" if kind == "rows" else kind, content))


@settings(max_examples=100)
@given(st.integers(0, 2**64), st.integers(0, 7))
def test_what_was_sealed_after_a_change_raises_nothing_else(place: int, bit: int) -> None:
    content = bytearray(unseal("partial", KINDS["partial"].data))
    content[place % len(content)] ^= 1 << bit
    with suppress(DamagedError, MemoryError):
        SummaryMerging().merge(STATE, seal("partial", bytes(content)))


# Files of other versions.


def with_format(data: bytes, number: int) -> bytes:
    """What another version would have written."""
    kind = data.split(b" ")[1].decode()
    content = unseal(kind, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sparse_autoencoder.runs.checksums.FORMAT", number)
        return seal(kind, content)


@kinds
@pytest.mark.parametrize("number", [FORMAT - 1, FORMAT + 1])
def test_a_file_of_another_format_says_so(kind: str, number: int) -> None:
    expected = f"another version of saescope wrote this .* file, in format {number} instead of {FORMAT}$"
    with pytest.raises(OtherVersionError, match=expected):
        KINDS[kind].read(with_format(KINDS[kind].data, number))


def unsealed(kind: str) -> bytes:
    """What versions without a seal wrote."""
    data = KINDS[kind].data
    return unseal(data.split(b" ")[1].decode(), data)


@kinds
def test_a_file_without_a_seal_is_of_an_earlier_version(kind: str) -> None:
    with pytest.raises(OtherVersionError, match=r"an earlier version of saescope wrote this .* file, in a format wi"):
        KINDS[kind].read(unsealed(kind))


def test_a_summary_of_nothing_is_sealed_too() -> None:
    data = RunState(Summary.empty(SPEC)).to_bytes()
    with pytest.raises(DamagedError):
        RunState.from_bytes(data[:-1])
