"""What a run is made of: which differences refuse to go on with it, which don't, and what is said."""

from __future__ import annotations

from typing import Any

import pytest

from sparse_autoencoder.errors import MixtureError
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.provenance import (
    PACKAGES,
    OtherProcessorError,
    changed,
    check_processor,
    check_publishing,
    check_same,
    check_tokens,
    contents_of,
    tokens_made_of,
    versions,
)
from sparse_autoencoder.runs.run_options import RunOptions
from tests.support.live_runs import metadata_of

ONE, TWO, THREE = ("1" * 64, "2" * 64, "3" * 64)
FILES = {"config.json": ONE, "tokenizer.json": TWO, "model.safetensors": THREE}
HERE = {"fingerprint": "a" * 32, "name": "AMD EPYC (AVX512)", "device": "cpu"}


def metadata(files: dict[str, str] = FILES, sha256: str = ONE, **changes: Any) -> RunMetadata:
    made_of = {
        "subject": {"name": "gpt2", "files": files, "commit": "c1"},
        "autoencoder": {"name": "v5_32k", "sha256": sha256},
        "versions": versions(PACKAGES),
        "processor": HERE,
    }
    return metadata_of("run-1", RunOptions()).model_copy(update=made_of | changes)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (
            {"files": FILES | {"model.safetensors": ONE}},
            "its subject model has changed: model.safetensors was 333333333333… and is 111111111111…",
        ),
        (
            {"files": FILES | {"config.json": TWO, "tokenizer.json": ONE}},
            "its subject model has changed: config.json was 111111111111… and is 222222222222…, tokenizer.json was",
        ),
        (
            {"files": {"config.json": ONE, "tokenizer.json": TWO, "pytorch_model.bin": THREE}},
            "its subject model has changed: model.safetensors was 333333333333… and is missing, "
            "pytorch_model.bin was missing and is 333333333333…",
        ),
        ({"sha256": TWO}, "its autoencoder has changed: sha256 was 111111111111… and is 222222222222…; put back"),
        ({"versions": versions(PACKAGES) | {"torch": "1.0"}}, "its software has changed: torch was "),
        ({"versions": versions(PACKAGES) | {"transformers": "5.0"}}, "transformers was missing and is 5.0; install"),
    ],
    ids=["weights", "config and tokenizer", "other weight files", "autoencoder", "version", "other code"],
)
def test_a_run_does_not_go_on_with_something_else(now: dict[str, Any], said: str) -> None:
    with pytest.raises(MixtureError) as refused:
        check_same(metadata(), metadata(**now))
    assert str(refused.value).startswith("run run-1 can't be resumed, its ")
    assert said in str(refused.value)
    assert str(refused.value).endswith("or start a new run")


def test_a_run_goes_on_with_the_same_content_of_another_place_commit_and_time() -> None:
    now = metadata(
        subject={"name": "/elsewhere", "files": dict(reversed(FILES.items())), "commit": None},
        autoencoder={"name": "/elsewhere.pt", "sha256": ONE, "size": 7},
        processor=HERE | {"name": "AMD EPYC 9004"},
        started_at="2031-01-01T00:00:00+00:00",
    )
    check_same(metadata(), now)
    assert contents_of(now) == contents_of(metadata())


def test_another_kind_of_processor_is_named_beside_the_first() -> None:
    now = {"fingerprint": "b" * 32, "name": "AMD EPYC (AVX2)", "device": "cpu"}
    with pytest.raises(OtherProcessorError) as refused:
        check_processor("run-1", HERE, now)
    assert str(refused.value) == (
        "run run-1 can't be resumed here: it was begun on AMD EPYC (AVX512) (kind aaaaaaaa), and this is "
        "AMD EPYC (AVX2) (kind bbbbbbbb), which rounds differently; resume it on a processor of the first kind, "
        "or start a new run"
    )


@pytest.mark.parametrize("lacking", [{"subject": {"name": "gpt2"}}, {"processor": {}}])
def test_a_run_of_an_earlier_version_says_why_it_can_not_go_on(lacking: dict[str, Any]) -> None:
    with pytest.raises(MixtureError, match="a version of saescope that did not record the hashes of its models"):
        check_same(metadata(**lacking), metadata())


def test_rows_that_were_tokenised_with_another_model_are_refused() -> None:
    check_tokens(tokens_made_of(FILES), metadata())
    with pytest.raises(MixtureError, match=r"tokenised with another model .*: tokenizer.json was 33.* and is 22"):
        check_tokens(tokens_made_of(FILES) | {"tokenizer.json": THREE}, metadata())
    with pytest.raises(MixtureError, match=r"tokenizers was 0\.1 and is "):
        check_tokens(tokens_made_of(FILES) | {"tokenizers": "0.1"}, metadata())


def test_merging_and_publishing_ask_for_the_versions_that_do_it_and_for_no_others() -> None:
    check_publishing(metadata(versions=versions(PACKAGES) | {"torch": "1.0"}))
    with pytest.raises(MixtureError, match=r"run-1 can't go on, its software has changed: numpy was 1\.0 and is "):
        check_publishing(metadata(versions=versions(PACKAGES) | {"numpy": "1.0"}))


def test_what_is_equal_is_no_change() -> None:
    assert changed(FILES, dict(reversed(FILES.items()))) == ""
