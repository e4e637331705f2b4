"""Saved activations read back in parts, and what a run that is interrupted leaves of them.

That every one is there is held in test_run_oracle.py.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparse_autoencoder.activations import open_activations
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.single_process import resume, run
from sparse_autoencoder.reading import activation_matrix
from sparse_autoencoder.runs import activations_file
from sparse_autoencoder.runs.store import DirectoryStore, NotFoundError
from tests.support.runs import N_LATENTS, World, files_of, interrupted_run

pytestmark = pytest.mark.usefixtures("quick")
OPTIONS = {"save_activations": True, "skip_directions": True}


@pytest.fixture(scope="module")
def saved(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run in five chunks that saved its activations, in small row groups."""
    root = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activations_file, "_MOST", 100)
        return root / run(world.options(**OPTIONS), DirectoryStore(root)).run_id


def entries(table: pa.Table) -> list[tuple[int, int, int, float]]:
    return list(zip(*(table[name].to_pylist() for name in ("row", "token", "feature", "value")), strict=True))


def test_saving_changes_nothing_else(world: World, tmp_path: Path) -> None:
    plain, full = (
        files_of(tmp_path / run(world.options(**options), DirectoryStore(tmp_path)).run_id)
        for options in ({"skip_directions": True}, OPTIONS)
    )
    assert {name: data for name, data in full.items() if not name.startswith("activations/")} == plain
    assert len(full) > len(plain)


@pytest.mark.parametrize("name", ["activations/000002.parquet", "prompts/000003.parquet", "overview.parquet"])
def test_an_interrupted_run_leaves_the_same_bytes_when_it_went_on(world: World, tmp_path: Path, name: str) -> None:
    whole = files_of(tmp_path / run(world.options(**OPTIONS), DirectoryStore(tmp_path)).run_id)
    run_id = interrupted_run(world.options(**OPTIONS), tmp_path, name)
    resume(run_id, DirectoryStore(tmp_path))
    assert files_of(tmp_path / run_id) == whole


@pytest.mark.parametrize(
    ("features", "rows"), [([3, 30], None), (None, [0, 7, 41]), ([30, 3], range(20, 60)), (7, 12), ([], None), (1, [])]
)
def test_what_is_chosen_is_what_is_read(saved: Path, features: Any, rows: Any) -> None:
    activations = open_activations(saved)

    def within(one: int, chosen: Any) -> bool:
        return chosen is None or one in ([chosen] if isinstance(chosen, int) else chosen)

    every = entries(activations.table())
    expected = [entry for entry in every if within(entry[0], rows) and within(entry[2], features)]
    assert entries(activations.table(features, rows)) == expected
    arrays = activations.arrays(features, rows)
    assert list(
        zip(*(getattr(arrays, name).tolist() for name in ("row", "token", "feature", "value")), strict=True)
    ) == (expected)
    assert [entry for batch in activations.batches(features, rows) for entry in entries(batch)] == expected
    assert activations.pandas(features, rows)["value"].tolist() == [value for *_, value in expected]
    assert activations.num_activations() == len(every)


def test_a_matrix_of_chosen_features_and_rows_is_cut_out_of_the_whole_one(saved: Path) -> None:
    activations = open_activations(saved)
    whole, part = activations.matrix(), activations.matrix([30, 3], [0, 7, 41])
    lines = np.isin(whole.row, [0, 7, 41])
    assert part.dense().tolist() == whole.dense()[lines][:, [30, 3]].tolist()
    assert part.feature.tolist() == [30, 3]
    assert part.token.tolist() == whole.token[lines].tolist()
    assert part.shape == (lines.sum(), 2)
    assert whole.shape == (activations.num_tokens, activations.num_features)


