"""A partial: what one chunk contributes to its run's state, and how its bytes are laid out.

Encoders write partials, the aggregator merges them. A partial may lack examples that can't be chosen any more
(example_cutoffs.py). It then names the chunks that the cutoffs came from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sparse_autoencoder.runs.checksums import seal, understood, unseal
from sparse_autoencoder.runs.example_cutoffs import ExampleCutoffs, MergedChunks
from sparse_autoencoder.runs.run_state import RunState

_NO_CHUNKS = MergedChunks()


@dataclass(frozen=True)
class Partial:
    """What one chunk contributes to its run's state, maybe without examples beyond the cutoffs of earlier chunks."""

    state: RunState  # of this chunk alone
    cut_after: MergedChunks = _NO_CHUNKS  # the chunks whose cutoffs it was cut by; none: nothing was left out

    def cut_by(self, cutoffs: ExampleCutoffs) -> Partial:
        """The partial without examples beyond the cutoffs; unchanged if they include this chunk or later ones."""
        if cutoffs.merged_chunks.next_chunk >= self.state.next_chunk:
            return self
        summary = self.state.summary.reaching(cutoffs.keys)
        return Partial(replace(self.state, summary=summary), cutoffs.merged_chunks)

    def merged_into(self, state: RunState) -> RunState:
        """The state after this chunk.

        Raises ValueError if another chunk is next, or if the state lacks a chunk whose cutoffs this partial was cut by.
        """
        if not self.cut_after.are_in(state.next_chunk, [chunk.chunk for chunk in state.failed_chunks]):
            raise ValueError(f"chunk {self.state.next_chunk - 1} was cut by cutoffs of chunks that are not merged")
        return state.merge(self.state)

    def to_bytes(self) -> bytes:
        """The partial as one file: a line of JSON (`cut_after`), then the state's bytes."""
        return seal("partial", self.cut_after.prefixed_to(self.state.packed()))

    @classmethod
    def from_bytes(cls, data: bytes) -> Partial:
        """The inverse of `to_bytes`; DamagedError for other bytes."""
        content = unseal("partial", data)
        with understood("partial"):
            cut_after, packed = MergedChunks.split_from(content)
            return cls(RunState.unpacked(packed), cut_after)
