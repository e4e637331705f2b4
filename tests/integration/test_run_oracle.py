"""Whole runs against a brute-force oracle: what is in the published files is what is in the text.

The oracle takes hidden states from Hugging Face's GPT-2 in float64, one window at a time, computes all latents by the
autoencoder's formula, and goes through them with Python loops. Activations are stored as float32, so its latents are
rounded to that; from there on counts, bins and examples must be the same exactly.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sparse_autoencoder.activations import open_activations
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.rows_file_format import FEATURES_PER_ROW
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.oracle import (
    OracleWindow,
    firings_by_position,
    place_of,
    strongest_of_row,
)
from tests.support.oracle_cases import PER_FEATURE, Case, options_of
from tests.support.reference import SKIPPED, Reference, token_text
from tests.support.runs import (
    DEAD,
    MAX_TOKENS,
    N_LATENTS,
    World,
    feature_of,
    files_of,
    read_json,
    read_json_lines,
    read_tables,
)

pytestmark = pytest.mark.usefixtures("quick")


def test_the_rows_exercise_what_the_tests_are_about(reference: Reference) -> None:
    rows = reference.rows("topk", "exclude", "split")
    texts = Counter(tuple(window.tokens) for row in rows for window in row.windows)
    assert sum(count > 1 for count in texts.values()) > 5
    assert sum(len(row.windows) > 2 for row in rows) > 5
    assert {reason for text, reason in SKIPPED.items() if text in reference.texts} == set(SKIPPED.values())


def test_every_feature_equals_the_oracle(case: Case) -> None:
    records = read_tables(case.folder, "features")
    assert [record["feature_id"] for record in records] == list(range(N_LATENTS))
    for record in records:
        expected = case.feature(record["feature_id"])
        sums, expected.sums = expected.sums, []
        assert feature_of(record, MAX_TOKENS - case.bos - case.context) == expected
        found = [record[name] for name in ("sum_activation", *(f"sum_activation_{power}" for power in (2, 3, 4)))]
        assert found == pytest.approx([float(total) for total in sums], rel=1e-9, abs=0)


def test_examples_show_their_window_and_how_often_its_text_occurs(case: Case) -> None:
    windows = {(window.row_id, window.number): window for window in case.windows}
    texts = Counter(window.text for window in case.windows)
    lines = {row.row_id: line for line, row in enumerate(case.rows)}
    shown = [
        example for record in read_tables(case.folder, "features")
        for examples in (record["top"], record["random"], *(band["examples"] for band in record["bands"]))
        for example in examples
    ]  # fmt: skip
    assert len(shown) > N_LATENTS
    for example in shown:
        window = windows[example["row_id"], example["window_offset"] // (MAX_TOKENS - case.bos - case.context)]
        assert example["window_offset"] == window.begin
        assert example["token_ids"] == window.tokens
        assert example["tokens"] == [token_text(token) for token in window.tokens]
        assert example["text_count"] == texts[window.text]
        assert example["prompt_index"] == lines[example["row_id"]]


def test_bands_hold_each_activation_once_between_their_edges(case: Case) -> None:
    latents = case.counted()
    for record in read_tables(case.folder, "features"):
        own = latents[:, record["feature_id"]]
        for band in record["bands"]:
            bins = np.ceil(own[own > 0] / 0.2)
            inside = (bins > round(band["above"] / 0.2)) & (bins <= round(band["up_to"] / 0.2))
            assert band["count"] == inside.sum() > 0
            for example in band["examples"]:
                assert band["above"] < example["activation"] <= band["up_to"] * (1 + 1e-6)
        assert sum(band["count"] for band in record["bands"]) == record["num_active_tokens"]
        assert all(one["up_to"] <= other["above"] for one, other in pairwise(record["bands"]))


def test_positions_say_where_in_windows_features_fire(case: Case) -> None:
    table = pq.read_table(case.folder / "positions.parquet")
    tokens = json.loads(table.schema.metadata[b"saescope.tokens"])
    places = Counter(
        place_of(window, position) for window in case.windows for position in window.counted(case.first_counted)
    )
    assert tokens == {name: places[kind, int(first)] for name in tokens for kind, first in [name.split("_")]}
    for feature, record in enumerate(table.to_pylist()):
        expected = firings_by_position(case.windows, feature, case.first_counted)
        assert record == {name: expected[kind, int(first)] for name in tokens for kind, first in [name.split("_")]}


def test_features_that_never_fire_have_nothing_but_zeros(case: Case) -> None:
    records = read_tables(case.folder, "features")
    for feature in DEAD:
        record = records[feature]
        assert record.pop("feature_id") == feature
        assert all(value in (0, []) for value in record.values())


def test_metrics_equal_their_formulas_over_the_dense_latents(case: Case) -> None:
    a = case.counted()
    with np.errstate(invalid="ignore"):
        expected = {
            "mean_activation": a.mean(0),
            "max_activation": a.max(0),
            "fraction_active": (a > 0).mean(0),
            "mean_when_active": a.sum(0) / (a > 0).sum(0),
            "std": a.std(0),
            "skew": (a**3).mean(0) / (a**2).mean(0) ** 1.5,
            "kurtosis": (a**4).mean(0) / (a**2).mean(0) ** 2,
        }
    records = read_tables(case.folder, "features")
    assert list(expected) == [metric["name"] for metric in case.metadata.metrics]
    for name, values in expected.items():
        found = [record[name] for record in records]
        assert found == pytest.approx(np.nan_to_num(values).tolist(), rel=1e-9, abs=0)


def place_in_row(case: Case, window: OracleWindow, position: int) -> int:
    """A token's place in its row; -1 for the marker of the row's first window, -2 for that of its second one, …"""
    return -1 - window.number if position < case.bos else window.begin + position - case.bos


def test_every_activation_is_saved_in_order(case: Case) -> None:
    found = [tuple(record.values()) for record in read_tables(case.folder, "activations")]
    assert found == [
        (window.row_id, place_in_row(case, window, position), feature, value)
        for window in case.windows
        for position in window.counted(case.first_counted)
        for feature, value in enumerate(window.latents[position].tolist())
        if value > 0
    ]


def test_saved_activations_summed_up_again_equal_the_statistics_of_every_feature(case: Case) -> None:
    chunks = [pq.read_table(path) for path in sorted((case.folder / "activations").iterdir())]
    for record in read_tables(case.folder, "features"):
        sums, values = np.zeros(4), np.zeros(0)
        for chunk in chunks:
            own = chunk["value"].to_numpy()[chunk["feature"].to_numpy() == record["feature_id"]].astype(np.float64)
            values = np.concatenate([values, own])
            powers = (own, own * own, own * own * own, own * own * own * own)
            sums += [math.fsum(power) for power in powers]  # chunk by chunk, as runs are merged
        assert record["num_active_tokens"] == len(values)
        assert record["max_activation"] == max(values, default=0)
        bins = Counter(math.ceil(value / 0.2) for value in values)
        assert {entry["bin"]: entry["count"] for entry in record["histogram"]} == bins
        found = [record[name] for name in ("sum_activation", *(f"sum_activation_{power}" for power in (2, 3, 4)))]
        assert found == sums.tolist()


def test_a_matrix_of_saved_activations_has_a_line_for_each_counted_token(case: Case) -> None:
    matrix = open_activations(case.folder).matrix()
    assert matrix.dense().tolist() == case.counted().tolist()
    assert list(zip(matrix.row.tolist(), matrix.token.tolist(), strict=True)) == [
        (window.row_id, place_in_row(case, window, position))
        for window in case.windows
        for position in window.counted(case.first_counted)
    ]


def test_feature_stats_rank_the_features_that_fired(case: Case) -> None:
    stats = read_json(case.folder, "feature_stats.json")
    records = read_tables(case.folder, "features")
    names = [metric["name"] for metric in case.metadata.metrics]
    assert stats["num_features"] == N_LATENTS
    assert stats["total_tokens"] == len(case.counted())
    assert stats["top_feature_count"] == 10
    assert stats["mean_act_squared"] == pytest.approx((case.counted() ** 2).mean(0).tolist(), rel=1e-9, abs=0)
    assert list(stats["metrics"]) == names
    for name in names:
        fired = [record for record in records if record["num_active_tokens"]]
        ranked = sorted(fired, key=lambda record: (-record[name], record["feature_id"]))[:10]
        assert stats["metrics"][name]["top_features"] == [
            {
                "feature_id": record["feature_id"],
                "value": record[name],
                "metrics": {other: record[other] for other in names},
            }
            for record in ranked
        ]


def test_feature_tokens_hold_the_top_examples_of_every_listed_feature(case: Case) -> None:
    stats = read_json(case.folder, "feature_stats.json")
    listed = {entry["feature_id"] for metric in stats["metrics"].values() for entry in metric["top_features"]}
    tokens = read_json(case.folder, "feature_tokens.json")
    assert tokens["top_tokens_per_feature"] == PER_FEATURE
    assert list(tokens["features"]) == [str(feature) for feature in sorted(listed)]
    windows = {(window.row_id, window.number): window.tokens for window in case.windows}
    lines = {row.row_id: (line, row.text) for line, row in enumerate(case.rows)}
    for feature in listed:
        expected = []
        for example in case.feature(feature).top:
            window = windows[example.row_id, example.window]
            line, text = lines[example.row_id]
            expected.append(
                {
                    "activation": example.value,
                    "token_str": token_text(window[example.position]),
                    "token_id": window[example.position],
                    "token_position": example.position,
                    "prompt_index": line,
                    "row_id": example.row_id,
                    "prompt_snippet": text[:200],
                    "prompt_tokens": [token_text(token) for token in window],
                }
            )
        assert tokens["features"][str(feature)] == expected


def test_prompts_list_every_usable_row_with_the_tokens_the_model_saw(case: Case) -> None:
    assert read_json_lines(case.folder, "prompts.jsonl") == [
        {"row_id": row.row_id, "seq_len": sum(len(window.tokens) for window in row.windows), "prompt": row.text}
        for row in case.rows
    ]


def test_every_row_has_its_tokens_and_its_strongest_features(case: Case) -> None:
    records = [record for record in read_tables(case.folder, "prompts") if record["skipped"] is None]
    for record, row in zip(records, case.rows, strict=True):
        assert (record["row_id"], record["text"], record["tokens"]) == (row.row_id, row.text, row.tokens)
        found = [(entry["feature_id"], entry["activation"], entry["token"]) for entry in record["features"]]
        assert found == strongest_of_row(row.windows, case.first_counted, case.bos, FEATURES_PER_ROW)


def test_skipped_rows_are_counted_and_listed_with_the_reason(case: Case, reference: Reference) -> None:
    expected = [(row_id, SKIPPED[text]) for row_id, text in enumerate(reference.texts) if text in SKIPPED]
    listed = [(entry["row_id"], entry["reason"]) for entry in read_json_lines(case.folder, "skipped.jsonl")]
    in_table = [
        (record["row_id"], record["skipped"])
        for record in read_tables(case.folder, "prompts")
        if record["skipped"] is not None
    ]
    assert listed == in_table == expected
    assert case.metadata.skipped_rows == Counter(reason for _row_id, reason in expected)


def test_metadata_counts_what_was_read(case: Case, reference: Reference) -> None:
    metadata = case.metadata
    assert metadata.status == "complete"
    assert metadata.num_records == len(reference.texts)
    assert metadata.num_prompts == len(case.rows)
    assert metadata.num_windows == len(case.windows)
    assert metadata.num_tokens == len(case.counted())
    assert metadata.num_active_features == (case.counted() > 0).any(0).sum()
    assert RunMetadata.model_validate(read_json(case.folder, "metadata.json")) == metadata


@pytest.mark.parametrize("autoencoder", ["topk", "relu"])
def test_the_size_of_chunks_changes_nothing_but_rounding(world: World, tmp_path: Path, autoencoder: str) -> None:
    runs = []
    for chunk_size in (1000, 7, 1):
        options = options_of(world, autoencoder, "exclude", "split", chunk_size=chunk_size)
        runs.append(tmp_path / run(options, DirectoryStore(tmp_path)).run_id)
    whole = read_tables(runs[0], "features")
    for other in runs[1:]:
        for expected, record in zip(whole, read_tables(other, "features"), strict=True):
            assert list(record) == list(expected)
            for name, value in expected.items():
                assert record[name] == (pytest.approx(value, rel=1e-12, abs=0) if isinstance(value, float) else value)
        for name in ("prompts.jsonl", "skipped.jsonl", "features_by_token.parquet", "tokens_by_feature.parquet"):
            assert (other / name).read_bytes() == (runs[0] / name).read_bytes()
        assert read_tables(other, "prompts") == read_tables(runs[0], "prompts")


def test_another_seed_draws_other_random_examples_and_changes_nothing_else(world: World, tmp_path: Path) -> None:
    options = [options_of(world, "topk", "exclude", "split", seed=seed) for seed in (1, 2)]
    first, second = (tmp_path / run(settings, DirectoryStore(tmp_path)).run_id for settings in options)
    differ = [name for name, data in files_of(first).items() if files_of(second)[name] != data]
    assert differ == ["features/00000.parquet", "overview.parquet", "tokens_by_feature.parquet"]
    tables = [read_tables(folder, "features") for folder in (first, second)]
    bands = [[record.pop("bands") for record in table] for table in tables]
    assert [[(band["above"], band["count"]) for band in record] for record in bands[0]] == [
        [(band["above"], band["count"]) for band in record] for record in bands[1]
    ]
    randoms = [[record.pop("random") for record in table] for table in tables]
    assert tables[0] == tables[1]
    assert randoms[0] != randoms[1]
