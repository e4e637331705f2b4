"""Encodes a chunk: windows -> sparse activations -> the chunk's summary.

* Windows of equal length form a batch, so that there is no padding and no mask.
* Windows with the same tokens are computed once, and so are common prefixes within a batch.
* The content of a batch depends on the chunk alone, never on timing or on other chunks. Rounding differs between batch
  shapes, and a chunk must give the same summary wherever and whenever it is encoded.
* Dense [tokens, features] arrays exist only within a batch.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder, Limit, SparseLatents, TooManyActivationsError
from sparse_autoencoder.data.text_repeats import text_hashes
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.copy_to_device import copy_to_device
from sparse_autoencoder.kernels.cpu_threads import parallel_map
from sparse_autoencoder.kernels.device_checks import models_fit
from sparse_autoencoder.kernels.precision import multiplying
from sparse_autoencoder.model import Autoencoder, TopK
from sparse_autoencoder.runs.firings_file import Firings
from sparse_autoencoder.subjects.subject import Subject, distinct_activations
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.summaries.summarise_in_background import MemoryBudget, NoMemoryError, summarise_blocks
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.summaries.summarise_torch import DeviceActivations
from sparse_autoencoder.summaries.summariser_interface import BLOCK_TOKENS, Activations, RowFeatures
from sparse_autoencoder.summaries.text_sums import RowTexts
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows, cut_windows
from sparse_autoencoder.utils.failure_rule import first_line
from sparse_autoencoder.utils.numpy_array_ops import Ints, ranges

# Tokens in a batch of the subject model (for CPUs measured, see docs/lab-notes.md), and in a block, by device. GPUs
# need large ones, and what they send to the host for a block hardly grows with its size.
BATCH_TOKENS = {"cpu": 2048}
_BATCH_TOKENS_ELSEWHERE = 65_536
_BLOCK_TOKENS = {"cpu": BLOCK_TOKENS}
_BLOCK_TOKENS_ELSEWHERE = 1 << 20
# Most activations in a block. Blocks get so few tokens that, with k (or this many) activations each, they have no more.
BLOCK_ACTIVATIONS = 1 << 25
_EXPECTED_ACTIVE = 512  # activations per token, of an autoencoder without k
_SUMMARY_BYTES = 256  # memory for summarising an activation on a device; 248 were measured, and 12 stay
_SUMMARY_SHARE = 8  # one eighth of a device's memory is for summaries


@dataclass(frozen=True)
class EncodedChunk:
    """An encoded chunk: its summary, and its rows' strongest features. A long row may have several entries."""

    summary: Summary
    row_features: list[RowFeatures]
    num_windows: int
    firings: list[Firings] | None  # by block, if they were asked for


