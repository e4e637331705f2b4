"""A chunk's partial: what it contributes to its run's state, and how that is laid out in bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sparse_autoencoder.runs.checksums import seal, understood, unseal
from sparse_autoencoder.runs.example_limits import _NOBODYS, Basis, Limits, _split, _with_basis
from sparse_autoencoder.runs.state import RunState


@dataclass(frozen=True)
class Part:
    """A chunk's part of the run, without the examples that are beyond the limits of some chunks before it."""

    part: RunState
    basis: Basis = _NOBODYS

    def within(self, limits: Limits) -> Part:
        """The part without what is beyond limits; as it is, if they are not those of chunks before it."""
        if limits.basis.next_chunk >= self.part.next_chunk:
            return self
        return Part(replace(self.part, summary=self.part.summary.reaching(limits.last_keys)), limits.basis)

    def merged_into(self, state: RunState) -> RunState:
        """The state with this part; ValueError if it is another chunk's, or was cut by chunks that the state lacks."""
        if not self.basis.is_in(state.next_chunk, [chunk.chunk for chunk in state.failed_chunks]):
            raise ValueError(f"chunk {self.part.next_chunk - 1} was cut by limits of chunks that are not merged")
        return state.merge(self.part)

    def to_bytes(self) -> bytes:
        """The part as one file: a line of JSON, then a state's bytes."""
        return seal("partial", _with_basis(self.basis, self.part.packed()))

    @classmethod
    def from_bytes(cls, data: bytes) -> Part:
        """The inverse of `to_bytes`; DamagedError if the bytes are something else."""
        content = unseal("partial", data)
        with understood("partial"):
            basis, state = _split(content)
            return cls(RunState.unpacked(state), basis)
