"""Rows that a tokenizer or a model can't take are skipped with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.runs import World, make_world

pytestmark = pytest.mark.usefixtures("quick")


def backtracking_world(folder: Path) -> World:
    """A world whose tokenizer panics on the row 37: its pattern backtracks beyond what its engine allows."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.pre_tokenizers import Sequence, Split

    world = make_world(folder)
    tokenizer = Tokenizer.from_file(str(world.subject / "tokenizer.json"))
    tokenizer.pre_tokenizer = Sequence([Split(Regex(r"(a+)+$"), "isolated"), tokenizer.pre_tokenizer])
    tokenizer.save(str(world.subject / "tokenizer.json"))
    lines = world.rows.read_text().splitlines()
    lines[37] = json.dumps({"title": "a" * 40 + "c"})
    world.rows.write_text("\n".join(lines) + "\n")
    return world


def test_a_row_that_the_tokenizer_panics_on_is_skipped_with_the_reason(tmp_path: Path) -> None:
    metadata = run(backtracking_world(tmp_path / "world").options(chunk_size=10), DirectoryStore(tmp_path / "runs"))
    assert metadata.status == "complete"
    why = "the tokenizer fails on it (PanicException: Onig: Regex search error: retry-limit-in-match over)"
    assert metadata.skipped_rows[why] == 1
    skipped = (tmp_path / "runs" / metadata.run_id / "skipped.jsonl").read_text().splitlines()
    assert {"row_id": 37, "reason": why} in map(json.loads, skipped)


def test_a_row_with_a_token_beyond_the_model_s_vocabulary_is_skipped(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    world = make_world(tmp_path / "world")
    tokenizer = Tokenizer.from_file(str(world.subject / "tokenizer.json"))
    tokenizer.add_tokens(["buy-back"])
    tokenizer.save(str(world.subject / "tokenizer.json"))
    lines = world.rows.read_text().splitlines()
    lines[37] = json.dumps({"title": "Apple buy-back"})
    world.rows.write_text("\n".join(lines) + "\n")
    metadata = run(world.options(chunk_size=10), DirectoryStore(tmp_path / "runs"))
    assert (metadata.status, metadata.failed_chunks) == ("complete", [])
    size = tokenizer.get_vocab_size() - 1
    assert metadata.skipped_rows[f"a token beyond the model's vocabulary of {size}"] == 1
