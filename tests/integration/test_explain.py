"""A run's features explained by patterns: against dense latents, where the meaning is known, kept, and printed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from demo import AUTOENCODER, LAYER, SUBJECT
from demo.headlines import generate
from demo.measure import CALIBRATION_SEED, Concept, Split, best_detector, load_autoencoder, split_of
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.explanations import NtgExplanation
from sparse_autoencoder.explanations.feature_function import FeatureFunction
from sparse_autoencoder.explanations.graph_form import patterns_in
from sparse_autoencoder.pipeline.load_inputs import load_models
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.questions.answer_types import GraphNode
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.explaining import Asked, asked, most_frequent, nodes_in
from tests.support.oracle_cases import Case, case_of
from tests.support.reference import Reference
from tests.support.runs import DEAD, N_LATENTS, World, break_token, make_world, tiny_tokenizer

pytestmark = pytest.mark.usefixtures("quick")
POLICIES = [("topk", "exclude", "split", 0), ("relu", "include", "split", 1), ("topk", "none", "truncate", 0)]


@pytest.fixture(scope="module", params=POLICIES, ids=lambda policy: "-".join(map(str, policy)))
def of_case(
    request: pytest.FixtureRequest, world: World, reference: Reference, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Case, Asked]:
    case = case_of(world, reference, tmp_path_factory.mktemp("runs"), request.param)
    return case, asked(case.folder)


# The model function.


def test_a_window_s_activations_are_the_dense_latents(of_case: tuple[Case, Asked]) -> None:
    case, models = of_case
    windows = case.windows[:40]
    texts = [window.tokens[case.bos :] for window in windows]
    for feature in (*most_frequent(models.view, 0, 4, 12), DEAD[0]):
        found = FeatureFunction(models.encoder, feature)(texts)
        for activations, window in zip(found, windows, strict=True):
            assert activations == pytest.approx(window.latents[case.bos :, feature].tolist(), rel=1e-5, abs=1e-6)


def test_texts_that_the_model_can_t_take_are_refused(of_case: tuple[Case, Asked]) -> None:
    case, models = of_case
    function = FeatureFunction(models.encoder, 0)
    assert function([[], [1]])[0] == []
    assert function.longest == 32 - case.bos
    assert len(function([[1] * function.longest])[0]) == function.longest
    with pytest.raises(SaescopeError, match="too long: the model takes at most"):
        function([[1] * (function.longest + 1)])
    for token in (-1, 10**6):
        with pytest.raises(SaescopeError, match="the model has only the tokens 0 to"):
            function([[1, token]])
    with pytest.raises(SaescopeError, match=f"there is no feature {N_LATENTS}"):
        FeatureFunction(models.encoder, N_LATENTS)


def test_an_activation_that_is_not_finite_is_a_sentence(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    break_token(world, "x")
    options = world.options(autoencoder=world.relu)
    function = FeatureFunction(load_models(options).any_encoder, 0)
    tokens = tiny_tokenizer().encode("A x", add_special_tokens=False).ids
    with pytest.raises(SaescopeError, match="feature 0 has an activation that isn't finite"):
        function([tokens])


# Scores, against all tokens of the run.


def predicted(roots: list[GraphNode], tokens: list[int], at: int) -> float:
    """The activation of the longest pattern that fits, by trying each."""
    found: list[tuple[int, list[bool], float]] = []

    def descend(nodes: list[GraphNode], before: int, literal: list[bool]) -> None:
        for node in nodes:
            if node.get("is_start"):
                if before < 0:
                    found.append((len(literal) + 1, literal, node["activation"]))
                continue
            if before < 0 or node["token_id"] not in (None, tokens[before]):
                continue
            own = [*literal, node["token_id"] is not None]
            if "activation" in node:
                found.append((len(own), own, node["activation"]))
            descend(node["before"], before - 1, own)

    descend(roots, at, [])
    return max(found, default=(0, [], 0.0))[2]


def is_scored(window: list[int]) -> bool:
    """Whether a window's text is in the half that is scored."""
    return hashlib.blake2b(np.array(window, "<i4").tobytes(), digest_size=1).digest()[0] % 2 == 1


