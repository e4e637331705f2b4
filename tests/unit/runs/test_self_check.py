"""What follows from a run's sums, checks and reference: figures, verdict and reasons."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.first_chunk_checks import (
    CrossEntropyCheck,
    FirstChunkChecks,
    FormulaCheck,
    NeighbourCheck,
    PlaceFit,
)
from sparse_autoencoder.runs.references import USUAL_RANGE, Reference, known_references, read_reference, reference_for
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.runs.self_check import Facts, SelfCheck, self_check_of
from sparse_autoencoder.runs.warnings import self_check_line
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.summaries.reconstruction_sums import (
    EXPONENTS,
    NORM_BINS,
    NORM_SHIFT,
    QUANTITIES,
    ReconstructionSums,
)
from sparse_autoencoder.tokens.token_policy import TokenPolicy

SPEC = SummarySpec(n_features=4, examples_per_feature=1, seed=0)
TOPK = {"sha256": "a" * 64, "k": 3, "rectified": True}
RIGHT = FormulaCheck(num_tokens=32, num_different=0)


def sums_of(*tokens: dict[str, float], active: int = 3, negative: int = 0) -> ReconstructionSums:
    """The sums of 200 tokens for each of some positions' quantities; those not given are 1."""
    times = 200
    counts = np.full(len(tokens), times)
    parts = np.zeros((len(QUANTITIES), len(tokens), EXPONENTS), np.int64)
    norms = np.zeros(NORM_BINS, np.int64)
    for bucket, quantities in enumerate(tokens):
        for number, name in enumerate(QUANTITIES):
            value = np.float32(quantities.get(name, 1.0))
            bits = int(value.view(np.int32))
            parts[number, bucket, max(bits >> 23, 1)] += ((bits & 0x7FFFFF) | 0x800000) * times if value else 0
        square = np.float32(quantities.get("raw.input", 1.0))
        norms[int(square.view(np.int32)) >> NORM_SHIFT] += times
    elements = np.zeros((len(tokens), 2), np.int64)  # as if half of the vectors were the others' opposites
    return ReconstructionSums(
        tokens=counts,
        parts=parts,
        own_elements=elements,
        raw_elements=elements.sum(0),
        norms=norms,
        active=np.bincount([active], [times * len(tokens)]).astype(np.int64),
        odd=np.array([negative, 0]),
    )


def checked(sums: ReconstructionSums, policy: TokenPolicy | None = None, **facts: Any) -> SelfCheck:
    count = np.array([0, 1, 2, sums.num_tokens])
    summary = replace(Summary.empty(SPEC), num_tokens=sums.num_tokens, count=count, reconstructions=sums)
    settings: dict[str, Any] = {"autoencoder": TOPK, "checks": FirstChunkChecks(formula=RIGHT), "reference": None}
    found = self_check_of(summary, Facts(policy=policy or TokenPolicy(0), **settings | facts))
    assert found is not None
    return found


SOUND = {"own.error": 0.25, "raw.error": 0.125}


def test_nothing_has_no_self_check() -> None:
    facts = Facts(TOPK, TokenPolicy(0), FirstChunkChecks(), None)
    assert self_check_of(Summary.empty(SPEC), facts) is None


def test_its_figures() -> None:
    found = checked(sums_of(SOUND, SOUND | {"own.error": 0.75, "norm": 3.0, "own.cosine": 0.5}))
    assert (found.verdict, found.reasons, found.num_tokens) == ("no reference", [], 400)
    assert (found.fvu, found.fvu_raw, found.cosine) == (0.5, 0.125, 0.75)
    assert (found.relative_reconstruction_bias, found.l2_ratio, found.mean_l0) == (1.0, 1.0, 3.0)
    assert found.l0 == [(3, 3, 400)]
    assert (found.never_fired, found.dense) == (1, 1)
    assert found.median_norm == pytest.approx(1, rel=0.03)
    assert [(at.first, at.last, at.num_tokens, at.fvu, at.norm) for at in found.by_position] == [
        (0, 0, 200, 0.25, 1.0),
        (1, 1, 200, 0.75, 3.0),
    ]
    assert self_check_line(found.model_dump()) == "self-check: no reference (FVU 0.5000, cosine 0.750, L0 3.0)"


