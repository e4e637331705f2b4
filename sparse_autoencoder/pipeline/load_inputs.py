"""Opens and loads what a run's options name: rows, tokenizer and models; and makes the run's metadata from them.

Models come with the hashes of the files they were loaded from. Rows and tokenizer are loaded without torch, because a
service that only reads datasets doesn't have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparse_autoencoder.data.kept_columns import refuse_columns
from sparse_autoencoder.data.source import Source, open_source, prompt_file, single_row
from sparse_autoencoder.data.table import ReadingOptions
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.paths import FAMILIES
from sparse_autoencoder.pipeline.processor_kind import processor
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.provenance import PACKAGES, Contents, tokens_made_of, versions
from sparse_autoencoder.runs.references import reference_for
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.subjects.hook_points import hook_name
from sparse_autoencoder.subjects.hugging_face_hub import (
    commit_of,
    model_files,
    model_folder,
    read_config,
    tokenizer_file,
)
from sparse_autoencoder.summaries.feature_metrics import FEATURE_METRICS
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.tokenizer import RowTokenizer
from sparse_autoencoder.utils.file_hashes import FileHashes
from sparse_autoencoder.utils.printable import printable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sparse_autoencoder.autoencoders.checkpoints import Checkpoint
    from sparse_autoencoder.pipeline.chunk_encoder import Encoder
    from sparse_autoencoder.subjects.subject import LanguageModel


def open_rows(options: RunOptions) -> Source:
    """Open the source that the options name."""
    kept = options.columns.names
    if options.prompt_file is not None:
        refuse_columns(kept, printable(options.prompt_file), "one single text")
        return prompt_file(Path(options.prompt_file), options.encoding)
    source = open_source(
        options.source,
        ReadingOptions(options.text_column, options.encoding, options.delimiter, not options.no_header, kept),
    )
    return source if options.kaggle_row is None else single_row(source, options.kaggle_row)


_OPENAI = "openaipublic"  # in addresses of its checkpoints, whose ReLU families name no activation


@dataclass(frozen=True)
class Tokens:
    """A run's tokenizer and token policy, and what its tokens depend on (`provenance.tokens_made_of`)."""

    tokenizer: RowTokenizer
    policy: TokenPolicy
    made_of: dict[str, str]


def load_tokens(options: RunOptions) -> Tokens:
    """Load the subject model's tokenizer, and make the token policy; SaescopeError if they don't fit the model."""
    folder = model_folder(options.subject, weights=False)
    hashes = FileHashes(model_files(folder, weights=False))
    config = read_config(folder)
    policy = _policy(options, config)
    tokenizer = RowTokenizer(tokenizer_file(folder), config["vocab_size"])
    return Tokens(tokenizer, policy, tokens_made_of(hashes.result()))


def _policy(options: RunOptions, config: Mapping[str, Any]) -> TokenPolicy:
    if options.max_tokens > config["n_positions"]:
        raise SaescopeError(
            f"--max-tokens {options.max_tokens} is more than the {config['n_positions']} positions of "
            f"{options.subject}: choose fewer"
        )
    return TokenPolicy(config["bos_token_id"], options.max_tokens, options.bos, options.long_rows, options.context)


@dataclass(frozen=True)
class Models:
    """A run's subject model and autoencoder, loaded on their device."""

    options: RunOptions  # with a real device instead of `auto`
    policy: TokenPolicy
    subject: LanguageModel
    folder: Path  # the subject model's
    files: dict[str, str]  # the subject model's files, and their SHA-256
    commit: str | None  # the hub's, if the files are in the hub's cache
    checkpoint: Checkpoint
    directions: Tensor  # the decoder's [num_features, n_inputs], float32, on the host, for what follows from weights
    any_encoder: Encoder  # with the summary settings of some run
    hook: str
    activation: str  # the autoencoder's
    activation_details: dict[str, int | bool]  # k, and whether latents are at least 0
    activation_assumed: bool  # because its file names none
    n_inputs: int
    num_features: int

    @property
    def contents(self) -> Contents:
        """The hashes of their files."""
        return Contents(frozenset(self.files.items()), self.checkpoint.sha256)

    def metadata(
        self, options: RunOptions, run_id: str, source: Mapping[str, str | int | None], started_at: str
    ) -> RunMetadata:
        """A new run's metadata; `source` is Source.describe(). `options` may differ, but not in the models."""
        from sparse_autoencoder.subjects.subject import packages_of

        options = options.model_copy(update={"device": self.options.device})
        return RunMetadata(
            run_id=run_id,
            status="running",
            options=options,
            source=dict(source),
            subject={
                "name": options.subject,
                "hook": self.hook,
                "n_layers": self.subject.n_layers,
                "vocab_size": self.subject.vocab_size,
                "files": self.files,
                "commit": self.commit,
            },
            autoencoder={
                "name": options.autoencoder,
                "address": self.checkpoint.address,
                "size": self.checkpoint.size,
                "sha256": self.checkpoint.sha256,
                "activation": self.activation,
                **self.activation_details,
                **({"activation_assumed": True} if self.activation_assumed else {}),
                "n_inputs": self.n_inputs,
            },
            bos_token_id=self.policy.bos_token_id,
            num_features=self.num_features,
            metrics=[{"name": metric.name, "description": metric.description} for metric in FEATURE_METRICS],
            versions=versions((*PACKAGES, *packages_of(self.subject))),
            processor=processor(self.options.device, self.options.precision),
            started_at=started_at,
            dataset_csv=str(source["file"]),
            text_column=None if source.get("text_column") is None else str(source["text_column"]),
            layer_index=options.layer,
            location=options.location,
            max_sequence_length=options.max_tokens,
            top_feature_count=options.top_feature_count,
            top_tokens_per_feature=options.top_tokens_per_feature,
        )

    def encoder(self, metadata: RunMetadata) -> Encoder:
        """The encoder for a run's chunks. It costs nothing, because the encoders of several runs share the models."""
        from sparse_autoencoder.pipeline.first_chunk import FirstChunk

        encoder = self.any_encoder.with_spec(metadata.spec)
        wanted = metadata.options.model_dump(include={"check_neighbours", "check_rows"})
        options = self.options.model_copy(update=wanted)
        encoder.check_first = FirstChunk(self.checkpoint, options, self.folder, self.files).check
        encoder.keeps_firings = metadata.options.keep_firings
        return encoder


