"""The encoder's batches: with how many threads they are computed, and that it doesn't show."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from sparse_autoencoder.blocks import SparseActivations
from sparse_autoencoder.encoding import Encoder
from sparse_autoencoder.model import Autoencoder, TopK
from sparse_autoencoder.summary import SummarySpec
from sparse_autoencoder.windows import Chunk, TokenPolicy, Windows, windows_of

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

    def width(self, _location: str) -> int:
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


def encoder_of(subject: Random, cores: int) -> Encoder:
    _windows, policy = block()
    torch.manual_seed(2)
    autoencoder = Autoencoder(N_LATENTS, WIDTH, TopK(8)).requires_grad_(False)
    spec = SummarySpec(N_LATENTS, examples_per_feature=2, seed=0)
    torch.set_num_threads(cores)
    return Encoder(subject, autoencoder, location="", layer_index=0, policy=policy, spec=spec)


def activations(subject: Random, cores: int) -> SparseActivations:
    found = encoder_of(subject, cores).activations(block()[0])
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
    encoder = encoder_of(Random(many_threads=True), cores)
    moves: list[int] = []
    encoder.moved = lambda: moves.append(1)
    encoder.activations(block()[0])
    assert len(moves) == LENGTHS  # a batch for each length


@pytest.mark.parametrize("cores", [1, 2])
def test_what_is_raised_when_a_batch_is_through_ends_encoding_between_batches(cores: int) -> None:
    encoder = encoder_of(Random(many_threads=True), cores)
    moves: list[int] = []

    def stop() -> None:
        moves.append(1)
        raise StopError

    encoder.moved = stop
    with pytest.raises(StopError):
        encoder.encode(chunk(), features_per_row=3)
    assert len(moves) <= cores  # of eight batches
