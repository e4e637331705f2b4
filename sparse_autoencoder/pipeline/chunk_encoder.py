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
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder, Limit, SparseLatents, TooManyActivationsError
from sparse_autoencoder.data.row_sets import RowSets
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.copy_to_device import copy_to_device
from sparse_autoencoder.kernels.cpu_threads import parallel_map
from sparse_autoencoder.kernels.device_checks import models_fit
from sparse_autoencoder.kernels.precision import multiplying
from sparse_autoencoder.model import Autoencoder, TopK
from sparse_autoencoder.pipeline.reconstruction_errors import BatchSums, batch_sums, combined, summed
from sparse_autoencoder.runs.firings_file import Firings
from sparse_autoencoder.runs.first_chunk_checks import FirstChunkChecks
from sparse_autoencoder.runs.token_table_merging import ChunkTokens
from sparse_autoencoder.subjects.prefix_tree import PrefixTree
from sparse_autoencoder.subjects.subject import Subject, distinct_activations
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.summaries.reconstruction_sums import position_buckets
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
    """An encoded chunk: its summary, its rows' strongest features (a long row may have several entries), its tokens."""

    summary: Summary
    row_features: list[RowFeatures]
    num_windows: int
    tokens: ChunkTokens
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
        self.subject = subject
        with models_fit(subject.device):
            self.latents = LatentEncoder(autoencoder.to(device=subject.device, dtype=subject.dtype))
        self.location = location
        self.layer_index = layer_index
        self.policy = policy
        self._buckets = position_buckets(policy.max_tokens)
        self.spec = spec
        self._batch_tokens = batch_tokens(subject.device)
        active = autoencoder.activation.k if isinstance(autoencoder.activation, TopK) else _EXPECTED_ACTIVE
        block_tokens = _BLOCK_TOKENS.get(subject.device.type, _BLOCK_TOKENS_ELSEWHERE)
        self._block_tokens = min(block_tokens, max(1, BLOCK_ACTIVATIONS // active))
        self._memory = memory_budget_on(subject.device)
        self.tf32 = tf32
        # Any thread calls this after each batch. If it raises, `encode` ends with that exception.
        self.moved: Callable[[], None] = lambda: None
        # Any thread calls this after each batch with how many of how many tokens of the chunk the batch stands for.
        self.encoded: Callable[[int, int], None] = lambda tokens, of: None
        self._chunk_tokens = 0
        # What checks the run's first chunk (first_chunk.py); None for an encoder that no run uses.
        self.check_first: Callable[[Encoder, Chunk], FirstChunkChecks] | None = None
        self.keeps_firings = False  # whether `encode` gives what fires at each token

    def with_spec(self, spec: SummarySpec) -> Encoder:
        """An encoder with the same models for another run's summary settings; it shares the weights."""
        other = copy(self)
        other.spec = spec
        return other

    def encode(self, chunk: Chunk, features_per_row: int) -> EncodedChunk:
        """Encode and summarise a chunk; SaescopeError if an activation isn't finite, or memory is too small."""
        windows = cut_windows(chunk, self.policy)
        self.check_tokens(windows)
        row_sets = chunk.row_sets or RowSets.all_different(chunk.row_ids)
        rows = RowTexts.of(windows, chunk.row_ids, row_sets)
        while True:
            try:
                return self._encoded(windows, rows, features_per_row, [] if self.keeps_firings else None)
            except (torch.OutOfMemoryError, MemoryError, NoMemoryError) as error:
                problem = first_line(error)
            if self._memory.workers == 0:
                raise SaescopeError(
                    f"the memory of {self.subject.device} is too small for these models with {len(windows.tokens):,} "
                    f"tokens ({problem}): lower --chunk-size, or take --precision bfloat16 or a smaller autoencoder"
                )
            # Try again without summarising in the background. The error's reference cycle still holds memory: collect
            # it.
            self._memory.workers = 0
            gc.collect()

    def check_tokens(self, windows: Windows) -> None:
        """SaescopeError for tokens that the model doesn't have: on a GPU, such a lookup breaks the whole process."""
        unknown = windows.tokens[(windows.tokens < 0) | (windows.tokens >= self.subject.vocab_size)]
        if len(unknown):
            raise SaescopeError(
                f"the tokenizer gives the token {unknown.max()}, but the model in {self.subject.name} has only the "
                f"tokens 0 to {self.subject.vocab_size - 1}: take the model's own tokenizer"
            )

    def _encoded(
        self, windows: Windows, rows: RowTexts, features_per_row: int, firings: list[Firings] | None
    ) -> EncodedChunk:
        self._chunk_tokens = len(windows.counted_tokens)
        tokens = ChunkTokens()
        sums: list[BatchSums] = []
        blocks = self.blocks(windows, sums)
        summary, row_features = summarise_blocks(
            blocks if firings is None else self._noting(blocks, firings),
            rows,
            self.spec,
            per_row=features_per_row,
            memory=self._memory,
            keep_tokens=tokens.add,
        )
        summary = replace(summary, reconstructions=summed(sums))
        return EncodedChunk(summary, row_features, len(windows), tokens, firings)

    def _noting(
        self, blocks: Iterator[tuple[Windows, Activations]], firings: list[Firings]
    ) -> Iterator[tuple[Windows, Activations]]:
        """The blocks, of each of which what fires is added to `firings`."""
        for block, activations in blocks:
            token, feature, _value = on_host(activations)
            counted = np.zeros(len(block.tokens), bool)
            counted[block.counted_tokens] = True
            firings.append(Firings.of(token, feature, counted))
            yield block, activations

    def blocks(self, windows: Windows, sums: list[BatchSums] | None = None) -> Iterator[tuple[Windows, Activations]]:
        """A chunk's blocks with their activations. After a block with too many activations, blocks are half as long.

        To `sums`, if given, those of each block are added that tell how well the autoencoder gives back its input.
        """
        first, block_tokens = 0, self._block_tokens
        while first < len(windows):
            block = windows.block(first, block_tokens)
            try:
                activations = self.activations(block, sums)
            except TooManyActivationsError:
                block_tokens = len(block.tokens) // 2
                continue
            yield block, activations
            first += len(block)

    @torch.inference_mode()
    def activations(self, block: Windows, sums: list[BatchSums] | None = None) -> Activations:
        """All positive activations at the counted tokens of a block, on the models' device; for `sums` see `blocks`.

        Raises TooManyActivationsError if there are more than BLOCK_ACTIVATIONS, and the block has several windows.
        """
        limit = Limit(BLOCK_ACTIVATIONS if len(block) > 1 else None)
        _, first, occurrence, times = np.unique(
            block.token_hashes, return_index=True, return_inverse=True, return_counts=True
        )
        batches = list(_batches(block, np.sort(first), self._batch_tokens))
        repeated = np.zeros(len(block), np.int64)  # how often a window comes, at its first occurrence
        repeated[first] = times
        with multiplying(tf32=self.tf32):
            encoded = self._encode_batches(block, batches, limit, repeated if sums is not None else None)
        # each token's index into the vectors of all batches; -1: not counted
        vector_of = np.full(len(block.tokens), -1)
        num_vectors = 0
        for batch, part in zip(batches, encoded, strict=True):
            vector_of[batch.counted] = num_vectors + part.vectors
            num_vectors += len(part.latents.counts)
        repeats = np.flatnonzero(first[occurrence] != np.arange(len(block)))
        lengths, originals = block.lengths[repeats], first[occurrence[repeats]]
        vector_of[ranges(block.starts[repeats], lengths)] = vector_of[ranges(block.starts[originals], lengths)]
        token = np.flatnonzero(vector_of >= 0)
        latents = SparseLatents.concatenate([part.latents for part in encoded])
        vectors_at = copy_to_device(torch.from_numpy(vector_of[token]), self.subject.device)
        place, feature, value = latents.active(vectors_at, limit)
        active_token = copy_to_device(torch.from_numpy(token.astype(np.int32)), self.subject.device)[place]
        if sums is not None and (measured := [part.sums for part in encoded if part.sums is not None]):
            sums.append(combined(measured))
        return activations_of(active_token, feature, value)

    def _encode_batches(
        self, block: Windows, batches: list[_Batch], limit: Limit, times: Ints | None
    ) -> list[_EncodedBatch]:
        """`_encode_batch` for each batch, on a CPU in several threads."""
        encode = partial(self._encode_batch, block, limit=limit, times=times)
        if self.subject.device.type == "cpu" and self.subject.many_threads:
            return parallel_map(encode, batches)
        return [encode(batch) for batch in batches]

    @torch.inference_mode()
    def _encode_batch(self, block: Windows, batch: _Batch, limit: Limit, times: Ints | None) -> _EncodedBatch:
        """Encode a batch of a block's windows; with `times`, how often each window comes, also measure what is lost."""
        ids = torch.from_numpy(block.tokens[batch.places].astype(np.int64))
        hidden, tree = distinct_activations(self.subject, ids, self.location, self.layer_index)
        not_counted = int(tree.starts[batch.first_counted])
        hidden = hidden[not_counted:]
        vectors: Ints = tree.node_of[:, batch.first_counted :].numpy() - not_counted
        inputs = self.latents.inputs(hidden)
        latents = self.latents.encoded(inputs, limit)
        sums = None
        if times is not None:
            of_window = times[np.searchsorted(block.starts, batch.places[:, 0])]
            repeated = np.repeat(of_window, vectors.shape[1])
            weight = np.bincount(vectors.ravel(), repeated, minlength=len(hidden)).astype(np.int64)
            bucket = self._buckets[_positions(tree, batch.first_counted) - self.policy.first_counted]
            weights, buckets = (copy_to_device(torch.from_numpy(one), hidden.device) for one in (weight, bucket))
            sums = batch_sums(self.latents, inputs, latents, weights, buckets, int(self._buckets[-1]) + 1)
            self.encoded(int(of_window.sum()) * vectors.shape[1], self._chunk_tokens)
        self.moved()
        return _EncodedBatch(latents, vectors, sums)


@dataclass(frozen=True)
class _EncodedBatch:
    """A batch's latents, each counted token's index into their vectors, and how well these were given back."""

    latents: SparseLatents
    vectors: Ints  # [batch, counted pos]
    sums: BatchSums | None


def _positions(tree: PrefixTree, first_counted: int) -> Ints:
    """The position of each counted node in its windows."""
    lengths = np.diff(tree.starts[first_counted:])
    return np.repeat(np.arange(first_counted, first_counted + len(lengths)), lengths)


def activations_of(token: Tensor, feature: Tensor, value: Tensor) -> Activations:
    """Activations for a summary on the device where they are: numpy on a CPU, which is faster there, else torch."""
    if token.device.type == "cpu":
        return SparseActivations(token.numpy(), feature.numpy(), value.numpy())
    return DeviceActivations(token, feature, value)


def on_host(activations: Activations) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Tokens, features and values of activations, as arrays."""
    if isinstance(activations, DeviceActivations):
        token, feature, value = activations.token, activations.feature, activations.value
        return token.cpu().numpy(), feature.cpu().numpy(), value.cpu().numpy()
    assert isinstance(activations, SparseActivations)  # noqa: S101
    return activations.token, activations.feature, activations.value


def batch_tokens(device: torch.device) -> int:
    """Tokens in a batch of the subject model on this device."""
    return BATCH_TOKENS.get(device.type, _BATCH_TOKENS_ELSEWHERE)


@dataclass(frozen=True)
class _Batch:
    """Windows that are encoded together: of equal length, and whose tokens count from the same position on."""

    places: Ints  # [batch, pos], the tokens' indices in the block
    first_counted: int

    @property
    def counted(self) -> Ints:
        """The counted tokens' indices in the block, [batch, counted pos]."""
        return self.places[:, self.first_counted :]


def _batches(block: Windows, windows: Ints, n_tokens: int) -> Iterator[_Batch]:
    """Split windows (given by index) into batches with at most `n_tokens` tokens.

    Windows with common prefixes come into the same batch.
    """
    kinds = np.stack([block.lengths[windows], block.first_counted[windows]], axis=1)
    for length, first_counted in np.unique(kinds, axis=0).tolist():
        same = windows[(kinds == (length, first_counted)).all(axis=1)]
        places = block.starts[same][:, None] + np.arange(length)
        places = places[np.lexsort(block.tokens[places].T[::-1])]
        size = max(1, n_tokens // length)
        yield from (_Batch(places[begin : begin + size], first_counted) for begin in range(0, len(same), size))


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
