"""What a run's options name, opened and loaded: the rows, the tokenizer, the models; and the metadata that follow.

Rows and tokenizer are loaded without torch, because the process that reads a dataset need not be one that computes.
This file knows no store and nothing of what becomes of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata as packages
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparse_autoencoder.corpus import Source, open_source, prompt_file, single_row
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.hub import model_folder, read_config, tokenizer_file
from sparse_autoencoder.metrics import FEATURE_METRICS
from sparse_autoencoder.runs import RunMetadata, RunOptions
from sparse_autoencoder.windows import RowTokenizer, TokenPolicy

if TYPE_CHECKING:
    from sparse_autoencoder.checkpoints import Checkpoint
    from sparse_autoencoder.encoding import Encoder
    from sparse_autoencoder.model import Autoencoder
    from sparse_autoencoder.subject import Subject

PACKAGES = ("saescope", "numpy", "pyarrow", "tokenizers", "torch")  # whose versions metadata.json records


def open_rows(options: RunOptions) -> Source:
    """The rows that the options ask for."""
    if options.prompt_file is not None:
        return prompt_file(Path(options.prompt_file))
    source = open_source(options.source, options.text_column)
    return source if options.kaggle_row is None else single_row(source, options.kaggle_row)


def load_tokens(options: RunOptions) -> tuple[RowTokenizer, TokenPolicy]:
    """The subject model's tokenizer and the options' token policy; SaescopeError if they don't fit the model."""
    folder = model_folder(options.subject, weights=False)
    config = read_config(folder)
    return RowTokenizer(tokenizer_file(folder), config["vocab_size"]), _policy(options, config)


def _policy(options: RunOptions, config: Mapping[str, Any]) -> TokenPolicy:
    if options.max_tokens > config["n_positions"]:
        raise SaescopeError(
            f"--max-tokens {options.max_tokens} is more than the {config['n_positions']} positions of "
            f"{options.subject}: choose fewer"
        )
    return TokenPolicy(config["bos_token_id"], options.max_tokens, options.bos, options.long_rows)


@dataclass(frozen=True)
class Models:
    """The models of a run, on their device."""

    options: RunOptions  # with the device that `auto` stands for
    policy: TokenPolicy
    subject: Subject
    autoencoder: Autoencoder
    checkpoint: Checkpoint
    hook: str

    def metadata(
        self, options: RunOptions, run_id: str, source: Mapping[str, str | int | None], started_at: str
    ) -> RunMetadata:
        """A new run's metadata, for a source that describes itself so; the options may differ in what isn't a model."""
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
            },
            autoencoder={
                "name": options.autoencoder,
                "address": self.checkpoint.address,
                "size": self.checkpoint.size,
                "sha256": self.checkpoint.sha256,
                "activation": type(self.autoencoder.activation).__name__,
                "n_inputs": self.autoencoder.n_inputs,
            },
            bos_token_id=self.policy.bos_token_id,
            num_features=self.autoencoder.n_latents,
            metrics=[{"name": metric.name, "description": metric.description} for metric in FEATURE_METRICS],
            versions={name: packages.version(name) for name in PACKAGES},
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
        """What encodes a run's chunks; SaescopeError if the models don't belong together."""
        from sparse_autoencoder.encoding import Encoder

        return Encoder(
            self.subject,
            self.autoencoder,
            location=metadata.location,
            layer_index=metadata.layer_index,
            policy=metadata.policy,
            spec=metadata.spec,
            tf32=self.options.precision == "tf32",
        )


def on_this_machine(options: RunOptions) -> RunOptions:
    """The options with the device that `auto` stands for here."""
    import torch

    if options.device != "auto":
        return options
    return options.model_copy(update={"device": "cuda" if torch.cuda.is_available() else "cpu"})


def load_models(options: RunOptions) -> Models:
    """Load subject model and autoencoder; SaescopeError if there is none of that name or they don't fit."""
    from sparse_autoencoder.checkpoints import address_of, fetch, load_autoencoder
    from sparse_autoencoder.precision import check_precision, dtype_of
    from sparse_autoencoder.subject import hook_name, load_subject

    hook = hook_name(options.location, options.layer)
    options = on_this_machine(options)
    check_precision(options.precision, options.device)
    folder = model_folder(options.subject)
    policy = _policy(options, read_config(folder))
    subject = load_subject(folder, device=options.device, dtype=dtype_of(options.precision), last_layer=options.layer)
    checkpoint = fetch(address_of(options.autoencoder, options.location, options.layer))
    autoencoder = load_autoencoder(checkpoint, n_inputs=subject.width(options.location))
    return Models(options, policy, subject, autoencoder, checkpoint, hook)
