"""Every token's bytes, for the kinds of tokenizers that there are: together they are the text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from sparse_autoencoder.tokens.token_bytes import bytes_of_tokens
from tests.support.runs import tiny_tokenizer

PIECES = ["<unk>", "▁", "▁buy", "▁the", "▁up", "grade", "▁a", "a", "s", "!"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def metaspace() -> Tokenizer:
    """As T5's: a piece that begins a word begins with ▁."""
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in PIECES], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def llama() -> Tokenizer:
    """As Llama's and Gemma's: ▁ for spaces, and bytes for what has no piece."""
    pieces = {piece: number for number, piece in enumerate([*PIECES, *BYTES])}
    tokenizer = Tokenizer(models.BPE(vocab=pieces, merges=[], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def word_pieces() -> Tokenizer:
    """As BERT's: a piece that goes on begins with ##."""
    pieces = ["[UNK]", "buy", "the", "up", "##grade", "a", "##s", "!"]
    tokenizer = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def word_ends() -> Tokenizer:
    """As the first GPT's: a piece that ends a word ends with </w>."""
    pieces = ["<unk>", "buy</w>", "the</w>", "up", "grade</w>", "a</w>"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.BPEDecoder()
    return tokenizer


def strings(tokenizer: Tokenizer, names: list[str]) -> list[bytes]:
    """The bytes of the tokens with these names."""
    found = bytes_of_tokens(tokenizer, tokenizer.get_vocab_size())
    ids = tokenizer.get_vocab()
    return [found[ids[name]] for name in names]


@pytest.mark.parametrize(
    ("make", "names", "text"),
    [
        (metaspace, ["▁buy", "▁the", "▁up", "grade", "s", "!"], " buy the upgrades!"),
        (llama, ["▁buy", "▁the", "▁up", "grade", "s", "!"], " buy the upgrades!"),
        (llama, ["▁a", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "a"], " a😀a"),
        (word_pieces, ["buy", "the", "up", "##grade", "##s", "!"], " buy the upgrades!"),
        (word_ends, ["buy</w>", "the</w>", "a</w>"], " buy the a"),
        (tiny_tokenizer, ["A", "Ġ", "Ã", "©", "ð", "Ł", "ĺ", "Ģ", "Ċ"], "A é😀\n"),
    ],
    ids=["metaspace", "llama", "byte fallback", "word pieces", "word ends", "byte level"],
)
def test_the_bytes_of_tokens_are_the_text(make: Callable[[], Tokenizer], names: list[str], text: str) -> None:
    assert b"".join(strings(make(), names)).decode() == text


def test_ids_without_a_token_have_no_bytes() -> None:
    tokenizer = tiny_tokenizer()
    size = tokenizer.get_vocab_size()
    assert bytes_of_tokens(tokenizer, size + 2)[size:] == [b"", b""]
