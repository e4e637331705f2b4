"""A source in a schedule: it fails, changes and breaks as its script says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from services.common.attempt_rule import Moved
from services.common.run_json_files import ReadingProgress
from sparse_autoencoder.data.rows_hash import ReadBefore
from sparse_autoencoder.errors import SaescopeError
from tests.simulation.faults import Script

if TYPE_CHECKING:
    from tests.simulation.compute import Compute

RECORDS = 10  # a chunk


ROWS, OTHER_ROWS = ".", "+"  # marks of a chunk's rows: the first ones, and those that were put in their place


@dataclass(eq=False)
class FakeDataset:
    """The port Dataset."""

    compute: Compute
    script: Script
    changed: str | None  # what was put in its place before it was opened
    num_records: int = 0

    def progress(self, num_chunks: int) -> ReadingProgress:
        """See Dataset.progress; the hash is a mark for each chunk."""
        size = self.script.num_chunks + (self.changed == "size")
        return ReadingProgress(
            source={"name": self.script.name, "size": size, "notice": str(self.num_records)},
            tokens=tokens(self.changed),
            rows_hash=self._mark * (self.num_records // RECORDS),
            num_chunks=num_chunks,
            num_records=self.num_records,
        )

    @property
    def _mark(self) -> str:
        return OTHER_ROWS if self.changed == "rows" else ROWS

    def chunks(self, first: int, moved: Moved, before: ReadBefore | None = None) -> Iterator[tuple[int, bytes]]:
        """See Dataset.chunks."""
        if before is not None and before.running != self._mark * before.num_chunks:
            self.compute.network.note("other rows found")
            raise SaescopeError("the rows changed")
        script, happened = self.script, self.compute.happened
        for chunk in range(script.num_chunks + 1):
            if chunk == script.source_fails_at and happened.source_failures[script.name] < script.source_fails:
                happened.source_failures[script.name] += 1
                self.compute.network.note("source can't be read")
                raise SaescopeError("can't read the source")
            if chunk == script.num_chunks:
                break
            self.num_records += RECORDS
            moved()
            if happened.read_breaks[script.name] < script.reading_breaks:
                happened.read_breaks[script.name] += 1
                self.compute.network.note("reading breaks")
                raise random_error(self.compute.network.scheduler.random)
            if chunk >= first:
                self.compute.take_time(script.name, 0.5)
                yield chunk, f"rows of {script.name} {chunk} {self._mark}".encode()
        if script.num_chunks == 0:
            happened.source_failures[script.name] += 1
            raise SaescopeError("the source has no rows")


def tokens(changed: str | None) -> dict[str, str]:
    """What tokens depend on."""
    return {"tokenizer": "another" if changed == "tokenizer" else "the first"}


def random_error(random: Random) -> BaseException:
    """What code that is wrong, or native code, may raise."""
    return random.choice((MemoryError(), IndexError("out of bounds"), RuntimeError("too hard\nfor us"), PanicError()))


class PanicError(BaseException):
    """What a panic in Rust is in Python."""