def with_reference(metadata: RunMetadata, given: str | None) -> RunMetadata:
    """A new run's metadata with the reference that its self-check compares it with, if there is one.

    `given` is the path of a user's; SaescopeError if it can't be used.
    """
    path = None if given is None else Path(given)
    reference = reference_for(metadata.subject, metadata.autoencoder, path)
    return metadata.model_copy(update={"reference": reference})


def on_this_machine(options: RunOptions) -> RunOptions:
    """The options with `auto` replaced by this machine's device."""
    import torch

    if options.device != "auto":
        return options
    return options.model_copy(update={"device": "cuda" if torch.cuda.is_available() else "cpu"})


def load_models(options: RunOptions) -> Models:
    """Load subject model and autoencoder; SaescopeError if one doesn't exist, or they don't fit together."""
    hook = hook_name(options.location, options.layer)
    if options.precision == "tf32" or options.device not in (
        "auto",
        "cpu",
    ):  # report this before anything is downloaded
        _check_device(options)
    folder = model_folder(options.subject)
    hashes = FileHashes(model_files(folder))  # runs while torch is imported, which takes longer
    policy = _policy(options, read_config(folder))

    import torch

    from sparse_autoencoder.autoencoders.checkpoints import address_of, fetch
    from sparse_autoencoder.autoencoders.openai_checkpoint import load_autoencoder, names_activation
    from sparse_autoencoder.kernels.precision import dtype_of
    from sparse_autoencoder.pipeline.chunk_encoder import Encoder
    from sparse_autoencoder.subjects.subject import load_subject
    from sparse_autoencoder.summaries.feature_summary import SummarySpec

    options = on_this_machine(options)
    subject = load_subject(folder, device=options.device, dtype=dtype_of(options.precision), last_layer=options.layer)
    files = hashes.result()
    checkpoint = fetch(address_of(options.autoencoder, options.location, options.layer))
    width = subject.width(options.location, options.layer)
    autoencoder = load_autoencoder(checkpoint.path, width, options.activation)
    is_own = options.device == "cpu" and subject.dtype == torch.float32
    # a copy before the encoder gives the weights its own type and device; laid out as the encoder's, to the same bits
    rows = autoencoder.decoder.weight.detach().t()
    directions = None if is_own else rows.clone(memory_format=torch.contiguous_format)
    is_openai = options.autoencoder in FAMILIES or _OPENAI in checkpoint.address
    encoder = Encoder(
        subject,
        autoencoder,
        location=options.location,
        layer_index=options.layer,
        policy=policy,
        spec=SummarySpec(autoencoder.n_latents, options.top_tokens_per_feature, options.seed),
        tf32=options.precision == "tf32",
    )
    checkpoint.state.check()  # from here on the encoder uses copies of the weights
    return Models(
        options=options,
        policy=policy,
        subject=subject,
        folder=folder,
        files=files,
        commit=commit_of(folder),
        checkpoint=checkpoint,
        directions=encoder.latents.directions if directions is None else directions,
        any_encoder=encoder,
        hook=hook,
        activation=type(autoencoder.activation).__name__,
        activation_details=_details(autoencoder.activation),
        activation_assumed=not is_openai and options.activation is None and not names_activation(checkpoint.path),
        n_inputs=autoencoder.n_inputs,
        num_features=autoencoder.n_latents,
    )


def _details(activation: nn.Module) -> dict[str, int | bool]:
    from torch import nn

    from sparse_autoencoder.model import TopK

    if isinstance(activation, TopK):
        return {"k": activation.k, "rectified": isinstance(activation.postact_fn, nn.ReLU)}
    return {"rectified": isinstance(activation, nn.ReLU)}


def contents_now(options: RunOptions) -> Contents:
    """The hashes of the files that `load_models` would load now; raises the same errors for missing files."""
    from sparse_autoencoder.autoencoders.checkpoints import address_of, fetch

    hashes = FileHashes(model_files(model_folder(options.subject)))
    checkpoint = fetch(address_of(options.autoencoder, options.location, options.layer))
    return Contents(frozenset(hashes.result().items()), checkpoint.sha256)


def of_models(options: RunOptions) -> RunOptions:
    """The options that loading models depends on; all others have their defaults."""
    models = {"subject", "autoencoder", "activation", "layer", "location", "precision", "device"}
    policy = {"max_tokens", "bos", "long_rows", "context"}
    return RunOptions(**options.model_dump(include=models | policy))


def _check_device(options: RunOptions) -> None:
    from sparse_autoencoder.kernels.device_checks import check_device
    from sparse_autoencoder.kernels.precision import check_precision

    options = on_this_machine(options)
    check_device(options.device)
    check_precision(options.precision, options.device)
