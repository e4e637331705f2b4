"""Explanations under OpenAI's names: what theirs gave in recorded cases, and how they are written and read."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.explanations import NtgExplanation, create_n2g_explanation
from tests.support.toy_features import NAMES, NUM_TOKENS, PADDING, Automaton, names

CASES = json.loads((Path(__file__).parents[2] / "fixtures" / "neuron-to-graph" / "cases.json").read_text())
TEXT = st.lists(st.integers(0, NUM_TOKENS - 2), min_size=1, max_size=8)
LETTERS = "abcdefg"


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_an_explanation_and_its_predictions_are_those_of_openai_s_code(case: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some cases have an example that can't be reproduced
        made = create_n2g_explanation(Automaton(**case["automaton"]), case["examples"], 3, PADDING)
    assert made.todict() == case["explanation"]
    assert made.predict_many([names(text) for text in case["texts"]]) == case["predicted"]


def test_the_recorded_cases_have_every_kind_of_pattern() -> None:
    written = [json.dumps(case["explanation"]) for case in CASES]
    assert len(written) >= 100
    for part in ("token(*)", "token(^)", '"c"'):
        assert sum(part in one for one in written) > 20


def examples_of(acts: list[list[float]], texts: list[list[int]]) -> list[dict[str, Any]]:
    """An example for each token on which the feature fires."""
    return [
        {"idx": at, "act": act, "acts": own, "tokens": [LETTERS[token] for token in text], "token_ints": text}
        for own, text in zip(acts, texts, strict=True)
        for at, act in enumerate(own)
        if act > 0
    ]


def first_position(texts: list[list[int]]) -> list[list[float]]:
    return [[1.0] + [0.0] * (len(text) - 1) for text in texts]


def on_a_c(texts: list[list[int]]) -> list[list[float]]:
    return [[float(token == 2) for token in text] for text in texts]


def on_a_c_after_an_a(texts: list[list[int]]) -> list[list[float]]:
    return [[float(token == 2 and 0 in text[:at]) for at, token in enumerate(text)] for text in texts]


def letters(text: list[int]) -> list[str]:
    return [LETTERS[token] for token in text]


@given(st.lists(TEXT, min_size=1, max_size=4), TEXT)
def test_a_feature_of_the_first_position_is_predicted_in_every_text(known: list[list[int]], other: list[int]) -> None:
    made = create_n2g_explanation(first_position, examples_of(first_position(known), known), padding_token=6)
    assert made.trie == {"token(*)": {"token(^)": {"<saliency>": 1.0}}}
    assert made.predict(letters(other)) == first_position([other])[0]
    assert made.patterns().predict(letters(other)) == first_position([other])[0]


@given(st.lists(TEXT, min_size=1, max_size=4), TEXT)
def test_a_feature_of_one_token_is_predicted_in_every_text(known: list[list[int]], other: list[int]) -> None:
    known.append([1, 2])
    made = create_n2g_explanation(on_a_c, examples_of(on_a_c(known), known), padding_token=6)
    assert made.predict(letters(other)) == on_a_c([other])[0]
    assert made.patterns().predict(letters(other)) == on_a_c([other])[0]


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_a_token_after_another_is_predicted_at_distances_that_examples_have(known: list[list[int]]) -> None:
    made = create_n2g_explanation(
        on_a_c_after_an_a, examples_of(on_a_c_after_an_a(known), known), padding_token=6
    ).patterns()
    distances = {min(at - a for a in range(at) if text[a] == 0) for text in known for at in fired(text)}
    for distance in range(1, 8):
        text = [0] + [1] * (distance - 1) + [2]
        assert made.predict(letters(text))[-1] == float(distance in distances)


def fired(text: list[int]) -> list[int]:
    return [at for at, act in enumerate(on_a_c_after_an_a([text])[0]) if act > 0]


def test_without_examples_nothing_is_predicted() -> None:
    made = create_n2g_explanation(on_a_c, [])
    assert made.todict() == {"trie": {}}
    assert made.predict(["a", "c"]) == [0, 0]


def test_gpt2_s_padding_token_is_the_default() -> None:
    asked: list[list[int]] = []

    def noting(texts: list[list[int]]) -> list[list[float]]:
        asked.extend(texts)
        return [[1.0] * len(text) for text in texts]

    create_n2g_explanation(noting, examples_of([[1.0]], [[3]]))
    assert asked == [[3], [4808], [4808, 3]]


def test_at_most_so_many_texts_are_asked_at_once() -> None:
    sizes = []

    def noting(texts: list[list[int]]) -> list[list[float]]:
        sizes.append(len(texts))
        return on_a_c(texts)

    known = [[2], [1, 2], [3, 2], [4, 2], [5, 2]]
    create_n2g_explanation(noting, examples_of(on_a_c(known), known), batch_size=2, padding_token=6)
    assert max(sizes) == 2


def test_an_example_that_the_model_does_not_reproduce_is_warned_of() -> None:
    example = examples_of([[0.0, 1.0]], [[0, 1]])
    with pytest.warns(UserWarning, match="gives less than half of `act` in 1 examples"):
        made = create_n2g_explanation(on_a_c, example, padding_token=6)
    assert made.trie == {"b": {"a": {"token(^)": {"<saliency>": 1.0}}}}


GOOD = {"idx": 1, "act": 1.0, "tokens": ["a", "c"], "token_ints": [0, 2]}


@pytest.mark.parametrize(
    ("example", "says"),
    [
        ({"idx": 1, "act": 1.0, "tokens": ["a"]}, "example 0 lacks token_ints"),
        (GOOD | {"idx": 2}, "idx is 2 in example 0, which has the tokens 0 to 1"),
        (GOOD | {"idx": -1}, "idx is -1"),
        (GOOD | {"tokens": ["a"]}, "1 tokens and 2 token_ints"),
        (GOOD | {"act": 0.0}, "only what fires can be explained"),
        (GOOD | {"act": float("nan")}, "only what fires can be explained"),
        (GOOD | {"tokens": ["token(*)", "c"]}, "a token is named token(*)"),
    ],
)
def test_a_bad_example_is_refused_with_a_sentence(example: dict[str, Any], says: str) -> None:
    with pytest.raises(SaescopeError) as refused:
        create_n2g_explanation(on_a_c, [example])
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([], "0 answers to 1 texts"),
        ([[1.0, 1.0, 1.0]], "3 activations to a text of 1 tokens"),
        ([[float("inf")]], "only finite ones"),
    ],
)
def test_a_model_function_that_gives_something_else_is_refused(answers: list[list[float]], says: str) -> None:
    with pytest.raises(SaescopeError, match=says):
        create_n2g_explanation(lambda _texts: answers, [GOOD])


TRIES = st.recursive(
    st.fixed_dictionaries({"<saliency>": st.floats(0.1, 10)}),
    lambda below: st.dictionaries(st.sampled_from([*NAMES, "token(*)"]), below, min_size=1, max_size=3),
    max_leaves=12,
)


@given(TRIES.filter(lambda trie: "<saliency>" not in trie))
def test_what_is_loaded_is_dumped_again(trie: dict[str, Any]) -> None:
    loaded = NtgExplanation.load({"trie": trie})
    assert loaded.todict() == {"trie": trie}
    assert NtgExplanation.load(loaded.dump()).todict() == {"trie": trie}
    assert NtgExplanation.of(loaded.patterns()).todict() == {"trie": trie}


def test_an_explanation_is_written_to_a_file_and_read_back(tmp_path: Path) -> None:
    made = NtgExplanation({"é": {"token(^)": {"<saliency>": 2.5}}})
    made.dumpf(str(tmp_path / "made.json"))
    read = NtgExplanation.loadf(str(tmp_path / "made.json"))
    assert isinstance(read, NtgExplanation)
    assert read.trie == made.trie


def nested(depth: int) -> dict[str, Any]:
    trie: dict[str, Any] = {"<saliency>": 1.0}
    for _level in range(depth):
        trie = {"a": trie}
    return trie


@pytest.mark.parametrize(
    "serialized",
    [
        b"\xff",
        b"nothing",
        "[" * 100_000,
        b'{"trie": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        b" " * (1 << 24) + b'{"trie": {}}',
        [],
        {},
        {"trie": []},
        {"trie": {"a": 1}},
        {"trie": {"a": {"<saliency>": "1"}}},
        {"trie": {"a": {"<saliency>": True}}},
        {"trie": {"a": {"<saliency>": float("nan")}}},
        b'{"trie": {"a": {"<saliency>": Infinity}}}',
        {"trie": {"a": {"token(^)": {}}}},
        {"trie": {1: {"<saliency>": 1.0}}},
        {"trie": nested(257)},
        {"trie": {str(number): {"<saliency>": 1.0} for number in range(100_001)}},
    ],
    ids=range(17),
)
def test_what_is_no_explanation_is_refused_with_a_sentence(serialized: Any) -> None:
    with pytest.raises(SaescopeError, match=r"explanation|trie|<saliency>"):
        NtgExplanation.load(serialized)


def test_a_deep_explanation_is_read_and_predicts() -> None:
    loaded = NtgExplanation.load({"trie": nested(256)})
    assert loaded.predict(["a"] * 256)[-2:] == [0.0, 1.0]
    assert NtgExplanation.load(loaded.dump()).trie == loaded.trie
