"""When a run's files that follow from the weights are made: by an encoder, after all chunks, and once.

Wherever work is named by chunks (messages, leases, attempts), the number after the last chunk's stands for these files.
So they are made after the chunks, by who can encode the run's chunks, as often as it takes; and where they can't be
made, files that say why take their place. The run is published when they are there.
"""

from collections.abc import Mapping

from services.common.run_workspace import Workspace
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.runs.weights_notes import names_of


def turn_of_weights(space: Workspace, options: RunOptions | None = None) -> int | None:
    """The number that stands for a run's files of the weights, as long as they are to be made; else None.

    None also before the source is read to its end, as the number isn't known then. `options` are the run's, if known.
    """
    ingested = space.ingested()
    if ingested is None or not ingested.num_chunks:
        return None
    try:
        names = names_of(options or space.request().options)
    except NotFoundError:  # finished or deleted meanwhile
        return None
    try:
        for name in names:
            space.folder.store.size(space.folder.key(name))
    except NotFoundError:
        return ingested.num_chunks
    return None


def create_files_of_weights(space: Workspace, files: Mapping[str, bytes]) -> None:
    """Write those of the files that aren't there; whoever else makes them makes the same."""
    for name, data in files.items():
        space.folder.store.create(space.folder.key(name), data)