def test_of_rows_only_their_row_groups_are_read_and_of_features_only_their_columns(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []
    whole = pq.ParquetFile.read_row_group

    def noted(file: pq.ParquetFile, group: int, columns: Any = None, **more: Any) -> pa.Table:
        if "feature" in file.schema_arrow.names:
            read.append((group, columns))
        return whole(file, group, columns, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", noted)
    activations = open_activations(saved)
    files = [pq.ParquetFile(path) for path in sorted((saved / "activations").iterdir())]
    groups = sum(file.num_row_groups for file in files)
    assert groups > 20
    activations.table(rows=[7])
    assert 0 < len(read) <= 3
    read.clear()
    counts = np.bincount(activations.arrays().feature, minlength=N_LATENTS)
    rare = int(np.where(counts > 0, counts, counts.max() + 1).argmin())
    read.clear()
    assert len(activations.table(features=rare)) == counts[rare]
    assert read.count((0, ["feature"])) == len(files)
    assert sum(columns is None for _group, columns in read) <= counts[rare] < groups


@pytest.mark.parametrize(
    ("features", "rows", "problem"),
    [
        (N_LATENTS, None, "has no feature 48: it has 0 to 47"),
        ([-1], None, "has no feature -1"),
        (None, [3, 999], "has no row 999"),
        (None, -1, "has no row -1"),
        ([1.5], None, "features are given by their ids"),
        (None, ["3"], "rows are given by their ids"),
        ([3, 3], None, "asked for twice"),
    ],
)
def test_what_the_run_lacks_is_refused(saved: Path, features: Any, rows: Any, problem: str) -> None:
    activations = open_activations(saved)
    for ask in (activations.table, activations.arrays, activations.batches, activations.matrix):
        with pytest.raises(SaescopeError, match=problem):
            ask(features, rows)


def test_a_skipped_row_has_no_activations(saved: Path) -> None:
    assert len(open_activations(saved).table(rows=3)) == 0


def test_packages_that_are_not_installed_are_named(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("polars", "pandas", "scipy", "scipy.sparse"):
        monkeypatch.setitem(sys.modules, name, None)
    activations = open_activations(saved)
    for name, ask in {
        "polars": activations.polars,
        "pandas": activations.pandas,
        "scipy": activations.matrix().scipy,
    }.items():
        with pytest.raises(SaescopeError, match=f"{name} isn't installed: pip install {name}, or take "):
            ask()


def test_a_dense_matrix_beyond_the_stated_size_names_both_sizes(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = open_activations(saved).matrix(rows=[0, 7])
    with pytest.raises(SaescopeError, match=r"take [\d.]+ k?B, more than 100 B: take fewer"):
        matrix.dense(at_most=100)
    monkeypatch.setattr(activation_matrix, "_AT_ONCE", 300)
    assert matrix.dense().tolist() == np.concatenate(list(matrix.dense_lines())).tolist()


def test_a_run_without_them_and_a_folder_without_a_run_are_refused(world: World, tmp_path: Path) -> None:
    plain = run(world.options(skip_directions=True), DirectoryStore(tmp_path)).run_id
    with pytest.raises(NotFoundError, match="run it again with --save-activations"):
        open_activations(tmp_path / plain)
    with pytest.raises(SaescopeError, match="is no run's folder: it has no metadata"):
        open_activations(tmp_path)
    going = interrupted_run(world.options(**OPTIONS), tmp_path, "prompts/000003.parquet")
    with pytest.raises(SaescopeError, match="is interrupted: its activations can be read when it is finished"):
        open_activations(tmp_path / going)


def test_a_damaged_file_and_a_missing_one_are_named(world: World, tmp_path: Path) -> None:
    folder = tmp_path / run(world.options(**OPTIONS), DirectoryStore(tmp_path)).run_id
    path = folder / "activations" / "000001.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(SaescopeError, match=r"activations/000001.parquet is damaged"):
        open_activations(folder).table()
    path.unlink()
    with pytest.raises(SaescopeError, match=r"activations/000001.parquet is missing"):
        open_activations(folder).table()
