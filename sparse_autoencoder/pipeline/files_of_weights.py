"""A run's files that follow from the weights alone: logit effects and neighbours, computed once and then kept.

They depend on the model, the autoencoder, the versions and the kind of processor, and not on the dataset. So they are
kept, by a hash of all that, for further runs: in the cache folder, or in the services' store. What is kept is sealed
with a checksum, and computed again if it is damaged. Whether a file was computed or kept makes no difference to its
bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from pyarrow import BufferReader

from sparse_autoencoder import paths
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs import logit_effects_file, neighbours_file
from sparse_autoencoder.runs.checksums import seal, unseal
from sparse_autoencoder.runs.folder_layout import LOGIT_EFFECTS, NEIGHBOURS, NEIGHBOURS_OF
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore, NotFoundError, Store
from sparse_autoencoder.runs.weights_notes import WeightsNote, names_of, note_in, note_of

if TYPE_CHECKING:
    from torch import Tensor

    from sparse_autoencoder.autoencoders.checkpoints import Checkpoint
    from sparse_autoencoder.pipeline.load_inputs import Models

Moved = Callable[[], None]
_SHOWN = "logit effects of the decoder directions: gain of the final norm folded, centred over the vocabulary"
_NEAREST = "nearest decoder directions, by cosine"
_ELSEWHERE = f"{_NEAREST}, in another autoencoder that reads the same vectors"
_KIND = "weights"  # of a sealed file


@dataclass(frozen=True)
class KeptFiles:
    """Where files are kept for further runs: a store, and a prefix of keys in it."""

    store: Store
    prefix: str = ""

    def get(self, note: WeightsNote) -> bytes | None:
        """The file with this note; None if there is none, or it is damaged or of another version."""
        try:
            data = unseal(_KIND, self.store.get(self._key(note)))
            kept = note_in(pq.read_schema(BufferReader(data)))
        except NotFoundError:
            return None
        except Exception as error:
            if isinstance(error, SaescopeError | ValueError | KeyError | OSError):
                return None
            raise
        return data if kept == note else None

    def put(self, note: WeightsNote, data: bytes) -> None:
        """Keep a file; raises what the store raises."""
        self.store.put(self._key(note), seal(_KIND, data))

    def _key(self, note: WeightsNote) -> str:
        return f"{self.prefix}{note.key}.parquet"


def kept_on_this_machine() -> KeptFiles:
    """Where one process keeps them: the folder `weights` of the cache."""
    from sparse_autoencoder.autoencoders.checkpoints import cache_folder

    return KeptFiles(DirectoryStore(cache_folder() / "weights"))


@dataclass(frozen=True)
class FileOfWeights:
    """One of a run's files that follow from the weights: its name, what it says of itself, and how it is computed."""

    name: str
    note: WeightsNote
    _compute: Callable[[WeightsNote], bytes]

    def made(self, kept: KeptFiles, computing: Callable[[], None] = lambda: None) -> bytes:
        """The file's bytes, kept or computed; `computing` is called if they are computed.

        Where the model lacks what it is computed from, that is an empty file whose note says why. Raises whatever
        computing may raise besides, such as for too little memory.
        """
        data = kept.get(self.note)
        if data is not None:
            return data
        computing()
        try:
            data = self._compute(self.note)
        except SaescopeError as error:
            return self.empty(str(error))
        with suppress(SaescopeError):  # a folder that can't be written is no reason to fail
            kept.put(self.note, data)
        return data

    def empty(self, why: str) -> bytes:
        """The file without numbers, with the reason."""
        return _empty(self.name, self.note.model_copy(update={"missing": why}))


def empty_files(options: RunOptions, why: str) -> dict[str, bytes]:
    """The files of a run with these options without numbers, where not even models could be loaded for them."""
    what = {LOGIT_EFFECTS: _SHOWN, NEIGHBOURS: _NEAREST, NEIGHBOURS_OF: _ELSEWHERE}
    return {name: _empty(name, WeightsNote(what=what[name], missing=why)) for name in names_of(options)}


def _empty(name: str, note: WeightsNote) -> bytes:
    if name == LOGIT_EFFECTS:
        return logit_effects_file.to_parquet(None, note)
    return neighbours_file.to_parquet(None, note)


