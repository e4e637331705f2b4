"""A processor's fingerprint: a hash of the results of a small artificial run, with the kernels that real runs use.

A layer with the shapes of GPT-2 small and an autoencoder encode a few windows. Some batches have many rows and some
few, because they use different kernels. Activations, sums and metrics are hashed. The inputs come from integer
arithmetic, so they are the same on all processors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sparse_autoencoder.kernels.cpu_screened_top_k import LEAST_COLUMNS, ScreenedLinear, can_screen
from sparse_autoencoder.kernels.device_checks import check_device
from sparse_autoencoder.kernels.packed_linear import Linear
from sparse_autoencoder.kernels.precision import check_precision, dtype_of, multiplying
from sparse_autoencoder.model import Autoencoder
from sparse_autoencoder.pipeline.chunk_encoder import Encoder
from sparse_autoencoder.subjects.gpt2 import Gpt2
from sparse_autoencoder.subjects.gpt2_weights import Gpt2Config, Layer, LayerNorm
from sparse_autoencoder.summaries.feature_metrics import FEATURE_METRICS
from sparse_autoencoder.summaries.feature_summary import SummarySpec
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.tokens.token_policy import TokenPolicy

if TYPE_CHECKING:
    from sparse_autoencoder.runs.run_options import Precision

_LAYERS, _HEADS, _WIDTH, _MLP, _POSITIONS, _VOCAB = 1, 12, 768, 3072, 64, 61
_LATENTS, _K = 1024, 32
_FULL, _SHORT = _POSITIONS - 1, (4, 1)  # tokens per window, without BOS
_FULL_WINDOWS = {"cpu": 3}
_FULL_WINDOWS_ELSEWHERE = 128  # GPUs use other kernels for large batches than for few rows
_PERIOD = 65_521  # a prime, so that a weight's rows differ
_DIGEST_BYTES = 16


@cache
def fingerprint(device: str, precision: Precision) -> str:
    """The fingerprint of a device in a precision, in hexadecimal. It takes a tenth of a second, and is cached.

    Meanwhile it changes settings of the whole process (PyTorch's threads, how float32 is multiplied). So make the first
    call in the thread that encodes, before it encodes.

    Raises DeviceError if there is no such device, or it lacks the precision.
    """
    check_device(device)
    check_precision(precision, device)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for such small products, more threads are slower
    try:
        return hash_of_results(device, precision)
    finally:
        torch.set_num_threads(threads)


def hash_of_results(device: str, precision: Precision) -> str:
    """A hash of the results. It doesn't depend on the number of threads, as a run's results don't."""
    inputs = _Inputs(torch.device(device), dtype_of(precision))
    tf32 = precision == "tf32"
    hashing = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for numbers in (*_encoded(inputs, tf32=tf32), *_screened(inputs), *_products(inputs, tf32=tf32)):
        hashing.update(np.ascontiguousarray(numbers).tobytes())
    return hashing.hexdigest()


class _Inputs:
    """Artificial weights and tokens: consecutive pieces of a fixed, repeated list of numbers."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self._dtype = dtype
        mixed = np.arange(1, _PERIOD + 1, dtype=np.uint32) * np.uint32(2_654_435_769)
        mixed ^= mixed >> np.uint32(15)
        mixed *= np.uint32(2_246_822_519)
        # between -1 and 1, all exact in float32
        self._numbers = (mixed >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
        self._begin = 0

    def numbers(self, *shape: int) -> NDArray[np.float32]:
        """Numbers between -1 and 1."""
        self._begin += 7919
        return np.resize(np.roll(self._numbers, self._begin), shape)

    def tensor(self, *shape: int, scale: float = 1.0, shift: float = 0.0) -> Tensor:
        """A tensor of such numbers, times `scale`, plus `shift`."""
        return torch.from_numpy(self.numbers(*shape)).mul_(scale).add_(shift).to(self.device, self._dtype)

    def subject(self) -> Gpt2:
        """A GPT-2 with one layer."""
        config = Gpt2Config(
            _LAYERS,
            _HEADS,
            _WIDTH,
            _MLP,
            _VOCAB,
            _POSITIONS,
            1e-5,
            "gelu_new",
            scale_by_head_width=True,
            scale_by_layer=False,
        )
        layer = Layer(
            ln_1=self._norm(),
            attn_qkv=self._linear(_WIDTH, 3 * _WIDTH),
            attn_out=self._linear(_WIDTH, _WIDTH),
            ln_2=self._norm(),
            mlp_in=self._linear(_WIDTH, _MLP),
            mlp_out=self._linear(_MLP, _WIDTH),
        )
        return Gpt2("made up", config, self.tensor(_VOCAB, _WIDTH), self.tensor(_POSITIONS, _WIDTH, scale=0.2), [layer])

    def autoencoder(self) -> Autoencoder:
        """A TopK autoencoder."""
        state: dict[str, Any] = {
            "pre_bias": self.tensor(_WIDTH, scale=0.1),
            "latent_bias": self.tensor(_LATENTS, scale=0.1),
            "encoder.weight": self.tensor(_LATENTS, _WIDTH, scale=_WIDTH**-0.5),
            "decoder.weight": self.tensor(_WIDTH, _LATENTS, scale=_WIDTH**-0.5),
            "activation": "TopK",
            "activation_state_dict": {"k": _K, "postact_fn": "ReLU"},
        }
        return Autoencoder.from_state_dict(state, strict=False)

    def chunk(self) -> Chunk:
        """Rows with one window each."""
        full = _FULL_WINDOWS.get(self.device.type, _FULL_WINDOWS_ELSEWHERE)
        lengths = np.array([_FULL] * full + list(_SHORT))
        tokens = ((self.numbers(int(lengths.sum())) + 1) * (_VOCAB // 2)).astype(np.int32)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        return Chunk(0, np.arange(len(lengths)), [""] * len(lengths), tokens, starts, skipped=[])

    def _norm(self) -> LayerNorm:
        return LayerNorm(self.tensor(_WIDTH, scale=0.1, shift=1.0), self.tensor(_WIDTH, scale=0.1))

    def _linear(self, n_in: int, n_out: int) -> Linear:
        return Linear(self.tensor(n_in, n_out, scale=n_in**-0.5), self.tensor(n_out, scale=0.1))


def _encoded(inputs: _Inputs, *, tf32: bool) -> Iterator[NDArray[Any]]:
    """The results of encoding the windows as in a run."""
    encoder = Encoder(
        inputs.subject(),
        inputs.autoencoder(),
        location="resid_post_mlp",
        layer_index=_LAYERS - 1,
        policy=TokenPolicy(bos_token_id=0, max_tokens=_POSITIONS),
        spec=SummarySpec(_LATENTS, examples_per_feature=8, seed=0),
        tf32=tf32,
    )
    summary = encoder.encode(inputs.chunk(), features_per_row=_K).summary
    totals = summary.totals()
    yield from (totals.count, totals.sum1, totals.sum2, totals.sum3, totals.sum4, totals.maximum)
    yield from (metric.compute(totals) for metric in FEATURE_METRICS)
    yield from summary.reconstructions.to_arrays().values()
    for examples in (summary.top, summary.random):
        yield from (examples.feature, examples.row_id, examples.position, examples.act_value)


@torch.inference_mode()
def _screened(inputs: _Inputs) -> Iterator[NDArray[Any]]:
    """Results of the screened top-k that wide autoencoders use, where it applies (kernels/cpu_screened_top_k.py)."""
    weight = inputs.tensor(_WIDTH, _LATENTS, scale=_WIDTH**-0.5)
    if can_screen(weight[:, :1].expand(-1, LEAST_COLUMNS)):
        values, columns = ScreenedLinear(weight, inputs.tensor(_LATENTS, scale=0.1)).top_k(
            inputs.tensor(_POSITIONS, _WIDTH), _K
        )
        yield from (values.numpy(), columns.numpy())


@torch.inference_mode()
def _products(inputs: _Inputs, *, tf32: bool) -> Iterator[NDArray[Any]]:
    """Products as in PyTorch's own modules, which models other than GPT-2 use."""
    weight, bias = inputs.tensor(_WIDTH, _WIDTH, scale=_WIDTH**-0.5), inputs.tensor(_WIDTH)
    with multiplying(tf32=tf32):
        for rows in (2 * _POSITIONS, 1):
            found = functional.silu(functional.linear(inputs.tensor(rows, _WIDTH), weight, bias)).softmax(dim=-1)
            yield found.double().cpu().numpy()
