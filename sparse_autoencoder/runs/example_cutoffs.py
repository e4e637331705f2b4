"""Example cutoffs: the last sort key of each feature's full example list, so that encoders drop weaker examples early.

While chunks are merged, a full list of examples only gets stronger. An example beyond the last one of the list at any
time can never be chosen later. `Order.merge` leaves such examples out, and an encoder that knows the cutoffs need not
send them. The merged result stays the same bytes, provided that the state already holds every chunk that the cutoffs
were computed from. So a partial records these chunks, and merging checks them (partial_format.py).
docs/architecture.md has the proof ("Why cutoffs change nothing").
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from sparse_autoencoder.runs.checksums import seal, understood, unseal
from sparse_autoencoder.runs.run_state import RunState
from sparse_autoencoder.summaries.feature_summary import CutoffKeys
from sparse_autoencoder.summaries.strength_bands import BANDS

_CODEC = "zstd"
_KEY = np.dtype("<u4")


class MergedChunks(BaseModel):
    """The chunks that were merged when cutoffs were computed: those before `next_chunk`, without the failed ones.

    The default is no chunk at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    next_chunk: int = 0
    failed: tuple[int, ...] = ()

    def are_in(self, next_chunk: int, failed: Collection[int]) -> bool:
        """Whether a state with this next chunk and these failed chunks holds all of them; it may hold more."""
        missing = {chunk for chunk in failed if chunk < self.next_chunk}
        return self.next_chunk <= next_chunk and missing <= set(self.failed)

    def prefixed_to(self, data: bytes) -> bytes:
        """The bytes with this record before them, as a line of JSON."""
        return self.model_dump_json().encode() + b"\n" + data

    @classmethod
    def split_from(cls, data: bytes) -> tuple[MergedChunks, bytes]:
        """The inverse of `prefixed_to`; pydantic's ValidationError for other bytes."""
        line, _newline, rest = data.partition(b"\n")
        return cls.model_validate_json(line), rest


@dataclass(frozen=True)
class ExampleCutoffs:
    """The cutoffs of a run's state: what examples of later chunks must reach to be chosen."""

    merged_chunks: MergedChunks
    keys: CutoffKeys

    @classmethod
    def of(cls, state: RunState) -> ExampleCutoffs:
        """The cutoffs for chunks that are merged after this state."""
        failed = tuple(chunk.chunk for chunk in state.failed_chunks)
        return cls(MergedChunks(next_chunk=state.next_chunk, failed=failed), state.summary.cutoff_keys())

    def to_bytes(self) -> bytes:
        """The cutoffs as one file: a line of JSON, then the compressed keys."""
        keys = np.concatenate([self.keys.top, self.keys.random, self.keys.bands])
        packed: bytes = pa.compress(keys.astype(_KEY).tobytes(), codec=_CODEC, asbytes=True)
        return seal("cutoffs", self.merged_chunks.prefixed_to(packed))

    @classmethod
    def from_bytes(cls, data: bytes, n_features: int) -> ExampleCutoffs:
        """The inverse of `to_bytes`; DamagedError for other bytes, or for another number of features."""
        content = unseal("cutoffs", data)
        with understood("cutoffs"):
            merged_chunks, packed = MergedChunks.split_from(content)
            raw = pa.decompress(packed, (2 + BANDS) * n_features * _KEY.itemsize, codec=_CODEC, asbytes=True)
            keys = np.frombuffer(raw, _KEY).astype(np.uint32)
            return cls(merged_chunks, CutoffKeys(*np.split(keys, [n_features, 2 * n_features])))
