"""One feature's activation at each token of any texts, by a run's models: the model function of neuron-to-graph.

A text is seen as the run sees one of its windows: with BOS before it, if the run's windows have one, which isn't among
the activations. Texts of equal length are computed together, so that there is no padding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.copy_to_device import copy_to_device
from sparse_autoencoder.kernels.precision import multiplying
from sparse_autoencoder.pipeline.chunk_encoder import Encoder, batch_tokens
from sparse_autoencoder.subjects.subject import distinct_activations
from sparse_autoencoder.utils.numpy_array_ops import Ints

_MOST_TOKENS = {"cpu": 1024}  # in a batch; an autoencoder without k may have most of its latents active at each


class FeatureFunction:
    """A feature's activations, by an encoder's models. After each batch the encoder's `moved` is called."""

    def __init__(self, encoder: Encoder, feature_id: int) -> None:
        num_features = len(encoder.latents.directions)
        if not 0 <= feature_id < num_features:
            raise SaescopeError(
                f"there is no feature {feature_id}: the autoencoder has the features 0 to {num_features - 1}"
            )
        self.feature_id = feature_id
        self.longest = encoder.subject.max_positions - int(encoder.policy.prepends_bos)
        """Most tokens of a text."""
        self._encoder = encoder
        self._bos = [encoder.policy.bos_token_id or 0] if encoder.policy.prepends_bos else []
        device = encoder.subject.device
        self._batch_tokens = _MOST_TOKENS.get(device.type, batch_tokens(device))

    def __call__(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """The feature's activation at each token of some texts, each given as token ids.

        Raises SaescopeError for a text that is longer than `longest`, a token that the model doesn't have, and an
        activation that isn't finite.
        """
        found: list[list[float]] = [[] for _text in texts]
        of_length: dict[int, list[int]] = {}
        for number, text in enumerate(texts):
            self._check(text)
            if text:
                of_length.setdefault(len(text), []).append(number)
        for length, numbers in sorted(of_length.items()):
            size = max(1, self._batch_tokens // (length + len(self._bos)))
            for begin in range(0, len(numbers), size):
                batch = numbers[begin : begin + size]
                for number, activations in zip(batch, self._batch([texts[one] for one in batch]), strict=True):
                    found[number] = activations
        return found

    def _check(self, text: Sequence[int]) -> None:
        if len(text) > self.longest:
            raise SaescopeError(f"a text of {len(text)} tokens is too long: the model takes at most {self.longest}")
        vocab_size = self._encoder.subject.vocab_size
        if text and not 0 <= min(text) <= max(text) < vocab_size:
            raise SaescopeError(f"the model has only the tokens 0 to {vocab_size - 1}: one of these isn't its own")

    @torch.inference_mode()
    def _batch(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """The activations at the tokens of texts of equal length."""
        encoder = self._encoder
        ids = torch.tensor([[*self._bos, *text] for text in texts], dtype=torch.int64)
        with multiplying(tf32=encoder.tf32):
            hidden, tree = distinct_activations(encoder.subject, ids, encoder.location, encoder.layer_index)
            vectors: Ints = tree.node_of[:, len(self._bos) :].numpy()
            first = int(vectors.min())  # BOS comes before it
            values = self._activations(hidden[first:])
        encoder.moved()
        if not bool(torch.isfinite(values).all()):
            raise SaescopeError(
                f"feature {self.feature_id} has an activation that isn't finite: the models are damaged"
            )
        activations: list[list[float]] = values.numpy()[vectors - first].tolist()
        return activations

    def _activations(self, vectors: Tensor) -> Tensor:
        """The feature's activation at each vector, on the host: [vectors]."""
        every = copy_to_device(torch.from_numpy(np.arange(len(vectors))), vectors.device)
        vector, latent, value = self._encoder.latents.sparse(vectors).active(every)
        own = latent == self.feature_id
        activations = torch.zeros(len(vectors), device=vectors.device)
        activations[vector[own]] = value[own]
        return activations.cpu()
