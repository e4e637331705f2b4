"""The models of a run, loaded to answer questions about it: from the run's own files, in its precision."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sparse_autoencoder.errors import MixtureError, SaescopeError
from sparse_autoencoder.pipeline.load_inputs import Models, load_models
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.provenance import changed
from sparse_autoencoder.subjects.hugging_face_hub import read_config, tokenizer_file
from sparse_autoencoder.tokens.tokenizer import RowTokenizer

if TYPE_CHECKING:
    from sparse_autoencoder.pipeline.chunk_encoder import Encoder
    from sparse_autoencoder.subjects.whole_model import WholeModel


@dataclass(frozen=True)
class RunModels:
    """A run's subject model with all of its layers, its autoencoder, and its tokenizer; on the run's device."""

    metadata: RunMetadata
    models: Models
    encoder: Encoder  # with the run's windows and settings
    whole: WholeModel  # shares the encoder's layers
    tokenizer: RowTokenizer
    end_token_ids: frozenset[int]  # the tokens that end a text, by the model's config

    @classmethod
    def load(cls, metadata: RunMetadata, device: str | None = None) -> RunModels:
        """Load what a run was computed with; `device` is another one than the run's, where that isn't there.

        Raises MixtureError if the files are not the run's, SaescopeError if they are missing or damaged, or if the
        device can't be used.
        """
        options = metadata.options
        models = load_models(options if device is None else options.model_copy(update={"device": device}))
        check_models(models, metadata)
        from sparse_autoencoder.subjects.whole_model import load_whole

        encoder = models.encoder(metadata)
        whole = load_whole(
            models.subject, models.folder, models.files, (options.location, options.layer), tf32=encoder.tf32
        )
        config = read_config(models.folder)
        tokenizer = RowTokenizer(tokenizer_file(models.folder), config["vocab_size"])
        return cls(metadata, models, encoder, whole, tokenizer, _ends(config.get("eos_token_id")))

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """What each token of the model stands for within a text."""
        return self.tokenizer.vocabulary(self.whole.vocab_size)

    def check_feature(self, feature: int) -> None:
        """SaescopeError unless the autoencoder has this feature."""
        if not 0 <= feature < self.models.num_features:
            raise SaescopeError(
                f"there is no feature {feature}: the autoencoder of run {self.metadata.run_id} has the features 0 to "
                f"{self.models.num_features - 1}"
            )


def check_models(models: Models, metadata: RunMetadata) -> None:
    """Raise MixtureError unless these are the models that a run was computed with."""
    if "files" not in metadata.subject or "sha256" not in metadata.autoencoder:
        raise MixtureError(
            f"run {metadata.run_id} was made by a version of saescope that did not record the hashes of its models, so "
            "nobody can tell whether these are the same: run it again"
        )
    for part, before, now in (
        ("subject model", metadata.subject["files"], models.files),
        ("autoencoder", {"sha256": metadata.autoencoder["sha256"]}, {"sha256": models.checkpoint.sha256}),
    ):
        if found := changed(before, now):
            raise MixtureError(
                f"the {part} at hand isn't the one that run {metadata.run_id} was made with: {found}; put back the "
                "files that it was made with, or run it again"
            )


def _ends(value: object) -> frozenset[int]:
    """The end tokens of a model's config, which names one, several or none."""
    found = value if isinstance(value, list) else [value]
    return frozenset(one for one in found if isinstance(one, int) and not isinstance(one, bool))
