"""Where a part is done, on what, and to whom it reports."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import demo
from benchmarks.gpu.results import Report
from benchmarks.speed.workload import FULL, QUICK, Scale, Setting
from sparse_autoencoder.runs.run_options import RunOptions

# Models as the benchmark has them, but for blocks that no layer needs; as many rows as there is time for.
_GPU = replace(
    FULL,
    config=dict(FULL.config) | {"n_layer": FULL.layer + 1},
    rows={
        ("cuda", "float32"): (60_000, 30_000),
        ("cuda", "tf32"): (150_000, 50_000),
        ("cuda", "bfloat16"): (300_000, 100_000),
    },
    stage_rows=50_000,
    stage_tokens={"cuda": (131_072, 65_536)},
)


@dataclass(frozen=True)
class Situation:
    """The device, the size of things, a folder that parts share, and the part's report."""

    device: str
    quick: bool
    folder: Path
    report: Report

    @property
    def has_gpu(self) -> bool:
        """Whether what only a GPU has can be tried."""
        return self.device == "cuda"

    @property
    def scale(self) -> Scale:
        """How large models are and how many rows they read; on a CPU that stands in for a GPU, and for a try, tiny."""
        return _GPU if self.has_gpu and not self.quick else QUICK

    @cached_property
    def setting(self) -> Setting:
        """Models with random weights of that size; with the demo's tokenizer, as GPT-2's would have to be fetched."""
        return Setting(self.folder / "models", self.scale, _write_demo_tokenizer)

    def demo_options(self, rows: int, device: str | None = None) -> RunOptions:
        """A run of the demo's models over so many of its headlines."""
        return RunOptions(
            source=str(self.setting.headlines(rows)),
            subject=str(demo.SUBJECT),
            autoencoder=str(demo.AUTOENCODER),
            layer=demo.LAYER,
            location=demo.LOCATION,
            device=device or self.device,
        )

    def only_on_a_gpu(self, what: str, action: Callable[[], None]) -> None:
        """Do it on a GPU, elsewhere say that it is left out."""
        if self.has_gpu:
            action()
        else:
            self.report.skip(what, "needs CUDA")


def _write_demo_tokenizer(folder: Path) -> None:
    shutil.copyfile(demo.SUBJECT / "tokenizer.json", folder / "tokenizer.json")
