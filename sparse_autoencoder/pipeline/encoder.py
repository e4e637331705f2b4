"""Windows -> sparse activations -> a chunk's summary.

Windows of equal length form a batch, so that there is no padding and no mask; windows with the same tokens are computed
once, and so is what windows of a batch begin with alike. What is in a batch depends on the chunk alone, never on timing
or on other chunks: rounding differs between batch shapes, and a chunk must give the same summary wherever and whenever
it is encoded. No dense [tokens, features] array leaves a batch. This file knows nothing of files, queues or how models
are loaded.
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

from sparse_autoencoder.autoencoders.latents import LatentEncoder, Limit, SparseLatents, TooManyActivationsError
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.copy_to_device import sent
from sparse_autoencoder.kernels.cpu_threads import side_by_side
from sparse_autoencoder.kernels.devices import models_fit
from sparse_autoencoder.kernels.precision import multiplying
from sparse_autoencoder.model import Autoencoder, TopK
from sparse_autoencoder.subjects.subject import Subject, distinct_activations
from sparse_autoencoder.summaries.blocks import BLOCK_TOKENS, Activations, RowFeatures
from sparse_autoencoder.summaries.numpy_blocks import SparseActivations
from sparse_autoencoder.summaries.summarise_blocks import NoRoomError, Room, summarise_blocks
from sparse_autoencoder.summaries.summary import Summary, SummarySpec
from sparse_autoencoder.summaries.torch_blocks import DeviceActivations
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows, cut_windows
from sparse_autoencoder.utils.arrays import Ints, ranges

# By device: tokens that go through the subject model at once, measured on CPUs (docs/lab-notes.md), and a block's. A
# GPU wants much to do at a time, and what it sends to the host for a block hardly grows with it.
BATCH_TOKENS = {"cpu": 2048}
_BATCH_TOKENS_ELSEWHERE = 65_536
_BLOCK_TOKENS = {"cpu": BLOCK_TOKENS}
_BLOCK_TOKENS_ELSEWHERE = 1 << 20
# A block's activations are no more than this, and it has so few tokens that they aren't if each has this many.
BLOCK_ACTIVATIONS = 1 << 25
_EXPECTED_ACTIVE = 512  # where there is no k
_SUMMARY_BYTES = 256  # that summarising an activation on a device takes: 248 were counted, on the way to 12 that stay
_SUMMARY_SHARE = 8  # of a device's memory, one in so many parts is for that


@dataclass(frozen=True)
class EncodedChunk:
    """What encoding a chunk gives: its summary, and its rows' strongest features (a long row may come in parts)."""

    summary: Summary
    row_features: list[RowFeatures]
    num_windows: int


