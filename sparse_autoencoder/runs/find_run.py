"""Finds the run that a user names: by its id, the beginning of it, or `latest`."""

from collections.abc import Sequence

from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.utils.did_you_mean import did_you_mean
from sparse_autoencoder.utils.printable import printable

LATEST = "latest"
_MOST_LISTED = 5


def find_run(name: str, known: Sequence[str], where: str) -> str:
    """The id of the run that is meant; `known` are the ids, newest first, of the runs of `where`.

    Raises NotFoundError, with what may have been meant, if there is no such run, or if several begin so.
    """
    if name in known:
        return name
    if not known:
        raise NotFoundError(f"there is no run {printable(name)!r}: {where} holds none")
    if name == LATEST:
        return known[0]
    begin = [run_id for run_id in known if name and run_id.startswith(name)]
    if len(begin) == 1:
        return begin[0]
    if begin:
        more = ", …" if len(begin) > _MOST_LISTED else ""
        shown = ", ".join(begin[:_MOST_LISTED])
        raise NotFoundError(f"{len(begin)} runs in {where} begin with {printable(name)}, name one: {shown}{more}")
    raise NotFoundError(
        f"there is no run {printable(name)!r} in {where}; {did_you_mean(name, [*known, LATEST], most=_MOST_LISTED)}"
    )
