"""Reserves a new run's id, so that no other process can take it, and releases it if the run doesn't begin.

An id is reserved by creating a file in the run's folder, which a store allows only once. `saescope run` creates
metadata.json before it loads models, which may take minutes. Until then the file only says that the id is reserved. The
services' API creates request.json.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from uuid import uuid4

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.folder_layout import RunFolder, run_ids
from sparse_autoencoder.runs.format_version import RESERVED
from sparse_autoencoder.runs.store import Store

_NUMBER = re.compile(r"_run-(\d+)$")


def take_run_id(store: Store, take: Callable[[str], bool]) -> str:
    """Reserve a new run's id: `<timestamp>_run-XXX`, with UTC time in seconds, and the store's highest number plus one.

    `take` tries to create a file of the run (Store.create); the first id for which it returns True is reserved.
    """
    tried = 0
    while True:
        numbers = [int(match[1]) for run_id in run_ids(store) if (match := _NUMBER.search(run_id))]
        tried = 1 + max(tried, *numbers, 0)
        run_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}_run-{tried:03d}"
        if take(run_id):
            return run_id


@contextmanager
def reserved_run(store: Store) -> Iterator[str]:
    """Reserve a new run's id for this block.

    If the block fails (or Ctrl-C ends it) before it has written the run's metadata, the reservation is removed.
    """
    reservation = {"status": RESERVED, "reserved_at": datetime.now(UTC).isoformat(timespec="seconds")}
    content = json.dumps(reservation | {"by": uuid4().hex}, indent=2).encode() + b"\n"
    tried = ""

    def take(run_id: str) -> bool:
        nonlocal tried
        tried = RunFolder(store, run_id).metadata
        return store.create(tried, content)

    try:
        yield take_run_id(store, take)
    except BaseException:
        with suppress(SaescopeError, OSError):  # the first error matters more
            if tried and store.get(tried) == content:
                store.delete(tried)
        raise
