"""Writes a run's published files from its merged summary and its prompts files.

1. Read the prompts files once, in order. Write prompts.jsonl and skipped.jsonl, count how often the examples' texts
   occur, and collect the examples' tokens.
2. Write features/*.parquet, the two JSON files of the original scripts, text_sums.parquet, positions.parquet
   and overview.parquet.
3. Merge the chunks' token tables, and write features_by_token.parquet and tokens_by_feature.parquet.

Memory is bounded by features times examples. Interrupting and resuming the run doesn't change a byte of these files.
"""

import json
from collections.abc import Iterable
from typing import Any, BinaryIO

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs import positions_file, text_sums_file
from sparse_autoencoder.runs.example_windows import ExampleWindows
from sparse_autoencoder.runs.features_file_writer import FeatureWriter
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.format_version import FORMAT
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.overview_file import Statistics, overview_of
from sparse_autoencoder.runs.rank_by_metric import ranked
from sparse_autoencoder.runs.rows_file_format import json_rows, read_rows
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.temporary_files import temporary_file
from sparse_autoencoder.runs.token_table_publishing import publish_token_table
from sparse_autoencoder.summaries.feature_metrics import FEATURE_METRICS
from sparse_autoencoder.summaries.feature_summary import Summary


def check_outcome(metadata: RunMetadata, state: RunState) -> None:
    """Raise SaescopeError, with the reasons, if no row was usable, so that there is nothing to publish."""
    if state.num_prompts:
        return
    if state.failed_chunks:
        raise SaescopeError(f"no chunk could be encoded: {state.failed_chunks[0].error}")
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in state.skipped.most_common())
    raise SaescopeError(
        f"none of the {state.num_records:,} rows of {metadata.dataset_csv} has usable text ({reasons}); "
        "choose another --source or --text-column"
    )


def publish(folder: RunFolder, metadata: RunMetadata, state: RunState, chunks: Iterable[int]) -> None:
    """Write all published files except metadata.json; `chunks` are the numbers of the prompts files, in order."""
    summary = state.summary
    windows = ExampleWindows(summary, metadata)
    chunks = list(chunks)
    with temporary_file() as prompts, temporary_file() as skipped:
        for chunk in chunks:
            rows = read_rows(folder.store.get(folder.prompts(chunk)), metadata.policy)
            _write_lines(prompts, json_rows(rows))
            _write_lines(skipped, ({"row_id": row_id, "reason": reason} for row_id, reason in rows.skipped))
            windows.add(rows)
        for name, file in (("prompts.jsonl", prompts), ("skipped.jsonl", skipped)):
            file.seek(0)
            folder.store.put(folder.key(name), file)
    overview = overview_of(summary)
    writer = FeatureWriter(summary, overview, windows, folder.read_vocabulary(), metadata)
    for number, data in enumerate(writer.files()):
        folder.store.put(folder.features(number), data)
    top_features = _top_features(overview.statistics, metadata.options.top_feature_count)
    _put_json(folder, "feature_stats.json", _feature_stats(summary, overview.statistics, top_features, metadata))
    listed = sorted({feature for features in top_features.values() for feature in features})
    _put_json(folder, "feature_tokens.json", writer.feature_tokens(listed))
    folder.store.put(folder.text_sums, text_sums_file.to_parquet(state.text_sums))
    folder.store.put(folder.positions, positions_file.to_parquet(summary.positions))
    folder.store.put(folder.overview, overview.to_parquet())
    publish_token_table(folder, summary, metadata.policy, chunks)


def _top_features(statistics: Statistics, how_many: int) -> dict[str, list[int]]:
    """For each metric, the first `how_many` features among those that fired."""
    orders = {name: ranked(values) for name, values in statistics.metrics.items()}
    return {name: order[statistics.count[order] > 0][:how_many].tolist() for name, order in orders.items()}


def _feature_stats(
    summary: Summary, statistics: Statistics, top_features: dict[str, list[int]], metadata: RunMetadata
) -> dict[str, Any]:
    """The content of feature_stats.json, in the original's format."""
    descriptions = {metric.name: metric.description for metric in FEATURE_METRICS}
    mean_squares = summary.totals().mean(summary.sum2)
    return {
        "format_version": FORMAT,
        "num_features": summary.spec.n_features,
        "total_tokens": summary.num_tokens,
        "top_feature_count": metadata.top_feature_count,
        "metrics": {
            name: {
                "description": descriptions[name],
                "top_features": [
                    {
                        "feature_id": feature,
                        "value": float(statistics.metrics[name][feature]),
                        "metrics": {other: float(values[feature]) for other, values in statistics.metrics.items()},
                    }
                    for feature in features
                ],
            }
            for name, features in top_features.items()
        },
        "mean_act_squared": mean_squares.tolist(),
    }


def _write_lines(file: BinaryIO, entries: Iterable[dict[str, Any]]) -> None:
    encode = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make an encoder for each entry
    file.writelines(encode(entry).encode() + b"\n" for entry in entries)


def _put_json(folder: RunFolder, name: str, content: dict[str, Any]) -> None:
    folder.store.put(folder.key(name), json.dumps(content, ensure_ascii=False).encode())
