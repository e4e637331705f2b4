"""The files about tokens are those of the whole table, however it is spread over chunks, and what is wrong is said."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs import (
    features_by_token,
    token_samples_format,
    token_table_format,
    token_table_merging,
    tokens_by_feature,
)
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.runs.temporary_files import temporary_file
from sparse_autoencoder.runs.token_table_format import to_parquet
from sparse_autoencoder.runs.token_table_publishing import publish_token_table
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.summaries.token_samples import TokenSamples
from sparse_autoencoder.summaries.token_table import TokenTable, table_of_activations
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from tests.support.live_runs import LiveWriter, start
from tests.support.token_tables import ITSELF, Entries, expected_lists, published_entries

N_FEATURES = 4
POLICY = TokenPolicy(bos_token_id=None, bos="none")
SPEC = SummarySpec(N_FEATURES, examples_per_feature=1, seed=0)

# of each chunk: tokens, each with the values of the features that fire there
tokens = st.tuples(
    st.integers(0, 6), st.dictionaries(st.integers(0, N_FEATURES - 1), st.sampled_from([0.25, 1.0, 2.0**43]))
)
chunks = st.lists(st.lists(tokens, max_size=12), min_size=1, max_size=7)
Chunk = list[tuple[int, dict[int, float]]]


def table_of(chunk: Chunk) -> TokenTable:
    ids = np.array([token for token, _values in chunk], np.int32)
    entries = sorted((feature, token, value) for token, values in chunk for feature, value in values.items())
    feature, token = (np.array([entry[i] for entry in entries], np.int32) for i in (0, 1))
    own = table_of_activations(token, feature, np.array([value for *_pair, value in entries], np.float32))
    token, count = np.unique(ids, return_counts=True)
    none = np.zeros(len(token), np.int64)
    itself = TokenTable(token, np.full(len(token), ITSELF, np.int32), count, none, none.astype(np.float32))
    return TokenTable.merged([itself, own])


def put_chunk(folder: RunFolder, number: int, chunk: Chunk) -> None:
    folder.store.put(folder.token_table(number), to_parquet(table_of(chunk)))
    folder.store.put(folder.token_samples(number), token_samples_format.to_bytes(TokenSamples.empty(), number))


def expected(chunks: list[Chunk]) -> Entries:
    found: Entries = {}
    for token, values in (entry for chunk in chunks for entry in chunk):
        for feature, value in {ITSELF: 0.0, **values}.items():
            count, total, maximum = found.get((token, feature), (0, 0, 0.0))
            found[token, feature] = count + 1, min(total + round(value * 2**20), 2**62), max(maximum, value)
    return dict(sorted(found.items()))


def summary_of(chunks: list[Chunk]) -> Summary:
    empty = Summary.empty(SPEC)
    count = np.zeros(N_FEATURES, np.int64)
    for _token, values in (entry for chunk in chunks for entry in chunk):
        count[list(values)] += 1
    return Summary(**{**vars(empty), "count": count, "num_tokens": sum(map(len, chunks))})


@settings(max_examples=30)
@given(chunks, st.integers(1, 4), st.integers(1, 3))
def test_any_number_of_chunks_gives_the_files_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[Chunk], group: int, fan_in: int
) -> None:
    root = tmp_path_factory.mktemp("store")
    files = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens_by_feature, "LISTED", 2)
        patch.setattr(tokens_by_feature, "_COMPACT_ENTRIES", 3)
        patch.setattr(token_table_format, "GROUP_ENTRIES", group)
        patch.setattr(features_by_token, "GROUP_ENTRIES", 5)
        patch.setattr(token_table_merging, "FAN_IN", fan_in + 1)
        for name, spread in (("many", chunks), ("one", [[entry for chunk in chunks for entry in chunk]])):
            folder = RunFolder(DirectoryStore(root), name)
            for number, chunk in enumerate(spread):
                put_chunk(folder, number, chunk)
            publish_token_table(folder, summary_of(chunks), POLICY, range(len(spread)))
            files.append([folder.store.get(key) for key in (folder.features_by_token, folder.tokens_by_feature)])
    assert [len(file) for file in files[0]] == [len(file) for file in files[1]]
    assert files[0] == files[1]
    entries = expected(chunks)
    assert published_entries(root / "many") == entries
    lists = pq.read_table(root / "many" / "tokens_by_feature.parquet").to_pylist()
    for record in lists:
        assert all(
            (entry["sampled"], entry["firing"], entry["examples"]) == (0, 0, []) for entry in record["not_firing"]
        )
        del record["not_firing"]
    assert lists == expected_lists(entries, N_FEATURES, 2)


def test_a_row_group_has_whole_tokens_and_few_entries(tmp_path: Path) -> None:
    folder = RunFolder(DirectoryStore(tmp_path), "run")
    chunk: Chunk = [(token, dict.fromkeys(range(1 + token % N_FEATURES), 1.0)) for token in range(40)]
    put_chunk(folder, 0, chunk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features_by_token, "GROUP_ENTRIES", 10)
        publish_token_table(folder, summary_of([chunk]), POLICY, [0])
    file = pq.ParquetFile(tmp_path / "run" / "features_by_token.parquet")
    sizes = [file.metadata.row_group(group).column(2).num_values for group in range(file.num_row_groups)]
    assert len(sizes) > 10
    assert max(sizes) <= 10


def test_merging_has_one_row_group_of_a_few_tables_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_table_format, "GROUP_ENTRIES", 5)
    monkeypatch.setattr(token_table_merging, "FAN_IN", 4)
    read: list[TokenTable] = []
    parts_of = token_table_format.parts_of

    def watched(file: pq.ParquetFile) -> Iterator[TokenTable]:
        for part in parts_of(file):
            read.append(part)
            yield part

    monkeypatch.setattr(token_table_merging, "parts_of", watched)
    chunk: Chunk = [(token, dict.fromkeys(range(N_FEATURES), 1.0)) for token in range(40)]
    files = [to_parquet(table_of(chunk)) for _ in range(9)]
    tables = [partial(token_table_format.opened, io.BytesIO(file)) for file in files]
    merging = token_table_merging.merged_tables(tables, temporary_file)
    next(merging)
    groups = 40 * (N_FEATURES + 1) // 5
    assert len(read) == 9 * groups + 3  # of the first pass, and one of each of its three files
    for parts, part in enumerate(merging, start=1):
        assert len(part) <= 3 * 5
        assert len(read) <= 9 * groups + 3 * (1 + parts)
    assert len(read) == (9 + 3) * groups


@pytest.fixture
def writer(tmp_path: Path) -> LiveWriter:
    return start(DirectoryStore(tmp_path), "run-1", chunks=3)


def test_a_run_without_tables_is_published_without_these_files(writer: LiveWriter) -> None:
    writer.folder.remove_token_files()
    writer.finish()
    assert not set(writer.folder.store.list()) & {writer.folder.features_by_token, writer.folder.tokens_by_feature}


def lose(folder: RunFolder, other: RunFolder) -> None:
    folder.store.delete(folder.token_table(1))


def cut(folder: RunFolder, other: RunFolder) -> None:
    folder.store.put(folder.token_table(1), folder.store.get(folder.token_table(1))[:-20])


def lose_samples(folder: RunFolder, other: RunFolder) -> None:
    folder.store.delete(folder.token_samples(1))


def swap_samples(folder: RunFolder, other: RunFolder) -> None:
    folder.store.put(folder.token_samples(1), folder.store.get(folder.token_samples(2)))


def flip_a_bit(folder: RunFolder, other: RunFolder) -> None:
    data = bytearray(folder.store.get(folder.token_table(1)))
    column = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(4)
    data[column.data_page_offset + column.total_compressed_size - 1] ^= 16
    folder.store.put(folder.token_table(1), bytes(data))


def take_another_run_s(folder: RunFolder, other: RunFolder) -> None:
    folder.store.put(folder.token_table(1), other.store.get(other.token_table(1)))


@pytest.mark.parametrize("damage", [lose, cut, lose_samples, swap_samples, flip_a_bit, take_another_run_s])
def test_a_table_that_is_missing_or_damaged_or_another_run_s_is_said(
    writer: LiveWriter, tmp_path: Path, damage: Any
) -> None:
    other = LiveWriter.start(DirectoryStore(tmp_path / "other"), "run-2", seed=5)
    for _ in range(2):
        other.add(30)
    damage(writer.folder, other.folder)
    with pytest.raises(SaescopeError, match=r"(token_samples/ is missing or damaged|don't have the run's activations)"):
        writer.finish()
