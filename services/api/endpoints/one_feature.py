"""The endpoints about one feature: the original server's payload, and OpenAI's FeatureInfo."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from services.api.endpoints.shared_answers import metrics_of, with_live
from services.api.endpoints.shared_parameters import FeatureId, check_feature_id
from services.api.http.caching import OneRun
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.parameters import whole
from services.api.response_types.features import (
    FeatureInfo,
    FeatureTokens,
    LogitEffects,
    Neighbour,
    NeighboursElsewhere,
    Sequence,
    TokenEntry,
    TokenWeight,
)
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.folder_layout import LOGIT_EFFECTS, NEIGHBOURS, NEIGHBOURS_OF
from sparse_autoencoder.summaries.feature_summary import HISTOGRAM_BIN_WIDTH

Example = dict[str, Any]
_SNIPPET_CHARS = 200

endpoints = Endpoints()


class FeatureParameters(OneRun):
    """A feature and its examples."""

    id: FeatureId
    top_k: Annotated[int, whole(0, 1000)] = Field(10, description="How many examples of each sort, at most.")


@endpoints.about_runs("/api/feature")
def feature(asked: FeatureParameters, run: RunView) -> FeatureTokens:
    """A feature's strongest tokens."""
    feature_id = check_feature_id(asked.id, run)
    examples = run.feature(feature_id)["top"][: asked.top_k]
    answer: FeatureTokens = {
        "run": run.metadata.run_id,
        "feature_id": feature_id,
        "top_k": asked.top_k,
        "tokens": [_token_entry(run, example) for example in examples],
    }
    return with_live(answer, run)


@endpoints.about_runs("/api/feature_info")
def feature_info(asked: FeatureParameters, run: RunView) -> FeatureInfo:
    """Everything about a feature."""
    feature_id = check_feature_id(asked.id, run)
    record = run.feature(feature_id)
    statistics = run.statistics
    num_tokens = run.metadata.num_tokens
    count = int(statistics.count[feature_id])
    mean, mean_square, mean_cube, mean_fourth = (float(total[feature_id]) / num_tokens for total in statistics.sums)
    metrics = metrics_of(run, feature_id)
    logit_effects, no_effects = _logit_effects(run, feature_id)
    neighbours, no_neighbours = _neighbours(run, feature_id)
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
        "top": [_sequence(run, example) for example in record["top"][: asked.top_k]],
        "random": [_sequence(run, example) for example in record["random"][: asked.top_k]],
        "logit_effects": logit_effects,
        "neighbours": neighbours,
    }
    if elsewhere := _elsewhere(run, feature_id):
        answer["neighbours_elsewhere"] = elsewhere
    if missing := {key: why for key, why in (("logit_effects", no_effects), ("neighbours", no_neighbours)) if why}:
        answer["missing"] = missing
    return with_live(answer, run)


def _logit_effects(run: RunView, feature_id: int) -> tuple[LogitEffects | None, str]:
    """The feature's logit effects; if there are none, why."""
    found = run.weights.of(LOGIT_EFFECTS, feature_id)
    row = found.row
    if row is None or found.note is None:
        return None, found.missing
    return {
        "variant": found.note.what,
        "promoted": _token_weights(run, row["promoted"], row["promoted_values"]),
        "suppressed": _token_weights(run, row["suppressed"], row["suppressed_values"]),
        "histogram": {"heights": row["histogram"], "low": row["low"], "high": row["high"]},
        "mean": row["mean"],
        "std": row["std"],
        "skew": row["skew"],
        "kurtosis": row["kurtosis"],
    }, ""


def _token_weights(run: RunView, ids: list[int], values: list[float]) -> list[TokenWeight]:
    texts = run.vocabulary.strings(ids)
    return [
        {"token_id": token_id, "token": text, "value": value}
        for token_id, text, value in zip(ids, texts, values, strict=True)
    ]


def _neighbours(run: RunView, feature_id: int) -> tuple[list[Neighbour] | None, str]:
    """The feature's neighbours; if there are none, why."""
    found = run.weights.of(NEIGHBOURS, feature_id)
    return (None, found.missing) if found.row is None else (_nearest(found.row), "")


def _elsewhere(run: RunView, feature_id: int) -> NeighboursElsewhere | None:
    """The feature's neighbours in another autoencoder, if the run has any."""
    found = run.weights.of(NEIGHBOURS_OF, feature_id)
    if found.row is None or found.note is None:
        return None
    other = found.note.made_of
    return {
        "autoencoder": str(other["name"]),
        "sha256": str(other["other"]),
        "num_features": int(other["num_features"]),
        "features": _nearest(found.row),
    }


def _nearest(row: Mapping[str, Any]) -> list[Neighbour]:
    both = zip(row["neighbours"], row["cosines"], strict=True)
    return [{"feature_id": feature_id, "cosine": cosine} for feature_id, cosine in both]


def _sequence(run: RunView, example: Example) -> Sequence:
    """An example as OpenAI's viewer has it; `acts` has one entry per token, and `act == acts[idx]`."""
    acts = example["activations"]
    text = _own_text(run, example)
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
        "prompt": text,
        "prompt_tokens": example["tokens"],
        "prompt_snippet": text[:_SNIPPET_CHARS],
        "count": example["text_count"],
    }


def _token_entry(run: RunView, example: Example) -> TokenEntry:
    """An example as the original's feature_tokens.json has it."""
    position = example["position"]
    token_id = example["token_ids"][position]
    return {
        "activation": example["activation"],
        "token_str": example["tokens"][position] or run.vocabulary.strings([token_id])[0],
        "token_id": token_id,
        "token_position": position,
        "prompt_index": example["prompt_index"],
        "row_id": example["row_id"],
        "prompt_snippet": _own_text(run, example)[:_SNIPPET_CHARS],
        "prompt_tokens": example["tokens"],
    }


def _own_text(run: RunView, example: Example) -> str:
    """A window's text, without the marker before it."""
    return "".join(example["tokens"][int(run.metadata.policy.prepends_bos) :])
