"""What the API answers, built from a run: the original server's payloads, and OpenAI's FeatureInfo.

Pure functions of a run; nothing here knows of requests.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from services.api.run_files import RunFacts
from sparse_autoencoder.run_view import RunView
from sparse_autoencoder.summary import HISTOGRAM_BIN_WIDTH

Payload = dict[str, Any]


def run_entry(facts: RunFacts, progress: Payload | None, can: dict[str, bool]) -> Payload:
    """A run: what was asked for, what is known of it so far, and what can be done with it."""
    return {
        "id": facts.run_id,
        "status": facts.status,
        **_counts(facts),
        "error": facts.stopped.error if facts.stopped is not None else facts.metadata and facts.metadata.error,
        "created_at": _created_at(facts),
        "options": facts.options.model_dump(mode="json"),
        "progress": progress,
        "can": can,
    }


def _counts(facts: RunFacts) -> Payload:
    """What a run has and what was counted; of a run that the services work on, as far as it is merged."""
    metadata, options, merged = facts.metadata, facts.options, facts.merged
    counts: Payload = {
        "started_at": None,
        "finished_at": None,
        "seconds": None,
        "source": _source_of(facts),
        "subject": options.subject,
        "autoencoder": options.autoencoder,
        "layer_index": options.layer,
        "location": options.location,
        "num_prompts": 0,
        "num_tokens": 0,
        "num_features": None,
        "num_active_features": 0,
        "num_skipped_rows": 0,
        "skipped_rows": {},
        "failed_chunks": [],
    }
    if metadata is not None:
        counts |= metadata.model_dump(mode="json", include=counts.keys() - {"subject", "autoencoder", "source"})
        counts |= {"source": metadata.dataset_csv}
        counts |= {"subject": metadata.subject["name"], "autoencoder": metadata.autoencoder["name"]}
    if facts.request is not None:
        counts["seconds"] = None
    if merged is not None:
        rows = merged.num_records - merged.num_skipped_rows
        counts |= {"num_prompts": rows, "num_tokens": merged.num_tokens, "num_skipped_rows": merged.num_skipped_rows}
    return counts


def _source_of(facts: RunFacts) -> str | int | None:
    """The source's file as soon as it is opened, before that what was asked for."""
    described = None if facts.reading is None else facts.reading.source.get("file")
    return described or facts.options.prompt_file or facts.options.source


def _created_at(facts: RunFacts) -> str | None:
    if facts.request is not None:
        return facts.request.created_at
    return None if facts.metadata is None else facts.metadata.started_at


def progress(
    *,
    num_records: int,
    num_tokens: int,
    num_failed_chunks: int,
    total_records: int | None,
    total_is_exact: bool,
    tokens_per_s: float | None,
    seconds_left: float | None,
    workers: int | None = None,
    problem: str | None = None,
) -> Payload:
    """How far an active run is."""
    return {
        "num_records": num_records,
        "total_records": total_records,
        "total_is_exact": total_is_exact,
        "num_tokens": num_tokens,
        "tokens_per_s": None if tokens_per_s is None else round(tokens_per_s, 1),
        "workers": workers,
        "seconds_left": None if seconds_left is None else round(seconds_left),
        "num_failed_chunks": num_failed_chunks,
        "problem": problem,
    }


def features(run: RunView, metric: str, *, offset: int, limit: int, descending: bool) -> Payload:
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
        **_live(run),
    }


def feature(run: RunView, feature_id: int, top_k: int) -> Payload:
    """The original's `/api/feature`: a feature's strongest tokens."""
    examples = run.feature(feature_id)["top"][:top_k]
    return {
        "run": run.metadata.run_id,
        "feature_id": feature_id,
        "top_k": top_k,
        "tokens": [_token_entry(run, example) for example in examples],
        **_live(run),
    }


def feature_info(run: RunView, feature_id: int, top_k: int) -> Payload:
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
        **_live(run),
    }


def _live(run: RunView) -> Payload:
    """What an answer about an unfinished run says besides."""
    return {"live": True, "num_records": run.metadata.num_records} if run.live else {}


def _metrics(run: RunView, feature_id: int) -> dict[str, float]:
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


def _token_entry(run: RunView, example: Payload) -> Payload:
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
