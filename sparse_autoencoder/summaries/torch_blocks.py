"""One block's sparse activations, on the device where they were computed -> the block's summary.

It does what `BlockSummariser` does, to the same bits, by whole-array operators that the host only queues; blocks.py
says what they compute and why. What comes to the host is the result. Sums don't depend on the order of addition (see
exact_sums.py); everything else is integers, comparisons and single operations, which IEEE 754 defines. The device must
have float64. Where activations come from and where summaries go this file doesn't know.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_autoencoder.kernels.device_arrays import (
    SIGNED_GOLDEN,
    bounds,
    changes,
    first_marked,
    first_of_each,
    mix,
    ranges,
    running_total,
    sorted_order,
    to_device,
    to_host,
    unsigned_order,
)
from sparse_autoencoder.summaries.blocks import (
    LAST_BIN,
    RowFeatures,
    block_draws,
    first_of_texts,
    not_finite,
    row_numbers,
    token_windows,
)
from sparse_autoencoder.summaries.exact_sums import POWERS, Grids, Scale
from sparse_autoencoder.summaries.examples import Examples
from sparse_autoencoder.summaries.summary import HISTOGRAM_BIN_WIDTH, Summary, SummarySpec
from sparse_autoencoder.summaries.unrounded_sums import Unrounded
from sparse_autoencoder.tokens.windows import Windows


@dataclass(frozen=True)
class DeviceActivations:
    """The positive activations at a block's counted tokens, in any order, on one device; tensors [activations]."""

    token: Tensor  # int32, index into the block's flat tokens
    feature: Tensor  # int32
    value: Tensor  # float32
    _computed: torch.cuda.Event | None = field(init=False, default=None)

    # MemoryError: of the host, where the result goes
    out_of_memory: ClassVar[tuple[type[BaseException], ...]] = (torch.OutOfMemoryError, MemoryError)

    def __post_init__(self) -> None:
        if self.value.is_cuda:
            device = self.value.device
            event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            object.__setattr__(self, "_computed", torch.cuda.current_stream(device).record_event(event))
            for tensor in (self.token, self.feature, self.value):  # not to be freed while the other stream reads them
                tensor.record_stream(_cuda_stream(device))

    def __len__(self) -> int:
        return len(self.value)

    def summariser(self, block: Windows, spec: SummarySpec, scale: Scale | None = None) -> DeviceSummariser:
        """See blocks.Activations.summariser."""
        self._wait()
        return DeviceSummariser(block, self, spec, scale)

    def maxima(self, n_features: int) -> NDArray[np.float32]:
        """See blocks.Activations.maxima."""
        self._wait()
        with _beside(self.value.device):
            found = torch.zeros(n_features, device=self.value.device)
            found.scatter_reduce_(0, self.feature.long(), self.value, "amax")
            maxima: NDArray[np.float32] = found.cpu().numpy()
        return maxima

    @torch.inference_mode()
    def between(self, begin: int, end: int) -> DeviceActivations:
        """See blocks.Activations.between."""
        self._wait()
        with _beside(self.value.device):
            inside = torch.nonzero((self.token >= begin) & (self.token < end)).flatten()
            return DeviceActivations(self.token[inside] - begin, self.feature[inside], self.value[inside])

    def _wait(self) -> None:
        """Until they are computed: here, so that the other stream never waits for the model's."""
        if self._computed is not None:
            self._computed.synchronize()


@cache
def _cuda_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _beside(device: torch.device) -> AbstractContextManager[Any]:
    """A context in which CUDA work is queued beside the model's, not behind it.

    A result's size is known to the host only when all that was queued before is done. On the model's stream that would
    be the next blocks' batches too, each time. The threads that summarise share one other stream: their work runs in
    the order in which it is queued, so that memory that one gives back can be another's at once.
    """
    return torch.cuda.stream(_cuda_stream(device)) if device.type == "cuda" else nullcontext()


