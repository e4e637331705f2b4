"""saescope's library: exact summaries of what every feature of a sparse autoencoder responds to.

The names below are imported when they are first used, so that processes that only read or merge summaries don't import
torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparse_autoencoder import paths
    from sparse_autoencoder.model import Autoencoder

__all__ = ["Autoencoder", "paths"]


def __getattr__(name: str) -> Any:
    if name == "Autoencoder":
        return importlib.import_module("sparse_autoencoder.model").Autoencoder
    if name == "paths":
        return importlib.import_module("sparse_autoencoder.paths")
    raise AttributeError(f"module 'sparse_autoencoder' has no attribute {name!r}")
