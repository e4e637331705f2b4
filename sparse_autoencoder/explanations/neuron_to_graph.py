"""Explanations under OpenAI's names: `Explanation`, `NtgExplanation`, `create_n2g_explanation`, and their form in JSON.

What they give for the same examples and model function is what OpenAI's explanations.py gives (4965b94), also where
that is odd: the first pattern that is complete counts and hides the longer ones that begin before it, a certain token
is never left for any token, and of two equal patterns the later one's activation counts. `Patterns` does these better.

The form is {"trie": node}. A node has a child for each token before it, by the token's string, where "token(*)" is any
token and "token(^)" a text's beginning; the node that completes a pattern has its activation as "<saliency>".
"""

from __future__ import annotations

import json
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.explanations.minimal_texts import ModelFunction, Source, minimal_texts, result_of
from sparse_autoencoder.explanations.patterns import Node, Patterns
from sparse_autoencoder.utils.printable import printable

ANY_TOKEN = "token(*)"  # noqa: S105 (no password)
START_TOKEN = "token(^)"  # noqa: S105
VALUE_KEY = "<saliency>"
MARKS = frozenset((ANY_TOKEN, START_TOKEN, VALUE_KEY))
GPT2_PADDING = 4808
"""The token " _" of GPT-2."""

MOST_BYTES = 1 << 24
MOST_NODES = 100_000
MOST_DEPTH = 256  # nodes below each other; Python's own JSON fails at about a thousand
Trie = dict[str, Any]


class Explanation(ABC):
    """Something that predicts a feature's activation at each token of a text."""

    @abstractmethod
    def predict(self, tokens: list[str]) -> list[float]:
        """The predicted activation at each token."""

    @abstractmethod
    def dump(self) -> bytes:
        """The explanation as bytes, which `load` reads."""

    @classmethod
    @abstractmethod
    def load(cls, serialized: Any) -> Explanation:
        """The explanation that was dumped."""

    def dumpf(self, filename: str) -> None:
        """Write it to a file; the name may be an address that blobfile knows (gs://, az://)."""
        import blobfile

        with blobfile.BlobFile(filename, "wb") as file:
            file.write(self.dump())

    @classmethod
    def loadf(cls, filename: str) -> Explanation:
        """Read it from a file of `dumpf`."""
        import blobfile

        with blobfile.BlobFile(filename, "rb") as file:
            return cls.load(file.read(MOST_BYTES + 1))


class NtgExplanation(Explanation):
    """A trie of the tokens before, and at, the token on which a feature fires."""

    def __init__(self, trie: Trie) -> None:
        self.trie = trie

    def todict(self) -> dict[str, Any]:
        """The explanation as plain objects, which `load` reads."""
        return {"trie": self.trie}

    def dump(self) -> bytes:
        """`todict` as JSON."""
        _check_trie(self.trie)
        return json.dumps(self.todict(), ensure_ascii=False, allow_nan=False).encode()

    @classmethod
    def load(cls, serialized: Any) -> NtgExplanation:
        """The explanation that `todict` or `dump` gave, of OpenAI's class or this one.

        Raises SaescopeError if it isn't one, or larger than an explanation can be.
        """
        loaded = _parsed(serialized) if isinstance(serialized, bytes | str) else serialized
        if not isinstance(loaded, dict) or not isinstance(loaded.get("trie"), dict):
            raise SaescopeError('this is no neuron-to-graph explanation: it must be {"trie": {…}}')
        _check_trie(loaded["trie"])
        return cls(loaded["trie"])

    @classmethod
    def of(cls, patterns: Patterns[str]) -> NtgExplanation:
        """Patterns in OpenAI's form; SaescopeError if a token has the name of a mark there."""
        return cls(_trie_of(patterns))

    def patterns(self) -> Patterns[str]:
        """The trie's patterns, each as of one example."""
        _check_trie(self.trie)
        return _patterns_of(self.trie)

    def predict(self, tokens: list[str]) -> list[float]:
        """OpenAI's prediction: the activation of the first complete pattern on the way back from each token, else 0."""
        return [self._predict_at(tokens, at) for at in range(len(tokens))]

    def predict_many(self, tokens_batch: list[list[str]]) -> list[list[float]]:
        """`predict` for each of some texts."""
        return [self.predict(tokens) for tokens in tokens_batch]

    def _predict_at(self, tokens: Sequence[str], at: int) -> float:
        node = self.trie
        for token in reversed(tokens[: at + 1]):
            if token in node and token not in MARKS:
                node = node[token]
            elif ANY_TOKEN in node:
                node = node[ANY_TOKEN]
            else:
                return 0.0
            if VALUE_KEY in node:
                return float(node[VALUE_KEY])
        return float(node[START_TOKEN][VALUE_KEY]) if START_TOKEN in node else 0.0