def check_other_dictionary(options: RunOptions, n_inputs: int) -> None:
    """Raise SaescopeError unless `--neighbours-of` names an autoencoder that reads the same vectors."""
    if options.neighbours_of is not None:
        _other(options, options, n_inputs)


def files_of_weights(
    models: Models, metadata: RunMetadata, moved: Moved, at: RunOptions | None = None
) -> Iterator[FileOfWeights]:
    """The run's files that follow from the weights, of which nothing is computed yet.

    While one is made, `moved` is called now and then; what it raises is raised on. `at` are the run's options with the
    places of files on this machine, if these differ.
    """
    options, names = metadata.options, names_of(metadata.options)
    same: dict[str, Any] = {
        "autoencoder": metadata.autoencoder["sha256"],
        "processor": metadata.processor.get("fingerprint"),
        "versions": metadata.versions,
    }
    of_model = {"subject": metadata.subject["files"], "layer": options.layer, "location": options.location}
    if names:
        yield FileOfWeights(LOGIT_EFFECTS, note_of(_SHOWN, same | of_model), partial(_effects, models, moved))
        yield FileOfWeights(NEIGHBOURS, note_of(_NEAREST, same), partial(_nearest, models, moved, None))
    if NEIGHBOURS_OF in names:
        try:
            checkpoint, other = _other(options, at or options, models.n_inputs)
        except SaescopeError as error:
            yield FileOfWeights(NEIGHBOURS_OF, WeightsNote(what=_ELSEWHERE), partial(_refuse, error))
            return
        found = {"name": options.neighbours_of, "other": checkpoint.sha256, "num_features": len(other)}
        yield FileOfWeights(NEIGHBOURS_OF, note_of(_ELSEWHERE, same | found), partial(_nearest, models, moved, other))


def _effects(models: Models, moved: Moved, note: WeightsNote) -> bytes:
    from sparse_autoencoder.directions.logit_effects import logit_effects

    unembedding = models.subject.unembedding()
    # a model may have rows beyond its vocabulary, to round the number
    unembedding = replace(unembedding, weight=unembedding.weight[: models.subject.vocab_size])
    residual = models.subject.to_residual(models.directions, models.options.location, models.options.layer)
    return logit_effects_file.to_parquet(logit_effects(residual, unembedding, moved), note)


def _nearest(models: Models, moved: Moved, other: Tensor | None, note: WeightsNote) -> bytes:
    from sparse_autoencoder.directions.neighbours import neighbours

    device = models.subject.device
    others = None if other is None else other.to(device)
    return neighbours_file.to_parquet(neighbours(models.directions.to(device), others, moved), note)


def _refuse(error: SaescopeError, _note: WeightsNote) -> bytes:
    raise error


def _other(options: RunOptions, at: RunOptions, n_inputs: int) -> tuple[Checkpoint, Tensor]:
    """The other autoencoder and its decoder directions; SaescopeError if it reads other vectors than the run's.

    `at` has the same options with the places of files on this machine.
    """
    from sparse_autoencoder.autoencoders.checkpoints import address_of, fetch
    from sparse_autoencoder.autoencoders.openai_checkpoint import load_autoencoder

    name = str(options.neighbours_of)
    address = address_of(str(at.neighbours_of), options.location, options.layer)
    _check_hook(address, options)
    try:
        checkpoint = fetch(address)
        directions = load_autoencoder(checkpoint.path, n_inputs).decoder.weight.detach().t().clone()
        checkpoint.state.check()
    except SaescopeError as error:
        raise SaescopeError(f"--neighbours-of {name} can't be used: {error}") from error
    return checkpoint, directions


def _check_hook(address: str, options: RunOptions) -> None:
    """Raise SaescopeError if the address is that of a published autoencoder of another hook point."""
    for name, family in paths.FAMILIES.items():
        for location in paths.LOCATIONS_OF[name]:
            for layer in range(paths.N_LAYERS):
                if family(location, layer) == address and (location, layer) != (options.location, options.layer):
                    raise SaescopeError(
                        f"--neighbours-of {options.neighbours_of} is the {name} autoencoder of {location} in layer "
                        f"{layer}, and the run's reads {options.location} in layer {options.layer}: their directions "
                        "are not in one space; choose one of the same hook point"
                    )
