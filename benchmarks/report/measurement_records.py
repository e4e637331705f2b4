"""What was measured, as records in a JSON file for each machine, with the hardware.

Knows neither how it was measured nor how it is shown.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from sparse_autoencoder.pipeline.processor_kind import cpu_model

FOLDER = Path(__file__).parents[1] / "results"
GPU_PREFIX = "gpu-"  # of the files of benchmarks.gpu; all others are machines'
_STRICT = ConfigDict(frozen=True, extra="forbid")
# What is measured, by name.
ROOFLINE = "multiplication alone (GEMM)"
ORIGINAL = "the original's loop, re-enacted"
BATCHED = "plain batches, dense latents"
END_TO_END = "end to end"
WITHOUT_PUBLISHING = "end to end, before publishing"
PUBLISHING = "publishing"
LONG_RUN = "end to end, long run"


class RunShares(BaseModel):
    """What else is known of runs from a file to published files; the median of each over the repeats."""

    model_config = _STRICT

    loading_s: float  # of the models, which isn't counted in the record's seconds
    publishing_s: float  # writing the published files, which is: much the same for few rows and for many
    waiting: float  # share of the time in which nothing was encoded for want of rows
    summarising: float  # share of the processor's time that summaries and merging took
    peak_device_gib: float | None  # memory
    fraction_of_roofline_distinct: float | None = None  # with no credit for what is the same and is computed once


class Record(BaseModel):
    """A measurement. The numbers are None where there is none of that sort; all are, if nothing could be measured."""

    model_config = _STRICT

    name: str
    device: str
    precision: str | None = None
    latents: int | None = None
    rows: int | None = None
    tokens_per_s: float | None = None  # tokens of rows, BOS not counted
    gflops: float | None = None  # 10^9 floating-point operations per second, of the multiplications that rows need
    fraction_of_roofline: float | None = None  # how long those take alone, of the time
    repeats: int = 0  # 0: not measured
    seconds: float | None = None  # the median of the repeats
    fastest_s: float | None = None
    slowest_s: float | None = None
    run: RunShares | None = None

    @property
    def measured(self) -> bool:
        """Whether it could be."""
        return self.repeats > 0


class Hardware(BaseModel):
    """The machine."""

    model_config = _STRICT

    cpu: str
    cores: int  # that this process may use
    memory_gib: int
    torch_version: str
    torch_threads: int
    gpu: str | None
    gpu_memory_gib: int | None

    @classmethod
    def here(cls) -> Hardware:
        """This one."""
        import torch  # here, so that results can be read without it

        gpu = torch.cuda.get_device_properties(0) if torch.cuda.is_available() else None
        return cls(
            cpu=cpu_model(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            torch_version=str(torch.__version__),
            torch_threads=torch.get_num_threads(),
            gpu=gpu.name if gpu else None,
            gpu_memory_gib=round(gpu.total_memory / 2**30) if gpu else None,
        )

    @property
    def slug(self) -> str:
        """A name for its file."""
        parts = f"{self.cpu} {self.cores} cores {self.gpu or ''}"
        return re.sub(r"[^a-z0-9]+", "-", parts.lower()).strip("-")


class Results(BaseModel):
    """Everything that one call of the benchmark measured on a machine."""

    model_config = _STRICT

    command: str
    measured_on: str  # date, UTC
    load_before: float  # processes that ran on average in the minute before
    hardware: Hardware
    records: list[Record]

    def find(
        self, name: str, device: str = "cpu", precision: str | None = None, latents: int | None = None
    ) -> Record | None:
        """The record of this name and kind, if it was measured."""
        wanted = (name, device, precision, latents)
        found = (r for r in self.records if (r.name, r.device, r.precision, r.latents) == wanted and r.measured)
        return next(found, None)

    def write(self, path: Path) -> None:
        """Write the machine's file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_all(folder: Path = FOLDER) -> list[Results]:
    """The results of all machines, by their files' names."""
    paths = sorted(folder.glob("*.json"))
    machines = [path for path in paths if not path.name.startswith(GPU_PREFIX)]
    return [Results.model_validate_json(path.read_text(encoding="utf-8")) for path in machines]
