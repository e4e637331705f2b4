"""A run's numbers about tokens for all features at once, and what is said where its files about tokens are gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.reading.published_run import PublishedRun
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.runs.tokens_by_feature import LISTED
from tests.support.live_runs import N_FEATURES, LiveWriter, start
from tests.support.token_tables import expected_lists, published_entries


@pytest.fixture
def writer(tmp_path: Path) -> LiveWriter:
    writer = start(DirectoryStore(tmp_path), "run-1", chunks=2)
    writer.finish()
    return writer


def opened(writer: LiveWriter) -> PublishedRun:
    return PublishedRun(writer.folder, writer.folder.read_metadata())


def test_numbers_of_all_features_are_those_of_each(writer: LiveWriter, tmp_path: Path) -> None:
    numbers = opened(writer).token_numbers
    assert numbers is not None
    expected = expected_lists(published_entries(tmp_path / "run-1"), N_FEATURES, LISTED)
    assert {name: values.tolist() for name, values in numbers.items()} == {
        name: [record[name] for record in expected] for name in numbers
    }
    assert (numbers["main_token_share"] <= 1).all()
    fired = numbers["num_active_tokens"] > 0
    assert (numbers["effective_tokens"][fired] >= 1).all()
    assert (numbers["effective_tokens"] <= numbers["num_distinct_tokens"] + 1e-9).all()
    assert not numbers["effective_tokens"][~fired].any()


def test_a_run_without_either_file_is_one_of_an_earlier_version(writer: LiveWriter) -> None:
    for key in (writer.folder.features_by_token, writer.folder.tokens_by_feature):
        writer.folder.store.delete(key)
    run = opened(writer)
    assert run.token_numbers is None
    assert run.tokens_of(0) is None
    assert run.token_matches("a").counts is None


@pytest.mark.parametrize("name", ["features_by_token", "tokens_by_feature"])
def test_a_run_without_one_of_the_files_says_so(writer: LiveWriter, name: str) -> None:
    key = getattr(writer.folder, name)
    writer.folder.store.delete(key)
    run = opened(writer)

    def ask() -> Any:
        return run.token_matches("a") if name == "features_by_token" else run.tokens_of(0)

    with pytest.raises(SaescopeError, match=f"its file {key} is missing: run it again"):
        ask()


def test_a_feature_that_there_is_not_has_no_tokens(writer: LiveWriter) -> None:
    for feature in (-1, N_FEATURES):
        with pytest.raises(KeyError):
            opened(writer).tokens_of(feature)


def test_a_token_that_no_text_has_is_on_no_feature(writer: LiveWriter) -> None:
    matches = opened(writer).token_matches("no such token")
    assert matches.counts is not None
    assert (len(matches.counts.feature), matches.counts.occurrences) == (0, 0)
    assert not np.any(matches.listed)
