"""The activations that a run saved (`saescope run --save-activations`), read back without loading all, or torch.

```python
from sparse_autoencoder.activations import open_activations

saved = open_activations("analysis_data/2026-11-30_10-00-00_run-000")
saved.table(features=[12, 345])  # a pyarrow table: row, token, feature, value
```
"""

from __future__ import annotations

from pathlib import Path

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.reading.activation_matrix import ActivationMatrix
from sparse_autoencoder.reading.saved_activations import SavedActivations
from sparse_autoencoder.runs.activations_file import ActivationColumns
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import DirectoryStore

__all__ = ["ActivationColumns", "ActivationMatrix", "SavedActivations", "open_activations"]


def open_activations(run: str | Path) -> SavedActivations:
    """The saved activations of a finished run; `run` is its folder.

    Raises SaescopeError if that is no run's folder, or the run isn't finished or was made without --save-activations.
    """
    folder = Path(run).resolve()
    if not (folder / "metadata.json").is_file():
        raise SaescopeError(f"{run} is no run's folder: it has no metadata.json")
    return SavedActivations(RunFolder(DirectoryStore(folder.parent), folder.name))