class Encoder:
    """A subject model and an autoencoder at one hook point, ready to encode chunks."""

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
        width = subject.width(location)
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
        self._room = room_on(subject.device)
        self._tf32 = tf32
        # Called by whichever thread is through with a batch; what it raises ends `encode`, between batches.
        self.moved: Callable[[], None] = lambda: None

    def with_spec(self, spec: SummarySpec) -> Encoder:
        """The same models for a run whose summaries agree on something else; it shares all that is large."""
        other = copy(self)
        other._spec = spec
        return other

    def encode(self, chunk: Chunk, features_per_row: int) -> EncodedChunk:
        """Encode and summarise a chunk; SaescopeError if an activation isn't finite, or there is no memory for it."""
        windows = cut_windows(chunk, self._policy)
        self._check_tokens(windows)
        while True:
            try:
                return self._encoded(windows, features_per_row)
            except (torch.OutOfMemoryError, MemoryError, NoRoomError) as error:
                problem = str(error).split("\n", 1)[0] or type(error).__name__
            if self._room.workers == 0:
                raise SaescopeError(
                    f"the memory of {self._subject.device} is too small for these models with {len(windows.tokens):,} "
                    f"tokens ({problem}): lower --chunk-size, or take --precision bfloat16 or a smaller autoencoder"
                )
            # Again, with nothing beside what is computed. The error held on to what was in memory, in a cycle.
            self._room.workers = 0
            gc.collect()

    def _check_tokens(self, windows: Windows) -> None:
        """SaescopeError for tokens that the model hasn't got: looked up on a GPU, they spoil the whole process."""
        largest = int(windows.tokens.max(initial=0))
        if largest >= self._subject.vocab_size:
            raise SaescopeError(
                f"the tokenizer gives the token {largest}, but the model in {self._subject.name} has only the tokens "
                f"0 to {self._subject.vocab_size - 1}: take the model's own tokenizer"
            )

    def _encoded(self, windows: Windows, features_per_row: int) -> EncodedChunk:
        summary, row_features = summarise_blocks(
            self.blocks(windows),
            self._spec,
            first_counted=self._policy.first_counted,
            per_row=features_per_row,
            room=self._room,
        )
        return EncodedChunk(summary, row_features, len(windows))

    def blocks(self, windows: Windows) -> Iterator[tuple[Windows, Activations]]:
        """A chunk's blocks and their activations; where these are too many, blocks are half as long from there on."""
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

        Raises TooManyActivationsError if they are more than a block's may be, and it can be cut.
        """
        limit = Limit(BLOCK_ACTIVATIONS if len(block) > 1 else None)
        _, first, occurrence = np.unique(block.texts, return_index=True, return_inverse=True)
        batches = list(_batches(block, np.sort(first), self._batch_tokens))
        with multiplying(tf32=self._tf32):
            encoded = self._encode_batches([block.tokens[batch] for batch in batches], limit)
        vector_of = np.full(len(block.tokens), -1)  # where in all batches' latents a token's are
        num_vectors = 0
        for batch, (latents, vectors) in zip(batches, encoded, strict=True):
            vector_of[batch[:, self._policy.first_counted :]] = num_vectors + vectors
            num_vectors += len(latents.counts)
        repeats = np.flatnonzero(first[occurrence] != np.arange(len(block)))
        lengths, originals = block.lengths[repeats], first[occurrence[repeats]]
        vector_of[ranges(block.starts[repeats], lengths)] = vector_of[ranges(block.starts[originals], lengths)]
        token = np.flatnonzero(vector_of >= 0)
        latents = SparseLatents.concatenate([of_batch for of_batch, _vectors in encoded])
        vectors_at = sent(torch.from_numpy(vector_of[token]), self._subject.device)
        place, feature, value = latents.active(vectors_at, limit)
        active_token = sent(torch.from_numpy(token.astype(np.int32)), self._subject.device)[place]
        return activations_of(active_token, feature, value)

    def _encode_batches(self, batches: list[NDArray[np.int32]], limit: Limit) -> list[tuple[SparseLatents, Ints]]:
        """What `_encode_batch` makes of each."""
        encode = partial(self._encode_batch, limit=limit)
        if self._subject.device.type == "cpu" and self._subject.many_threads:
            return side_by_side(encode, batches)
        return [encode(batch) for batch in batches]

    @torch.inference_mode()
    def _encode_batch(self, tokens: NDArray[np.int32], limit: Limit) -> tuple[SparseLatents, Ints]:
        """The latents of windows of equal length, [batch, pos], and which of them are at each counted token."""
        ids = torch.from_numpy(tokens.astype(np.int64))
        hidden, layout = distinct_activations(self._subject, ids, self._location, self._layer_index)
        first_counted = self._policy.first_counted
        not_counted = int(layout.starts[first_counted])
        vectors: Ints = layout.node_of[:, first_counted:].numpy() - not_counted
        latents = self._latents.sparse(hidden[not_counted:], limit)
        self.moved()
        return latents, vectors


def activations_of(token: Tensor, feature: Tensor, value: Tensor) -> Activations:
    """Activations that will be summarised where they are: by numpy on a CPU, which is faster there, else by torch."""
    if token.device.type == "cpu":
        return SparseActivations(token.numpy(), feature.numpy(), value.numpy())
    return DeviceActivations(token, feature, value)


def batch_tokens(device: torch.device) -> int:
    """How many tokens go through the subject model at once."""
    return BATCH_TOKENS.get(device.type, _BATCH_TOKENS_ELSEWHERE)


def _batches(block: Windows, windows: Ints, n_tokens: int) -> Iterator[Ints]:
    """Split windows (their numbers) into batches of equal length and at most so many tokens, those alike together.

    The places of each batch's tokens in the block, [batch, pos].
    """
    lengths = block.lengths[windows]
    for length in np.unique(lengths):
        same = windows[lengths == length]
        places = block.starts[same][:, None] + np.arange(length)
        places = places[np.lexsort(block.tokens[places].T[::-1])]
        size = max(1, n_tokens // int(length))
        yield from (places[begin : begin + size] for begin in range(0, len(same), size))


def room_on(device: torch.device) -> Room:
    """How much is summarised at once on a device, unless memory is short."""
    if device.type == "cpu":
        return Room()
    room = Room(workers=1)  # each further one would take as much memory again
    if device.type == "cuda":
        room.activations = max(
            room.activations, torch.cuda.get_device_properties(device).total_memory // _SUMMARY_SHARE // _SUMMARY_BYTES
        )
    return room
