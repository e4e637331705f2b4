"""What fires together, as the API counts it from the kept firings, held against all activations of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import BufferReader
from starlette.testclient import TestClient

from services.api.app import create_app
from sparse_autoencoder.pipeline.load_inputs import load_models, load_tokens, open_rows
from sparse_autoencoder.pipeline.single_process import resume, run
from sparse_autoencoder.reading.firing_together import FiringsFiles
from sparse_autoencoder.reading.kept_firings import KeptFirings
from sparse_autoencoder.reading.run_view import RunTexts
from sparse_autoencoder.runs import activations_file, firings_file
from sparse_autoencoder.runs.firings_file import Firings
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.tokens.chunks import read_chunks
from sparse_autoencoder.tokens.windows import cut_windows
from tests.support.runs import N_LATENTS, World, files_of, interrupted_run, read_json

pytestmark = pytest.mark.usefixtures("quick")
OPTIONS = {"keep_firings": True, "skip_directions": True}


@pytest.fixture(scope="module")
def kept(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that kept its firings."""
    root = tmp_path_factory.mktemp("kept")
    return root / run(world.options(**OPTIONS), DirectoryStore(root)).run_id


@pytest.fixture(scope="module")
def fires(world: World) -> Any:
    """Which features fire at which counted token, densely: [tokens, features], each window by itself."""
    options = world.options()
    models, tokens = load_models(options), load_tokens(options)
    dense = []
    with open_rows(options) as source:
        for chunk in read_chunks(iter(source), tokens.tokenizer, options.chunk_size, tokens.policy):
            windows = cut_windows(chunk, tokens.policy)
            for number in range(len(windows)):
                block = windows.block(number, 1)
                found = models.any_encoder.activations(block)
                here = np.zeros((len(block.tokens), N_LATENTS), bool)
                here[found.token, found.feature] = True  # type: ignore[attr-defined]
                dense.append(here[1:])
    return np.concatenate(dense)


def ask(folder: Path, **query: Any) -> Any:
    client = TestClient(create_app(DirectoryStore(folder.parent)), raise_server_exceptions=False)
    return client.get("/api/together", params={"run": folder.name} | query)


