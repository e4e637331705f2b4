"""The models of a run, loaded to answer questions about it: from the run's own files, in its precision."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sparse_autoencoder.errors import BadQuestionError, DeviceError, MixtureError
from sparse_autoencoder.pipeline.load_inputs import Models, load_models, of_models, on_this_machine
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.provenance import changed
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.subjects.hugging_face_hub import read_config, tokenizer_file
from sparse_autoencoder.tokens.tokenizer import RowTokenizer

if TYPE_CHECKING:
    from sparse_autoencoder.pipeline.chunk_encoder import Encoder
    from sparse_autoencoder.subjects.whole_model import WholeModel


@dataclass(frozen=True)
class RunModels:
    """A run's subject model, autoencoder and tokenizer, on the run's device if that is there.

    They serve every run that was made with the same models, places and windows.
    """

    models: Models
    encoder: Encoder  # with the run's windows

    @classmethod
    def load(cls, run: RunMetadata, options: RunOptions | None = None) -> RunModels:
        """Load what a run was computed with; `options` are the run's with other places of its files, or device.

        Where the run's device isn't there, the models are loaded on what there is, and answers are equal to rounding.
        Raises MixtureError if the files are not the run's, SaescopeError if they are missing or damaged.
        """
        check_models_recorded(run)
        options = of_models(options or run.options)
        try:
            models = load_models(options)
        except DeviceError:
            models = load_models(_for_this_machine(options))
        check_models(models, run)
        encoder = models.encoder(run)
        encoder.check_first = None  # it holds on to nothing that answers need
        return cls(models, encoder)

    @cached_property
    def whole(self) -> WholeModel:
        """The subject model with all of its layers; those after the hook point are loaded when it is first asked for.

        Raises SaescopeError if the files have changed since.
        """
        from sparse_autoencoder.subjects.load_whole_model import load_whole

        models = self.models
        place = models.options.location, models.options.layer
        return load_whole(models.subject, models.folder, models.files, place, tf32=self.encoder.tf32)

    @cached_property
    def tokenizer(self) -> RowTokenizer:
        """The subject model's tokenizer."""
        return RowTokenizer(tokenizer_file(self.models.folder), self.models.subject.vocab_size)

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """What each token of the model stands for within a text."""
        return self.tokenizer.vocabulary(self.models.subject.vocab_size)

    @cached_property
    def end_token_ids(self) -> frozenset[int]:
        """The tokens that end a text by the model's config, which names one, several or none."""
        value = read_config(self.models.folder).get("eos_token_id")
        found = value if isinstance(value, list) else [value]
        return frozenset(one for one in found if isinstance(one, int) and not isinstance(one, bool))

    def check_feature(self, feature: int) -> None:
        """SaescopeError unless the autoencoder has this feature."""
        if not 0 <= feature < self.models.num_features:
            raise BadQuestionError(
                f"there is no feature {feature}: the autoencoder has the features 0 to {self.models.num_features - 1}"
            )


def check_models_recorded(run: RunMetadata) -> None:
    """Raise MixtureError if nobody can tell what a run's models were."""
    if not models_recorded(run):
        raise MixtureError(
            f"run {run.run_id} is of a version of saescope that did not record the hashes of its models, so nobody can "
            "tell whether those at hand are its own: run it again"
        )


def models_recorded(run: RunMetadata) -> bool:
    """Whether the metadata say which models a run was made with."""
    return "files" in run.subject and "sha256" in run.autoencoder


def check_models(models: Models, run: RunMetadata) -> None:
    """Raise MixtureError unless these are the models that a run was made with."""
    for part, before, now in (
        ("subject model", run.subject["files"], models.files),
        ("autoencoder", {"sha256": run.autoencoder["sha256"]}, {"sha256": models.checkpoint.sha256}),
    ):
        if found := changed(before, now):
            raise MixtureError(
                f"the {part} at hand isn't the one that run {run.run_id} was made with: {found}; put back the files "
                "that it was made with, or run it again"
            )


def _for_this_machine(options: RunOptions) -> RunOptions:
    """The options of a run of another machine for the device that there is here."""
    here = on_this_machine(options.model_copy(update={"device": "auto"}))
    precision = "float32" if here.device == "cpu" and here.precision == "tf32" else here.precision
    return here.model_copy(update={"precision": precision})
