"""What is merged in a schedule, and what a finished run must consist of. `published` shares no code with the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.common.run_records import MergeProgress
from sparse_autoencoder.data.rows_hash import NOTHING_READ
from sparse_autoencoder.runs.checksums import seal
from tests.simulation import examples
from tests.simulation.examples import Examples, FakeLimits, example_of, to_text


@dataclass(frozen=True)
class FakeState:
    """The port State."""

    run_id: str
    merged: tuple[str, ...] = ()  # "<chunk> encoded" or "<chunk> failed"
    examples: Examples = ()
    rows_hash: str = NOTHING_READ  # a mark for each chunk

    @property
    def next_chunk(self) -> int:
        """See State.next_chunk."""
        return len(self.merged)

    @property
    def failed(self) -> Sequence[int]:
        """See State.failed."""
        return [int(entry.split()[0]) for entry in self.merged if entry.endswith("failed")]

    def progress(self, at: str) -> MergeProgress:
        """See State.progress."""
        n = self.next_chunk
        return MergeProgress(
            next_chunk=n, num_records=n, num_tokens=n, num_skipped_rows=0, num_failed_chunks=len(self.failed), at=at
        )

    def to_bytes(self) -> bytes:
        """See State.to_bytes."""
        return seal("state", "\n".join([self.run_id, self.rows_hash, to_text(self.examples), *self.merged]).encode())

    def limits(self) -> bytes:
        """See State.limits."""
        basis = f"{self.next_chunk}:{','.join(map(str, self.failed))}"
        return FakeLimits(basis, examples.last_key(self.examples)).to_bytes()


def published(run_id: str, num_chunks: int, failed: set[int]) -> dict[str, bytes]:
    """What a finished run must consist of beside metadata.json, where these chunks are missing."""
    lines = [f"{chunk} {'failed' if chunk in failed else 'encoded'}" for chunk in range(num_chunks)]
    prompts = {chunk: f"prompts of {run_id} {chunk}\n" for chunk in range(num_chunks) if chunk not in failed}
    smallest = sorted((example_of(run_id, chunk), chunk) for chunk in prompts)[:2]
    kept = ",".join(f"{example}/{chunk}" for example, chunk in smallest)
    return {
        f"{run_id}/vocabulary.json": f'["{run_id}"]'.encode(),
        f"{run_id}/prompts.jsonl": "".join(prompts.values()).encode(),
        f"{run_id}/features/00000.parquet": "\n".join([run_id, kept, *lines]).encode(),
        f"{run_id}/feature_stats.json": f"{num_chunks} chunks of {run_id}".encode(),
    } | {f"{run_id}/prompts/{chunk:06d}.parquet": text.encode() for chunk, text in prompts.items()}
