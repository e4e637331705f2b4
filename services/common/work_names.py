"""The names of work: of the leases under which it is done, and of the pieces for which attempts are counted."""

ENCODE_LEASES = "encode/"  # prefix of the leases of all runs' chunks


def ingest_lease(run_id: str) -> str:
    """The lease under which a run's source is read."""
    return f"ingest/{run_id}"


def encode_lease(run_id: str, chunk: int) -> str:
    """The lease under which a chunk is encoded."""
    return f"{encode_leases(run_id)}{chunk:06d}"


def encode_leases(run_id: str) -> str:
    """The prefix of the leases of a run's chunks."""
    return f"{ENCODE_LEASES}{run_id}/"


def question_lease(question_id: str) -> str:
    """The lease under which a question to a run's models is answered."""
    return f"probe/{question_id}"


def aggregate_lease(run_id: str) -> str:
    """The lease under which a run is merged and published."""
    return f"aggregate/{run_id}"


# -- pieces of work for which attempts are counted --------------------------------------------------------------------

INGEST = "ingest"  # reading a run's source; counted anew with each chunk that is written
AGGREGATE = "aggregate"  # merging and publishing a run; counted anew with each state that is saved


def loading(chunk: int) -> str:
    """Loading a run's models. By chunk, because attempts for different chunks may run at the same time."""
    return f"load/{chunk:06d}"


def encoding(chunk: int) -> str:
    """Encoding a chunk."""
    return f"encode/{chunk:06d}"


def merging(chunk: int) -> str:
    """Merging a chunk; counted when its partial turned out to be damaged."""
    return f"merge/{chunk:06d}"
