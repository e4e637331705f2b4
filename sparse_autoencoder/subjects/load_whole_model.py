"""Loads a whole language model, from one that is loaded up to its hook point."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.subjects.gpt2 import Gpt2
from sparse_autoencoder.subjects.hugging_face_hub import model_files, weight_files
from sparse_autoencoder.subjects.places import Place
from sparse_autoencoder.subjects.subject import Subject
from sparse_autoencoder.subjects.transformer_lens_subject import BridgeSubject
from sparse_autoencoder.subjects.whole_bridge import WholeBridge
from sparse_autoencoder.subjects.whole_gpt2 import WholeGpt2
from sparse_autoencoder.subjects.whole_model import WholeModel
from sparse_autoencoder.utils.file_hashes import FileHashes


def load_whole(
    subject: Subject, folder: Path, files: Mapping[str, str], place: Place, *, tf32: bool = False
) -> WholeModel:
    """The whole model of which `subject` has at least the layers up to the hook point; it shares those.

    `files` are the SHA-256 of the model's files in `folder`, by name. Raises SaescopeError if they have changed.
    """
    if isinstance(subject, BridgeSubject):
        return WholeBridge(subject, place, tf32=tf32)
    if not isinstance(subject, Gpt2):
        raise SaescopeError(f"the model in {subject.name} gives no predictions")
    hashes = FileHashes(model_files(folder))
    whole = WholeGpt2.load(subject, weight_files(folder), place, tf32=tf32)
    if hashes.result() != files:
        raise SaescopeError(f"the model's files in {folder} have changed: put back those that were loaded")
    return whole
