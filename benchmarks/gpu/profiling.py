"""What takes the time in one block: the device's kernels and the host's calls, by how long they ran themselves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.part_settings import Situation
from benchmarks.gpu.results import Kernel
from benchmarks.speed.device_timing import now
from benchmarks.speed.headline_rows import distinct_rows, windows_of_rows
from benchmarks.speed.workload import LOCATION, Target
from sparse_autoencoder.pipeline.chunk_encoder import Encoder
from sparse_autoencoder.runs.rows_file_format import FEATURES_PER_ROW
from sparse_autoencoder.summaries.feature_summary import SummarySpec
from sparse_autoencoder.summaries.summariser_interface import Activations

_SHOWN = 25  # of each part of the work
_NAME_CHARS = 200
_TOKENS, _QUICK_TOKENS = 262_144, 400


def profile_block(situation: Situation) -> None:
    """Profile computing and summarising a block, each after one that warms up."""
    setting = situation.setting
    target = Target(situation.device, "bfloat16", situation.scale.latents[0])
    tokens = _QUICK_TOKENS if situation.quick or not situation.has_gpu else _TOKENS
    rows = distinct_rows(setting.headlines(situation.scale.stage_rows))
    _chunk, windows = windows_of_rows(rows, setting.tokenizer, setting.policy, tokens)
    spec = SummarySpec(situation.scale.latents[0], examples_per_feature=20, seed=0)
    encoder = Encoder(
        setting.subject(target),
        setting.autoencoder(target),
        location=LOCATION,
        layer_index=situation.scale.layer,
        policy=setting.policy,
        spec=spec,
    )
    found: list[Activations] = []

    def compute() -> None:
        found[:] = [encoder.activations(windows)]

    def summarise() -> None:
        summariser = found[0].summariser(windows, spec)
        summariser.unrounded()
        summariser.row_features(FEATURES_PER_ROW)

    for name, work in (("computing", compute), ("summarising", summarise)):
        work()
        _time(situation, name, work, len(windows.tokens))
        _profile(situation, name, work)


def _time(situation: Situation, name: str, work: Callable[[], None], tokens: int) -> None:
    begin = now(situation.device)
    work()
    returned = time.perf_counter()
    end = now(situation.device)
    situation.report.figure(f"{name} {tokens:,} tokens: until the host has queued it", returned - begin, "s")
    situation.report.figure(f"{name} {tokens:,} tokens: until it is done", end - begin, "s")


def _profile(situation: Situation, name: str, work: Callable[[], None]) -> None:
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if situation.has_gpu else [])]
    with profile(activities=activities) as profiler:
        work()
        now(situation.device)
    entries: list[Any] = list(profiler.key_averages())
    kernels = [
        Kernel(work=name, on_device=True, name=_named(entry), calls=entry.count, ms=entry.self_device_time_total / 1000)
        for entry in entries
        if entry.device_type == DeviceType.CUDA
    ]
    calls = [
        Kernel(work=name, on_device=False, name=_named(entry), calls=entry.count, ms=entry.self_cpu_time_total / 1000)
        for entry in entries
        if entry.device_type == DeviceType.CPU
    ]
    situation.report.figure(f"{name}: kernels", sum(kernel.ms for kernel in kernels), "ms")
    for kind in (kernels, calls):
        for kernel in sorted(kind, key=lambda one: -one.ms)[:_SHOWN]:
            situation.report.kernel(kernel)
            print(
                f"  {'device' if kernel.on_device else 'host'} {kernel.ms:9.3f} ms {kernel.calls:6} x {kernel.name:.80}"
            )


def _named(entry: Any) -> str:
    return str(entry.key)[:_NAME_CHARS]
