"""What the API answers, built from a run: the original server's payloads, and OpenAI's FeatureInfo.

Pure functions of a run; nothing here knows of requests.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sparse_autoencoder.reading import PublishedRun
from sparse_autoencoder.runs import RunMetadata
from sparse_autoencoder.summary import HISTOGRAM_BIN_WIDTH

Payload = dict[str, Any]


def run_entry(metadata: RunMetadata) -> Payload:
    """A run in the list of runs."""
    return {
        "id": metadata.run_id,
        "status": metadata.status,
        "error": metadata.error,
        "started_at": metadata.started_at,
        "source": metadata.dataset_csv,
        "subject": metadata.subject["name"],
        "autoencoder": metadata.autoencoder["name"],
        "layer_index": metadata.layer_index,
        "location": metadata.location,
        "num_prompts": metadata.num_prompts,
        "num_tokens": metadata.num_tokens,
        "num_features": metadata.num_features,
        "num_active_features": metadata.num_active_features,
        "num_skipped_rows": metadata.num_skipped_rows,
    }


def features(run: PublishedRun, metric: str, *, offset: int, limit: int, descending: bool) -> Payload:
    """A stretch of the ranking of all features that fired."""
    ranking = run.ranking(metric, descending=descending)
    return {
        "run": run.metadata.run_id,
        "features": [
            {"feature_id": feature, "value": values[metric], "metrics": values}
            for feature in ranking[offset : offset + limit].tolist()
            for values in [_metrics(run, feature)]
        ],
        "metric": metric,
        "metrics_available": list(run.metric_descriptions),
        "metric_descriptions": run.metric_descriptions,
        "num_features": run.metadata.num_features,
        "num_active_features": len(ranking),
        "num_tokens": run.metadata.num_tokens,
        "offset": offset,
        "limit": limit,
    }


def feature(run: PublishedRun, feature_id: int, top_k: int) -> Payload:
    """The original's `/api/feature`: a feature's strongest tokens."""
    examples = run.feature(feature_id)["top"][:top_k]
    return {
        "run": run.metadata.run_id,
        "feature_id": feature_id,
        "top_k": top_k,
        "tokens": [_token_entry(run, example) for example in examples],
    }


def feature_info(run: PublishedRun, feature_id: int, top_k: int) -> Payload:
    """OpenAI's FeatureInfo, with a few more keys."""
    record = run.feature(feature_id)
    statistics = run.statistics
    num_tokens = run.metadata.num_tokens
    count = int(statistics.count[feature_id])
    mean, mean_square, mean_cube, mean_fourth = (float(total[feature_id]) / num_tokens for total in statistics.sums)
    metrics = _metrics(run, feature_id)
    return {
        "run": run.metadata.run_id,
        "feature_id": feature_id,
        "density": count / num_tokens,
        "mean_act": mean,
        "mean_act_squared": mean_square,
        "max_act": metrics["max_activation"],
        "skew": mean_cube / mean_square**1.5 if mean_square else 0.0,
        "kurtosis": mean_fourth / mean_square**2 if mean_square else 0.0,
        "num_active_tokens": count,
        "num_tokens": num_tokens,
        "metrics": metrics,
        "bin_width": HISTOGRAM_BIN_WIDTH,
        "hist": {str(entry["bin"]): entry["count"] for entry in record["histogram"]},
        "top": [_sequence(example) for example in record["top"][:top_k]],
        "random": [_sequence(example) for example in record["random"][:top_k]],
    }


def _metrics(run: PublishedRun, feature_id: int) -> dict[str, float]:
    return {name: float(values[feature_id]) for name, values in run.statistics.metrics.items()}


def _sequence(example: Payload) -> Payload:
    """An example as OpenAI's viewer has it; `acts` has one entry per token, and `act == acts[idx]`."""
    acts = example["activations"]
    return {
        "density": float(np.count_nonzero(acts)) / len(acts),
        "doc_id": example["row_id"],
        "row_id": example["row_id"],
        "offset": example["window_offset"],
        "idx": example["position"],
        "act": acts[example["position"]],
        "acts": acts,
        "tokens": example["tokens"],
        "token_ints": example["token_ids"],
        "count": example["text_count"],
    }


def _token_entry(run: PublishedRun, example: Payload) -> Payload:
    """An example as the original's feature_tokens.json has it."""
    position = example["position"]
    own_tokens = example["tokens"][int(run.metadata.policy.prepends_bos) :]
    return {
        "activation": example["activation"],
        "token_str": example["tokens"][position],
        "token_id": example["token_ids"][position],
        "token_position": position,
        "prompt_index": example["prompt_index"],
        "row_id": example["row_id"],
        "prompt_snippet": "".join(own_tokens)[:200],
        "prompt_tokens": example["tokens"],
    }
