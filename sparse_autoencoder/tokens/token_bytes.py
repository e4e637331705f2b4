"""The bytes of every token, for any kind of tokenizer.

A tokenizer decodes one token alone differently than within a text: SentencePiece's drop the space before a first word,
WordPiece's know where a word goes on, and a character of several tokens becomes U+FFFD several times. So tokens are
decoded after another token, and those of byte-level tokenizers are taken apart into their bytes.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")  # of SentencePiece's byte fallback
_CONTEXT = "a"


def bytes_of_tokens(tokenizer: Any, size: int) -> list[bytes]:
    """The bytes that each of the first `size` token ids stands for within a text; none for ids without a token.

    `tokenizer` is a tokenizers.Tokenizer.
    """
    kinds = set(_decoder_kinds(json.loads(tokenizer.to_str()).get("decoder")))
    added: dict[int, bytes] = {
        token: added.content.encode() for token, added in tokenizer.get_added_tokens_decoder().items()
    }
    names = [tokenizer.id_to_token(token) for token in range(size)]
    in_context = _in_context(tokenizer, size) if "ByteLevel" not in kinds else [""] * size

    def of(token: int) -> bytes:
        name = names[token]
        if name is None:
            return b""
        if token in added:
            return added[token]
        if "ByteLevel" in kinds:
            table = _byte_level()
            return bytes(table[char] for char in name) if all(char in table for char in name) else name.encode()
        if "ByteFallback" in kinds and (byte := _BYTE_TOKEN.fullmatch(name)):
            return bytes([int(byte[1], 16)])
        return in_context[token].encode()

    return [of(token) for token in range(size)]


def _in_context(tokenizer: Any, size: int) -> list[str]:
    """Each token's text where it follows another token."""
    before = tokenizer.encode(_CONTEXT, add_special_tokens=False).ids[-1:]
    start = tokenizer.decode(before, skip_special_tokens=False)
    texts = tokenizer.decode_batch([[*before, token] for token in range(size)], skip_special_tokens=False)
    alone = tokenizer.decode_batch([[token] for token in range(size)], skip_special_tokens=False)
    return [text[len(start) :] if text.startswith(start) else single for text, single in zip(texts, alone, strict=True)]


def _decoder_kinds(decoder: Mapping[str, Any] | None) -> Iterator[str]:
    if decoder is None:
        return
    yield str(decoder.get("type"))
    for inner in decoder.get("decoders", []):
        yield from _decoder_kinds(inner)


@cache
def _byte_level() -> dict[str, int]:
    """The byte of each character of a byte-level vocabulary: bytes that can be seen are themselves, others past 255.

    As in GPT-2's encoder.py (Radford et al. 2019).
    """
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    unseen = [byte for byte in range(256) if byte not in set(seen)]
    return {chr(byte): byte for byte in seen} | {chr(256 + place): byte for place, byte in enumerate(unseen)}
