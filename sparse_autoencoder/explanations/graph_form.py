"""Patterns as the nodes of an answer (questions/answer_types.py), and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sparse_autoencoder.explanations.patterns import Ending, Node, Pattern
from sparse_autoencoder.questions.answer_types import GraphNode


def graph_nodes(node: Node[int], string_of: Callable[[int], str]) -> list[GraphNode]:
    """What is before a node of patterns (of the trie's root: the last tokens), those of most examples first."""
    found = []
    for token, child in node.children:
        written = GraphNode(
            token=None if token is None else string_of(token), token_id=token, before=graph_nodes(child, string_of)
        )
        if child.anywhere is not None:
            _complete(written, child.anywhere)
        found.append(written)
    if node.at_start is not None:
        start = GraphNode(token=None, token_id=None, is_start=True, before=[])
        _complete(start, node.at_start)
        found.append(start)
    return sorted(found, key=lambda one: (-num_examples(one), -_strongest(one)))


def _complete(node: GraphNode, ending: Ending) -> None:
    """Say that a pattern ends at a node."""
    node["activation"] = ending.activation
    node["num_examples"] = ending.num_examples
    node["num_checked"] = len(ending.elsewhere)
    node["num_fired"] = ending.num_fired


def num_examples(node: GraphNode) -> int:
    """How many examples have a pattern that goes through this node."""
    return node.get("num_examples", 0) + sum(map(num_examples, node["before"]))


def patterns_in(roots: Sequence[GraphNode]) -> list[Pattern[str]]:
    """The patterns of nodes, with the strings of their tokens: those of most examples first, then the strongest."""
    found = [pattern for root in roots for pattern in _ending_in(root, ())]
    return sorted(found, key=lambda pattern: (-pattern.num_examples, -pattern.activation))


def _ending_in(node: GraphNode, after: tuple[str | None, ...]) -> Iterator[Pattern[str]]:
    at_start = node.get("is_start", False)
    tokens = after if at_start else (node["token"], *after)
    if "activation" in node:
        numbers = node.get("num_examples", 1), node.get("num_checked", 0), node.get("num_fired", 0)
        yield Pattern(tokens, at_start, node["activation"], *numbers)
    for before in node["before"]:
        yield from _ending_in(before, tokens)


def _strongest(node: GraphNode) -> float:
    return max([node.get("activation", 0.0), *map(_strongest, node["before"])])