def create_n2g_explanation(
    model_fn: ModelFunction,
    train_set: Sequence[Mapping[str, Any]],
    batch_size: int = 16,
    padding_token: int = GPT2_PADDING,
) -> NtgExplanation:
    """Explain a feature by the patterns of tokens on which it fires in some examples (minimal_texts.py says how).

    model_fn: the feature's activation at each token of some texts; it is asked for at most `batch_size` at once.
    train_set: examples, each with `tokens` and `token_ints`, the index `idx` of a token on which the feature fires, and
    `act`, its activation there. padding_token: an id without meaning to the feature; for another model than GPT-2 give
    its own. Warns of examples on which the function doesn't give half of `act`. Raises SaescopeError for an example
    that lacks one of these, or doesn't fire at `idx`.
    """
    sources = [_source(example, number) for number, example in enumerate(train_set)]
    texts = result_of(minimal_texts(model_fn, sources, padding_token, batch_size))
    if missed := [number for number, text in enumerate(texts) if not text.reaches_half]:
        warnings.warn(
            f"the model function gives less than half of `act` in {len(missed)} examples (the first is {missed[0]}): "
            "they are taken whole; compare it with what `act` came from",
            stacklevel=2,
        )
    trie: Trie = {}
    for example, source, text in zip(train_set, sources, texts, strict=True):
        tokens = example["tokens"][text.begin : len(source.tokens)]
        node = trie
        for token, matters in zip(reversed(tokens), reversed(text.matters), strict=True):
            node = node.setdefault(token if matters else ANY_TOKEN, {})
        if text.only_at_start:
            node = node.setdefault(START_TOKEN, {})
        node[VALUE_KEY] = text.activation
    return NtgExplanation(trie)


def _source(example: Mapping[str, Any], number: int) -> Source:
    """The text of an example up to the token on which it fires."""
    missing = [name for name in ("idx", "act", "tokens", "token_ints") if name not in example]
    if missing:
        raise SaescopeError(f"example {number} lacks {', '.join(missing)}: give it")
    _check_no_mark(example["tokens"])
    index, ids = example["idx"], list(example["token_ints"])
    if len(example["tokens"]) != len(ids):
        raise SaescopeError(
            f"example {number} has {len(example['tokens'])} tokens and {len(ids)} token_ints: both must be of one text"
        )
    if not 0 <= index < len(ids):
        raise SaescopeError(f"idx is {index} in example {number}, which has the tokens 0 to {len(ids) - 1}")
    return Source(ids[: index + 1], float(example["act"]))


def _check_no_mark(tokens: Sequence[str | None]) -> None:
    if found := MARKS.intersection(tokens):
        raise SaescopeError(f"a token is named {min(map(str, found))}, which is a mark in OpenAI's form: leave it out")


def _parsed(data: bytes | str) -> Any:
    if len(data) > MOST_BYTES:
        raise SaescopeError(
            f"an explanation of more than {MOST_BYTES:,} bytes isn't read: no feature has as many patterns"
        )
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SaescopeError(f"this is no neuron-to-graph explanation, as it is no JSON ({error})") from error


def _check_trie(trie: Trie) -> None:
    """SaescopeError for what isn't a trie of OpenAI's form, or is too large or deep for one."""
    stack: list[tuple[str, Any, int]] = [("the trie", trie, 0)]
    num_nodes = 0
    while stack:
        name, node, depth = stack.pop()
        num_nodes += 1
        if num_nodes > MOST_NODES or depth > MOST_DEPTH:
            raise SaescopeError(
                f"an explanation of more than {MOST_NODES:,} nodes, or {MOST_DEPTH} of them in a row, isn't read: "
                "no feature has such patterns"
            )
        if not isinstance(node, dict) or not all(isinstance(key, str) for key in node):
            raise SaescopeError(f"a trie's nodes are objects with tokens as names, and {printable(name)} is none")
        value = node.get(VALUE_KEY, 0.0 if name != START_TOKEN else None)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise SaescopeError(f"{VALUE_KEY} must be a finite number, and isn't one at {printable(name)}")
        stack += [(key, child, depth + 1) for key, child in node.items() if key != VALUE_KEY]


def _patterns_of(trie: Trie) -> Patterns[str]:
    patterns: Patterns[str] = Patterns()
    stack: list[tuple[tuple[str | None, ...], Trie]] = [((), trie)]
    while stack:
        tokens, node = stack.pop()
        for key, child in node.items():
            if key == VALUE_KEY:
                if tokens:
                    patterns.add(tokens, at_start=False, activation=child)
            elif key == START_TOKEN:
                if tokens:
                    patterns.add(tokens, at_start=True, activation=child[VALUE_KEY])
            else:
                stack.append(((None if key == ANY_TOKEN else key, *tokens), child))
    return patterns


def _trie_of(patterns: Patterns[str]) -> Trie:
    trie: Trie = {}
    stack: list[tuple[Node[str], Trie]] = [(patterns.root, trie)]
    while stack:
        node, written = stack.pop()
        if node.anywhere is not None:
            written[VALUE_KEY] = node.anywhere.activation
        if node.at_start is not None:
            written[START_TOKEN] = {VALUE_KEY: node.at_start.activation}
        for token, child in node.children:
            if token in (ANY_TOKEN, START_TOKEN, VALUE_KEY):
                raise SaescopeError(
                    f"a token is named {token}, which is a mark in OpenAI's form: it can't be written so"
                )
            below: Trie = {}
            written[ANY_TOKEN if token is None else token] = below
            stack.append((child, below))
    return trie
