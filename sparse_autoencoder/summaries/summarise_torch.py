"""Summarises a block's sparse activations on the device where they were computed.

It gives the same bits as summarise_numpy.py, where the steps are explained. It uses whole-tensor operators, which the
host only queues, and copies only the result to the host. The bits are the same because sums don't depend on the order
of addition (exact_sums.py), and everything else is integers, comparisons, and single operations that IEEE 754
defines. The device must have float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparse_autoencoder.kernels.second_stream import beside, second_stream
from sparse_autoencoder.kernels.torch_array_ops import (
    SIGNED_GOLDEN,
    bounds,
    changes,
    count_of_each,
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
from sparse_autoencoder.summaries.band_examples_torch import band_examples
from sparse_autoencoder.summaries.block_columns_torch import BlockColumns
from sparse_autoencoder.summaries.exact_sums import POWERS, Grids, Scale
from sparse_autoencoder.summaries.example_arrays import Examples
from sparse_autoencoder.summaries.feature_summary import HISTOGRAM_BIN_WIDTH, Summary, SummarySpec
from sparse_autoencoder.summaries.position_counts import PLACES, PositionCounts, counted_tokens
from sparse_autoencoder.summaries.summariser_interface import (
    LAST_BIN,
    RowFeatures,
    not_finite,
)
from sparse_autoencoder.summaries.text_sums import BY_FEATURE, RowCounts, RowTexts, TextSums
from sparse_autoencoder.summaries.token_table import TokenTable
from sparse_autoencoder.summaries.token_table_torch import features_at, table_of_tensors
from sparse_autoencoder.summaries.unrounded_summary import UnroundedSummary
from sparse_autoencoder.tokens.windows import Windows
from sparse_autoencoder.utils.numpy_array_ops import Ints


@dataclass(frozen=True)
class DeviceActivations:
    """Activations: the positive ones at a block's counted tokens, in any order; tensors [activations] of a device."""

    token: Tensor  # int32, index into the block's flat tokens
    feature: Tensor  # int32
    value: Tensor  # float32
    _computed: torch.cuda.Event | None = field(init=False, default=None)

    # MemoryError is the host's, to which the result is copied
    out_of_memory: ClassVar[tuple[type[BaseException], ...]] = (torch.OutOfMemoryError, MemoryError)

    def __post_init__(self) -> None:
        if self.value.is_cuda:
            device = self.value.device
            event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            object.__setattr__(self, "_computed", torch.cuda.current_stream(device).record_event(event))
            for tensor in (self.token, self.feature, self.value):  # keeps the memory until the other stream has read it
                tensor.record_stream(second_stream(device))

    def __len__(self) -> int:
        return len(self.value)

    def summariser(self, block: Windows, spec: SummarySpec, scale: Scale | None = None) -> DeviceSummariser:
        self._wait()
        return DeviceSummariser(block, self, spec, scale)

    def maxima(self, n_features: int) -> NDArray[np.float32]:
        self._wait()
        with beside(self.value.device):
            found = torch.zeros(n_features, device=self.value.device)
            found.scatter_reduce_(0, self.feature.long(), self.value, "amax")
            maxima: NDArray[np.float32] = found.cpu().numpy()
        return maxima

    @torch.inference_mode()
    def between(self, begin: int, end: int) -> DeviceActivations:
        self._wait()
        with beside(self.value.device):
            inside = torch.nonzero((self.token >= begin) & (self.token < end)).flatten()
            return DeviceActivations(self.token[inside] - begin, self.feature[inside], self.value[inside])

    def _wait(self) -> None:
        """Make the host wait for the activations, so that the second stream never waits for the model's."""
        if self._computed is not None:
            self._computed.synchronize()


