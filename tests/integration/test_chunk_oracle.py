"""A chunk in float32 equals what an oracle makes of the same latents, and is computed where the models are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.model import Autoencoder
from sparse_autoencoder.pipeline import chunk_encoder as encoder_module
from sparse_autoencoder.pipeline.chunk_encoder import Encoder
from sparse_autoencoder.pipeline.single_process import prepare
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.rows_file_format import FEATURES_PER_ROW
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.subjects.subject import Subject, load_subject
from sparse_autoencoder.summaries.summarise_torch import DeviceActivations
from sparse_autoencoder.tokens.chunks import Chunk, read_chunks
from tests.support.oracle import WindowPolicy, windows_of_row
from tests.support.runs import (
    LAYER,
    MAX_TOKENS,
    N_LATENTS,
    World,
    one_thread,
)
from tests.support.same_bits import assert_same_bits
from tests.support.summaries import assert_equals_oracle

pytestmark = pytest.mark.usefixtures("quick")


class RecordingSubject:
    """A subject model that remembers what it was asked and what it answered."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.answers: list[tuple[Tensor, Tensor]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._subject, name)

    def activations(self, tokens: Tensor, location: str, layer_index: int) -> Tensor:
        hidden = self._subject.activations(tokens, location, layer_index)
        self.answers.append((tokens, hidden))
        return hidden


@pytest.mark.parametrize("summarised", ["by numpy", "where they are"])
@pytest.mark.parametrize(
    ("autoencoder", "bos", "long_rows", "context"),
    [
        ("topk", "exclude", "split", 0),
        ("topk", "exclude", "split", 3),
        ("relu", "include", "truncate", 0),
        ("relu", "none", "split", 0),
    ],
)
def test_in_float32_a_chunk_equals_the_oracle_over_the_latents_of_encode(
    world: World,
    autoencoder: str,
    bos: str,
    long_rows: str,
    context: int,
    summarised: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if summarised == "where they are":  # as on a GPU
        monkeypatch.setattr(encoder_module, "activations_of", DeviceActivations)
    options = world.options(
        autoencoder=getattr(world, autoencoder),
        bos=bos,
        long_rows=long_rows,
        context=context,
        precision="float32",
        seed=11,
    )
    metadata, chunk = only_chunk(options)
    subject = RecordingSubject(load_subject(world.subject))
    model = Autoencoder.from_state_dict(torch.load(getattr(world, autoencoder), weights_only=True))
    encoder = Encoder(
        subject,
        model,
        location=options.location,
        layer_index=LAYER,
        policy=metadata.policy,
        spec=metadata.spec,
    )
    summary = encoder.encode(chunk, FEATURES_PER_ROW).summary
    first_counted = int(bos == "exclude")
    latents: dict[tuple[int, ...], NDArray[np.float64]] = {}
    latent_encoder = LatentEncoder(model)  # near the model's own encode: tests/unit/autoencoders/test_latent_encoder.py
    for tokens, hidden in subject.answers:
        with torch.inference_mode():
            vectors = hidden[:, first_counted:].reshape(-1, hidden.shape[-1])
            encoded = model.activation(latent_encoder.pre_activations(vectors))
        dense = encoded.numpy().astype(np.float64).reshape(len(tokens), -1, N_LATENTS)
        for window, values in zip(tokens.tolist(), dense, strict=True):
            latents[tuple(window)] = np.concatenate([np.zeros((first_counted, N_LATENTS)), values])
    bos_token = None if bos == "none" else metadata.bos_token_id
    policy = WindowPolicy(MAX_TOKENS, bos_token, long_rows, first_counted, context)
    windows = [
        window
        for row_id, row in zip(chunk.row_ids, np.split(chunk.tokens, chunk.starts[1:-1]), strict=True)
        for window in windows_of_row(int(row_id), row.tolist(), policy, latents.__getitem__)
    ]
    assert_equals_oracle(summary, windows, first_counted)


@pytest.mark.parametrize("autoencoder", ["topk", "relu"])
def test_every_tensor_between_tokens_and_summary_is_made_on_the_models_device(
    world: World, autoencoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_module, "activations_of", DeviceActivations)  # as on a GPU
    options = world.options(autoencoder=getattr(world, autoencoder), precision="float64")
    _metadata, chunk = only_chunk(options)
    job = prepare(options, "run")
    job.source.close()
    encoder = job.encoder
    expected = encoder.encode(chunk, FEATURES_PER_ROW).summary
    with one_thread(), torch.device("meta"):  # where a tensor goes for which no device is named; it has no numbers
        found = encoder.encode(chunk, FEATURES_PER_ROW).summary
    assert_same_bits(found, expected)


def only_chunk(options: RunOptions) -> tuple[RunMetadata, Chunk]:
    """All rows of a run as one chunk."""
    job = prepare(options, "run")
    with job.source:
        (chunk,) = read_chunks(job.source, job.tokenizer, 1000, job.metadata.policy)
    return job.metadata, chunk
