"""The encoder's batches and blocks: how many threads compute them, how large they are, and that neither shows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.model import Autoencoder, TopK
from sparse_autoencoder.pipeline import chunk_encoder
from sparse_autoencoder.pipeline.chunk_encoder import EncodedChunk, Encoder
from sparse_autoencoder.summaries.feature_summary import SummarySpec
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows, windows_of
from tests.support.same_bits import assert_same_bits

WIDTH, N_LATENTS, LENGTHS = 24, 64, 8
PATIENCE_S = 60  # for what should come at once


class Random:
    """A language model that gives random vectors, drawn by the tokens."""

    name = "random"
    n_layers, vocab_size, max_positions = 1, 300, 64
    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, *, many_threads: bool) -> None:
        self.many_threads = many_threads
        self.threads: set[str] = set()

    def width(self, _location: str, _layer_index: int) -> int:
        return WIDTH

    def activations(self, tokens: Tensor, _location: str, _layer_index: int) -> Tensor:
        self.threads.add(threading.current_thread().name)
        return torch.randn(*tokens.shape, WIDTH, generator=torch.Generator().manual_seed(int(tokens.sum())))


class Meeting(Random):
    """The same, which two threads have to ask at once."""

    def __init__(self) -> None:
        super().__init__(many_threads=True)
        self.met = threading.Barrier(2)

    def activations(self, tokens: Tensor, location: str, layer_index: int) -> Tensor:
        self.met.wait(PATIENCE_S)
        return super().activations(tokens, location, layer_index)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def block() -> tuple[Windows, TokenPolicy]:
    """Windows of several lengths, so of several batches; some are the same."""
    policy = TokenPolicy(bos_token_id=None, bos="none")
    lengths = np.arange(40) % LENGTHS + 1
    tokens = np.random.default_rng(1).integers(0, 5, lengths.sum()).astype(np.int32)
    return windows_of(np.arange(len(lengths)), tokens, np.cumsum([0, *lengths]), policy), policy


def chunk() -> Chunk:
    """The same as a chunk that is still to be encoded."""
    windows, _policy = block()
    texts = [""] * len(windows)
    return Chunk(0, windows.row_ids, texts, windows.tokens, windows.starts, skipped=[])


def encoder_on(subject: Random, cores: int) -> Encoder:
    _windows, policy = block()
    torch.manual_seed(2)
    autoencoder = Autoencoder(N_LATENTS, WIDTH, TopK(8)).requires_grad_(False)
    spec = SummarySpec(N_LATENTS, examples_per_feature=2, seed=0)
    torch.set_num_threads(cores)
    return Encoder(subject, autoencoder, location="", layer_index=0, policy=policy, spec=spec)


def activations(subject: Random, cores: int) -> SparseActivations:
    found = encoder_on(subject, cores).activations(block()[0])
    assert isinstance(found, SparseActivations)
    return found


@pytest.mark.parametrize("cores", [2, 4])
def test_how_many_threads_computed_the_batches_does_not_show(cores: int) -> None:
    one, many = (activations(Random(many_threads=True), number) for number in (1, cores))
    assert len(one.token) > 0
    for name in ("token", "feature", "value"):
        assert np.array_equal(getattr(one, name), getattr(many, name)), name


def test_batches_are_computed_at_once() -> None:
    subject = Meeting()
    activations(subject, 2)
    assert subject.met.n_waiting == 0
    assert len(subject.threads) == 2


def test_a_model_that_takes_one_thread_only_is_asked_by_the_caller() -> None:
    subject = Random(many_threads=False)
    activations(subject, 2)
    assert subject.threads == {threading.current_thread().name}


class StopError(Exception):
    """Raised on purpose."""


@pytest.mark.parametrize("cores", [1, 2])
def test_each_batch_that_is_through_is_told(cores: int) -> None:
    encoder = encoder_on(Random(many_threads=True), cores)
    moves: list[int] = []
    encoder.moved = lambda: moves.append(1)
    encoder.activations(block()[0])
    assert len(moves) == LENGTHS  # a batch for each length


@pytest.mark.parametrize("cores", [1, 2])
def test_what_is_raised_when_a_batch_is_through_ends_encoding_between_batches(cores: int) -> None:
    encoder = encoder_on(Random(many_threads=True), cores)
    moves: list[int] = []

    def stop() -> None:
        moves.append(1)
        raise StopError

    encoder.moved = stop
    with pytest.raises(StopError):
        encoder.encode(chunk(), features_per_row=3)
    assert len(moves) <= cores  # of eight batches


def chunk_of(windows: Windows) -> Chunk:
    """A chunk that is cut into these windows, one for each row."""
    return Chunk(0, windows.row_ids, [""] * len(windows), windows.tokens, windows.starts, [])


def encoder_of(subject: Random, activation: nn.Module) -> Encoder:
    _windows, policy = block()
    torch.manual_seed(2)
    autoencoder = Autoencoder(N_LATENTS, WIDTH, activation).requires_grad_(False)
    spec = SummarySpec(N_LATENTS, examples_per_feature=2, seed=0)
    return Encoder(subject, autoencoder, location="", layer_index=0, policy=policy, spec=spec)


def encoded(subject: Random, activation: nn.Module) -> EncodedChunk:
    return encoder_of(subject, activation).encode(chunk_of(block()[0]), 3)


OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nAnd so on")


class Short(Random):
    """The same on a device whose memory is too small so many times."""

    def __init__(self, times: int, error: Exception = OUT_OF_MEMORY) -> None:
        super().__init__(many_threads=False)
        self.times = times
        self.error = error

    def activations(self, tokens: Tensor, location: str, layer_index: int) -> Tensor:
        if self.times:
            self.times -= 1
            raise self.error
        return super().activations(tokens, location, layer_index)


@pytest.mark.parametrize("error", [OUT_OF_MEMORY, MemoryError()])
def test_a_chunk_that_memory_was_too_small_for_is_computed_again_with_nothing_beside_it(error: Exception) -> None:
    expected = encoded(Random(many_threads=False), TopK(8))
    found = encoded(Short(times=1, error=error), TopK(8))
    assert_same_bits(found.summary, expected.summary)
    for one, other in zip(found.row_features, expected.row_features, strict=True):
        assert_same_bits(one, other)


def test_models_that_memory_is_too_small_for_are_an_error_that_says_what_helps() -> None:
    with pytest.raises(SaescopeError) as refused:
        encoded(Short(times=9), TopK(8))
    assert str(refused.value) == (
        "the memory of cpu is too small for these models with 180 tokens (CUDA out of memory. Tried to allocate "
        "2.00 GiB.): lower --chunk-size, or take --precision bfloat16 or a smaller autoencoder"
    )


def test_an_autoencoder_that_does_not_fit_is_an_error_that_says_what_helps() -> None:
    class Full(TorchFunctionMode):
        """A device that has no memory left for anything new."""

        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function is Tensor.to:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 96.00 MiB.")
            return function(*args, **(kwargs or {}))

    with Full(), pytest.raises(SaescopeError) as refused:
        encoder_of(Random(many_threads=False), TopK(8))
    assert str(refused.value) == (
        "the memory of cpu is too small for the models (CUDA out of memory): take --precision bfloat16, a smaller "
        "autoencoder, or a device that nothing else uses"
    )


def sizes_of_blocks(subject: Random, activation: nn.Module) -> list[tuple[int, int]]:
    """How many tokens and activations the blocks of a chunk have."""
    blocks = encoder_of(subject, activation).blocks(block()[0])
    return [(len(windows.tokens), len(activations)) for windows, activations in blocks]


@pytest.mark.parametrize("threads", [False, True])
def test_blocks_with_too_many_activations_are_halved_by_what_is_in_them_alone(
    threads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sizes_of_blocks(Random(many_threads=threads), nn.ReLU())
    assert len(whole) == 1
    monkeypatch.setattr(chunk_encoder, "BLOCK_ACTIVATIONS", 1500)
    monkeypatch.setattr(chunk_encoder, "_EXPECTED_ACTIVE", 1)
    blocks = sizes_of_blocks(Random(many_threads=threads), nn.ReLU())
    assert len(blocks) > 3
    assert max(activations for _tokens, activations in blocks) <= 1500
    assert sum(tokens for tokens, _activations in blocks) == 180
    torch.set_num_threads(4)
    assert sizes_of_blocks(Random(many_threads=True), nn.ReLU()) == blocks


def test_repeated_windows_count_as_often_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_encoder, "BLOCK_ACTIVATIONS", 500)
    policy = TokenPolicy(bos_token_id=None, bos="none")
    windows = windows_of(np.arange(30), np.tile(np.array([1, 2], np.int32), 30), np.arange(0, 61, 2), policy)
    summary = encoder_of(Random(many_threads=False), nn.ReLU()).encode(chunk_of(windows), 3).summary
    assert summary.num_tokens == 60
    assert set(summary.count.tolist()) <= {0, 30, 60}


def test_a_window_with_too_many_activations_is_a_block_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_encoder, "BLOCK_ACTIVATIONS", 1)
    blocks = sizes_of_blocks(Random(many_threads=False), nn.ReLU())
    assert len(blocks) == 40


def test_the_number_of_tokens_of_a_block_follows_from_a_top_k(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_encoder, "BLOCK_ACTIVATIONS", 80)
    subject = Random(many_threads=False)
    blocks = sizes_of_blocks(subject, TopK(8))
    assert max(tokens for tokens, _activations in blocks) <= 10
    assert sum(tokens for tokens, _activations in blocks) == 180


def test_a_token_that_the_model_has_not_got_is_an_error_before_it_is_looked_up() -> None:
    windows, _policy = block()
    windows.tokens[17] = 300
    with pytest.raises(SaescopeError) as refused:
        encoder_of(Random(many_threads=False), TopK(8)).encode(chunk_of(windows), 3)
    assert str(refused.value) == (
        "the tokenizer gives the token 300, but the model in random has only the tokens 0 to 299: take the model's own "
        "tokenizer"
    )
