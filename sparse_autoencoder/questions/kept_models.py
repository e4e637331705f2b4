"""The models that were asked last, which stay loaded: for each run those that it was made with, and no others."""

from __future__ import annotations

from collections.abc import Callable

from cachetools import LRUCache

from sparse_autoencoder.effects.whole_run_models import RunModels, check_models_recorded, models_recorded
from sparse_autoencoder.pipeline.load_inputs import of_models
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.provenance import Contents, contents_of
from sparse_autoencoder.runs.run_options import RunOptions

MODELS_KEPT = 2  # GPT-2 small and 32,768 latents take 0.7 GB


class KeptModels:
    """The last models that were asked, by the content of their files; of one thread.

    `allowed` gives a run's options with the places of its files on this machine; it may refuse some.
    """

    def __init__(self, allowed: Callable[[RunOptions], RunOptions]) -> None:
        self._allowed = allowed
        self._kept: LRUCache[tuple[RunOptions, Contents], RunModels] = LRUCache(MODELS_KEPT)

    def has(self, run: RunMetadata) -> bool:
        """Whether a run's models are loaded."""
        return models_recorded(run) and _key(run) in self._kept

    def of(self, run: RunMetadata) -> RunModels:
        """A run's models, loaded if they aren't.

        MixtureError if the files at their places aren't those that the run was made with; SaescopeError if there are
        none, or they can't be loaded.
        """
        check_models_recorded(run)
        key = _key(run)
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) == MODELS_KEPT:
                self._kept.popitem()  # before, so that there are never more in memory
            found = self._kept[key] = RunModels.load(run, self._allowed(run.options))
        return found


def _key(run: RunMetadata) -> tuple[RunOptions, Contents]:
    return of_models(run.options), contents_of(run)
