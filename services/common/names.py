"""The names under which leases are held and attempts are counted."""

from __future__ import annotations

ALL_ENCODE_LEASES = "encode/"  # what those of all runs' chunks begin with


def ingest_lease(run_id: str) -> str:
    """The lease under which a run's source is read."""
    return f"ingest/{run_id}"


def encode_lease(run_id: str, chunk: int) -> str:
    """The lease under which a chunk is encoded."""
    return f"{encode_leases(run_id)}{chunk:06d}"


def encode_leases(run_id: str) -> str:
    """What the leases of a run's chunks begin with."""
    return f"{ALL_ENCODE_LEASES}{run_id}/"


def aggregate_lease(run_id: str) -> str:
    """The lease under which a run is merged and published."""
    return f"aggregate/{run_id}"


def counts(run_id: str) -> str:
    """What the names of all counts of a run begin with."""
    return f"{run_id}/"


def chunk_attempts(run_id: str, chunk: int) -> str:
    """The count of attempts at encoding a chunk."""
    return f"{counts(run_id)}{chunk:06d}"


def model_failures(run_id: str) -> str:
    """The count of failures to load a run's models."""
    return f"{counts(run_id)}models"


def damaged_partials(run_id: str, chunk: int) -> str:
    """The count of a chunk's partials that could not be read."""
    return f"{counts(run_id)}damaged/{chunk:06d}"
