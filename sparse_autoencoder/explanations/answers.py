"""The answer to `explain_by_graph`: a feature's patterns, made from its examples and scored on other texts."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from itertools import compress
from typing import Any, TypeVar, cast

from sparse_autoencoder.errors import BadQuestionError, DamagedError
from sparse_autoencoder.explanations.examples import DividedExamples
from sparse_autoencoder.explanations.feature_function import FeatureFunction
from sparse_autoencoder.explanations.fitting_tokens import (
    TOKENS_PER_ROW_GROUP,
    FittingTokens,
    Search,
    find_fitting,
    window_bytes,
)
from sparse_autoencoder.explanations.graph_form import graph_nodes
from sparse_autoencoder.explanations.minimal_texts import MinimalText, Source, Steps, minimal_texts
from sparse_autoencoder.explanations.neuron_to_graph import NtgExplanation
from sparse_autoencoder.explanations.padding import padding_token
from sparse_autoencoder.explanations.patterns import Patterns
from sparse_autoencoder.explanations.scoring import Fitting, Predicted, graph_scores
from sparse_autoencoder.pipeline.chunk_encoder import Encoder
from sparse_autoencoder.questions.answer_types import FeatureGraph, Part
from sparse_autoencoder.questions.question_types import ExplainByGraph
from sparse_autoencoder.reading.run_view import RunView

_MOST_TOKENS = 64  # of a source
_TEXTS_AT_ONCE = 64
_MOST_CHECKED = 100
_MOST_OF_EACH = 6  # tokens elsewhere of a pattern
_MOST_TOKENS_SCORED = 1 << 20
_MOST_TOKENS_ELSEWHERE = 1 << 18
_FIRES_ON_ANYTHING = 0.5  # share of all tokens
_SEEDS_APART = 0x6E3267  # from the draws of random examples

Result = TypeVar("Result")


def explain_by_graph(encoder: Encoder, view: RunView, wanted: ExplainByGraph) -> Iterator[Part]:
    """A feature's neuron-to-graph explanation: progress, then a FeatureGraph.

    `encoder` has the models and windows of the view's run. Patterns are made from the strongest examples and those of
    the bands of strength; what they predict depends on some tokens of other texts where they fit, too. They are scored
    on the random examples and on drawn rows of the run, without the texts that they were made from. The explanation of
    a finished run is kept in its folder, and given at once if it is there.

    Raises SaescopeError for an unknown feature, one that doesn't fire, and files that can't be read or written.
    """
    feature_id = wanted.feature_id
    record = view.record(feature_id)
    with suppress(DamagedError):  # then it is replaced
        if (kept := view.graphs.kept(feature_id, record)) is not None:
            yield _result(kept)
            return
    examples = DividedExamples.of(record, view.metadata.policy)
    if not examples.made_from:
        raise BadQuestionError(
            f"feature {feature_id} doesn't fire on any token of a text in run {view.metadata.run_id}, so there is "
            "nothing to explain: choose one that fires"
        )
    graph = yield from _explained(FeatureFunction(encoder, feature_id), view, examples)
    if not view.live:
        view.graphs.keep(record, graph)
    yield _result(graph)


def _explained(
    function: FeatureFunction, view: RunView, examples: DividedExamples
) -> Generator[Part, None, FeatureGraph]:
    """The explanation of a feature that fires."""
    num_firings = int(view.statistics.count[function.feature_id])
    sources, texts = yield from _minimal_texts(function, view, examples)
    patterns = patterns_of(sources, texts, on_anything=num_firings > _FIRES_ON_ANYTHING * view.metadata.num_tokens)
    yield from _look_elsewhere(function, view, patterns, examples)
    firings = [Predicted(one.activation, patterns.predict_at(one.tokens, one.at)) for one in examples.held_out]
    unseen = [is_scored(window_bytes(one.window)) for one in examples.held_out]
    fitting = yield from _fitting(function, view, patterns, examples)

    def string_of(token: int) -> str:
        return view.vocabulary.strings([token])[0]

    return FeatureGraph(
        feature_id=function.feature_id,
        num_sources=len(sources),
        roots=graph_nodes(patterns.root, string_of),
        scores=graph_scores(
            firings,
            list(compress(firings, unseen)),
            fitting,
            num_firings * examples.share_at_tokens,
            view.metadata.num_tokens,
        ),
        explanation=NtgExplanation.of(patterns.with_tokens(string_of)).todict(),
    )


def _minimal_texts(
    function: FeatureFunction, view: RunView, examples: DividedExamples
) -> Generator[Part, None, tuple[list[Source], list[MinimalText]]]:
    """The sources that patterns are made from, and the minimal text of each."""
    most_tokens = max(1, min(_MOST_TOKENS, function.longest - 1))  # a padding token must fit before them
    sources = [firing.source(most_tokens) for firing in examples.made_from]
    steps = minimal_texts(function, sources, padding_token(view.vocabulary, function), _TEXTS_AT_ONCE, ask_for_own=True)
    return sources, (yield from _told(steps, "finding out which tokens it takes"))


def is_scored(window: bytes) -> bool:
    """Whether a window (fitting_tokens.window_bytes) is in the half of all texts in which patterns are scored.

    The other half tells what a pattern predicts. As the text alone decides, no text is in both.
    """
    return bool(blake2b(window, digest_size=1).digest()[0] & 1)


def _look_elsewhere(
    function: FeatureFunction, view: RunView, patterns: Patterns[int], examples: DividedExamples
) -> Generator[Part, None, None]:
    """Tell patterns the feature's activations at other tokens at which they fit, in texts that aren't scored."""
    search = _search(view, examples, scored=False, most_tokens=_MOST_TOKENS_ELSEWHERE)
    search = replace(search, most_drawn=_MOST_OF_EACH, of_each=True)
    rows = view.drawn_rows(search.seed, TOKENS_PER_ROW_GROUP)
    found = yield from _told(find_fitting(patterns, rows, search), "looking at other texts where its patterns fit")
    for token, activation in zip(found.drawn, _activations(function, found), strict=True):
        token.pattern.elsewhere.append(activation)


def _fitting(
    function: FeatureFunction, view: RunView, patterns: Patterns[int], examples: DividedExamples
) -> Generator[Part, None, Fitting]:
    """Where patterns fit in rows of the run, and what the model says of some of these tokens."""
    search = _search(view, examples, scored=True, most_tokens=_MOST_TOKENS_SCORED)
    rows = view.drawn_rows(search.seed, TOKENS_PER_ROW_GROUP)
    found = yield from _told(find_fitting(patterns, rows, search), "scoring them")
    activations = _activations(function, found)
    checked = [Predicted(a, one.pattern.activation) for one, a in zip(found.drawn, activations, strict=True)]
    return Fitting(found.num_rows, found.num_tokens, found.num_predicted, checked)


def _search(view: RunView, examples: DividedExamples, *, scored: bool, most_tokens: int) -> Search:
    """One half of all texts, without those that patterns are made from."""
    known = {window_bytes(window) for window in examples.texts}
    return Search(
        policy=view.metadata.policy,
        wanted=lambda window: is_scored(window) == scored and window not in known,
        seed=view.metadata.spec.seed ^ _SEEDS_APART,
        most_tokens=most_tokens,
        most_drawn=_MOST_CHECKED,
    )


def _activations(function: FeatureFunction, found: FittingTokens) -> list[float]:
    """The feature's activations at the drawn tokens."""
    return [activations[-1] for activations in function([one.tokens[: one.at + 1] for one in found.drawn])]


def patterns_of(sources: list[Source], texts: list[MinimalText], *, on_anything: bool) -> Patterns[int]:
    """The patterns of minimal texts.

    One in which no token matters, and the beginning doesn't either, says that the feature fires on any text; it is left
    out unless the feature does so (`on_anything`). So are texts that, cut as they are, don't make the feature fire.
    """
    patterns: Patterns[int] = Patterns()
    for source, text in zip(sources, texts, strict=True):
        if text.reaches_half and (on_anything or any(text.matters) or text.only_at_start):
            own = zip(source.tokens[text.begin :], text.matters, strict=True)
            tokens = [token if matters else None for token, matters in own]
            patterns.add(tokens, at_start=text.only_at_start, activation=text.activation)
    return patterns


def _told(steps: Steps[Result], what: str) -> Generator[Part, None, Result]:
    """The result of steps, with progress for each."""
    while True:
        try:
            done, of = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield {"progress": {"done": done, "of": of, "what": what}}


def _result(graph: FeatureGraph) -> Part:
    return {"result": cast("dict[str, Any]", graph)}
