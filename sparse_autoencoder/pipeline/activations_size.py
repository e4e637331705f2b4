"""How much room a run's saved activations take, estimated before the run begins."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from sparse_autoencoder.data.source import Source
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.first_rows import first_rows, rounded, tokenised
from sparse_autoencoder.pipeline.load_inputs import open_rows
from sparse_autoencoder.runs.activations_file import BYTES_EACH
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.utils.sizes import size_in_words


def activations_size(tokens: float | None, active: float | None, folder: Path) -> str:
    """The size in words, and the room that `folder` has.

    `tokens` is how many tokens count, `active` how many features fire at one; None: that isn't known.
    """
    each = "a token" if active is not None else "an activation"
    size = BYTES_EACH * (active or 1)
    if active is None or tokens is None:
        missing = "how many fire at a token" if active is None else "how many tokens there are"
        told = f"about {size_in_words(round(size))} {each}; {missing} isn't known yet"
    else:
        told = f"about {size_in_words(round(size * tokens))}, {size_in_words(round(size))} for each of about "
        told += f"{rounded(tokens)} tokens"
    room = _free(folder)
    return told if room is None else f"{told}; there is room for {size_in_words(room)}"


def size_before_the_run(metadata: RunMetadata, source: Source, folder: Path) -> str:
    """The same for a run that is about to begin, whose source is open and whose models are loaded."""
    active, options = metadata.autoencoder.get("k"), metadata.options
    tokens = None
    if not source.is_stream and options.kaggle_row is None:  # those are not to be read twice
        with suppress(SaescopeError), open_rows(options) as again:  # what is wrong with it, the run says
            tokens = tokenised(options, first_rows(again, options))[1]
    return activations_size(tokens, None if active is None else float(active), folder)


def _free(folder: Path) -> int | None:
    """Bytes that are free where a folder is, or will be."""
    for there in (folder, *folder.parents):
        if there.is_dir():
            return shutil.disk_usage(there).free
    return None
