"""The models that were asked last, which stay loaded: for each run those that it was made with, and no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cachetools import LRUCache

from sparse_autoencoder.errors import DeviceError, MixtureError
from sparse_autoencoder.pipeline.load_inputs import load_models, load_tokens, of_models, on_this_machine
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.provenance import Contents, changed, contents_of
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.tokens.tokenizer import RowTokenizer

if TYPE_CHECKING:
    from sparse_autoencoder.pipeline.chunk_encoder import Encoder

MODELS_KEPT = 2  # GPT-2 small and 32,768 latents take 0.7 GB


@dataclass(frozen=True)
class AskedModels:
    """What encoding a run's texts takes: its encoder, and its subject model's tokenizer."""

    encoder: Encoder
    tokenizer: RowTokenizer


class KeptModels:
    """The last models that were asked, by the content of their files; of one thread.

    `allowed` gives a run's options with the places of its files on this machine; it may refuse some.
    """

    def __init__(self, allowed: Callable[[RunOptions], RunOptions]) -> None:
        self._allowed = allowed
        self._kept: LRUCache[tuple[RunOptions, Contents], AskedModels] = LRUCache(MODELS_KEPT)

    def has(self, run: RunMetadata) -> bool:
        """Whether a run's models are loaded."""
        return _recorded(run) and _key(run) in self._kept

    def of(self, run: RunMetadata) -> AskedModels:
        """A run's models, loaded if they aren't.

        MixtureError if the files at their places aren't those that the run was made with; SaescopeError if there are
        none, or they can't be loaded.
        """
        check_recorded(run)
        key = _key(run)
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) == MODELS_KEPT:
                self._kept.popitem()  # before, so that there are never more in memory
            found = self._kept[key] = self._loaded(run)
        return found

    def _loaded(self, run: RunMetadata) -> AskedModels:
        options = self._allowed(run.options)
        try:
            models = load_models(of_models(options))
        except DeviceError:
            models = load_models(of_models(_for_this_machine(options)))
        check_own(run, models.contents)
        encoder = models.encoder(run)
        encoder.check_first = None  # it holds on to nothing that answers need
        return AskedModels(encoder, load_tokens(options).tokenizer)


def check_recorded(run: RunMetadata) -> None:
    """MixtureError if nobody can tell what a run's models were."""
    if not _recorded(run):
        raise MixtureError(
            f"run {run.run_id} is of a version of saescope that did not record the hashes of its models, so nobody can "
            "tell whether those at hand are its own: run it again"
        )


def check_own(run: RunMetadata, now: Contents) -> None:
    """MixtureError unless these are the models that a run was made with."""
    before = contents_of(run)
    for part, was, now_is in (
        ("subject model", dict(before.subject), dict(now.subject)),
        ("autoencoder", {"sha256": before.autoencoder}, {"sha256": now.autoencoder}),
    ):
        if found := changed(was, now_is):
            raise MixtureError(
                f"the {part} at hand isn't the one that run {run.run_id} was made with: {found}; put back the files "
                "that it was made with, or run it again"
            )


def _for_this_machine(options: RunOptions) -> RunOptions:
    """The options of a run of another machine for the device that there is here: its answers are equal to rounding."""
    here = on_this_machine(options.model_copy(update={"device": "auto"}))
    precision = "float32" if here.device == "cpu" and here.precision == "tf32" else here.precision
    return here.model_copy(update={"precision": precision})


def _recorded(run: RunMetadata) -> bool:
    return "files" in run.subject and "sha256" in run.autoencoder


def _key(run: RunMetadata) -> tuple[RunOptions, Contents]:
    return of_models(run.options), contents_of(run)
