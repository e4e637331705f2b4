"""The endpoint that compares two runs, or parts of them: which features are listed, in which order, and what is said.

The statistics are compare_texts.py's, or for tokens as units compare_densities.py's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from services.api.endpoints.shared_answers import token_chips
from services.api.endpoints.shared_answers_about_positions import tokens_by_position
from services.api.endpoints.shared_parameters import Limit, Offset, Order, SearchedText, check_feature_id
from services.api.http.caching import TwoRuns
from services.api.http.endpoint_declaration import Endpoints
from services.api.http.json_answers import BadRequest
from services.api.http.parameters import AnyInteger, Count
from services.api.http.table_answers import AsTable
from services.api.response_types.compare import (
    ComparedBy,
    ComparedFeature,
    ComparedRun,
    ComparedSide,
    Comparison,
    Shown,
    Unit,
)
from sparse_autoencoder.reading.compare_densities import CONFIDENCE, LogRatios, log_ratios
from sparse_autoencoder.reading.compare_strength import probability_stronger
from sparse_autoencoder.reading.compare_texts import TextComparison, TextSet, compare_texts
from sparse_autoencoder.reading.run_parts import ALL, NoSuchPartError, compare_halves, num_rows_of, part_of
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.rank_by_metric import ranked
from sparse_autoencoder.summaries.text_sums import NamedTextSums
from sparse_autoencoder.utils.numpy_array_ops import Ints, Mask

endpoints = Endpoints()
_OF_POLICY = ("max_tokens", "bos", "long_rows", "context")
_OF_TEXTS: tuple[ComparedBy, ...] = ("p", "log_odds")  # orders that only texts as units have


class CompareParameters(TwoRuns, AsTable):
    """Two runs, or parts of them, and a stretch of the list of their features."""

    part_a: SearchedText = Field(
        ALL, description="The rows of a: all, half:0 or half:1 (of its texts, at random), or group:NAME."
    )
    part_b: SearchedText = Field(ALL, description="The rows of b.")
    unit: Unit | None = Field(
        None,
        description="What is independent: texts, or tokens as in earlier versions. Texts if both runs have them.",
    )
    sort: ComparedBy = Field(
        "certain",
        description="What orders the list; certain is the end of the interval that is nearer to 0, without its sign; "
        "log_odds is by how many standard deviations it is from 0, without its sign.",
    )
    order: Order = "desc"
    offset: Offset = 0
    limit: Limit = 50
    min_count: Count = Field(0, description="Active tokens in both runs together, at least.")
    show: Shown = Field(
        "all",
        description="Which features are listed: all that fire, those that differ (q at most 0.05; texts as units), or "
        "those that fire on one side only.",
    )
    id: AnyInteger | None = Field(None, description="Only this feature.")


@dataclass(frozen=True)
class _Side:
    """One side of a comparison."""

    run: RunView
    part: str
    named: NamedTextSums | None  # None for a run of an earlier version
    texts: TextSet | None
    count: Ints  # [features]
    num_tokens: int

    @classmethod
    def of(cls, run: RunView, part: str) -> _Side:
        named = run.text_sums
        if named is None:
            if part != ALL:
                raise BadRequest(f"{_earlier(run)} for comparing parts of it")
            return cls(run, part, None, None, run.statistics.count, run.metadata.num_tokens)
        try:
            texts = part_of(named, part)
        except NoSuchPartError as error:
            raise BadRequest(f"run {run.metadata.run_id}: {error}") from error
        return cls(run, part, named, texts, texts.count, texts.num_tokens)


@endpoints.about_runs("/api/compare", table="features")
def compare(asked: CompareParameters, a: RunView, b: RunView) -> Comparison:
    """Features by how differently they fire in two runs, or in two parts of one."""
    _check_comparable(a.metadata, b.metadata)
    if asked.id is not None:
        check_feature_id(asked.id, a)
    sides = _Side.of(a, asked.part_a), _Side.of(b, asked.part_b)
    compared = _compared(sides, asked.unit)
    unit: Unit = "text" if isinstance(compared, TextComparison) else "token"
    ids = np.flatnonzero(_listed(asked, sides, compared))
    ids = ids[ranked(_values(asked.sort, sides, compared)[ids], asked.order == "desc")]
    shown = ids[asked.offset : asked.offset + asked.limit].tolist()
    answer: Comparison = {
        "a": _run(sides[0]),
        "b": _run(sides[1]),
        "unit": unit,
        "confidence": CONFIDENCE,
        "sort": asked.sort,
        "order": asked.order,
        "offset": asked.offset,
        "limit": asked.limit,
        "num_features": a.metadata.num_features,
        "num_matching": len(ids),
        "num_fired": int(((sides[0].count > 0) | (sides[1].count > 0)).sum()),
        "num_only_a": _num_only_in(*sides),
        "num_only_b": _num_only_in(sides[1], sides[0]),
        "features": [_feature(sides, compared, feature) for feature in shown],
    }
    if differ := _policies_differ(a.metadata, b.metadata):
        answer["policies_differ"] = differ
    if isinstance(compared, TextComparison):
        answer["num_tested"], answer["num_found"] = int(compared.tested.sum()), compared.num_found
        answer["num_found_denser_in_b"] = int((compared.found & (compared.log_ratio > 0)).sum())
    if a.live or b.live:
        answer["live"] = True
    return answer


def _earlier(run: RunView) -> str:
    return f"run {run.metadata.run_id} is of an earlier version, which kept no sums over texts: run it again"


def _compared(sides: tuple[_Side, _Side], unit: Unit | None) -> TextComparison | LogRatios:
    a, b = sides
    if unit != "token" and a.texts is not None and b.texts is not None:
        return compare_texts(a.texts, b.texts)
    if unit == "text":
        earlier = next(side.run for side in sides if side.texts is None)
        raise BadRequest(f"{_earlier(earlier)}, or ask with unit=token")
    return log_ratios(a.count, a.num_tokens, b.count, b.num_tokens)


def _check_comparable(a: RunMetadata, b: RunMetadata) -> None:
    """BadRequest unless the runs' features are the same features."""
    for what, of_a, of_b in (
        ("autoencoders", _autoencoder(a), _autoencoder(b)),
        ("layers", a.layer_index, b.layer_index),
        ("locations", a.location, b.location),
        ("numbers of features", a.num_features, b.num_features),
        ("subject models", a.subject["name"], b.subject["name"]),
    ):
        if of_a != of_b:
            raise BadRequest(
                f"runs {a.run_id} and {b.run_id} can't be compared, as their {what} differ ({of_a} and {of_b}): "
                "choose two runs of the same autoencoder and the same subject model"
            )


