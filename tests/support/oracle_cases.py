"""Whole runs of the tiny world by several token policies, and what a brute-force oracle expects of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.oracle import OracleFeature, OracleWindow, summarise_feature
from tests.support.reference import OracleRow, Reference
from tests.support.runs import World

PER_FEATURE = 4
SEED = 11
# Any two of the first three choices, in every combination, and windows that overlap.
POLICIES = [
    ("topk", "exclude", "split", 0),
    ("relu", "exclude", "truncate", 0),
    ("topk", "include", "truncate", 0),
    ("relu", "include", "split", 0),
    ("topk", "none", "split", 0),
    ("relu", "none", "truncate", 0),
    ("topk", "exclude", "split", 3),
    ("relu", "include", "split", 1),
]


@dataclass(frozen=True)
class Case:
    """A finished run, and what is expected of it."""

    folder: Path
    metadata: RunMetadata
    rows: list[OracleRow]
    first_counted: int
    bos: int  # BOS tokens per window
    context: int
    autoencoder: str

    @property
    def windows(self) -> list[OracleWindow]:
        return [window for row in self.rows for window in row.windows]

    def feature(self, feature: int) -> OracleFeature:
        return summarise_feature(self.windows, feature, self.first_counted, PER_FEATURE, SEED)

    def counted(self) -> NDArray[np.float64]:
        """Dense latents at all counted tokens, [tokens, features]."""
        return np.concatenate([window.latents[window.counted(self.first_counted)] for window in self.windows])


def options_of(
    world: World, autoencoder: str, bos: str, long_rows: str, context: int = 0, **changes: Any
) -> RunOptions:
    settings = {"precision": "float64", "seed": SEED, "top_tokens_per_feature": PER_FEATURE, "context": context}
    settings |= changes
    return world.options(autoencoder=getattr(world, autoencoder), bos=bos, long_rows=long_rows, **settings)


def case_of(world: World, reference: Reference, output: Path, policy: tuple[str, str, str, int]) -> Case:
    """A run in an empty folder, which also saves its activations."""
    metadata = run(options_of(world, *policy, save_activations=True), DirectoryStore(output))
    autoencoder, bos, _long_rows, context = policy
    first_counted, bos_tokens = int(bos == "exclude"), int(bos != "none")
    rows = reference.rows(*policy)
    return Case(output / metadata.run_id, metadata, rows, first_counted, bos_tokens, context, autoencoder)
