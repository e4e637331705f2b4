"""The tiny world of `runs.py` as Hugging Face's GPT-2 in float64, the autoencoders' formula and the vocabulary have it.

It is what whole runs are held against: this file calls nothing of saescope.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray

from tests.support.gpt2_tokenizer import byte_symbols
from tests.support.oracle import OracleWindow, WindowPolicy, dense_latents, windows_of_row
from tests.support.runs import LAYER, MAX_TOKENS, World, tiny_tokenizer

# Texts of the tiny world that are no row for a model, and why.
SKIPPED = {"": "no text", "   ": "no text", "a\0b": "NUL bytes in the text"}


@dataclass(frozen=True)
class OracleRow:
    """A usable row, and its windows."""

    row_id: int
    text: str
    tokens: list[int]  # those that are in windows
    windows: list[OracleWindow]


class Reference:
    """The rows of a tiny world, with the latents of both autoencoders."""

    def __init__(self, world: World) -> None:
        self.texts = [json.loads(line)["title"] for line in world.rows.read_text().split("\n")[:-1]]
        from transformers import GPT2Model  # takes seconds

        self._tokenizer = tiny_tokenizer()
        self._model = GPT2Model.from_pretrained(world.subject, dtype=torch.float64, attn_implementation="eager")
        self.bos_token_id = self._model.config.bos_token_id
        self._states = {kind: torch.load(getattr(world, kind), weights_only=True) for kind in ("topk", "relu")}
        self.hidden = cache(self._hidden)

    def _hidden(self, tokens: tuple[int, ...]) -> NDArray[np.float64]:
        with torch.inference_mode():
            states = self._model(torch.tensor([tokens]), output_hidden_states=True).hidden_states
        vectors: NDArray[np.float64] = states[LAYER + 1][0].numpy()
        return vectors

    def rows(self, autoencoder: str, bos: str, long_rows: str, context: int = 0) -> list[OracleRow]:
        """The usable rows under a token policy; `autoencoder` is `topk` or `relu`."""
        bos_token = None if bos == "none" else self.bos_token_id
        policy = WindowPolicy(MAX_TOKENS, bos_token, long_rows, int(bos == "exclude"), context)
        rows = []
        for row_id, text in enumerate(self.texts):
            if text in SKIPPED:
                continue
            token_ids = self._tokenizer.encode(text, add_special_tokens=False).ids
            windows = windows_of_row(row_id, token_ids, policy, partial(self.latents, autoencoder))
            last = windows[-1]
            own = last.begin + len(last.tokens) - (bos != "none")
            rows.append(OracleRow(row_id, text, token_ids[:own], windows))
        return rows

    def latents(self, autoencoder: str, tokens: tuple[int, ...]) -> NDArray[np.float64]:
        """A window's latents [token, latent], rounded to float32 as activations are stored."""
        return dense_latents(self._states[autoencoder], self.hidden(tokens)).astype(np.float32).astype(np.float64)

    def given_back(self, autoencoder: str, tokens: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A window's vectors in the autoencoder's own space, and their reconstructions there, both [token, width]."""
        state, own = self._states[autoencoder], self.hidden(tokens)
        if state["activation"] == "TopK":
            own = own - own.mean(axis=1, keepdims=True)
            own = own / (own.std(axis=1, ddof=1, keepdims=True) + 1e-5)
        decoder, bias = (state[name].double().numpy() for name in ("decoder.weight", "pre_bias"))
        return own, self.latents(autoencoder, tokens) @ decoder.T + bias


def token_text(token: int) -> str:
    """A token's text, from the tokenizer's vocabulary and the meaning of byte-level symbols."""
    return _token_texts()[token]


@cache
def _token_texts() -> list[str]:
    byte_of = dict(zip(byte_symbols(), _byte_values(), strict=True))
    vocabulary = sorted(tiny_tokenizer().get_vocab().items(), key=lambda entry: entry[1])
    return [
        symbol if symbol == "<|endoftext|>" else bytes(byte_of[letter] for letter in symbol).decode(errors="replace")
        for symbol, _token in vocabulary
    ]


def _byte_values() -> list[int]:
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [*printable, *(byte for byte in range(256) if byte not in printable)]