class DeviceSummariser:
    """A Summariser of one block; raises SaescopeError if an activation isn't finite."""

    def __init__(
        self, block: Windows, activations: DeviceActivations, spec: SummarySpec, scale: Scale | None = None
    ) -> None:
        self._block = block
        self._spec = spec
        self._scale = scale
        self._most = len(block.tokens) if scale is None else scale.most  # upper bound on a feature's activations
        self._n_rows = len(block)  # upper bound on the number of rows
        self._device = activations.value.device
        with beside(self._device):
            if not bool(torch.isfinite(activations.value).all()):
                raise not_finite(block)
            self._columns = BlockColumns.of(block, spec.seed, self._device)
            order = sorted_order(activations.feature, activations.token)
            # all [activations], sorted by (feature, token)
            self._feature = activations.feature[order]
            self._token = activations.token[order]
            self._value = activations.value[order]
            self._descending_key = 0x7FFFFFFF - self._value.view(torch.int32)
            self._window = self._columns.window[self._token]
            self._bounds = bounds(self._feature, spec.n_features)
            # A run is the activations of one feature in one window: where each run begins (and the last one ends), and
            # each activation's run.
            begins = changes(self._feature, self._window)
            end = torch.full((1,), len(begins), device=self._device)
            self._run_bounds = torch.cat([torch.nonzero(begins).flatten(), end])
            self._run_of = running_total(begins)[1:] - 1

    def unrounded(self) -> UnroundedSummary:
        if not len(self._value):
            return UnroundedSummary.empty(self._spec, self._block)
        with beside(self._device):
            by_strength = sorted_order(self._feature, self._descending_key)
            lists = {
                "top": self._examples(self._strongest(by_strength)),
                "random": self._examples(self._random()),
                "bands": self._of_bands(),
            }
            host = to_host(
                {
                    **self._sums(by_strength),
                    **self._histogram(by_strength),
                    "positions": self._positions(),
                    **{f"{part}.{name}": column for part in lists for name, column in lists[part].items()},
                }
            )
        grids = Grids.of(self._most)
        nothing = np.zeros(self._spec.n_features)
        return UnroundedSummary(
            Summary(
                self._spec,
                num_tokens=int(self._block.counted_lengths.sum()),
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
                bands=_to_examples(host, "bands"),
                positions=PositionCounts.of_places(counted_tokens(self._block), host["positions"]),
                text_sums=TextSums.empty(self._spec.n_features),
            ),
            [(host[f"coarse{power}"] * grids.coarse, host[f"fine{power}"] * grids.fine) for power in POWERS],
        )

    def row_features(self, per_row: int) -> RowFeatures:
        columns = self._columns
        with beside(self._device):
            row = columns.row[self._window]
            by_strength = sorted_order(row, self._descending_key)
            # A feature's activations in one row are consecutive, because tokens are in the order of rows.
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

    def token_table(self) -> TokenTable:
        with beside(self._device):
            return table_of_tensors(self._columns.token_id[self._token], self._feature, self._value)

    def active_at(self, tokens: Ints) -> tuple[Ints, NDArray[np.int32]]:
        with beside(self._device):
            return features_at(tokens, len(self._block.tokens), self._token, self._feature)

    def text_sums(self, rows: RowTexts) -> tuple[TextSums, RowCounts]:
        n_features, device = self._spec.n_features, self._device
        if not len(self._value):
            return TextSums.empty(n_features), RowCounts.none()
        row_of_window, whole_rows = rows.of_windows(self._block), rows.whole_in(self._block)
        with beside(device):
            row = to_device(row_of_window, device)[self._window]
            begins = changes(self._feature, row)
            starts = torch.nonzero(begins).flatten()
            count = torch.diff(starts, append=torch.full((1,), len(row), device=device))
            row, feature = row[starts], self._feature[starts].long()
            whole = to_device(whole_rows, device)[row]
            split = torch.nonzero(~whole).flatten()
            sets, earlier = to_device(rows.sets, device)[:, row], to_device(rows.earlier, device)[:, row]
            # rows that are not whole add nothing, which needs no wait for their number
            weighted = (2 * earlier + 1) * count * whole
            place = (sets * n_features + feature).flatten()

            def by_feature(numbers: Tensor) -> Tensor:
                found = torch.zeros(rows.num_sets * n_features, dtype=torch.int64, device=device)
                return found.index_add_(0, place, numbers.expand(sets.shape).flatten())

            host = to_host(
                {
                    "count": by_feature(count * whole),
                    "texts": by_feature(((earlier == 0) & whole).long()),
                    "squares": by_feature(weighted * count),
                    "products": by_feature(weighted * to_device(rows.num_tokens, device)[row]),
                    "split.row": row[split],
                    "split.feature": feature[split].int(),
                    "split.count": count[split],
                }
            )
        by_set = {name: host[name].reshape(-1, n_features) for name in BY_FEATURE}
        sums = replace(TextSums.empty(n_features, rows.num_sets), **by_set)
        return sums, RowCounts(host["split.row"], host["split.feature"], host["split.count"])

    def _sums(self, by_strength: Tensor) -> dict[str, Tensor]:
        """Counts, maxima, and the powers' coarse and fine sums as integers (in steps), so that nothing is rounded."""
        count = self._bounds[1:] - self._bounds[:-1]
        strongest = self._value[by_strength[self._bounds[:-1].clamp(max=len(by_strength) - 1)]]
        maximum = torch.where(count > 0, strongest, 0.0)
        found = {"count": count, "maximum": maximum}
        largest = maximum if self._scale is None else to_device(self._scale.maximum, self._device)
        # 2^-e, made from its bits, where e is the exponent of the largest value (see exact_sums.exponents)
        unscale = ((2046 - (largest.double().view(torch.int64) >> 52)) << 52).view(torch.float64)
        scaled = self._value.double() * unscale[self._feature]
        grids = Grids.of(self._most)
        for power, (coarse, fine) in zip(POWERS, grids.parts(scaled), strict=True):
            found[f"coarse{power}"] = self._sums_of_steps(coarse, grids.coarse)
            found[f"fine{power}"] = self._sums_of_steps(fine, grids.fine)
        return found

    def _sums_of_steps(self, numbers: Tensor, step: float) -> Tensor:
        # The running totals over features may overflow; their differences are still right.
        total = running_total((numbers * (1 / step)).long())
        return total[self._bounds[1:]] - total[self._bounds[:-1]]

    def _bins(self, value: Tensor) -> Tensor:
        """See BlockSummariser._bins."""
        # A tensor, because dividing by a Python number multiplies by its reciprocal on CUDA, which rounds differently.
        width = torch.full((1,), HISTOGRAM_BIN_WIDTH, dtype=torch.float64, device=self._device)
        return torch.ceil(value.double() / width).clamp(max=LAST_BIN).long()

    def _histogram(self, by_strength: Tensor) -> dict[str, Tensor]:
        """See BlockSummariser._histogram; sorted by activation, a feature's bins descend."""
        key = (self._feature.long() << 32) | self._bins(self._value[by_strength])
        starts = torch.nonzero(changes(key)).flatten()
        ends = torch.cat([starts[1:], torch.full((1,), len(key), device=self._device)])
        ascending, order = torch.sort(key[starts])
        return {"histogram_key": ascending, "histogram_count": (ends - starts)[order]}

    def _positions(self) -> Tensor:
        """Firings by place and feature, flat; see BlockSummariser._positions."""
        place = self._columns.place[self._token] * self._spec.n_features + self._feature
        return count_of_each(place, PLACES * self._spec.n_features)

    def _strongest(self, by_strength: Tensor) -> Tensor:
        """See BlockSummariser._strongest."""
        shown = self._columns.first_occurrence[self._window[by_strength]] & first_of_each(self._run_of[by_strength])
        return by_strength[first_marked(shown, self._feature, self._bounds, self._spec.examples_per_feature)]

    def _random(self) -> Tensor:
        """Indices of the activations of each feature's random examples, by rank."""
        every = torch.arange(len(self._feature), device=self._device)
        by_draw = torch.sort(unsigned_order(self._draws(every)), stable=True)[1]
        by_draw = by_draw[torch.sort(self._feature[by_draw], stable=True)[1]]
        marked = torch.ones_like(every, dtype=torch.bool)
        return by_draw[first_marked(marked, self._feature, self._bounds, self._spec.examples_per_feature)]

    def _of_bands(self) -> dict[str, Tensor]:
        columns, n_features = self._columns, self._spec.n_features
        chosen = band_examples(
            self._feature, self._bins(self._value), columns.draw[self._token], self._window, columns.text, n_features
        )
        return self._examples(chosen.pop("index")) | chosen

    def _draws(self, index: Tensor) -> Tensor:
        """See example_order.activation_draws."""
        return mix(self._columns.draw[self._token[index]] ^ (self._feature[index].long() * SIGNED_GOLDEN))

    def _examples(self, index: Tensor) -> dict[str, Tensor]:
        """The columns of `Examples` for some activations; see BlockSummariser._examples."""
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
            "token_hash": columns.token_hash[window],
            "draw": self._draws(index),
            "act_starts": running_total(lengths),
            "act_position": (self._token[flat] - act_begin).int(),
            "act_value": self._value[flat],
        }


def _to_examples(host: Mapping[str, NDArray[Any]], prefix: str) -> Examples:
    columns = {column.name: host[f"{prefix}.{column.name}"] for column in fields(Examples)}
    for name in ("token_hash", "draw"):
        columns[name] = columns[name].view(np.uint64)
    return Examples(**columns)
