"""What is merged in a schedule, and what a finished run must consist of. `published` shares no code with the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sparse_autoencoder.data.rows_hash import NOTHING_READ
from sparse_autoencoder.runs.checksums import seal
from tests.simulation.examples import Examples, example_of, to_text


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
    def failed_chunks(self) -> Sequence[int]:
        """See State.failed_chunks."""
        return [int(entry.split()[0]) for entry in self.merged if entry.endswith("failed")]

    def to_bytes(self) -> bytes:
        """See State.to_bytes."""
        return seal("state", "\n".join([self.run_id, self.rows_hash, to_text(self.examples), *self.merged]).encode())


NO_WEIGHTS = b"none"  # instead of what follows from the weights, where that could not be computed


def weights_of(run_id: str) -> dict[str, bytes]:
    """A run's files that follow from the weights, by name."""
    return {name: f"{name} of {run_id}".encode() for name in ("logit_effects.parquet", "neighbours.parquet")}


def published(run_id: str, num_chunks: int, failed: set[int]) -> dict[str, bytes]:
    """What a finished run must consist of beside metadata.json, where these chunks are missing."""
    lines = [f"{chunk} {'failed' if chunk in failed else 'encoded'}" for chunk in range(num_chunks)]
    prompts = {chunk: f"prompts of {run_id} {chunk}\n" for chunk in range(num_chunks) if chunk not in failed}
    smallest = sorted((example_of(run_id, chunk), chunk) for chunk in prompts)[:2]
    kept = ",".join(f"{example}/{chunk}" for example, chunk in smallest)
    tokens = {
        f"token_{name}/{chunk:06d}{ending}": f"token {name.rstrip('s') if ending else name} of {run_id} {chunk}\n"
        for name, ending in (("tables", ".parquet"), ("samples", ""))
        for chunk in prompts
    }
    left = tokens if failed else {}  # so that the failed chunks can be tried again
    return {
        f"{run_id}/vocabulary.json": f'["{run_id}"]'.encode(),
        f"{run_id}/prompts.jsonl": "".join(prompts.values()).encode(),
        f"{run_id}/features/00000.parquet": "\n".join([run_id, kept, *lines]).encode(),
        f"{run_id}/features_by_token.parquet": "".join(tokens.values()).encode(),
        f"{run_id}/feature_stats.json": f"{num_chunks} chunks of {run_id}".encode(),
        **{f"{run_id}/{name}": text.encode() for name, text in left.items()},
        **{f"{run_id}/{name}": content for name, content in weights_of(run_id).items()},
    } | {f"{run_id}/prompts/{chunk:06d}.parquet": text.encode() for chunk, text in prompts.items()}
