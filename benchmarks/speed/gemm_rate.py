"""The rate that the machine's matrix multiplication allows: GEMM at the shapes of the model's and the SAE's weights.

Each shape is measured in the arrangement that is fastest here: with more or fewer rows at a time, weights stored either
way, or reordered for oneDNN. Nothing but multiplication is in it, so that no program that does this arithmetic can be
faster, except by sparing some. Knows nothing of tokens' texts, and of the library only how it has weights reordered.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from benchmarks.speed.device_timing import now
from benchmarks.speed.headline_rows import Work, block_shapes, flop
from benchmarks.speed.workload import PRECISIONS, Target, multiplying_as
from sparse_autoencoder.kernels.packed_linear import Linear

Layout = Literal["as it is", "transposed", "packed"]
_LAYOUTS: tuple[Layout, ...] = ("as it is", "transposed", "packed")
_ROWS = {"cpu": (512, 2_048, 4_096), "cuda": (4_096, 16_384)}  # at a time, of which the fastest counts
_QUICK_ROWS = (64, 128)
_SHORTEST_S = {"cpu": 0.002, "cuda": 0.02}  # short multiplications are repeated for at least so long


class Gemm:
    """Multiplications with weights of one shape, their operands in memory."""

    def __init__(self, target: Target, n_in: int, n_out: int, rows: int, layout: Layout) -> None:
        self.rows, self.layout = rows, layout
        self._target = target
        options: dict[str, Any] = {"device": target.device, "dtype": target.dtype}
        self._x = torch.randn(rows, n_in, **options)
        stored = torch.randn((n_in, n_out) if layout == "as it is" else (n_out, n_in), **options)
        self._weight = stored if layout == "as it is" else stored.t()
        self._packed = Linear(self._weight, torch.zeros(n_out, **options)) if layout == "packed" else None
        self._out = torch.empty(rows, n_out, **options)
        self._times = 1
        self.seconds_per_row()  # warm
        once = self.seconds_per_row() * rows
        self._times = max(1, round(_SHORTEST_S[target.device] / once))

    def seconds_per_row(self) -> float:
        """Measure: seconds for one row."""
        with multiplying_as(self._target):
            begin = now(self._target.device)
            for _time in range(self._times):
                if self._packed is None:
                    torch.mm(self._x, self._weight, out=self._out)
                else:
                    self._packed.apply(self._x)
            return (now(self._target.device) - begin) / (self._times * self.rows)


def fastest_gemm(target: Target, n_in: int, n_out: int, rows: Sequence[int]) -> Gemm:
    """The arrangement that is fastest."""
    best: Gemm | None = None
    best_s = float("inf")
    for number in rows:
        for layout in _LAYOUTS:
            gemm = Gemm(target, n_in, n_out, number, layout)
            seconds = gemm.seconds_per_row()
            if seconds < best_s:
                best, best_s = gemm, seconds
    assert best is not None
    return best


@dataclass
class _Shape:
    """A shape's multiplication, and seconds per row as they were measured."""

    gemm: Gemm
    flop: int
    seconds: list[float] = field(default_factory=list)

    def measure(self) -> None:
        self.seconds.append(self.gemm.seconds_per_row())


class Roofline:
    """GEMM rates of one device, measured again and again while other things are."""

    def __init__(self, device: str, config: Mapping[str, Any], layer: int, latents: Sequence[int]) -> None:
        self._device = device
        self._block_shapes = block_shapes(config)
        self._width = int(config["n_embd"])
        self._n_blocks = layer + 1
        rows = _ROWS[device] if self._width >= 256 else _QUICK_ROWS
        self._blocks: dict[str, list[_Shape]] = {}
        self._autoencoders: dict[tuple[str, int], _Shape] = {}
        for precision in PRECISIONS[device]:
            target = Target(device, precision)
            self._blocks[precision] = [
                _Shape(fastest_gemm(target, *shape, rows), flop([shape])) for shape in self._block_shapes
            ]
            best = fastest_gemm(target, self._width, latents[0], rows)
            for number in latents:  # what is best for the smaller is taken for the larger
                gemm = best if number == latents[0] else Gemm(target, self._width, number, best.rows, best.layout)
                self._autoencoders[precision, number] = _Shape(gemm, flop([(self._width, number)]))
        for target in self.targets(latents):
            self.pulse(target)

    def targets(self, latents: Sequence[int]) -> list[Target]:
        """Every precision with every number of latents."""
        return [Target(self._device, precision, number) for number in latents for precision in PRECISIONS[self._device]]

    def pulse(self, target: Target) -> None:
        """Measure the rates in all precisions, for the target's number of latents."""
        for precision in PRECISIONS[self._device]:
            for shape in self._blocks[precision]:
                shape.measure()
            if target.latents is not None:
                self._autoencoders[precision, target.latents].measure()

    def flop(self, work: Work, target: Target) -> float:
        """Floating-point operations of the multiplications."""
        latents = 0 if target.latents is None else flop([(self._width, target.latents)])
        return work.positions * self._n_blocks * flop(self._block_shapes) + work.vectors * latents

    def seconds(self, work: Work, target: Target, of: Callable[[list[float]], float] = statistics.median) -> float:
        """What the multiplications alone take, at the median (or the minimum, or the maximum) of what was measured."""
        seconds = 0.0
        if work.positions:
            block = sum(of(shape.seconds) for shape in self._blocks[str(target.precision)])
            seconds += work.positions * self._n_blocks * block
        if work.vectors and target.latents is not None:
            seconds += work.vectors * of(self._autoencoders[str(target.precision), target.latents].seconds)
        return seconds

    def repeats(self, target: Target) -> int:
        """How often the autoencoder's multiplication was measured."""
        assert target.latents is not None
        return len(self._autoencoders[str(target.precision), target.latents].seconds)
