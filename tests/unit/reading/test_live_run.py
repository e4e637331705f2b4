"""An unfinished run is shown as its published files would show it if it ended now, and says what is wrong with it."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse_autoencoder.errors import DamagedError, SaescopeError
from sparse_autoencoder.reading.live_run import LiveRun, load_live
from sparse_autoencoder.runs.rank_by_metric import Selection
from sparse_autoencoder.runs.store import DirectoryStore, NotFoundError
from tests.support.live_runs import N_FEATURES, LiveWriter, assert_shows_the_same, published_twin


def load(writer: LiveWriter) -> LiveRun:
    """The run as of what was merged so far, from the store."""
    writer.save()
    return load_live(writer.folder, writer.folder.read_metadata(), writer.state.next_chunk)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "runs")


@pytest.fixture
def writer(store: DirectoryStore) -> LiveWriter:
    """A run of three chunks so far, the second of which failed."""
    writer = LiveWriter.start(store, chunk_size=12)
    writer.add(12)
    writer.fail(12)
    writer.add(12)
    return writer


options = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32),
        "bos": st.sampled_from(["exclude", "include", "none"]),
        "long_rows": st.sampled_from(["split", "truncate"]),
        "max_tokens": st.integers(2, 7),
        "context": st.integers(0, 5),
        "top_tokens_per_feature": st.integers(1, 5),
        "chunk_size": st.integers(1, 30),
    }
).map(lambda options: with_possible_context(options))


def with_possible_context(options: dict[str, Any]) -> dict[str, Any]:
    """Options with a smaller context if there is no room for it."""
    context = min(options["context"], options["max_tokens"] - 2) if options["long_rows"] == "split" else 0
    return options | {"context": context}


@settings(max_examples=20, deadline=None)
@given(options=options, chunks=st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=5))
def test_everything_is_what_the_published_files_would_say(
    options: dict[str, Any], chunks: list[tuple[int, bool]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer = LiveWriter.start(DirectoryStore(Path(folder) / "live"), **options)
        writer.add(8)
        for n_rows, fails in chunks:
            (writer.fail if fails else writer.add)(n_rows)
        published = published_twin(writer.folder, writer.state, DirectoryStore(Path(folder) / "twin"))
        assert_shows_the_same(load(writer), published)


def test_rows_are_found_in_every_part_of_large_chunks(tmp_path: Path, store: DirectoryStore) -> None:
    writer = LiveWriter.start(store, top_tokens_per_feature=300, max_tokens=8)
    for _ in range(2):
        writer.add(2_500)  # three row groups
    live = load(writer)
    shown = {example["row_id"] // 1_000 for example in live.feature(0)["random"]}
    assert shown == set(range(8))
    assert_shows_the_same(live, published_twin(writer.folder, writer.state, DirectoryStore(tmp_path / "twin")), [0, 3])


def test_a_feature_that_never_fired_has_no_examples(writer: LiveWriter) -> None:
    live = load(writer)
    assert live.feature(N_FEATURES - 1) == {"histogram": [], "top": [], "random": [], "bands": []}
    assert N_FEATURES - 1 not in live.ranking(Selection("max_activation")).tolist()


@pytest.mark.parametrize("feature", [-1, N_FEATURES])
def test_there_is_no_other_feature(writer: LiveWriter, feature: int) -> None:
    with pytest.raises(KeyError):
        load(writer).feature(feature)


def test_the_metadata_have_the_counts_of_the_state(writer: LiveWriter) -> None:
    metadata = load(writer).metadata
    assert (metadata.status, metadata.num_records) == ("running", 36)
    assert metadata.num_prompts + metadata.num_skipped_rows + 12 == 36
    assert metadata.num_tokens == writer.state.summary.num_tokens > 0
    assert [failed.chunk for failed in metadata.failed_chunks] == [1]


def test_what_was_read_for_one_state_serves_the_next(tmp_path: Path, writer: LiveWriter) -> None:
    texts = load(writer).texts
    writer.add(12)
    writer.save()
    later = load_live(writer.folder, writer.metadata, 4, texts)
    assert later.texts is texts
    assert_shows_the_same(later, published_twin(writer.folder, writer.state, DirectoryStore(tmp_path / "twin")))


def test_many_threads_get_what_one_gets(writer: LiveWriter) -> None:
    expected = [load(writer).feature(feature) for feature in range(N_FEATURES)]
    live = load(writer)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda call: live.feature(call % N_FEATURES), range(200))) == [
            expected[call % N_FEATURES] for call in range(200)
        ]


def test_a_state_that_is_not_there_is_an_error_of_its_own(writer: LiveWriter) -> None:
    writer.save()
    with pytest.raises(NotFoundError):
        load_live(writer.folder, writer.metadata, 2)


def test_a_state_in_which_nothing_is_merged_shows_nothing(store: DirectoryStore) -> None:
    writer = LiveWriter.start(store)
    writer.fail(10)
    with pytest.raises(NotFoundError, match="has nothing to show yet"):
        load(writer)


def test_a_state_of_other_settings_is_an_error_that_names_it(writer: LiveWriter) -> None:
    writer.save()
    other = writer.metadata.model_copy(update={"num_features": 7})
    with pytest.raises(SaescopeError, match=r"its file .*/state/000003 belongs to a run with other settings"):
        load_live(writer.folder, other, 3)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 100])
def test_a_damaged_state_is_an_error(writer: LiveWriter, content: bytes) -> None:
    writer.save()
    writer.folder.store.put(writer.folder.state(3), content)
    with pytest.raises(
        DamagedError, match=r"^run .* can't be shown: .*/state/000003 can't be used, this state file is dam"
    ):
        load_live(writer.folder, writer.metadata, 3)


def test_a_state_in_anothers_place_is_an_error_that_names_it(writer: LiveWriter) -> None:
    writer.save()
    writer.folder.store.put(writer.folder.state(2), writer.state.to_bytes())
    with pytest.raises(DamagedError, match=r"/state/000002 can't be used, it holds the state of chunk 3$"):
        load_live(writer.folder, writer.metadata, 2)


# What can happen to the files that one feature needs.


def spoil(writer: LiveWriter, name: str, change: Callable[[bytes], bytes]) -> None:
    key = writer.folder.key(name)
    writer.folder.store.put(key, change(writer.folder.store.get(key)))


def show_all(live: LiveRun) -> None:
    for feature in range(N_FEATURES):
        live.feature(feature)


@pytest.mark.parametrize("name", ["prompts/000000.parquet", "prompts/000002.parquet", "vocabulary.json"])
def test_a_missing_file_is_an_error_that_names_it(writer: LiveWriter, name: str) -> None:
    live = load(writer)
    writer.folder.store.delete(writer.folder.key(name))
    with pytest.raises(SaescopeError, match=rf"^run .* can't be shown, its file .*/{name} is missing: run it again$"):
        show_all(live)


@pytest.mark.parametrize("name", ["prompts/000000.parquet", "prompts/000002.parquet", "vocabulary.json"])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_an_error_that_names_it(writer: LiveWriter, name: str, kept: float) -> None:
    live = load(writer)
    spoil(writer, name, lambda data: data[: int(len(data) * kept)])
    with pytest.raises(SaescopeError, match=rf"^run .* can't be shown, its file .*/{name} is damaged: run it again$"):
        show_all(live)


@pytest.mark.parametrize("content", [[], {}, None, 5, ["<bos>"]])
def test_a_vocabulary_without_the_tokens_is_an_error_that_names_it(writer: LiveWriter, content: object) -> None:
    live = load(writer)
    spoil(writer, "vocabulary.json", lambda _data: json.dumps(content).encode())
    with pytest.raises(SaescopeError, match=r"its file .*/vocabulary.json is damaged: run it again$"):
        show_all(live)


def test_prompts_of_another_run_are_an_error_that_names_a_row(tmp_path: Path, writer: LiveWriter) -> None:
    live = load(writer)
    other = LiveWriter.start(DirectoryStore(tmp_path / "other"), seed=1)
    other.add(12)
    spoil(writer, "prompts/000000.parquet", lambda _data: other.folder.store.get(other.folder.prompts(0)))
    with pytest.raises(SaescopeError, match=r"row \d+"):
        show_all(live)


def test_prompts_of_another_chunk_are_an_error_that_names_a_row(writer: LiveWriter) -> None:
    live = load(writer)
    spoil(writer, "prompts/000000.parquet", lambda _data: writer.folder.store.get(writer.folder.prompts(2)))
    with pytest.raises(SaescopeError, match=r"the prompts files lack row \d+, which an example shows: run it again"):
        show_all(live)


def test_a_prompts_file_that_was_replaced_is_read_anew_after_one_error(store: DirectoryStore) -> None:
    writer = LiveWriter.start(store)
    writer.add(2_500)  # three row groups
    sink, table = io.BytesIO(), pq.read_table(io.BytesIO(store.get(writer.folder.prompts(0))))
    usable = table.filter(table["skipped"].is_null())["row_id"].to_numpy()
    first, last = usable[:1], usable[-1:]
    writer.save()
    expected = load(writer).windows(last).tokens.tolist()
    live = load(writer)
    live.windows(first)  # opens the file
    pq.write_table(table, sink, row_group_size=1024, compression="none")
    store.put(writer.folder.prompts(0), sink.getvalue())
    with pytest.raises(SaescopeError, match=r"000000.parquet is damaged: run it again"):
        live.windows(last)
    assert live.windows(last).tokens.tolist() == expected != []


def test_a_run_that_was_deleted_meanwhile_is_not_found(writer: LiveWriter) -> None:
    live = load(writer)
    for key in writer.folder.store.list():
        writer.folder.store.delete(key)
    with pytest.raises(NotFoundError, match=f"^there is no run '{writer.folder.run_id}'$"):
        show_all(live)
