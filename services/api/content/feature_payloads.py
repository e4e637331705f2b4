"""What the API answers, built from a run: the original server's payloads, and OpenAI's FeatureInfo.

Pure functions of a run; nothing here knows of requests.
"""

from __future__ import annotations

from typing import Any, TypeVar

from services.api.response_types.features import FeatureInfo, FeatureTokens, Live, Sequence, TokenEntry
from services.api.response_types.runs import Can, FailedChunk, Progress, Run
from services.api.runs.run_facts import RunFacts
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs import run_state
from sparse_autoencoder.summaries.feature_summary import HISTOGRAM_BIN_WIDTH

Payload = dict[str, Any]
A = TypeVar("A", bound=Live)


def run_entry(facts: RunFacts, progress: Progress | None, can: Can) -> Run:
    """A run: what was asked for, what is known of it so far, and what can be done with it."""
    options, metadata = facts.options, facts.metadata
    entry: Run = {
        "id": facts.run_id,
        "status": facts.status,
        "error": None,
        "created_at": None,
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
        "retry_from": facts.retry_from if can["retry"] or facts.request is not None else None,
        "options": options.model_dump(mode="json"),
        "progress": progress,
        "can": can,
    }
    if metadata is not None:
        entry |= {
            "error": metadata.error,
            "created_at": metadata.started_at,
            "started_at": metadata.started_at,
            "finished_at": metadata.finished_at,
            "seconds": metadata.seconds,
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
            "skipped_rows": metadata.skipped_rows,
            "failed_chunks": [_failed_chunk(chunk) for chunk in metadata.failed_chunks],
        }
    if facts.request is not None:
        entry |= {"created_at": facts.request.created_at, "seconds": None}
        if facts.retry_from is not None:  # its plan has the counts of when it was finished
            entry |= {"num_prompts": 0, "num_tokens": 0, "num_active_features": 0}
            entry |= {"num_skipped_rows": 0, "skipped_rows": {}}
    if facts.merged is not None:  # the services work on it, and have come so far
        merged = facts.merged
        rows = merged.num_records - merged.num_skipped_rows
        entry |= {"num_prompts": rows, "num_tokens": merged.num_tokens, "num_skipped_rows": merged.num_skipped_rows}
    if facts.stopped is not None:
        entry["error"] = facts.stopped.error
    return entry


def _failed_chunk(chunk: run_state.FailedChunk) -> FailedChunk:
    return {
        "chunk": chunk.chunk,
        "first_row": chunk.first_row,
        "last_row": chunk.last_row,
        "num_rows": chunk.num_rows,
        "error": chunk.error,
    }


def _source_of(facts: RunFacts) -> str | None:
    """The source's file as soon as it is opened, before that what was asked for."""
    described = None if facts.reading is None else facts.reading.source.get("file")
    return str(described) if described else facts.options.prompt_file or facts.options.source


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
) -> Progress:
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


def feature(run: RunView, feature_id: int, top_k: int) -> FeatureTokens:
    """The original's `/api/feature`: a feature's strongest tokens."""
    examples = run.feature(feature_id)["top"][:top_k]
    answer: FeatureTokens = {
        "run": run.metadata.run_id,
        "feature_id": feature_id,
        "top_k": top_k,
        "tokens": [_token_entry(run, example) for example in examples],
    }
    return with_live(answer, run)


def feature_info(run: RunView, feature_id: int, top_k: int) -> FeatureInfo:
    """OpenAI's FeatureInfo, with a few more keys."""
    record = run.feature(feature_id)
    statistics = run.statistics
    num_tokens = run.metadata.num_tokens
    count = int(statistics.count[feature_id])
    mean, mean_square, mean_cube, mean_fourth = (float(total[feature_id]) / num_tokens for total in statistics.sums)
    metrics = metrics_of(run, feature_id)
    answer: FeatureInfo = {
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
    return with_live(answer, run)


def with_live(answer: A, run: RunView) -> A:
    """The answer, with what one about an unfinished run says besides."""
    if run.live:
        answer["live"] = True
        answer["num_records"] = run.metadata.num_records
    return answer


def metrics_of(run: RunView, feature_id: int) -> dict[str, float]:
    """A feature's value by each metric."""
    return {name: float(values[feature_id]) for name, values in run.statistics.metrics.items()}


def _sequence(example: Payload) -> Sequence:
    """An example as OpenAI's viewer has it; `acts` has one entry per token, and `act == acts[idx]`."""
    acts = example["activations"]
    return {
        "density": (len(acts) - acts.count(0.0)) / len(acts),
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


def _token_entry(run: RunView, example: Payload) -> TokenEntry:
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
