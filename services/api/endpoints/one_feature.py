"""The endpoints about one feature: the original server's payload, and OpenAI's FeatureInfo."""

import math
from typing import Annotated, Any

from pydantic import Field

from services.api.endpoints.shared_answers import metrics_of, with_live
from services.api.endpoints.shared_answers_about_positions import positions_of
from services.api.endpoints.shared_answers_about_tokens import feature_tokens, not_firing, token_spread
from services.api.endpoints.shared_answers_about_weights import logit_effects, neighbours, neighbours_elsewhere
from services.api.endpoints.shared_parameters import FeatureId, check_feature_id
from services.api.http.caching import OneRun
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.parameters import whole
from services.api.response_types.one_feature import Band, FeatureInfo, FeatureTokens, Sequence, TokenEntry
from sparse_autoencoder.data.row_sets import HALVES
from sparse_autoencoder.reading.moments import moments_of
from sparse_autoencoder.reading.neuronpedia import address_at_neuronpedia
from sparse_autoencoder.reading.run_view import RunView
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
    moments = moments_of(run, feature_id)
    metrics = metrics_of(run, feature_id)
    effects, no_effects = logit_effects(run, feature_id)
    nearest, no_neighbours = neighbours(run, feature_id)
    answer: FeatureInfo = {
        "run": run.metadata.run_id,
        "feature_id": feature_id,
        "density": moments.density,
        "mean_act": moments.mean,
        "mean_act_squared": moments.mean_square,
        "max_act": metrics["max_activation"],
        "skew": moments.skew,
        "kurtosis": moments.kurtosis,
        "num_active_tokens": int(run.statistics.count[feature_id]),
        "num_tokens": run.metadata.num_tokens,
        "metrics": metrics,
        "bin_width": HISTOGRAM_BIN_WIDTH,
        "hist": {str(entry["bin"]): entry["count"] for entry in record["histogram"]},
        "top": [_sequence(run, example) for example in record["top"][: asked.top_k]],
        "random": [_sequence(run, example) for example in record["random"][: asked.top_k]],
        "logit_effects": effects,
        "neighbours": nearest,
    }
    if run.text_sums is not None:
        texts = run.text_sums.sums
        answer["num_active_texts"] = int(texts.texts[:HALVES, feature_id].sum())
        answer["num_texts"] = int(texts.num_texts[:HALVES].sum())
    if "bands" in record:
        answer["bands"] = [_band(run, band, asked.top_k) for band in record["bands"]]
    if run.positions is not None:
        answer["positions"] = positions_of(run.positions, feature_id)
    tokens = run.tokens_of(feature_id)
    if tokens is not None:
        answer["tokens"] = feature_tokens(run, tokens)
        answer["token_spread"] = token_spread(tokens)
        if "not_firing" in tokens:
            answer["not_firing"] = not_firing(run, tokens)
    elsewhere, no_elsewhere = neighbours_elsewhere(run, feature_id)
    if elsewhere is not None:
        answer["neighbours_elsewhere"] = elsewhere
    if (url := address_at_neuronpedia(run.metadata, feature_id)) is not None:
        answer["elsewhere"] = [{"site": "Neuronpedia", "url": url, "verified": False}]
    whys = {"logit_effects": no_effects, "neighbours": no_neighbours, "neighbours_elsewhere": no_elsewhere}
    if missing := {key: why for key, why in whys.items() if why}:
        answer["missing"] = missing
    return with_live(answer, run)


def _band(run: RunView, band: dict[str, Any], top_k: int) -> Band:
    return {
        "above": band["above"],
        "up_to": band["up_to"] if math.isfinite(band["up_to"]) else None,
        "num_active_tokens": band["count"],
        "examples": [_sequence(run, example) for example in band["examples"][:top_k]],
    }


def _sequence(run: RunView, example: Example) -> Sequence:
    """An example as OpenAI's viewer has it; `acts` has one entry per token, and `act == acts[idx]`."""
    acts, policy = example["activations"], run.metadata.policy
    text = _own_text(run, example)
    return {
        "density": (len(acts) - acts.count(0.0)) / len(acts),
        "doc_id": example["row_id"],
        "row_id": example["row_id"],
        "offset": example["window_offset"],
        "first_counted": policy.first_counted_later if example["window_offset"] else policy.first_counted,
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