def test_the_share_of_high_norms_is_by_the_median() -> None:
    found = checked(sums_of(SOUND, SOUND, SOUND, SOUND | {"raw.input": 121.0}))
    assert found.high_norm_share == 0.25
    assert checked(sums_of(SOUND, SOUND, SOUND, SOUND | {"raw.input": 81.0})).high_norm_share == 0


def test_an_undefined_ratio_is_none() -> None:
    found = checked(sums_of({"own.input": 0.0, "own.product": 0.0, "own.error": 0.0}))
    assert (found.fvu, found.relative_reconstruction_bias) == (None, None)
    assert json.loads(found.model_dump_json())["fvu"] is None


@pytest.mark.parametrize(
    ("sums", "reason"),
    [
        (sums_of(SOUND | {"own.error": 1.5}), "FVU is 1.50, so the mean vector would be a better reconstruction"),
        (sums_of(SOUND, active=4), "200 tokens have more than the k = 3 active latents"),
        (sums_of(SOUND, active=1), "only 1.0 of the k = 3 selected latents are active"),
        (sums_of(SOUND, negative=7), "7 latents are negative"),
    ],
)
def test_what_speaks_against_a_run_makes_it_doubtful(sums: ReconstructionSums, reason: str) -> None:
    found = checked(sums)
    assert found.verdict == "doubtful"
    assert found.reasons[0].startswith(reason)


def test_latents_below_0_are_right_where_nothing_rectifies_them() -> None:
    assert checked(sums_of(SOUND, negative=7), autoencoder=TOPK | {"rectified": False}).verdict == "no reference"


def test_other_latents_than_the_formula_s_make_it_doubtful() -> None:
    wrong = FormulaCheck(num_tokens=32, num_different=5, problem="latent 3 is 1 and should be 0")
    found = checked(sums_of(SOUND), checks=FirstChunkChecks(formula=wrong))
    assert found.reasons == [
        "5 of 32 tokens have other latents than the autoencoder's formula gives (latent 3 is 1 and should be 0)"
    ]


@pytest.mark.parametrize(
    ("bos", "first", "verdict"),
    [
        ("include", {"own.error": 0.6}, "doubtful"),
        ("include", {"norm": 11.0}, "doubtful"),
        ("none", {"norm": 0.09}, "doubtful"),
        ("include", {"own.error": 0.4, "norm": 9.0}, "no reference"),
        ("exclude", {"own.error": 0.6, "norm": 11.0}, "no reference"),
    ],
)
def test_first_tokens_that_count_and_are_unlike_the_others_make_it_doubtful(
    bos: Any, first: dict[str, float], verdict: str
) -> None:
    found = checked(sums_of(SOUND | first, SOUND, SOUND), TokenPolicy(0, bos=bos))
    assert found.verdict == verdict


def neighbours(**changes: Any) -> FirstChunkChecks:
    places = [PlaceFit(location="a", layer=layer, fvu=0.2, distance=9.0 * layer) for layer in range(3)]
    check = NeighbourCheck(num_rows=50, num_tokens=999, places=places, **changes)
    return FirstChunkChecks(formula=RIGHT, neighbours=check)


def test_a_comparison_with_other_places_supports_or_denies_that_it_fits() -> None:
    assert checked(sums_of(SOUND), checks=neighbours(supports=True)).verdict == "fits"
    assert checked(sums_of(SOUND), checks=neighbours()).verdict == "no reference"
    found = checked(sums_of(SOUND), checks=neighbours(doubts=["it is of elsewhere"]))
    assert (found.verdict, found.reasons) == ("doubtful", ["it is of elsewhere"])
    worse = checked(sums_of(SOUND | {"own.error": 2.0}), checks=neighbours(supports=True))
    assert worse.verdict == "doubtful"


def test_nothing_fits_whose_formula_was_not_checked() -> None:
    unchecked = neighbours(supports=True).model_copy(update={"formula": None})
    assert checked(sums_of(SOUND), checks=unchecked).verdict == "no reference"


def test_what_predictions_lose_is_among_the_figures() -> None:
    lost = CrossEntropyCheck(num_rows=3, num_tokens=9, clean=3.0, replaced=3.25, zeroed=5.0)
    found = checked(sums_of(SOUND), checks=FirstChunkChecks(formula=RIGHT, cross_entropy=lost))
    assert (found.delta_cross_entropy, found.cross_entropy_recovered) == (0.25, 0.875)
    assert self_check_line(found.model_dump()).endswith(", ΔCE 0.250)")


