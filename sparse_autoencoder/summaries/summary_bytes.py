"""Serialises a summary to bytes, as small as possible.

Values that can be computed again are left out (an example's draw, its activation), each window is stored once, and
integers are stored in the narrowest type. The arrays are in safetensors, whose loading runs no code, and compressed.
The bytes depend on the summary alone. If you change the format, increase checksums.FORMAT.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sparse_autoencoder.summaries.example_arrays import Examples
from sparse_autoencoder.summaries.example_order import activation_draws, token_draws
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.summaries.text_sums import TextSums
from sparse_autoencoder.utils.numpy_array_ops import bits_for, group_starts, stable_argsort, starts_of

Arrays = dict[str, NDArray[Any]]

_CODEC = "zstd"
_LARGEST_RATIO = 1 << 17  # zstd can't compress better than this
_PER_FEATURE = ("count", "sum1", "sum2", "sum3", "sum4", "maximum")
_TEXT_TOTALS = ("num_rows", "num_texts", "num_tokens", "squared_tokens")
_TEXTS_PER_FEATURE = ("count", "texts", "squares", "products")


def to_bytes(summary: Summary, extra: Arrays | None = None) -> bytes:
    """The summary as bytes, with `extra` arrays under names that the caller chooses."""
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
        **{f"texts.{name}": getattr(summary.text_sums, name) for name in _TEXT_TOTALS},
        **{f"texts.{name}": getattr(summary.text_sums, name)[:, fired] for name in _TEXTS_PER_FEATURE},
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
    """The inverse of `to_bytes`. Check the bytes' checksum first (checksums.py).

    Damaged bytes may give any exception, or a wrong summary.
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
        text_sums=_text_sums(arrays, n_features),
    )
    extra = {name.removeprefix("extra."): array for name, array in arrays.items() if name.startswith("extra.")}
    return summary, extra


def _text_sums(arrays: Arrays, n_features: int) -> TextSums:
    sums = TextSums.empty(n_features)
    for name in _TEXT_TOTALS:
        getattr(sums, name)[:] = arrays[f"texts.{name}"]
    for name in _TEXTS_PER_FEATURE:
        getattr(sums, name)[:, arrays["fired"]] = arrays[f"texts.{name}"]
    return sums


def stored_arrays(data: bytes) -> Arrays:
    """The arrays in a summary's bytes, by name; damaged bytes may give any exception."""
    from safetensors.numpy import load

    length = int.from_bytes(data[:8], "little")
    if length > _LARGEST_RATIO * len(data):  # checked before the memory is allocated
        raise ValueError(f"{len(data)} bytes can't decompress to {length}")
    raw = pa.decompress(data[8:], length, codec=_CODEC, asbytes=True)
    arrays: Arrays = load(raw)
    return arrays


def _windows(examples: Examples) -> tuple[NDArray[np.int64], Arrays]:
    """Each example's index into the distinct windows, and the arrays of these windows."""
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
        "window.text": examples.token_hash[first],  # an older name; another one would change the format
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
        token_hash=arrays["window.text"][window],
        draw=activation_draws(draws, feature.astype(np.uint64)),
        act_starts=starts_of(act_count),
        act_position=act_position,
        act_value=act_value,
    )


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    """Non-negative integers in the narrowest type that holds them; other arrays unchanged."""
    if array.dtype.kind not in "iu" or not array.size:
        return array
    return array.astype(np.min_scalar_type(int(array.max()))) if int(array.min()) >= 0 else array