def test_scores_are_those_of_all_tokens_in_texts_that_nothing_was_made_from(of_case: tuple[Case, Asked]) -> None:
    case, models = of_case
    num_exact = 0
    for feature in most_frequent(models.view, 0, 3, 8, 14):
        graph, record = models.graph(feature), models.view.feature(feature)
        strongest = [*record["top"], *(example for band in record["bands"] for example in band["examples"])]
        sources = {tuple(example["token_ids"]) for example in strongest if example["position"] >= case.bos}
        others = [one for one in case.windows if is_scored(one.tokens) and tuple(one.tokens) not in sources]
        a, p = np.array(
            [
                (window.latents[at, feature], predicted(graph["roots"], window.tokens[case.bos :], at - case.bos))
                for window in others
                for at in window.counted(case.first_counted)
                if at >= case.bos
            ]
        ).T
        scores = graph["scores"]
        assert scores["num_rows"] == len({window.row_id for window in others})
        assert scores["num_tokens"] == len(a)
        assert scores["num_predicted"] == (p > 0).sum()
        assert scores["num_checked"] == min(scores["num_predicted"], 100)
        at_tokens = [one for one in record["random"] if one["position"] >= case.bos]
        held_out = [one for one in at_tokens if tuple(one["token_ids"]) not in sources]
        hit = [predicted(graph["roots"], one["token_ids"][case.bos :], one["position"] - case.bos) for one in held_out]
        assert scores["num_examples"] == len(held_out)
        assert scores["recall"] == (pytest.approx(np.mean(np.array(hit) > 0)) if hit else None)
        if not scores["num_predicted"] == scores["num_checked"] > 0:
            continue  # of a sample of them
        assert scores["precision"] == pytest.approx((a[p > 0] > 0).mean())
        unseen = np.array([(one["activation"], to) for one, to in zip(held_out, hit, strict=True)]).reshape(-1, 2)
        unseen = unseen[[is_scored(one["token_ids"]) for one in held_out]]
        if len(unseen):
            firings = case.feature(feature).count * len(at_tokens) / len(record["random"])
            missed = firings * ((unseen[:, 0] - unseen[:, 1]) ** 2).mean()
            wrong = len(case.counted()) * (p[a <= 0] ** 2).sum() / len(a)
            explained = 1 - (missed + wrong) / (firings * (unseen[:, 0] ** 2).mean())
            assert scores["explained"] == pytest.approx(explained, rel=1e-4, abs=1e-4)
            num_exact += 1
    assert num_exact > 0


def test_where_a_pattern_fits_elsewhere_is_in_texts_that_are_not_scored(of_case: tuple[Case, Asked]) -> None:
    case, models = of_case
    (feature,) = most_frequent(models.view, 3)
    graph = models.graph(feature)
    ends = [node for node in nodes_in(graph["roots"]) if "activation" in node]
    fits = sum(
        predicted(graph["roots"], window.tokens[case.bos :], at - case.bos) > 0
        for window in case.windows
        if not is_scored(window.tokens)
        for at in window.counted(case.first_counted)
        if at >= case.bos
    )
    checked = [node["num_checked"] for node in ends]
    assert 0 < sum(checked) <= fits
    assert max(checked) <= 6
    assert all(0 <= node["num_fired"] <= node["num_checked"] for node in ends)


def test_the_explanation_in_openai_s_form_has_the_same_patterns(of_case: tuple[Case, Asked]) -> None:
    _case, models = of_case
    graph = models.graph(*most_frequent(models.view, 3))
    values = sorted(values_in(graph["roots"]))
    patterns = NtgExplanation.load(graph["explanation"]).patterns().most_important_first()
    assert 0 < len(patterns) <= len(values)
    assert sum(one.get("num_examples", 0) for one in nodes_in(graph["roots"])) <= graph["num_sources"]


@pytest.mark.parametrize("of_case", [POLICIES[1]], indirect=True)
def test_a_feature_that_fires_on_nothing_but_bos_has_nothing_to_explain(of_case: tuple[Case, Asked]) -> None:
    case, models = of_case
    on_tokens = np.concatenate([window.latents[1:] for window in case.windows]).max(axis=0)
    on_bos = [feature for feature in range(N_LATENTS) if on_tokens[feature] <= 0 < case.counted()[:, feature].max()]
    assert on_bos
    with pytest.raises(SaescopeError, match=f"feature {on_bos[0]} doesn't fire on any token of a text"):
        models.graph(on_bos[0])


def values_in(nodes: list[GraphNode]) -> list[float]:
    return [node["activation"] for node in nodes_in(nodes) if "activation" in node]


# Features of the demo that stand for something.


@pytest.fixture(scope="module")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "headlines.txt").write_text("\n".join(h.title for h in generate(1200, 5)), encoding="utf-8")
    options = RunOptions(
        source=str(folder / "headlines.txt"), subject=str(SUBJECT), autoencoder=str(AUTOENCODER), layer=LAYER
    )
    metadata = run(options, DirectoryStore(folder / "runs"))
    return asked(folder / "runs" / metadata.run_id)


@pytest.fixture(scope="module")
def texts() -> Split:
    """Generated headlines, of which it is known what their tokens stand for."""
    return split_of(load_autoencoder(), 300, CALIBRATION_SEED)


@pytest.mark.parametrize(
    ("concept", "pattern"), [(Concept("quarter", "first"), (" Q",)), (Concept("eps", "first"), (" EPS", " $"))]
)
def test_the_graph_of_a_concept_s_feature_is_what_the_concept_looks_like(
    concept: Concept, pattern: tuple[str, ...], texts: Split, demo_run: Asked
) -> None:
    graph = demo_run.graph(best_detector(texts, concept).feature)
    first, *others = patterns_in(graph["roots"])
    assert (first.tokens, first.at_start) == (pattern, False)
    assert first.num_examples > graph["num_sources"] / 2 > sum(one.num_examples for one in others)
    scores = graph["scores"]
    # the token " Q" begins a quarter wherever it is, and " EPS $" earnings: that a pattern that more than half of the
    # examples share fits hardly anything else, and fits most of what is held out, is what its being right means
    assert scores["num_examples"] > 5
    assert scores["recall"] is not None
    assert scores["recall"] > 0.5
    assert scores["precision"] is not None
    assert scores["precision"] > 0.9
    assert scores["explained"] is not None
    assert scores["explained"] > 0.5
