"""Limits: what a chunk's examples must reach to matter, given what other chunks have; and parts that were cut by them.

As chunks are merged, a full list of examples only gets stronger: what is beyond the last of it once is beyond it ever
after. `Order.merge` leaves that out, and whoever knows the last keys need not pass it on. So a part that was cut merges
to the same bytes as the whole one, if the state that it is merged with has the chunks that the limits came from. A part
names them, and merging looks. This file knows no store.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from sparse_autoencoder.runs.checksums import seal, understood, unseal
from sparse_autoencoder.runs.state import RunState
from sparse_autoencoder.summaries.summary import LastKeys

_CODEC = "zstd"
_KEY = np.dtype("<u4")


class Basis(BaseModel):
    """Whose examples limits stand for: the chunks before `next_chunk`, but for the failed ones; by default nobody's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    next_chunk: int = 0
    failed: tuple[int, ...] = ()

    def is_in(self, next_chunk: int, failed: Collection[int]) -> bool:
        """Whether the chunks before `next_chunk`, but for the failed ones, are these and maybe others."""
        missing = {chunk for chunk in failed if chunk < self.next_chunk}
        return self.next_chunk <= next_chunk and missing <= set(self.failed)


_NOBODYS = Basis()


@dataclass(frozen=True)
class Limits:
    """The last keys of a state's full lists."""

    basis: Basis
    last_keys: LastKeys

    @classmethod
    def of(cls, state: RunState) -> Limits:
        """What chunks that are merged after this state must reach."""
        failed = tuple(chunk.chunk for chunk in state.failed_chunks)
        return cls(Basis(next_chunk=state.next_chunk, failed=failed), state.summary.last_keys())

    def to_bytes(self) -> bytes:
        """The limits as one file: a line of JSON, then the compressed keys."""
        keys = np.concatenate([self.last_keys.top, self.last_keys.random])
        packed: bytes = pa.compress(keys.astype(_KEY).tobytes(), codec=_CODEC, asbytes=True)
        return seal("limits", _with_basis(self.basis, packed))

    @classmethod
    def from_bytes(cls, data: bytes, n_features: int) -> Limits:
        """The inverse of `to_bytes`; DamagedError if the bytes are something else, or of another number of features."""
        content = unseal("limits", data)
        with understood("limits"):
            basis, packed = _split(content)
            raw = pa.decompress(packed, 2 * n_features * _KEY.itemsize, codec=_CODEC, asbytes=True)
            keys = np.frombuffer(raw, _KEY).astype(np.uint32)
            return cls(basis, LastKeys(keys[:n_features], keys[n_features:]))


def _with_basis(basis: Basis, data: bytes) -> bytes:
    return basis.model_dump_json().encode() + b"\n" + data


def _split(data: bytes) -> tuple[Basis, bytes]:
    line, _newline, rest = data.partition(b"\n")
    return Basis.model_validate_json(line), rest