@dataclass(frozen=True)
class _Columns:
    """A block's tokens and windows on the device."""

    token_id: Tensor  # [tokens]
    window: Tensor  # [tokens], the window's number in the block
    draw: Tensor  # [tokens]
    start: Tensor  # [windows + 1]
    row_id: Tensor  # [windows]
    row: Tensor  # [windows], the row's number in the block
    number: Tensor  # [windows], the window's number in its row
    text: Tensor  # [windows]
    first_of_text: Tensor  # [windows], mask

    @classmethod
    def of(cls, block: Windows, seed: int, device: torch.device) -> _Columns:
        window = token_windows(block)
        arrays: dict[str, NDArray[Any]] = {
            "token_id": block.tokens,
            "window": window,
            "draw": block_draws(block, window, seed),
            "start": block.starts,
            "row_id": block.row_ids,
            "row": row_numbers(block),
            "number": block.numbers,
            "text": block.texts,
            "first_of_text": first_of_texts(block),
        }
        return cls(**{name: to_device(array, device) for name, array in arrays.items()})


class DeviceSummariser:
    """Orders one block's activations and reduces them; raises SaescopeError if an activation isn't finite."""

    def __init__(
        self, block: Windows, activations: DeviceActivations, spec: SummarySpec, scale: Scale | None = None
    ) -> None:
        self._spec = spec
        self._scale = scale
        self._most = len(block.tokens) if scale is None else scale.most  # a feature's activations are not more
        self._n_rows = len(block)  # rows are not more
        self._device = activations.value.device
        with _beside(self._device):
            if not bool(torch.isfinite(activations.value).all()):
                raise not_finite(block)
            self._columns = _Columns.of(block, spec.seed, self._device)
            order = sorted_order(activations.feature, activations.token)
            # all [activations], by (feature, token)
            self._feature = activations.feature[order]
            self._token = activations.token[order]
            self._value = activations.value[order]
            self._weakness = 0x7FFFFFFF - self._value.view(torch.int32)
            self._window = self._columns.window[self._token]
            self._bounds = bounds(self._feature, spec.n_features)
            # the activations of one feature in one window: where each such run begins and the last ends, and which one
            # an activation is in
            begins = changes(self._feature, self._window)
            end = torch.full((1,), len(begins), device=self._device)
            self._run_bounds = torch.cat([torch.nonzero(begins).flatten(), end])
            self._run_of = running_total(begins)[1:] - 1

    def unrounded(self, num_tokens: int) -> Unrounded:
        """See blocks.Summariser.unrounded."""
        if not len(self._value):
            return Unrounded.empty(self._spec, num_tokens)
        with _beside(self._device):
            by_strength = sorted_order(self._feature, self._weakness)
            strongest = self._strongest(by_strength)
            host = to_host(
                {
                    **self._sums(by_strength),
                    **self._histogram(by_strength),
                    **{f"top.{name}": column for name, column in self._examples(strongest).items()},
                    **{f"random.{name}": column for name, column in self._examples(self._random()).items()},
                }
            )
        grids = Grids.of(self._most)
        nothing = np.zeros(self._spec.n_features)
        return Unrounded(
            Summary(
                self._spec,
                num_tokens=num_tokens,
                count=host["count"],
                sum1=nothing,
                sum2=nothing,
                sum3=nothing,
                sum4=nothing,
                maximum=host["maximum"],
                histogram_key=host["histogram_key"],
                histogram_count=host["histogram_count"],
                top=_to_examples(host, "top"),
                random=_to_examples(host, "random"),
            ),
            [(host[f"coarse{power}"] * grids.coarse, host[f"fine{power}"] * grids.fine) for power in POWERS],
        )

    def row_features(self, per_row: int) -> RowFeatures:
        """See blocks.Summariser.row_features."""
        columns = self._columns
        with _beside(self._device):
            row = columns.row[self._window]
            by_strength = sorted_order(row, self._weakness)
            # A feature's activations in a row follow each other: tokens are in the order of rows.
            feature_in_row = running_total(changes(self._feature, row))[1:] - 1
            strongest = first_of_each(feature_in_row[by_strength])
            row = row[by_strength]
            index = by_strength[first_marked(strongest, row, bounds(row, self._n_rows), per_row)]
            window = self._window[index]
            host = to_host(
                {
                    "row_id": columns.row_id[window],
                    "feature": self._feature[index],
                    "value": self._value[index],
                    "window": columns.number[window],
                    "position": (self._token[index] - columns.start[window]).int(),
                }
            )
        return RowFeatures(**host)

    def _sums(self, by_strength: Tensor) -> dict[str, Tensor]:
        """Counts, maxima, and the sums of the powers' parts in steps of their grids: integers, nothing rounds."""
        count = self._bounds[1:] - self._bounds[:-1]
        strongest = self._value[by_strength[self._bounds[:-1].clamp(max=len(by_strength) - 1)]]
        maximum = torch.where(count > 0, strongest, 0.0)
        found = {"count": count, "maximum": maximum}
        largest = maximum if self._scale is None else to_device(self._scale.maximum, self._device)
        # 2^-e by its bits, where e is the largest's exponent (see exact_sums.exponents)
        unscale = ((2046 - (largest.double().view(torch.int64) >> 52)) << 52).view(torch.float64)
        scaled = self._value.double() * unscale[self._feature]
        grids = Grids.of(self._most)
        for power, (coarse, fine) in zip(POWERS, grids.parts(scaled), strict=True):
            found[f"coarse{power}"] = self._sums_of_steps(coarse, grids.coarse)
            found[f"fine{power}"] = self._sums_of_steps(fine, grids.fine)
        return found

    def _sums_of_steps(self, numbers: Tensor, step: float) -> Tensor:
        # Totals over several features may wrap around; their differences are right all the same.
        total = running_total((numbers * (1 / step)).long())
        return total[self._bounds[1:]] - total[self._bounds[:-1]]

    def _histogram(self, by_strength: Tensor) -> dict[str, Tensor]:
        """See BlockSummariser._histogram; a feature's bins descend in the order of strength."""
        # A tensor on the device: CUDA would multiply by the reciprocal of a number, which can round differently.
        width = torch.full((1,), HISTOGRAM_BIN_WIDTH, dtype=torch.float64, device=self._device)
        bins = torch.ceil(self._value[by_strength].double() / width).clamp(max=LAST_BIN).long()
        key = (self._feature.long() << 32) | bins
        starts = torch.nonzero(changes(key)).flatten()
        ends = torch.cat([starts[1:], torch.full((1,), len(key), device=self._device)])
        ascending, order = torch.sort(key[starts])
        return {"histogram_key": ascending, "histogram_count": (ends - starts)[order]}

    def _strongest(self, by_strength: Tensor) -> Tensor:
        """See BlockSummariser._strongest."""
        shown = self._columns.first_of_text[self._window[by_strength]] & first_of_each(self._run_of[by_strength])
        return by_strength[first_marked(shown, self._feature, self._bounds, self._spec.examples_per_feature)]

    def _random(self) -> Tensor:
        """The activations of each feature's random examples, in order of rank."""
        every = torch.arange(len(self._feature), device=self._device)
        by_draw = torch.sort(unsigned_order(self._draws(every)), stable=True)[1]
        by_draw = by_draw[torch.sort(self._feature[by_draw], stable=True)[1]]
        marked = torch.ones_like(every, dtype=torch.bool)
        return by_draw[first_marked(marked, self._feature, self._bounds, self._spec.examples_per_feature)]

    def _draws(self, index: Tensor) -> Tensor:
        """See examples.activation_draws."""
        return mix(self._columns.draw[self._token[index]] ^ (self._feature[index].long() * SIGNED_GOLDEN))

    def _examples(self, index: Tensor) -> dict[str, Tensor]:
        """The columns of `Examples` of some activations, see BlockSummariser._examples."""
        columns = self._columns
        window, run = self._window[index], self._run_of[index]
        run_begin = self._run_bounds[run]
        lengths = self._run_bounds[run + 1] - run_begin
        flat = ranges(run_begin, lengths)
        begin = columns.start[window]
        act_begin = torch.repeat_interleave(begin, lengths, output_size=len(flat))
        return {
            "feature": self._feature[index],
            "value": self._value[index],
            "row_id": columns.row_id[window],
            "window": columns.number[window],
            "position": (self._token[index] - begin).int(),
            "token": columns.token_id[self._token[index]],
            "text": columns.text[window],
            "draw": self._draws(index),
            "act_starts": running_total(lengths),
            "act_position": (self._token[flat] - act_begin).int(),
            "act_value": self._value[flat],
        }


def _to_examples(host: Mapping[str, NDArray[Any]], prefix: str) -> Examples:
    columns = {column.name: host[f"{prefix}.{column.name}"] for column in fields(Examples)}
    for name in ("text", "draw"):
        columns[name] = columns[name].view(np.uint64)
    return Examples(**columns)
