"""The three files that the original script kept of a single text in its full-save mode.

* latent_activations.npy: float32 [tokens, features], dense
* tokens.npy: int64 [1, tokens], the ids of these tokens
* prompt.txt: the text

Their tokens are those that count in the run: with `--bos include` the marker is the first of them, as it was there.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.reading.activation_matrix import DENSE_BYTES, ActivationMatrix
from sparse_autoencoder.reading.saved_activations import SavedActivations
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.temporary_files import temporary_file

NAMES = ("latent_activations.npy", "tokens.npy", "prompt.txt")


def write_original_arrays(folder: RunFolder, row_id: int | None = None, at_most: int = DENSE_BYTES) -> Sequence[str]:
    """Write the three files of one row into the run's folder; returns their keys.

    Without `row_id` the run must have one row. SaescopeError, with both sizes, if the array takes more than `at_most`
    bytes.
    """
    saved = SavedActivations(folder)
    if row_id is None:
        ids = saved.row_ids()
        if len(ids) != 1:
            raise SaescopeError(
                f"these arrays are of one text, and run {folder.run_id} has {len(ids):,} rows: name one"
            )
        row_id = int(ids[0])
    text, tokens = saved.row(row_id)
    matrix = saved.matrix(rows=row_id)
    matrix.check_size(at_most)
    bos = saved.metadata.bos_token_id or 0  # without BOS no token is a marker
    ids = np.where(matrix.token < 0, bos, tokens[np.maximum(matrix.token, 0)])
    written = io.BytesIO()
    np.save(written, ids[None].astype(np.int64))
    keys = [folder.key(name) for name in NAMES]
    with temporary_file() as file:
        _write_dense(matrix, file)
        file.seek(0)
        folder.store.put(keys[0], file)
    folder.store.put(keys[1], written.getvalue())
    folder.store.put(keys[2], text.encode())
    return keys


def _write_dense(matrix: ActivationMatrix, file: BinaryIO) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": matrix.shape}
    np.lib.format.write_array_header_1_0(file, header)
    for lines in matrix.dense_lines():
        file.write(lines.astype("<f4").tobytes())
