"""Rows are cut into windows by the token policy, and nothing of them is lost or counted twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Split

from sparse_autoencoder.data.row_skip_rules import Record, Row, SkippedRow
from sparse_autoencoder.data.rows_hash import hash_of_records
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.tokens import chunks as chunks_module
from sparse_autoencoder.tokens.chunks import Chunk, read_chunks, tokenise
from sparse_autoencoder.tokens.token_policy import Bos, TokenPolicy
from sparse_autoencoder.tokens.tokenizer import RowTokenizer
from sparse_autoencoder.tokens.windows import Windows, cut_windows
from tests.support.gpt2_tokenizer import END_OF_TEXT
from tests.support.oracle import cut_row
from tests.support.runs import WORDS, tiny_tokenizer

BOS = 9
# few tokens and short rows, so that equal windows are common
rows_of_tokens = st.lists(st.lists(st.integers(0, 2), max_size=14), max_size=8)
policies = st.builds(
    TokenPolicy,
    bos_token_id=st.just(BOS),
    max_tokens=st.integers(2, 6),
    bos=st.sampled_from(["exclude", "include", "none"]),
    long_rows=st.sampled_from(["split", "truncate"]),
)
overlapping = policies.flatmap(
    lambda policy: st.builds(
        replace, st.just(policy), long_rows=st.just("split"), context=st.integers(0, policy.row_tokens_per_window - 1)
    )
)


def chunk_of(rows: Sequence[Sequence[int]], policy: TokenPolicy) -> Chunk:
    """A chunk with these rows' tokens; ids are 10, 13, 16, …"""
    kept = [list(row[: policy.keep(len(row))]) for row in rows]
    return Chunk(
        index=0,
        row_ids=np.arange(len(rows)) * 3 + 10,
        texts=["" for _ in rows],
        tokens=np.array([token for row in kept for token in row], np.int32),
        starts=np.cumsum([0, *map(len, kept)]),
        skipped=[],
    )


def as_lists(cut: Windows) -> list[tuple[int, int, list[int]]]:
    tokens = [cut.tokens[begin:end].tolist() for begin, end in pairwise(cut.starts)]
    return list(zip(cut.row_ids.tolist(), cut.numbers.tolist(), tokens, strict=True))


@given(rows_of_tokens, policies | overlapping)
def test_windows_are_those_of_each_row_in_order(rows: list[list[int]], policy: TokenPolicy) -> None:
    bos = None if policy.bos == "none" else BOS
    expected = [
        (10 + 3 * row, number, tokens)
        for row, own in enumerate(rows)
        for number, tokens in enumerate(cut_row(own, policy.max_tokens, bos, policy.long_rows, policy.context))
    ]
    assert as_lists(cut_windows(chunk_of(rows, policy), policy)) == expected


@given(rows_of_tokens, policies)
def test_splitting_keeps_every_token_exactly_once(rows: list[list[int]], policy: TokenPolicy) -> None:
    policy = replace(policy, long_rows="split")
    kept: dict[int, list[int]] = {10 + 3 * row: [] for row in range(len(rows))}
    for row_id, _number, tokens in as_lists(cut_windows(chunk_of(rows, policy), policy)):
        kept[row_id] += tokens[int(policy.prepends_bos) :]
    assert list(kept.values()) == rows


