"""Many small questions to a model asked in batches; the names and behaviour are those of OpenAI's explanations.py."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from sparse_autoencoder.errors import SaescopeError

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Result = TypeVar("Result")


def batched(iterable: Iterable[Item], bs: int) -> Iterator[list[Item]]:
    """The items in lists of `bs`, the last of which may be shorter. Items are taken when their list is asked for."""
    if bs < 1:
        raise SaescopeError(f"a batch of {bs} items is none: take at least 1")
    batch = []
    for item in iterable:
        batch.append(item)
        if len(batch) == bs:
            yield batch
            batch = []
    if batch:
        yield batch


def apply_batched(fn: Callable[[list[Item]], Sequence[Answer]], iterable: Iterable[Item], bs: int) -> Iterator[Answer]:
    """What a function gives for each item, asked for `bs` items at once; SaescopeError if it gives too few or many."""
    for batch in batched(iterable, bs):
        answers = fn(batch)
        if len(answers) != len(batch):
            raise SaescopeError(
                f"the function gave {len(answers)} answers to {len(batch)} items: it must give one for each, in order"
            )
        yield from answers


def batch_parallelize(
    algos: Sequence[Generator[Item, Answer, Result]],
    fn: Callable[[list[Item]], Sequence[Answer]],
    batch_size: int,
) -> list[Result]:
    """The results of generators that yield items and are sent a function's answers to them.

    All of them go on in step, so that their items make batches.
    """
    results: list[Any] = [None] * len(algos)
    asking: list[tuple[int, Item]] = []

    def go_on(number: int, step: Callable[[], Item]) -> None:
        try:
            asking.append((number, step()))
        except StopIteration as end:
            results[number] = end.value

    for number, algorithm in enumerate(algos):
        go_on(number, algorithm.__next__)
    while asked := asking:
        answers = list(apply_batched(fn, [item for _number, item in asked], batch_size))
        asking = []
        for (number, _item), answer in zip(asked, answers, strict=True):
            go_on(number, partial(algos[number].send, answer))
    return results
