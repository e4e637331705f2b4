"""Draw mutants: places inside functions, each with one of cosmic-ray's operators.

A mutant's identity is what a reader sees (file, function, line's text, operator), not line numbers, and each place has
a rank of its own (a hash of seed and identity): a change elsewhere in the code leaves the draw as it is.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import MutationVisitor
from cosmic_ray.plugins import get_operator, operator_names

PACKAGES = ("sparse_autoencoder", "services")
# Those with arguments, and those whose results behave the same for small numbers, strings and None.
LEFT_OUT = ("Variable", "_Eq_Is", "_Is_Eq", "_NotEq_IsNot", "_IsNot_NotEq")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, order=True)
class Mutant:
    """One mistake: what a reader sees of it, and where it is now."""

    file: str
    function: str  # qualified, as in "Store.put"
    source: str  # the line's text
    operator: str  # cosmic-ray's
    number: int  # which of the equal ones in the function, from 0
    occurrence: int  # which of the operator's in the file, for cosmic-ray
    lines: tuple[int, ...]  # of the statement that has it

    @property
    def identity(self) -> str:
        """What stays the same when other code changes."""
        return f"{self.file} {self.function} [{self.source}] {self.operator} {self.number}"


def draw(root: Path, count: int, seed: int) -> list[Mutant]:
    """Draw `count` mutants of the code in `root`: at most one of each line, no line likelier than another."""
    lines: dict[tuple[str, int], Mutant] = {}
    for mutant in sorted(every_mutant(root), key=lambda mutant: _rank(seed, mutant.identity)):
        lines.setdefault((mutant.file, mutant.lines[0]), mutant)
    drawn: list[Mutant] = []
    for mutant in sorted(lines.values(), key=lambda one: _rank(seed, f"{one.file} {one.function} {one.source}")):
        if len(drawn) == count:
            break
        if mutated(root, mutant) is not None:
            drawn.append(mutant)
    return sorted(drawn)


def _rank(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed} {text}".encode()).digest()


def every_mutant(root: Path) -> Iterator[Mutant]:
    """Every place and operator; some change nothing, see `mutated`."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            if "node_modules" not in path.parts:
                yield from mutants_of(path.read_text(encoding="utf-8"), str(path.relative_to(root)))


def mutants_of(source: str, file: str) -> Iterator[Mutant]:
    """The same of one file."""
    texts = source.splitlines()
    statements = dict(_statements(ast.parse(source).body, ""))
    nodes = list(ast_nodes(get_ast(source)))
    seen: Counter[tuple[str, str, str]] = Counter()
    for name, operator in _operators().items():
        starts = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, (line, _) in enumerate(starts):
            if line in statements:
                function, lines = statements[line]
                key = (function, texts[line - 1].strip(), name)
                yield Mutant(file, *key, number=seen[key], occurrence=occurrence, lines=lines)
                seen[key] += 1


@cache
def _operators() -> dict[str, Any]:
    wanted = [name for name in operator_names() if not any(part in name for part in LEFT_OUT)]
    return {name.removeprefix("core/"): get_operator(name)() for name in sorted(wanted)}


def _statements(body: list[ast.stmt], function: str) -> Iterator[tuple[int, tuple[str, tuple[int, ...]]]]:
    """Lines inside functions, each with its function and the lines of its innermost statement; inner ones come last."""
    for node in body:
        inside = function
        if isinstance(node, ast.ClassDef | Function):
            inside = f"{function.removesuffix('.<class>')}.{node.name}".removeprefix(".")
            inside += ".<class>" if isinstance(node, ast.ClassDef) else ""
        inner = [one for name in ("body", "orelse", "finalbody") for one in getattr(node, name, [])]
        inner += [one for handler in getattr(node, "handlers", []) for one in handler.body]
        inner += [one for case in getattr(node, "cases", []) for one in case.body]
        last = max(inner[0].lineno - 1, node.lineno) if inner else node.end_lineno or node.lineno
        if function and not function.endswith(".<class>"):
            lines = tuple(range(node.lineno, last + 1))
            yield from ((line, (function, lines)) for line in range(node.lineno, (node.end_lineno or last) + 1))
        yield from _statements(inner, inside)


def mutated(root: Path, mutant: Mutant) -> str | None:
    """The file's text with the mistake in it; None if that is the same code or none at all."""
    source = (root / mutant.file).read_text(encoding="utf-8")
    text = MutationVisitor.mutate_code(source, _operators()[mutant.operator], mutant.occurrence)
    if text is None:
        return None
    try:
        same = _meaning(text) == _meaning(source)
    except SyntaxError:
        return None
    return None if same else str(text)


def _meaning(source: str) -> str:
    """The code without what is never run: annotations and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, Function):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return ast.dump(tree)
