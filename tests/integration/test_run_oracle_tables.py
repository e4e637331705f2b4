"""Whole runs against a brute-force oracle: which tokens features fire on, and how well inputs are given back."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from sparse_autoencoder.runs.not_firing import MAIN_TOKENS, SHOWN
from sparse_autoencoder.runs.tokens_by_feature import LISTED
from sparse_autoencoder.summaries.token_samples import PER_TOKEN
from tests.support.oracle_cases import SEED, Case
from tests.support.reference import Reference
from tests.support.runs import MAX_TOKENS, N_LATENTS
from tests.support.token_tables import (
    expected_entries,
    expected_lists,
    expected_not_firing,
    expected_samples,
    published_entries,
)

pytestmark = pytest.mark.usefixtures("quick")


def test_every_token_has_all_features_that_fire_on_it(case: Case) -> None:
    assert published_entries(case.folder) == expected_entries(case.windows, case.first_counted)


def test_every_feature_has_its_main_tokens_and_how_much_they_leave_out(case: Case) -> None:
    found = pq.read_table(case.folder / "tokens_by_feature.parquet").to_pylist()
    quiet = [record.pop("not_firing") for record in found]
    assert found == expected_lists(expected_entries(case.windows, case.first_counted), N_LATENTS, LISTED)
    samples = expected_samples(case.windows, case.first_counted, SEED, PER_TOKEN)
    for record, entries in zip(found, quiet, strict=True):
        main = [entry["token_id"] for entry in record["tokens"]][:MAIN_TOKENS]
        step = MAX_TOKENS - case.bos - case.context
        assert entries == expected_not_firing(record["feature_id"], main, samples, SHOWN, step)
    assert any(entry["examples"] for entries in quiet for entry in entries)


def test_the_self_check_is_of_every_counted_token_repeated_windows_too(case: Case, reference: Reference) -> None:
    counted = [window.counted(case.first_counted) for window in case.windows]
    given = [reference.given_back(case.autoencoder, tuple(window.tokens)) for window in case.windows]
    own, back = (np.concatenate([g[part][c] for g, c in zip(given, counted, strict=True)]) for part in (0, 1))
    found = case.metadata.self_check
    assert found is not None
    assert found.num_tokens == len(own)
    error, variation = ((own - back) ** 2).sum(1), ((own - own.mean(0)) ** 2).sum(1)
    assert found.fvu == pytest.approx(error.sum() / variation.sum(), rel=1e-4)
    cosine = (own * back).sum(1) / np.linalg.norm(own, axis=1) / np.linalg.norm(back, axis=1)
    assert found.cosine == pytest.approx(cosine.mean(), rel=1e-5, abs=1e-6)
    assert found.mean_l0 == pytest.approx((case.counted() > 0).sum(1).mean(), rel=1e-12)
    position = np.concatenate([np.array(own) - case.first_counted for own in counted])
    for at in found.by_position:
        here = (position >= at.first) & (position <= at.last)
        assert at.num_tokens == here.sum()
        assert at.fvu == pytest.approx(error[here].sum() / variation[here].sum(), rel=1e-3)
    assert found.checks.formula is not None
    assert (found.checks.formula.num_tokens, found.checks.formula.num_different) == (32, 0)
