"""What is said of a feature by the weights alone: its effect on the logits, and the directions near its own."""

from collections.abc import Mapping
from typing import Any

from services.api.endpoints.shared_answers import token_chips
from services.api.response_types.weights import LogitEffects, Neighbour, NeighboursElsewhere, TokenWeight
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.folder_layout import LOGIT_EFFECTS, NEIGHBOURS, NEIGHBOURS_OF
from sparse_autoencoder.runs.weights_notes import names_of


def logit_effects(run: RunView, feature_id: int) -> tuple[LogitEffects | None, str]:
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


def neighbours(run: RunView, feature_id: int) -> tuple[list[Neighbour] | None, str]:
    """The feature's neighbours with tokens that they fire on; if there are none, why."""
    found = run.weights.of(NEIGHBOURS, feature_id)
    if found.row is None:
        return None, found.missing
    return [{**one, "tokens": token_chips(run, one["feature_id"])} for one in _nearest(found.row)], ""


def neighbours_elsewhere(run: RunView, feature_id: int) -> tuple[NeighboursElsewhere | None, str]:
    """The feature's neighbours in another autoencoder; if there are none though the run was asked for them, why."""
    if NEIGHBOURS_OF not in names_of(run.metadata.options):
        return None, ""
    found = run.weights.of(NEIGHBOURS_OF, feature_id)
    if found.row is None or found.note is None:
        return None, found.missing
    other = found.note.made_of
    nearest: NeighboursElsewhere = {
        "autoencoder": str(other["name"]),
        "sha256": str(other["other"]),
        "num_features": int(other["num_features"]),
        "features": _nearest(found.row),
    }
    return nearest, ""


def _nearest(row: Mapping[str, Any]) -> list[Neighbour]:
    both = zip(row["neighbours"], row["cosines"], strict=True)
    return [{"feature_id": feature_id, "cosine": cosine} for feature_id, cosine in both]