def test_only_the_first_chunk_s_partial_has_checks_and_states_keep_them() -> None:
    checks = neighbours(doubts=["something"])
    first = RunState(Summary.empty(SPEC), next_chunk=1, checks=checks)
    state = RunState(Summary.empty(SPEC)).merge(first).merge(RunState(Summary.empty(SPEC), next_chunk=2))
    assert RunState.from_bytes(state.to_bytes()).checks == checks


# References

REFERENCE = {
    "autoencoder_sha256": "a" * 64,
    "hook": "blocks.6.hook_resid_post",
    "weights_sha256": ["b" * 64],
    "fvu": 0.25,
    "num_tokens": 1000,
    "text": "rows.csv",
    "how": "by hand",
}
SUBJECT = {"hook": "blocks.6.hook_resid_post", "files": {"config.json": "c" * 64, "model.safetensors": "b" * 64}}


@pytest.mark.parametrize(
    ("recorded", "verdict"),
    [
        ({"fvu": 0.25}, "fits"),
        ({"fvu": 0.25 * USUAL_RANGE * 1.01}, "doubtful"),
        ({"fvu": 0.25 / USUAL_RANGE / 1.01}, "doubtful"),
        ({"fvu": 0.1, "fvu_range": (0.05, 0.3)}, "fits"),
        ({"fvu": 0.25, "fvu_range": (0.26, 0.3)}, "doubtful"),
    ],
)
def test_a_run_fits_in_its_reference_s_range(recorded: dict[str, Any], verdict: str) -> None:
    found = checked(sums_of(SOUND), reference=Reference.model_validate(REFERENCE | recorded))
    assert found.verdict == verdict
    assert "by hand, on rows.csv" in found.reasons[0]


def written(folder: Path, content: object) -> Path:
    path = folder / "reference.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_reference_is_of_one_checkpoint_hook_point_and_model(tmp_path: Path) -> None:
    path = written(tmp_path, REFERENCE)
    assert reference_for(SUBJECT, TOPK, path) == read_reference(path)
    others = [
        (SUBJECT, TOPK | {"sha256": "d" * 64}),
        (SUBJECT | {"hook": "blocks.5.hook_resid_post"}, TOPK),
        (SUBJECT | {"files": {"model.safetensors": "d" * 64}}, TOPK),
    ]
    for subject, autoencoder in others:
        with pytest.raises(SaescopeError, match="is of another autoencoder, hook point or model"):
            reference_for(subject, autoencoder, path)


def test_those_that_come_with_saescope_are_sound_and_used_only_for_their_own() -> None:
    for known in known_references():
        low, high = known.range
        assert low <= known.fvu <= high
    assert reference_for(SUBJECT, TOPK, None) is None


RUN = {"run_id": "run-1", "subject": SUBJECT, "autoencoder": TOPK, "options": {}, "dataset_csv": "rows.csv"}
FIGURES = {"verdict": "no reference", "fvu": 0.25, "cosine": 0.9, "num_tokens": 1000}


def test_an_earlier_run_s_metadata_are_a_reference(tmp_path: Path) -> None:
    reference = read_reference(written(tmp_path, RUN | {"self_check": FIGURES}))
    assert (reference.fvu, reference.text, reference.weights_sha256) == (0.25, "rows.csv", ["b" * 64])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ([], "it is no JSON object"),
        ({"fvu": 0.2}, "autoencoder_sha256: Field required"),
        (REFERENCE | {"fvu": -1}, "fvu: Input should be greater than 0"),
        (RUN, "that run has no self-check"),
        (RUN | {"self_check": FIGURES, "subject": []}, "weights_sha256: List should have at least 1 item"),
        (RUN | {"self_check": FIGURES | {"verdict": "doubtful"}}, "whose own self-check is doubtful: take another"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_reason(tmp_path: Path, content: object, why: str) -> None:
    with pytest.raises(SaescopeError) as refused:
        read_reference(written(tmp_path, content))
    assert why in str(refused.value)


def test_a_reference_that_can_not_be_read_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(SaescopeError, match=r"nothing\.json can't be read: No such file"):
        read_reference(tmp_path / "nothing.json")
    (tmp_path / "bad.json").write_bytes(b"\xff{")
    with pytest.raises(SaescopeError, match="holds no reference"):
        read_reference(tmp_path / "bad.json")
