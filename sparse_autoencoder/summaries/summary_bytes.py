"""A summary as bytes: small enough that neither a queue's worker nor a store notices it.

What can be worked out again is left out (an example's draw, its activation), windows are listed once, and each array
takes the narrowest integers that hold it; then everything is compressed. Safetensors hold the arrays: loading them runs
no code. The bytes are a function of the summary alone. Who changes what they say counts sealed.FORMAT on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sparse_autoencoder.summaries.example_order import activation_draws, token_draws
from sparse_autoencoder.summaries.examples import Examples
from sparse_autoencoder.summaries.summary import Summary, SummarySpec
from sparse_autoencoder.utils.arrays import bits_for, group_starts, stable_argsort, starts_of

Arrays = dict[str, NDArray[Any]]

_CODEC = "zstd"
_LARGEST_RATIO = 1 << 17  # no zstd block of a few bytes stands for more
_PER_FEATURE = ("count", "sum1", "sum2", "sum3", "sum4", "maximum")


def to_bytes(summary: Summary, extra: Arrays | None = None) -> bytes:
    """The summary, and `extra` arrays under names of the caller's, as bytes."""
    from safetensors.numpy import save

    spec = summary.spec
    fired = np.flatnonzero(summary.count)
    arrays: Arrays = {
        "header": np.array([spec.n_features, spec.examples_per_feature, spec.seed, summary.num_tokens]),
        "fired": fired,
        **{name: getattr(summary, name)[fired] for name in _PER_FEATURE},
        "histogram.feature": summary.histogram_key >> 32,
        "histogram.bin": summary.histogram_key & 0xFFFFFFFF,
        "histogram.count": summary.histogram_count,
        **{f"extra.{name}": array for name, array in (extra or {}).items()},
    }
    both = Examples.concatenate([summary.top, summary.random])
    window_of, windows = _windows(both)
    arrays |= windows
    for name, examples, window in (
        ("top", summary.top, window_of[: len(summary.top)]),
        ("random", summary.random, window_of[len(summary.top) :]),
    ):
        arrays |= {
            f"{name}.feature": examples.feature,
            f"{name}.window": window,
            f"{name}.position": examples.position,
            f"{name}.token": examples.token,
            f"{name}.act_count": np.diff(examples.act_starts),
            f"{name}.act_position": examples.act_position,
            f"{name}.act_value": examples.act_value,
        }
    raw = save({name: np.ascontiguousarray(_narrow(array)) for name, array in arrays.items()})
    packed: bytes = pa.compress(raw, codec=_CODEC, asbytes=True)
    return len(raw).to_bytes(8, "little") + packed


def from_bytes(data: bytes) -> tuple[Summary, Arrays]:
    """The inverse of `to_bytes`, for bytes that a checksum has shown to be whole (checksums.py).

    Others give what the libraries below raise for them, or a wrong summary.
    """
    arrays = stored_arrays(data)
    n_features, per_feature, seed, num_tokens = arrays["header"].tolist()
    spec = SummarySpec(n_features, per_feature, seed)
    empty = Summary.empty(spec)
    dense = {name: getattr(empty, name) for name in _PER_FEATURE}
    for name, array in dense.items():
        array[arrays["fired"]] = arrays[name]
    key = (arrays["histogram.feature"].astype(np.int64) << 32) | arrays["histogram.bin"].astype(np.int64)
    summary = Summary(
        spec,
        num_tokens=num_tokens,
        **dense,
        histogram_key=key,
        histogram_count=arrays["histogram.count"].astype(np.int64),
        top=_examples("top", arrays, seed),
        random=_examples("random", arrays, seed),
    )
    extra = {name.removeprefix("extra."): array for name, array in arrays.items() if name.startswith("extra.")}
    return summary, extra


def stored_arrays(data: bytes) -> Arrays:
    """The arrays that the bytes of a summary hold, by name; raises what the libraries below raise for other bytes."""
    from safetensors.numpy import load

    length = int.from_bytes(data[:8], "little")
    if length > _LARGEST_RATIO * len(data):  # before so much memory is asked for
        raise ValueError(f"{len(data)} bytes can't be {length} that were compressed")
    raw = pa.decompress(data[8:], length, codec=_CODEC, asbytes=True)
    arrays: Arrays = load(raw)
    return arrays


def _windows(examples: Examples) -> tuple[NDArray[np.int64], Arrays]:
    """Which of the distinct windows each example shows, and these windows."""
    row_bits = bits_for(int(examples.row_id.max(initial=0)))
    window_bits = bits_for(int(examples.window.max(initial=0)))
    order = stable_argsort((examples.row_id, row_bits), (examples.window, window_bits))
    starts = group_starts(examples.row_id[order], examples.window[order])
    first = order[starts]
    window_of = np.zeros(len(examples), np.int64)
    window_of[order] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(order)))
    return window_of, {
        "window.row_id": examples.row_id[first],
        "window.number": examples.window[first],
        "window.text": examples.text[first],
    }


def _examples(name: str, arrays: Arrays, seed: int) -> Examples:
    window = arrays[f"{name}.window"]
    feature = arrays[f"{name}.feature"].astype(np.int32)
    position = arrays[f"{name}.position"].astype(np.int32)
    row_id = arrays["window.row_id"].astype(np.int64)[window]
    number = arrays["window.number"].astype(np.int32)[window]
    act_count = arrays[f"{name}.act_count"].astype(np.int64)
    act_position = arrays[f"{name}.act_position"].astype(np.int32)
    act_value = arrays[f"{name}.act_value"]
    draws = token_draws(seed, row_id, number, position.astype(np.int64))
    return Examples(
        feature=feature,
        value=act_value[act_position == np.repeat(position, act_count)],
        row_id=row_id,
        window=number,
        position=position,
        token=arrays[f"{name}.token"].astype(np.int32),
        text=arrays["window.text"][window],
        draw=activation_draws(draws, feature.astype(np.uint64)),
        act_starts=starts_of(act_count),
        act_position=act_position,
        act_value=act_value,
    )


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    """Integers >= 0 in the narrowest type that holds them; others as they are."""
    if array.dtype.kind not in "iu" or not len(array):
        return array
    return array.astype(np.min_scalar_type(int(array.max()))) if int(array.min()) >= 0 else array