def _policies_differ(a: RunMetadata, b: RunMetadata) -> str | None:
    """A sentence if the runs saw tokens in other contexts, which features differ by too; None if they didn't."""
    settings = [
        f"{name} ({getattr(a.options, name)} and {getattr(b.options, name)})"
        for name in _OF_POLICY
        if getattr(a.options, name) != getattr(b.options, name)
    ]
    if not settings:
        return None
    return f"the runs' tokens were seen in other contexts, as they differ in {', '.join(settings)}"


def _autoencoder(metadata: RunMetadata) -> str:
    """What tells autoencoders apart: the file's hash, whatever its name or place."""
    return str(metadata.autoencoder.get("sha256", metadata.autoencoder["name"]))


def _listed(asked: CompareParameters, sides: tuple[_Side, _Side], compared: TextComparison | LogRatios) -> Mask:
    """Mask of the features [features] to list; those that fired on neither side aren't."""
    a, b = sides
    listed: Mask = a.count + b.count >= max(asked.min_count, 1)
    if asked.id is not None:
        listed &= np.arange(len(listed)) == asked.id
    match asked.show:
        case "only_a":
            listed &= b.count == 0
        case "only_b":
            listed &= a.count == 0
        case "differ" if isinstance(compared, TextComparison):
            listed &= compared.found
        case "differ":
            raise BadRequest("show=differ needs texts as units: ask with unit=text")
    return listed


def _num_only_in(one: _Side, other: _Side) -> int:
    return int(((one.count > 0) & (other.count == 0)).sum())


def _values(sort: ComparedBy, sides: tuple[_Side, _Side], compared: TextComparison | LogRatios) -> NDArray[Any]:
    """What the list is ordered by [features]."""
    if sort in _OF_TEXTS:
        if not isinstance(compared, TextComparison):
            raise BadRequest(f"sort={sort} needs texts as units: ask with unit=text")
        return compared.p if sort == "p" else np.abs(compared.log_odds_z)
    match sort:
        case "certain":
            return compared.certain
        case "log_ratio":
            return compared.log_ratio
        case "density_a":
            return sides[0].count
        case "density_b":
            return sides[1].count
        case _:
            return np.arange(len(compared.log_ratio))


def _run(side: _Side) -> ComparedRun:
    metadata = side.run.metadata
    told: ComparedRun = {
        "run": metadata.run_id,
        "source": metadata.dataset_csv,
        "part": side.part,
        "num_tokens": side.num_tokens,
        "num_active_features": int((side.count > 0).sum()),
    }
    if side.named is not None and side.texts is not None:
        texts, halves = side.texts, compare_halves(side.named)
        mean = texts.num_tokens / max(texts.num_texts, 1)
        told["num_rows"] = num_rows_of(side.named, side.part)
        told["num_texts"] = texts.num_texts
        told["tokens_per_text"] = {
            "mean": mean,
            "std": max(texts.squared_tokens / max(texts.num_texts, 1) - mean**2, 0.0) ** 0.5,
        }
        told["halves"] = {"num_tested": halves.num_tested, "num_found": halves.num_found}
    if side.run.positions is not None and side.part == ALL:
        told["positions"] = tokens_by_position(side.run.positions)
    return told


def _feature(sides: tuple[_Side, _Side], compared: TextComparison | LogRatios, feature_id: int) -> ComparedFeature:
    told: ComparedFeature = {
        "feature_id": feature_id,
        "a": _side(sides[0], feature_id),
        "b": _side(sides[1], feature_id),
        "log_ratio": float(compared.log_ratio[feature_id]),
        "low": float(compared.low[feature_id]),
        "high": float(compared.high[feature_id]),
    }
    if isinstance(compared, TextComparison):
        tested = bool(compared.tested[feature_id])
        told["p"] = float(compared.p[feature_id]) if tested else None
        told["q"] = float(compared.q[feature_id]) if tested else None
        told["log_odds"] = float(compared.log_odds[feature_id])
        told["log_odds_z"] = float(compared.log_odds_z[feature_id])
    if all(side.part == ALL for side in sides):  # the histograms are those of whole runs
        a, b = (side.run.overview.histograms.of(feature_id) for side in sides)
        told["b_stronger"] = probability_stronger(a, b)
    return told


def _side(side: _Side, feature_id: int) -> ComparedSide:
    count = int(side.count[feature_id])
    told: ComparedSide = {
        "num_active_tokens": count,
        "density": count / max(side.num_tokens, 1),
        "tokens": token_chips(side.run, feature_id),
    }
    if side.texts is not None:
        told["num_active_texts"] = int(side.texts.texts[feature_id])
    return told
