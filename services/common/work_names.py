"""The names of leases, and of what attempts are counted at."""

from __future__ import annotations

ENCODE_LEASES = "encode/"  # what the leases of all runs' chunks begin with


def ingest_lease(run_id: str) -> str:
    """The lease under which a run's source is read."""
    return f"ingest/{run_id}"


def encode_lease(run_id: str, chunk: int) -> str:
    """The lease under which a chunk is encoded."""
    return f"{encode_leases(run_id)}{chunk:06d}"


def encode_leases(run_id: str) -> str:
    """What the leases of a run's chunks begin with."""
    return f"{ENCODE_LEASES}{run_id}/"


def aggregate_lease(run_id: str) -> str:
    """The lease under which a run is merged and published."""
    return f"aggregate/{run_id}"


# -- what is tried, as attempts at it are counted --------------------------------------------------------------------

INGEST = "ingest"  # reading its source, since the last chunk that was written
AGGREGATE = "aggregate"  # merging and publishing, since the last state that was saved


def loading(chunk: int) -> str:
    """Loading a run's models for a chunk: only attempts for one chunk come one after the other."""
    return f"load/{chunk:06d}"


def encoding(chunk: int) -> str:
    """Encoding a chunk."""
    return f"encode/{chunk:06d}"


def merging(chunk: int) -> str:
    """Merging a chunk's partial, if that turned out to be damaged."""
    return f"merge/{chunk:06d}"
