"""Mutants are the same when other code changes, and each is run against the tests that reach it."""

from __future__ import annotations

from pathlib import Path

from tests.mutation.__main__ import compare
from tests.mutation.drawing import draw, mutants_of, mutated
from tests.mutation.reach import Reach

SOURCE = '''"""A module."""

LIMIT = 3


class Shelf:
    """A class."""

    def holds(self, wanted: int | None) -> bool:
        """Whether it does."""
        return wanted is not None and wanted < 2
'''


def write_package(root: Path, source: str) -> Path:
    for package in ("sparse_autoencoder", "services"):
        (root / package).mkdir(parents=True)
    (root / "services" / "shelf.py").write_text(source)
    return root


def test_mutants_are_inside_functions_and_known_by_what_a_reader_sees() -> None:
    found = [mutant for mutant in mutants_of(SOURCE, "services/shelf.py") if mutant.operator == "NumberReplacer"]
    line = "return wanted is not None and wanted < 2"
    assert [(one.function, one.source, one.number) for one in found] == [
        ("Shelf.holds", line, 0),
        ("Shelf.holds", line, 1),
    ]


def test_what_is_drawn_stays_the_same_when_lines_are_moved(tmp_path: Path) -> None:
    (before,) = draw(write_package(tmp_path / "before", SOURCE), 1, seed=5)
    (after,) = draw(
        write_package(tmp_path / "after", SOURCE.replace("LIMIT = 3", "LIMIT = 3\n\n# a comment\n")), 1, seed=5
    )
    assert before.identity == after.identity
    assert after.lines[0] == before.lines[0] + 3


def test_a_mutant_of_an_annotation_is_none(tmp_path: Path) -> None:
    root = write_package(tmp_path, SOURCE)
    every = list(mutants_of(SOURCE, "services/shelf.py"))
    assert {mutated(root, one) for one in every if one.operator.startswith("ReplaceBinaryOperator_BitOr")} <= {None}
    (changed,) = (mutated(root, one) for one in every if one.operator == "ReplaceComparisonOperator_Lt_GtE")
    assert changed == SOURCE.replace("wanted < 2", "wanted >= 2")


def test_tests_come_by_file_the_fastest_file_first() -> None:
    seconds = {"a.py::slow": 9.0, "b.py::one": 1.0, "b.py::other": 2.0, "c.py::elsewhere": 0.1}
    reach = Reach(seconds, {"services/shelf.py": {9: {"a.py::slow"}, 10: {"b.py"}}})
    assert reach.tests_of("services/shelf.py", (9, 10)) == ["b.py::one", "b.py::other", "a.py::slow"]


def test_a_mutant_that_is_no_longer_caught_makes_a_difference() -> None:
    caught, survived = {"outcome": "caught", "by": "a.py::test"}, {"outcome": "survived", "by": ""}
    assert compare({"x": caught, "y": survived}, {"x": survived, "y": caught}) == 1
    assert compare({"x": survived}, {"x": caught}) == 0