class Encoder:
    """Encodes chunks with a subject model and an autoencoder at one hook point."""

    def __init__(
        self,
        subject: Subject,
        autoencoder: Autoencoder,
        *,
        location: str,
        layer_index: int,
        policy: TokenPolicy,
        spec: SummarySpec,
        tf32: bool = False,
    ) -> None:
        width = subject.width(location, layer_index)
        if autoencoder.n_inputs != width:
            raise SaescopeError(
                f"the autoencoder takes vectors of width {autoencoder.n_inputs}, but {location} of {subject.name} "
                f"is {width} wide: choose the autoencoder, --layer and --location that belong together"
            )
        self._subject = subject
        with models_fit(subject.device):
            self._latents = LatentEncoder(autoencoder.to(device=subject.device, dtype=subject.dtype))
        self._location = location
        self._layer_index = layer_index
        self._policy = policy
        self._spec = spec
        self._batch_tokens = batch_tokens(subject.device)
        active = autoencoder.activation.k if isinstance(autoencoder.activation, TopK) else _EXPECTED_ACTIVE
        block_tokens = _BLOCK_TOKENS.get(subject.device.type, _BLOCK_TOKENS_ELSEWHERE)
        self._block_tokens = min(block_tokens, max(1, BLOCK_ACTIVATIONS // active))
        self._memory = memory_budget_on(subject.device)
        self._tf32 = tf32
        # Any thread calls this after each batch. If it raises, `encode` ends with that exception.
        self.moved: Callable[[], None] = lambda: None
        self.keeps_firings = False  # whether `encode` gives what fires at each token

    def with_spec(self, spec: SummarySpec) -> Encoder:
        """An encoder with the same models for another run's summary settings; it shares the weights."""
        other = copy(self)
        other._spec = spec
        return other

    def encode(self, chunk: Chunk, features_per_row: int) -> EncodedChunk:
        """Encode and summarise a chunk; SaescopeError if an activation isn't finite, or memory is too small."""
        windows = cut_windows(chunk, self._policy)
        self._check_tokens(windows)
        earlier = np.zeros(len(chunk.texts), np.int64) if chunk.earlier is None else chunk.earlier
        first_counted = self._policy.first_counted
        rows = RowTexts.of(windows, chunk.row_ids, text_hashes(chunk.texts), earlier, first_counted)
        while True:
            try:
                return self._encoded(windows, rows, features_per_row, [] if self.keeps_firings else None)
            except (torch.OutOfMemoryError, MemoryError, NoMemoryError) as error:
                problem = first_line(error)
            if self._memory.workers == 0:
                raise SaescopeError(
                    f"the memory of {self._subject.device} is too small for these models with {len(windows.tokens):,} "
                    f"tokens ({problem}): lower --chunk-size, or take --precision bfloat16 or a smaller autoencoder"
                )
            # Try again without summarising in the background. The error's reference cycle still holds memory: collect
            # it.
            self._memory.workers = 0
            gc.collect()

    def _check_tokens(self, windows: Windows) -> None:
        """SaescopeError for tokens that the model doesn't have: on a GPU, such a lookup breaks the whole process."""
        largest = int(windows.tokens.max(initial=0))
        if largest >= self._subject.vocab_size:
            raise SaescopeError(
                f"the tokenizer gives the token {largest}, but the model in {self._subject.name} has only the tokens "
                f"0 to {self._subject.vocab_size - 1}: take the model's own tokenizer"
            )

    def _encoded(
        self, windows: Windows, rows: RowTexts, features_per_row: int, firings: list[Firings] | None
    ) -> EncodedChunk:
        blocks = self.blocks(windows)
        summary, row_features = summarise_blocks(
            blocks if firings is None else self._noting(blocks, firings),
            rows,
            self._spec,
            first_counted=self._policy.first_counted,
            per_row=features_per_row,
            memory=self._memory,
        )
        return EncodedChunk(summary, row_features, len(windows), firings)

    def _noting(
        self, blocks: Iterator[tuple[Windows, Activations]], firings: list[Firings]
    ) -> Iterator[tuple[Windows, Activations]]:
        """The blocks, of each of which what fires is added to `firings`."""
        for block, activations in blocks:
            token, feature = _on_host(activations)
            position = np.arange(len(block.tokens)) - np.repeat(block.starts[:-1], block.lengths)
            firings.append(Firings.of(token, feature, position >= self._policy.first_counted))
            yield block, activations

    def blocks(self, windows: Windows) -> Iterator[tuple[Windows, Activations]]:
        """A chunk's blocks with their activations. After a block with too many activations, blocks are half as long."""
        first, block_tokens = 0, self._block_tokens
        while first < len(windows):
            block = windows.block(first, block_tokens)
            try:
                activations = self.activations(block)
            except TooManyActivationsError:
                block_tokens = len(block.tokens) // 2
                continue
            yield block, activations
            first += len(block)

    @torch.inference_mode()
    def activations(self, block: Windows) -> Activations:
        """All positive activations at the counted tokens of a block, on the models' device.

        Raises TooManyActivationsError if there are more than BLOCK_ACTIVATIONS, and the block has several windows.
        """
        limit = Limit(BLOCK_ACTIVATIONS if len(block) > 1 else None)
        _, first, occurrence = np.unique(block.token_hashes, return_index=True, return_inverse=True)
        batches = list(_batches(block, np.sort(first), self._batch_tokens))
        with multiplying(tf32=self._tf32):
            encoded = self._encode_batches([block.tokens[batch] for batch in batches], limit)
        # each token's index into the vectors of all batches; -1: not counted
        vector_of = np.full(len(block.tokens), -1)
        num_vectors = 0
        for batch, (latents, vectors) in zip(batches, encoded, strict=True):
            vector_of[batch[:, self._policy.first_counted :]] = num_vectors + vectors
            num_vectors += len(latents.counts)
        repeats = np.flatnonzero(first[occurrence] != np.arange(len(block)))
        lengths, originals = block.lengths[repeats], first[occurrence[repeats]]
        vector_of[ranges(block.starts[repeats], lengths)] = vector_of[ranges(block.starts[originals], lengths)]
        token = np.flatnonzero(vector_of >= 0)
        latents = SparseLatents.concatenate([of_batch for of_batch, _vectors in encoded])
        vectors_at = copy_to_device(torch.from_numpy(vector_of[token]), self._subject.device)
        place, feature, value = latents.active(vectors_at, limit)
        active_token = copy_to_device(torch.from_numpy(token.astype(np.int32)), self._subject.device)[place]
        return activations_of(active_token, feature, value)

    def _encode_batches(self, batches: list[NDArray[np.int32]], limit: Limit) -> list[tuple[SparseLatents, Ints]]:
        """`_encode_batch` for each batch, on a CPU in several threads."""
        encode = partial(self._encode_batch, limit=limit)
        if self._subject.device.type == "cpu" and self._subject.many_threads:
            return parallel_map(encode, batches)
        return [encode(batch) for batch in batches]

    @torch.inference_mode()
    def _encode_batch(self, tokens: NDArray[np.int32], limit: Limit) -> tuple[SparseLatents, Ints]:
        """Latents of a batch of windows, tokens [batch, pos], and each counted token's index into their vectors."""
        ids = torch.from_numpy(tokens.astype(np.int64))
        hidden, tree = distinct_activations(self._subject, ids, self._location, self._layer_index)
        first_counted = self._policy.first_counted
        not_counted = int(tree.starts[first_counted])
        vectors: Ints = tree.node_of[:, first_counted:].numpy() - not_counted
        latents = self._latents.sparse(hidden[not_counted:], limit)
        self.moved()
        return latents, vectors


def activations_of(token: Tensor, feature: Tensor, value: Tensor) -> Activations:
    """Activations for a summary on the device where they are: numpy on a CPU, which is faster there, else torch."""
    if token.device.type == "cpu":
        return SparseActivations(token.numpy(), feature.numpy(), value.numpy())
    return DeviceActivations(token, feature, value)


def _on_host(activations: Activations) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Tokens and features of activations, as arrays."""
    if isinstance(activations, DeviceActivations):
        return activations.token.cpu().numpy(), activations.feature.cpu().numpy()
    assert isinstance(activations, SparseActivations)  # noqa: S101
    return activations.token, activations.feature


def batch_tokens(device: torch.device) -> int:
    """Tokens in a batch of the subject model on this device."""
    return BATCH_TOKENS.get(device.type, _BATCH_TOKENS_ELSEWHERE)


def _batches(block: Windows, windows: Ints, n_tokens: int) -> Iterator[Ints]:
    """Split windows (given by index) into batches of windows of equal length, with at most `n_tokens` tokens.

    Windows with common prefixes come into the same batch. Yields the indices of a batch's tokens in the block,
    [batch, pos].
    """
    lengths = block.lengths[windows]
    for length in np.unique(lengths):
        same = windows[lengths == length]
        places = block.starts[same][:, None] + np.arange(length)
        places = places[np.lexsort(block.tokens[places].T[::-1])]
        size = max(1, n_tokens // int(length))
        yield from (places[begin : begin + size] for begin in range(0, len(same), size))


def memory_budget_on(device: torch.device) -> MemoryBudget:
    """How much is summarised at once on a device, as long as memory is sufficient."""
    if device.type == "cpu":
        return MemoryBudget()
    memory = MemoryBudget(workers=1)  # each further worker would need the same memory again
    if device.type == "cuda":
        memory.activations = max(
            memory.activations,
            torch.cuda.get_device_properties(device).total_memory // _SUMMARY_SHARE // _SUMMARY_BYTES,
        )
    return memory
