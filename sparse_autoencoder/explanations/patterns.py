"""Patterns of tokens after which a feature fires, in a trie that is read backwards from the token on which it fires.

Each token of a pattern is a certain one or any; a pattern may have to begin where the text begins. Tokens may be ids or
strings. Equal patterns of several examples are one, which predicts the mean of their activations: of all numbers that
one has the least squared error. If the feature's activations at other tokens are known at which the pattern fits, they
count as well, for the same reason; all examples together then count as one of them, as they were chosen for firing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sparse_autoencoder.errors import SaescopeError

Token = TypeVar("Token", bound=Hashable)
Other = TypeVar("Other", bound=Hashable)


@dataclass
class Ending:
    """That a pattern is complete at a node: the sum of its examples' activations, and how many these are."""

    total: float = 0.0
    num_examples: int = 0
    elsewhere: list[float] = field(default_factory=list)  # the feature's activations at tokens where the pattern fits

    @property
    def activation(self) -> float:
        """What the pattern predicts."""
        return (self.total / self.num_examples + sum(self.elsewhere)) / (1 + len(self.elsewhere))

    @property
    def num_fired(self) -> int:
        """At how many of the tokens elsewhere the feature fires."""
        return sum(activation > 0 for activation in self.elsewhere)

    def add(self, other: Ending) -> None:
        """Count the examples of an equal pattern, too."""
        self.total += other.total
        self.num_examples += other.num_examples
        self.elsewhere += other.elsewhere


@dataclass
class Node(Generic[Token]):
    """A token of patterns; its children are the tokens before it."""

    literals: dict[Token, Node[Token]] = field(default_factory=dict)
    any_token: Node[Token] | None = None
    anywhere: Ending | None = None  # a pattern begins with this token
    at_start: Ending | None = None  # a pattern begins with this token, and the text with the pattern

    def before(self, token: Token | None) -> Node[Token]:
        """The child for a token, or for any (None); it is made if there is none."""
        if token is not None:
            return self.literals.setdefault(token, Node())
        if self.any_token is None:
            self.any_token = Node()
        return self.any_token

    @property
    def children(self) -> list[tuple[Token | None, Node[Token]]]:
        """All children with their tokens, certain ones first."""
        others = [] if self.any_token is None else [(None, self.any_token)]
        return [*self.literals.items(), *others]


@dataclass(frozen=True)
class Pattern(Generic[Token]):
    """Tokens in the order of reading (None: any), on the last of which the feature fires."""

    tokens: tuple[Token | None, ...]
    at_start: bool  # only at a text's beginning
    activation: float
    num_examples: int
    num_checked: int = 0  # tokens elsewhere at which it fits, and the feature's activation is known
    num_fired: int = 0  # of these, those at which the feature fires


class Patterns(Generic[Token]):
    """A feature's patterns."""

    def __init__(self) -> None:
        self.root: Node[Token] = Node()

    def add(self, tokens: Sequence[Token | None], *, at_start: bool, activation: float) -> None:
        """Add the pattern of an example, with its activation."""
        self._insert(tokens, at_start, Ending(activation, 1))

    def _insert(self, tokens: Sequence[Token | None], at_start: bool, added: Ending) -> None:
        if not tokens:
            raise SaescopeError("a pattern needs at least one token: leave this one out")
        node = self.root
        for token in reversed(tokens):
            node = node.before(token)
        name = "at_start" if at_start else "anywhere"
        ending = getattr(node, name) or Ending()
        ending.add(added)
        setattr(node, name, ending)

    def _endings(self) -> Iterator[tuple[tuple[Token | None, ...], bool, Ending]]:
        """All patterns: their tokens, whether they must be at a text's beginning, and where they end."""
        stack: list[tuple[tuple[Token | None, ...], Node[Token]]] = [((), self.root)]
        while stack:
            tokens, node = stack.pop()
            for at_start, ending in ((True, node.at_start), (False, node.anywhere)):
                if ending is not None:
                    yield tokens, at_start, ending
            stack += [((token, *tokens), child) for token, child in reversed(node.children)]

    def most_important_first(self) -> list[Pattern[Token]]:
        """All patterns: those of most examples first, then those with the largest activations."""
        found = [
            Pattern(tokens, at_start, ending.activation, ending.num_examples, len(ending.elsewhere), ending.num_fired)
            for tokens, at_start, ending in self._endings()
        ]
        return sorted(found, key=lambda pattern: (-pattern.num_examples, -pattern.activation))

    def with_tokens(self, token_of: Callable[[Token], Other]) -> Patterns[Other]:
        """The same patterns with other names of tokens; patterns that thereby become equal are one."""
        renamed: Patterns[Other] = Patterns()
        for tokens, at_start, ending in self._endings():
            renamed._insert([None if token is None else token_of(token) for token in tokens], at_start, ending)
        return renamed

    @property
    def last_tokens(self) -> set[Token] | None:
        """The tokens on which some pattern predicts that the feature fires; None: on any."""
        return None if self.root.any_token is not None else set(self.root.literals)

    def predict(self, tokens: Sequence[Token]) -> list[float]:
        """The predicted activation at each token of a text."""
        return [self.predict_at(tokens, at) for at in range(len(tokens))]

    def predict_at(self, tokens: Sequence[Token], at: int) -> float:
        """The predicted activation at one token of a text; 0 if no pattern fits there."""
        ending = self.fitting(tokens, at)
        return 0.0 if ending is None else ending.activation

    def fitting(self, tokens: Sequence[Token], at: int) -> Ending | None:
        """The longest pattern that fits at one token of a text.

        A text's beginning counts as a token more. Of patterns of equal length the one counts which names a certain
        token where they first differ, read backwards. Takes at most as many steps as the trie has nodes.
        """
        best, best_length = None, 0
        stack = [(self.root, at)]
        while stack:
            node, before = stack.pop()
            length = at - before
            if node.at_start is not None and before < 0 and length + 1 > best_length:
                best, best_length = node.at_start, length + 1
            elif node.anywhere is not None and length > best_length:
                best, best_length = node.anywhere, length
            if before < 0:
                continue
            if node.any_token is not None:
                stack.append((node.any_token, before - 1))
            if tokens[before] in node.literals:  # the last on the stack is the next to be tried
                stack.append((node.literals[tokens[before]], before - 1))
        return best