@given(rows_of_tokens, overlapping)
def test_each_token_counts_once_with_its_context_before_it(rows: list[list[int]], policy: TokenPolicy) -> None:
    cut = cut_windows(chunk_of(rows, policy), policy)
    bos = int(policy.prepends_bos)
    places = (policy.window_offsets(cut.numbers)).tolist()
    counted: dict[int, list[int]] = {10 + 3 * row: [] for row in range(len(rows))}
    for (row_id, number, tokens), place, first in zip(as_lists(cut), places, cut.first_counted.tolist(), strict=True):
        own = rows[(row_id - 10) // 3]
        assert tokens[bos:] == own[place : place + len(tokens) - bos]
        begin = max(first - bos, 0)  # of the own tokens, the first one that counts
        assert begin >= policy.context if number else begin == 0
        counted[row_id] += range(place + begin, place + len(tokens) - bos)
    assert counted == {10 + 3 * row: list(range(len(own))) for row, own in enumerate(rows)}


@given(rows_of_tokens, overlapping)
def test_the_first_tokens_that_windows_count_part_a_row(rows: list[list[int]], policy: TokenPolicy) -> None:
    cut = cut_windows(chunk_of(rows, policy), policy)
    for row, own in enumerate(rows):
        mine = cut.row_ids == 10 + 3 * row
        begins = policy.window_offsets(cut.numbers) + np.maximum(cut.first_counted - int(policy.prepends_bos), 0)
        assert policy.counted_offsets(len(own)) == begins[mine].tolist()


@given(rows_of_tokens, policies | overlapping)
def test_windows_hold_at_most_max_tokens_and_begin_with_bos(rows: list[list[int]], policy: TokenPolicy) -> None:
    cut = cut_windows(chunk_of(rows, policy), policy)
    assert all(length <= policy.max_tokens for length in cut.lengths)
    assert all((tokens[0] == BOS) == policy.prepends_bos for _row, _number, tokens in as_lists(cut))
    assert all(len(tokens) > int(policy.prepends_bos) for _row, _number, tokens in as_lists(cut))


@given(rows_of_tokens, policies | overlapping)
def test_texts_are_equal_exactly_where_tokens_are_and_the_same_ones_count(
    rows: list[list[int]], policy: TokenPolicy
) -> None:
    cut = cut_windows(chunk_of(rows, policy), policy)
    firsts = cut.first_counted.tolist()
    tokens = [(*window, first) for (_row, _number, window), first in zip(as_lists(cut), firsts, strict=True)]
    by_text = dict(zip(cut.token_hashes.tolist(), tokens, strict=True))
    assert len(by_text) == len(set(tokens))
    assert [by_text[text] for text in cut.token_hashes.tolist()] == tokens


@given(rows_of_tokens, policies, st.integers(1, 20))
def test_blocks_are_a_partition_in_order(rows: list[list[int]], policy: TokenPolicy, max_tokens: int) -> None:
    cut = cut_windows(chunk_of(rows, policy), policy)
    blocks = list(cut.blocks(max_tokens))
    assert [window for block in blocks for window in as_lists(block)] == as_lists(cut)
    assert [text for block in blocks for text in block.token_hashes.tolist()] == cut.token_hashes.tolist()
    assert all(len(block) == 1 or len(block.tokens) <= max_tokens for block in blocks)
    # and none could have taken the next one's first window too
    for block, following in pairwise(blocks):
        assert len(block.tokens) + following.lengths[0] > max_tokens


@pytest.mark.parametrize(("bos", "first_counted"), [("exclude", 1), ("include", 0), ("none", 0)])
def test_only_an_excluded_bos_does_not_count(bos: Bos, first_counted: int) -> None:
    assert TokenPolicy(BOS, bos=bos).first_counted == first_counted


def test_a_context_without_rows_that_are_split_is_refused() -> None:
    with pytest.raises(SaescopeError, match="--context 2 is about rows that are cut into several windows"):
        TokenPolicy(BOS, long_rows="truncate", context=2)


@pytest.mark.parametrize(("bos", "most"), [("exclude", 6), ("include", 6), ("none", 7)])
def test_a_context_leaves_a_token_to_count(bos: Bos, most: int) -> None:
    assert TokenPolicy(BOS, max_tokens=8, bos=bos, context=most).window_step == 1
    with pytest.raises(SaescopeError, match=f"--context {most + 1} leaves no token to count.*: use at most {most}"):
        TokenPolicy(BOS, max_tokens=8, bos=bos, context=most + 1)


def test_bos_alone_leaves_no_room_for_a_token() -> None:
    with pytest.raises(SaescopeError, match="--max-tokens 1 leaves no room for a token after BOS"):
        TokenPolicy(BOS, max_tokens=1)
    assert TokenPolicy(BOS, max_tokens=1, bos="none").row_tokens_per_window == 1


def test_a_model_without_bos_can_only_do_without() -> None:
    with pytest.raises(SaescopeError, match="no BOS token that could be prepended: use --bos none"):
        TokenPolicy(None, bos="exclude")
    policy = TokenPolicy(None, max_tokens=2, bos="none")
    cut = cut_windows(chunk_of([[1, 2, 1]], policy), policy)
    assert as_lists(cut) == [(10, 0, [1, 2]), (10, 1, [1])]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> RowTokenizer:
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tiny_tokenizer().save(str(file))
    return RowTokenizer(file)


def records(count: int) -> list[Record]:
    return [SkippedRow(n, "no text") if n % 4 == 2 else Row(n, f"row {n}") for n in range(count)]


def test_a_chunk_is_chunk_size_records_and_the_last_one_the_rest(tokenizer: RowTokenizer) -> None:
    chunks = list(read_chunks(records(11), tokenizer, 4, TokenPolicy(BOS)))
    assert [chunk.index for chunk in chunks] == [0, 1, 2]
    assert [chunk.row_ids.tolist() for chunk in chunks] == [[0, 1, 3], [4, 5, 7], [8, 9]]
    assert [[row.row_id for row in chunk.skipped] for chunk in chunks] == [[2], [6], [10]]
    assert [chunk.n_records for chunk in chunks] == [4, 4, 3]


def test_a_rows_text_comes_back_from_its_tokens(tokenizer: RowTokenizer) -> None:
    texts = ["A raises price target", "x€é", "<|endoftext|>"]
    chunk = tokenise(0, [Row(n, text) for n, text in enumerate(texts)], tokenizer, TokenPolicy(BOS))
    words = tiny_tokenizer()
    rows = np.split(chunk.tokens, chunk.starts[1:-1])
    decoded = [words.decode(row.tolist(), skip_special_tokens=False) for row in rows]
    assert decoded == texts


def test_chunks_before_the_first_wanted_one_are_read_over(tokenizer: RowTokenizer) -> None:
    every = list(read_chunks(records(11), tokenizer, 4, TokenPolicy(BOS)))
    later = list(read_chunks(records(11), tokenizer, 4, TokenPolicy(BOS), first_chunk=2))
    assert [(chunk.index, chunk.texts) for chunk in later] == [(chunk.index, chunk.texts) for chunk in every[2:]]


def test_long_texts_end_a_chunk_early(tokenizer: RowTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks_module, "CHUNK_CHARS", 10)
    rows = [Row(0, "a" * 4), Row(1, "a" * 6), Row(2, "a" * 30), Row(3, "a")]
    chunks = list(read_chunks(rows, tokenizer, 100, TokenPolicy(BOS)))
    assert [chunk.row_ids.tolist() for chunk in chunks] == [[0, 1], [2], [3]]


def test_truncating_keeps_no_tokens_that_no_window_shows(tokenizer: RowTokenizer) -> None:
    policy = TokenPolicy(BOS, max_tokens=4, long_rows="truncate")
    chunk = tokenise(0, [Row(0, "abcdefgh"), Row(1, "ab")], tokenizer, policy)
    assert np.diff(chunk.starts).tolist() == [3, 2]
    assert len(cut_windows(chunk, policy)) == 2


def test_the_vocabulary_gives_each_tokens_text(tokenizer: RowTokenizer) -> None:
    ids = tiny_tokenizer().get_vocab()
    vocabulary = tokenizer.vocabulary(len(ids) + 2)
    assert vocabulary[ids["A"]] == b"A"
    assert vocabulary[ids["ĠApple"]] == b" Apple"
    assert vocabulary[ids["Ã"]] == b"\xc3"  # the first byte of é
    assert vocabulary[ids[END_OF_TEXT]] == END_OF_TEXT.encode()
    assert vocabulary[len(ids) :] == [b"", b""]


def test_a_file_that_is_no_tokenizer_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text("{}")
    with pytest.raises(SaescopeError, match=r"tokenizer\.json is not a tokenizer that can be read"):
        RowTokenizer(file)


# A real tokenizer whose pattern backtracks beyond its engine's limit, where it panics: neither an Exception nor a text.

BACKTRACKING = "a" * 40 + "c"
PANIC = "the tokenizer fails on it (PanicException: Onig: Regex search error: retry-limit-in-match over)"


@pytest.fixture
def panicking(tmp_path: Path) -> RowTokenizer:
    tokenizer = Tokenizer(BPE({"a": 0, "b": 1, "c": 2}, []))
    tokenizer.pre_tokenizer = Split(Regex(r"(a+)+$"), "isolated")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return RowTokenizer(tmp_path / "tokenizer.json")


def test_a_row_that_the_tokenizer_panics_on_is_skipped_with_the_reason(panicking: RowTokenizer) -> None:
    rows: list[Record] = [
        Row(0, "ab"),
        Row(1, BACKTRACKING),
        SkippedRow(2, "no text"),
        Row(3, "cab"),
        Row(4, BACKTRACKING),
    ]
    chunk = tokenise(0, rows, panicking, TokenPolicy(BOS))
    assert (chunk.row_ids.tolist(), chunk.texts) == ([0, 3], ["ab", "cab"])
    assert chunk.tokens.tolist() == [0, 1, 2, 0, 1]
    assert chunk.skipped == [SkippedRow(1, PANIC), SkippedRow(2, "no text"), SkippedRow(4, PANIC)]
    assert chunk.n_records == 5


class Failing(RowTokenizer):
    """A tokenizer that fails on texts with a certain word."""

    def __init__(self, word: str, error: BaseException) -> None:
        self._word, self._error = word, error
        self.vocab_size = None

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        if any(self._word in text for text in texts):
            raise self._error
        return [np.array([len(text)], np.int32) for text in texts]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "MemoryError"),
        (IndexError("index 9 is out of bounds"), "IndexError: index 9 is out of bounds"),
        (Exception("stride\nand more"), "Exception: stride"),
    ],
)
def test_whatever_the_tokenizer_raises_for_a_row_is_the_reason_to_skip_it(error: Exception, told: str) -> None:
    chunk = tokenise(0, [Row(0, "x"), Row(1, "bad"), Row(2, "y")], Failing("bad", error), TokenPolicy(BOS))
    assert chunk.row_ids.tolist() == [0, 2]
    assert chunk.skipped == [SkippedRow(1, f"the tokenizer fails on it ({told})")]


