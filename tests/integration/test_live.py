"""Real runs that are interrupted are shown as what they would publish, and as published files once they are resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparse_autoencoder.pipeline.single_process import resume
from sparse_autoencoder.reading.live_run import LiveRun
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.published_run import PublishedRun
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.live_runs import as_live, assert_shows_the_same, published_twin
from tests.support.runs import World, interrupted_run, make_world

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.parametrize("stopped_at", [1, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bos": "include", "autoencoder": "relu"},
        {"bos": "none", "long_rows": "truncate"},
        {"max_tokens": 4, "context": 2, "top_tokens_per_feature": 9, "chunk_size": 17, "seed": 5},
    ],
)
def test_an_interrupted_run_is_shown_as_it_would_be_published(
    world: World, tmp_path: Path, changes: dict[str, object], stopped_at: int
) -> None:
    changes = changes | ({"autoencoder": world.relu} if "autoencoder" in changes else {})
    store = DirectoryStore(tmp_path / "runs")
    run_id = interrupted_run(world.options(**changes), store.root, f"prompts/{stopped_at:06d}.parquet")
    live = RunLibrary(store).open(run_id)
    assert isinstance(live, LiveRun)
    assert live.state.next_chunk == stopped_at
    assert live.metadata.status == "interrupted"
    assert_shows_the_same(live, published_twin(RunFolder(store, run_id), live.state, DirectoryStore(tmp_path / "twin")))


@pytest.mark.parametrize("seed", range(5))
def test_that_is_so_for_every_model_and_dataset(tmp_path: Path, seed: int) -> None:
    world = make_world(tmp_path / "world", seed=seed)
    store = DirectoryStore(tmp_path / "runs")
    run_id = interrupted_run(world.options(seed=seed), store.root, "prompts/000002.parquet")
    live = RunLibrary(store).open(run_id)
    assert isinstance(live, LiveRun)
    assert_shows_the_same(live, published_twin(RunFolder(store, run_id), live.state, DirectoryStore(tmp_path / "twin")))


def test_a_run_that_is_resumed_is_shown_from_its_published_files(world: World, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "runs")
    now = 0.0
    library = RunLibrary(store, lambda: now)
    run_id = interrupted_run(world.options(), store.root, "feature_stats.json")
    live = library.open(run_id)
    before = [live.feature(feature) for feature in range(live.metadata.num_features)]
    metadata = resume(run_id, store)
    now = 1.0
    published = library.open(run_id)
    assert isinstance(published, PublishedRun)
    assert published.metadata == metadata
    assert [as_live(published.feature(feature)) for feature in range(metadata.num_features)] == before
