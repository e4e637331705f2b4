"""Which known name a mistyped one is answered with."""

from __future__ import annotations

import pytest

from sparse_autoencoder.utils.did_you_mean import did_you_mean, suggestion

FAMILIES = ["v1", "v4", "v5_32k", "v5_128k"]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("v5_32K", "did you mean v5_32k?"),
        ("V5_128k", "did you mean v5_128k?"),
        ("gpt2", "there are v1, v4, v5_32k, v5_128k"),
        ("", "there are v1, v4, v5_32k, v5_128k"),
    ],
)
def test_a_similar_name_is_asked_for_and_else_all_are_named(name: str, answer: str) -> None:
    assert did_you_mean(name, FAMILIES) == answer


def test_of_many_names_only_some_are_listed() -> None:
    assert did_you_mean("x", ["aa", "bb", "cc"], most=2) == "there are aa, bb and 1 more"
    assert did_you_mean("x", []) == "there are none here"


def test_a_sentence_that_lists_the_names_itself_gets_the_similar_one() -> None:
    assert suggestion("v5_32K", FAMILIES) == " (did you mean v5_32k?)"
    assert suggestion("attic", FAMILIES) == ""
