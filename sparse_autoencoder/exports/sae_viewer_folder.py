"""A run as a folder of files for OpenAI's viewer: `subject/family/layer_L/location/atoms/{i}.json`, a file a feature.

`saescope.json` beside `atoms/` says of which run the files are, so that an export that was interrupted goes on, and
files of two runs never mix. A file is there as a whole or not at all; what a power cut emptied is written again.
Nothing is computed here: effects are those that are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.exports.sae_viewer_atoms import atom
from sparse_autoencoder.exports.sae_viewer_places import atom_name, place_of
from sparse_autoencoder.questions.answer_types import FeatureEffects
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.store import DirectoryStore, NotFoundError

FORMAT = 1
NOTE = "saescope.json"
_ATOM_FILE = re.compile(r"[0-9]{1,10}(-ablated)?\.json")
_END = b"}\n"

EffectsOf = Callable[[int], FeatureEffects | None]


def kept_effects(run: RunView) -> EffectsOf:
    """What is kept of the effects of a run's features; None for a feature of which nothing is, by its number."""
    folder = run.folder
    kept = set(folder.store.list(folder.key("effects/")))  # so that the others cost no reading

    def effects_of(feature: int) -> FeatureEffects | None:
        if folder.effects(feature) not in kept:
            return None
        try:
            return run.effects(feature)
        except NotFoundError:  # they are of other examples than those that are shown
            return None

    return effects_of


@dataclass
class ExportProgress:
    """How far an export is; another thread may read it."""

    features: int = 0  # whose files are there
    written: int = 0  # features of which something was written
    with_effects: int = 0
    size: int = 0  # bytes that were written


@dataclass(frozen=True)
class ViewerFolder:
    """Where a run's features go: a place in a folder that may hold those of other runs at other places."""

    run: RunView
    output: Path
    place: str

    @classmethod
    def prepared(cls, run: RunView, output: Path, place: str | None = None, *, replace: bool = False) -> ViewerFolder:
        """The folder, made ready for this run's files; `place` is another one than the run's own.

        SaescopeError if it can't be written, or holds the files of something else, which go if `replace`.
        """
        folder = cls(run, output, place or place_of(run.metadata))
        folder._take(replace=replace)
        return folder

    @property
    def path(self) -> Path:
        """The folder of the note, and of `atoms/`."""
        return self.output / self.place

    def write(self, features: Iterable[int], effects_of: EffectsOf, progress: ExportProgress) -> None:
        """Write the files of these features, unless they are there. Those with effects are always written anew."""
        for feature in features:
            size, plain = 0, self._atom(feature, ablated=False)
            if not _is_whole(plain):
                size += _write(plain, _json(atom(self.run, feature)))
            if (effects := effects_of(feature)) is not None:
                size += _write(self._atom(feature, ablated=True), _json(atom(self.run, feature, effects)))
                progress.with_effects += 1
            progress.written += size > 0
            progress.size += size
            progress.features += 1

    def _atom(self, feature: int, *, ablated: bool) -> Path:
        return self.path / "atoms" / atom_name(feature, ablated=ablated)

    def _take(self, *, replace: bool) -> None:
        """Note whose files these are; SaescopeError if there are others' that are not to go."""
        note, wanted = self.path / NOTE, _note(self.run.metadata)
        atoms = self.path / "atoms"
        try:
            atoms.mkdir(parents=True, exist_ok=True)
            held = _held(note)
            if held != wanted:
                others = [path for path in atoms.iterdir() if _ATOM_FILE.fullmatch(path.name)]
                if others and not replace:
                    raise SaescopeError(_taken(self.path, held))
                note.unlink(missing_ok=True)  # before the files, so that what is left of them is nobody's
                for path in others:
                    path.unlink()
        except OSError as error:
            raise SaescopeError(f"can't write {self.path}: {error.strerror or error}") from error
        if held != wanted:
            DirectoryStore(self.path).put(NOTE, _json(wanted))


def _note(metadata: RunMetadata) -> dict[str, Any]:
    """What tells a run's files from those of another run, or of the same one with other results."""
    return {
        "format": FORMAT,
        "run": metadata.run_id,
        "finished_at": metadata.finished_at,
        "retries": metadata.retries,
        "rows_hash": metadata.rows_hash,
        "autoencoder_sha256": metadata.autoencoder.get("sha256"),
        "dataset": metadata.dataset_csv,
    }


def _held(note: Path) -> Any:
    """The content of the note that is there; None if there is none, or one that nobody can read."""
    try:
        return json.loads(note.read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return None


def _taken(path: Path, held: Any) -> str:
    of_what = f"of run {str(held['run'])[:200]!r}" if isinstance(held, dict) and "run" in held else "of something else"
    return f"{path} holds files {of_what}: give another --output, or --replace to remove them first"


def _is_whole(path: Path) -> bool:
    """Whether a file is there, and has its end."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - len(_END), 0))
            return file.read() == _END
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SaescopeError(f"can't read {path}: {error.strerror or error}") from error


def _write(path: Path, data: bytes) -> int:
    """Write a file whole, and return its size. It is not synced to the disk: an export is made again in no time."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except OSError as error:
        raise SaescopeError(
            f"can't write {path}: {error.strerror or error}; what is written stays, and the same command goes on"
        ) from error
    finally:
        with suppress(OSError):  # it is gone, or can't be removed
            unfinished.unlink()
    return len(data)


def _json(content: Any) -> bytes:
    try:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode() + b"\n"
    except ValueError as error:  # an infinite number, or none
        raise SaescopeError("a file of the run is damaged, it holds numbers that are none: run it again") from error