def test_a_reason_is_not_as_long_as_a_row() -> None:
    (skipped,) = tokenise(0, [Row(0, "bad")], Failing("bad", ValueError("x" * 10_000)), TokenPolicy(BOS)).skipped
    assert len(skipped.reason) == 200


def test_a_chunks_hash_is_that_of_its_records_whatever_the_tokenizer_makes_of_them() -> None:
    records: list[Record] = [Row(0, "x"), SkippedRow(1, "no text"), Row(2, "bad")]
    chunk = tokenise(0, records, Failing("bad", MemoryError()), TokenPolicy(BOS))
    assert len(chunk.skipped) == 2
    assert chunk.rows_hash == hash_of_records(records)


def test_a_batch_that_fails_as_a_whole_loses_no_row_that_can_be_tokenised_alone() -> None:
    class Crowded(Failing):
        def encode(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
            if len(texts) > 1:
                raise MemoryError
            return super().encode(texts)

    chunk = tokenise(0, [Row(0, "x"), Row(1, "yy")], Crowded("bad", MemoryError()), TokenPolicy(BOS))
    assert (chunk.tokens.tolist(), chunk.skipped) == ([1, 2], [])


def test_a_tokenizer_that_fails_whatever_the_text_is_an_error() -> None:
    with pytest.raises(SaescopeError, match=r"tokenizer fails whatever the text \(ValueError: no model\): check its"):
        tokenise(0, [Row(0, "x"), Row(1, "y")], Failing("", ValueError("no model")), TokenPolicy(BOS))


def test_ctrl_c_is_no_reason_to_skip_rows() -> None:
    with pytest.raises(KeyboardInterrupt):
        tokenise(0, [Row(0, "bad")], Failing("bad", KeyboardInterrupt()), TokenPolicy(BOS))


def test_a_row_with_a_token_that_the_model_does_not_know_is_skipped(tmp_path: Path) -> None:
    tiny_tokenizer().save(str(tmp_path / "tokenizer.json"))
    ids = {word: tiny_tokenizer().get_vocab()[f"Ġ{word}"] for word in WORDS if word.isalpha()}
    word, unknown = max(ids.items(), key=lambda entry: entry[1])
    tokenizer = RowTokenizer(tmp_path / "tokenizer.json", unknown)
    rows = [Row(0, "A"), Row(1, f"A {word}"), Row(2, "x")]
    chunk = tokenise(0, rows, tokenizer, TokenPolicy(BOS))
    assert chunk.row_ids.tolist() == [0, 2]
    assert chunk.skipped == [SkippedRow(1, f"a token beyond the model's vocabulary of {unknown}")]
    cut = TokenPolicy(BOS, max_tokens=2, long_rows="truncate")  # what no window shows need not be known
    assert tokenise(0, rows, tokenizer, cut).row_ids.tolist() == [0, 1, 2]
