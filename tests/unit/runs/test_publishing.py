"""Published files are cut so that one read serves one feature, and say what is missing from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline import chunk_attempts
from sparse_autoencoder.pipeline.single_process import resume, run
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.publishing import publish
from sparse_autoencoder.runs.rank_by_metric import Selection
from sparse_autoencoder.runs.saved_states import read_state
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.live_runs import entries_of
from tests.support.runs import (
    WIDTH,
    World,
    break_token,
    files_of,
    interrupted_run,
    make_world,
    one_thread,
    random_state,
    read_json,
    read_json_lines,
    read_tables,
)

N_MANY = 9 * 1024 + 37  # latents: more full files of features than are made at once, and a part of one


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


@dataclass(frozen=True)
class Many:
    """A run with so many features that they are in several files: as it is read, and its folder's records."""

    run: RunView
    files: list[str]
    records: list[dict[str, Any]]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Many:
    root = tmp_path_factory.mktemp("many")
    world = make_world(root / "world", n_rows=30)
    state = random_state(0, "ReLU", latent_bias=-4.0)
    generator = torch.Generator().manual_seed(5)
    weight = torch.empty(N_MANY, WIDTH).normal_(0, WIDTH**-0.5, generator=generator)
    state |= {"encoder.weight": weight, "decoder.weight": weight.T.clone(), "latent_bias": torch.full((N_MANY,), -4.0)}
    state |= {name: torch.zeros(N_MANY) for name in ("latents_activation_frequency", "latents_mean_square")}
    state["stats_last_nonzero"] = torch.zeros(N_MANY, dtype=torch.int64)
    torch.save(state, world.relu)
    store = DirectoryStore(root / "runs")
    metadata = run(world.options(autoencoder=world.relu), store)
    folder = store.root / metadata.run_id
    files = sorted(path.name for path in (folder / "features").iterdir())
    return Many(RunLibrary(store).newest(), files, read_tables(folder, "features"))


def test_features_are_cut_into_files_by_id(many: Many) -> None:
    assert many.files == [f"0000{number}.parquet" for number in range(10)]
    assert [record["feature_id"] for record in many.records] == list(range(N_MANY))


@pytest.mark.parametrize("feature", [0, 15, 16, 1023, 1024, 1040, 2047, 2048, N_MANY - 1])
def test_one_feature_is_read_from_its_place(many: Many, feature: int) -> None:
    record = many.records[feature]
    expected = {name: record[name] for name in ("histogram", "top", "random", "bands")}
    of_bands = [example for band in expected["bands"] for example in band["examples"]]
    for example in (*expected["top"], *expected["random"], *of_bands):  # the file has each token's string by itself
        example["tokens"] = many.run.vocabulary.joined(example["token_ids"])
    assert many.run.feature(feature) == expected


@pytest.mark.parametrize("feature", [-1, N_MANY])
def test_there_is_no_other_feature(many: Many, feature: int) -> None:
    with pytest.raises(KeyError):
        many.run.feature(feature)


def test_the_overview_says_what_all_files_of_features_say(many: Many) -> None:
    metrics = many.run.metric_descriptions
    assert entries_of(many.run.overview) == [
        {
            "count": record["num_active_tokens"],
            "sums": [record["sum_activation"], *(record[f"sum_activation_{power}"] for power in (2, 3, 4))],
            "metrics": {name: record[name] for name in metrics},
            "histogram": {entry["bin"]: entry["count"] for entry in record["histogram"]},
            "tokens": example_tokens(record),
        }
        for record in many.records
    ]


def example_tokens(record: dict[str, Any]) -> list[int]:
    """The tokens that a feature's examples are listed for, strongest first."""
    strongest: dict[int, float] = {}
    for example in record["top"] + record["random"]:
        token = example["token_ids"][example["position"]]
        strongest[token] = max(example["activation"], strongest.get(token, 0.0))
    return sorted(strongest, key=lambda token: (-strongest[token], token))


@pytest.mark.parametrize("descending", [True, False])
def test_a_ranking_holds_every_feature_that_fired_and_no_other(many: Many, descending: bool) -> None:
    fired = [record for record in many.records if record["num_active_tokens"]]
    assert 0 < len(fired) < N_MANY
    sign = -1 if descending else 1
    expected = sorted(fired, key=lambda record: (sign * record["max_activation"], record["feature_id"]))
    ranking = many.run.ranking(Selection("max_activation", descending))
    assert ranking.tolist() == [record["feature_id"] for record in expected]


# A model that can't compute one token: chunks with it fail, as they would where memory runs out.


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(chunk_attempts, "PAUSE_S", 0.0)
    world = make_world(tmp_path / "world")
    break_token(world, "#")
    return world


def test_a_chunk_that_can_not_be_encoded_is_listed_and_the_run_goes_on(broken: World, tmp_path: Path) -> None:
    metadata = run(broken.options(), DirectoryStore(tmp_path / "runs"))
    assert metadata.status == "completed_with_errors"
    (failed,) = metadata.failed_chunks
    assert (failed.chunk, failed.first_row, failed.last_row, failed.num_rows) == (1, 20, 39, 20)
    assert failed.error.startswith("the autoencoder's activations are not finite")
    rows = [row["row_id"] for row in read_json_lines(tmp_path / "runs" / metadata.run_id, "prompts.jsonl")]
    assert len(rows) == metadata.num_prompts == 64  # of 90, less 20 that failed and 6 skipped ones
    assert [row for row in rows if 20 <= row < 40] == []


def test_the_rest_of_such_a_run_is_what_a_run_without_the_failed_rows_gives(broken: World, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "runs")
    damaged = tmp_path / "runs" / run(broken.options(), store).run_id
    lines = broken.rows.read_text().splitlines()
    # rows that are skipped keep the others' ids and chunks
    broken.rows.write_text("\n".join(["{}" if 20 <= row < 40 else line for row, line in enumerate(lines)]) + "\n")
    without = tmp_path / "runs" / run(broken.options(text_column="title"), store).run_id
    for name in ("feature_stats.json", "feature_tokens.json", "features/00000.parquet", "prompts.jsonl"):
        assert (damaged / name).read_bytes() == (without / name).read_bytes()


def test_a_failed_chunk_is_listed_once_though_the_run_was_interrupted(broken: World, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "runs")
    undisturbed = run(broken.options(), store)
    stopped = interrupted_run(broken.options(), store.root, "prompts/000003.parquet")
    metadata = resume(stopped, store)
    assert metadata.failed_chunks == undisturbed.failed_chunks
    assert files_of(store.root / stopped) == files_of(store.root / undisturbed.run_id)


def test_a_run_of_which_every_chunk_fails_is_an_error_that_says_why(broken: World, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "runs")
    with pytest.raises(SaescopeError, match="no chunk could be encoded: the autoencoder's activations are not finite"):
        run(broken.options(chunk_size=1000), store)
    (metadata,) = RunLibrary(store).all()
    assert metadata.status == "failed"
    assert read_json(store.root / metadata.run_id, "metadata.json")["error"].startswith("no chunk could be encoded")


def test_an_example_whose_row_is_missing_is_an_error_that_names_it(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world")
    store = DirectoryStore(tmp_path / "runs")
    folder = RunFolder(store, interrupted_run(world.options(), store.root, "feature_stats.json"))
    metadata = folder.read_metadata()
    state = read_state(folder, metadata.spec).state
    publish(folder, metadata, state, state.encoded_chunks)
    with pytest.raises(SaescopeError, match=r"the prompts files lack row \d+, which an example shows"):
        publish(folder, metadata, state, state.encoded_chunks[1:])