def test_an_answer_about_a_finished_run_can_be_kept(kept: Path) -> None:
    answer = ask(kept, id=1)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    client = TestClient(create_app(DirectoryStore(kept.parent)))
    again = client.get(str(answer.request.url), headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_kept_firings_are_those_of_every_counted_token_in_order(kept: Path, fires: Any) -> None:
    rows = [row for path in sorted((kept / "firings").iterdir()) for row in pq.read_table(path)["features"].to_pylist()]
    assert len(rows) == read_json(kept, "metadata.json")["num_tokens"]
    assert rows == [np.flatnonzero(here).tolist() for here in fires]


@pytest.mark.parametrize("sort", ["jaccard", "lift", "precision", "recall", "together"])
def test_the_counts_are_exact(kept: Path, fires: Any, sort: str) -> None:
    feature = int(fires.sum(axis=0).argsort()[-3])
    answer = ask(kept, id=feature, sort=sort, support=5, limit=100).json()
    both = (fires & fires[:, [feature]]).sum(axis=0)
    count, own, total = fires.sum(axis=0), int(fires[:, feature].sum()), len(fires)
    assert (answer["num_active_tokens"], answer["num_tokens"]) == (own, total)
    listed = {one["feature_id"]: one for one in answer["features"]}
    assert set(listed) == {other for other in range(N_LATENTS) if both[other] >= 5 and other != feature}
    assert len(listed) > 5
    for other, one in listed.items():
        n = int(both[other])
        assert (one["num_together"], one["num_active_tokens"]) == (n, count[other])
        assert one["jaccard"] == pytest.approx(n / (own + count[other] - n))
        assert one["lift"] == pytest.approx(n * total / (own * count[other]))
        assert one["precision"] == pytest.approx(n / own)
        assert one["recall"] == pytest.approx(n / count[other])
    key = "num_together" if sort == "together" else sort
    values = [one[key] for one in answer["features"]]
    assert values == sorted(values, reverse=True)
    assert "covers" not in answer


def test_saved_activations_count_the_same(world: World, kept: Path, tmp_path: Path) -> None:
    options = world.options(save_activations=True, keep_firings=True, skip_directions=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activations_file, "_MOST", 50)  # many row groups
        folder = tmp_path / run(options, DirectoryStore(tmp_path)).run_id
    assert not (folder / "firings").exists()
    for feature in range(0, N_LATENTS, 5):
        expected = ask(kept, id=feature, support=1, limit=100).json()
        assert ask(folder, id=feature, support=1, limit=100).json() == expected | {"run": folder.name}


def test_only_pairs_with_support_are_listed(kept: Path, fires: Any) -> None:
    feature = int(fires.sum(axis=0).argmax())
    few = ask(kept, id=feature, support=10_000).json()
    assert (few["num_matching"], few["features"]) == (0, [])
    assert ask(kept, id=feature, limit=2, support=1).json()["num_matching"] > 2


def test_a_run_without_them_says_how_to_get_them(world: World, tmp_path: Path) -> None:
    folder = tmp_path / run(world.options(skip_directions=True), DirectoryStore(tmp_path)).run_id
    answer = ask(folder, id=1)
    assert answer.status_code == 404
    assert "run it again with --keep-firings" in answer.json()["error"]
    assert not (folder / "firings").exists()


def test_keeping_them_changes_nothing_else_and_going_on_gives_the_same(
    world: World, kept: Path, tmp_path: Path
) -> None:
    plain = tmp_path / run(world.options(skip_directions=True), DirectoryStore(tmp_path)).run_id
    assert {name: data for name, data in files_of(kept).items() if "firings" not in name} == files_of(plain)
    run_id = interrupted_run(world.options(**OPTIONS), tmp_path, "prompts/000003.parquet")
    live = ask(tmp_path / run_id, id=1, support=1)
    assert live.status_code == 200, live.text
    resume(run_id, DirectoryStore(tmp_path))
    assert files_of(tmp_path / run_id) == files_of(kept)


def test_what_takes_too_long_says_what_it_covers(kept: Path, fires: Any) -> None:
    ticks = iter(range(100))
    chunks = RunFolder(DirectoryStore(kept.parent), kept.name).numbers("firings")
    assert len(chunks) > 3
    folder = RunFolder(DirectoryStore(kept.parent), kept.name)
    metadata = folder.read_metadata()
    firings = KeptFirings(folder, metadata, RunTexts.of(folder, metadata).files)
    files = FiringsFiles(firings, chunks, N_LATENTS, 2.5, lambda: float(next(ticks)))
    found = files.together(1)
    assert (found.num_chunks, found.of_chunks) == (3, len(chunks))
    covered = fires[: found.num_tokens]
    assert found.count.tolist() == covered.sum(axis=0).tolist()
    assert found.together.tolist() == (covered & covered[:, [1]]).sum(axis=0).tolist()
    assert files.together(1) is found


def test_a_damaged_file_is_said_to_be(kept: Path, tmp_path: Path) -> None:
    folder = tmp_path / kept.name
    for name, data in {**files_of(kept), "metadata.json": (kept / "metadata.json").read_bytes()}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data[:-9] if name == "firings/000001.parquet" else data)
    answer = ask(folder, id=1)
    assert answer.status_code == 503
    assert "firings/000001.parquet is damaged" in answer.json()["error"]


@given(st.lists(st.lists(st.integers(0, 40), max_size=6, unique=True), max_size=30), st.integers(1, 9))
def test_what_is_written_is_read_whatever_fits_into_a_row_group(rows: list[list[int]], most: int) -> None:
    token = np.array([number for number, row in enumerate(rows) for _ in row], np.int32)
    feature = np.array([one for row in rows for one in sorted(row)], np.int32)
    block = Firings.of(token, feature, np.ones(len(rows), bool))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(firings_file, "_MOST_FIRINGS", most)
        data = firings_file.to_parquet([block, block])
    read = list(firings_file.read("a file", pq.ParquetFile(BufferReader(data))))
    found = [
        part.tolist() for one in read for part in np.split(one.features, np.cumsum(one.counts)[:-1]) if len(one.counts)
    ]
    assert found == 2 * [sorted(row) for row in rows]
