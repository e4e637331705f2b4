"""A whole run in this process, from a CSV file to published files, and where its time goes.

What is asked of the library is what `saescope run` asks. Its functions are wrapped from outside to note when they ran;
nothing in it knows that it is measured.
"""

from __future__ import annotations

import contextlib
import functools
import io
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from benchmarks.report.measurement_records import RunShares
from benchmarks.speed.headline_rows import Work
from benchmarks.speed.workload import Target, multiplying_as
from sparse_autoencoder.pipeline import run_ending, single_process
from sparse_autoencoder.runs import folder_layout, run_state, store
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.summaries import feature_summary, summarise_numpy, summarise_torch

_SUMMARISING = (
    (summarise_numpy.BlockSummariser, ("__init__", "unrounded", "row_features")),
    (summarise_torch.DeviceSummariser, ("__init__", "unrounded", "row_features")),
    (feature_summary.Summary, ("merge",)),
)
_STORING: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (run_state.RunState, ("merge",)),
    (folder_layout.RunFolder, ("write_vocabulary",)),
    (single_process, ("write_state",)),
    (store.DirectoryStore, ("put",)),
)


@dataclass(frozen=True)
class Call:
    """When a function ran."""

    begin: float
    end: float
    processor_s: float  # of its own thread
    thread: int


@dataclass
class Calls:
    """Calls of the functions that are watched, by what they are for."""

    loading: list[Call] = field(default_factory=list)
    encoding: list[Call] = field(default_factory=list)
    storing: list[Call] = field(default_factory=list)
    summarising: list[Call] = field(default_factory=list)
    publishing: list[Call] = field(default_factory=list)
    processor_s_at_loaded: float = 0.0

    def waiting_s(self) -> float:
        """How long the thread that encodes neither encoded nor stored, from models loaded to the last chunk encoded."""
        thread = self.encoding[0].thread
        busy = sorted((call.begin, call.end) for call in self.encoding + self.storing if call.thread == thread)
        reached, waited = self.loading[-1].end, 0.0
        for begin, end in busy:
            if begin > self.encoding[-1].begin:
                break
            waited += max(0.0, begin - reached)
            reached = max(reached, end)
        return waited


@dataclass(frozen=True)
class Run:
    """What one run took."""

    seconds: float  # from models loaded to files published
    work: Work
    shares: RunShares


def run_once(options: RunOptions, target: Target) -> Run:
    """Do a run and throw its files away; SystemExit if it isn't complete."""
    with tempfile.TemporaryDirectory() as folder, multiplying_as(target), _watched() as calls:
        held = _held_on_device(target)
        with contextlib.redirect_stderr(io.StringIO()):  # the progress bar
            metadata = single_process.run(options, store.DirectoryStore(Path(folder)))
        end, processor_s = time.perf_counter(), time.process_time()
    if metadata.status != "complete":
        raise SystemExit(f"the run is {metadata.status}: {metadata.failed_chunks}")
    seconds = end - calls.loading[-1].end
    processor_s -= calls.processor_s_at_loaded
    shares = RunShares(
        loading_s=sum(call.end - call.begin for call in calls.loading),
        publishing_s=sum(call.end - call.begin for call in calls.publishing),
        waiting=calls.waiting_s() / seconds,
        summarising=sum(call.processor_s for call in calls.summarising) / processor_s,
        peak_device_gib=_peak_device_gib(target, held),
    )
    return Run(seconds, _work(metadata), shares)


def _held_on_device(target: Target) -> int:
    """Bytes that the rest of the benchmark has on the device; the peak is counted anew from here."""
    if target.device != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats()
    return int(torch.cuda.memory_allocated())


def _peak_device_gib(target: Target, held: int) -> float | None:
    return (torch.cuda.max_memory_allocated() - held) / 2**30 if target.device == "cuda" else None


def median_shares(shares: list[RunShares]) -> RunShares:
    """The median of each share."""

    def median(name: str) -> float | None:
        values = [getattr(one, name) for one in shares]
        return None if None in values else statistics.median(values)

    return RunShares.model_validate({name: median(name) for name in RunShares.model_fields})


def _work(metadata: RunMetadata) -> Work:
    tokens = metadata.num_tokens
    bos = metadata.num_windows * metadata.policy.first_counted
    return Work(metadata.num_prompts, tokens, positions=tokens + bos, vectors=tokens)


@contextmanager
def _watched() -> Iterator[Calls]:
    """Note the calls of the library's functions meanwhile."""
    calls = Calls()

    def loaded(call: Call) -> None:
        calls.loading.append(call)
        calls.processor_s_at_loaded = time.process_time()

    with ExitStack() as stack:
        _note(stack, single_process, "prepare", loaded)
        _note(stack, single_process, "encode_chunk", calls.encoding.append)
        _note(stack, run_ending, "publish", calls.publishing.append)
        for owners, note in ((_SUMMARISING, calls.summarising.append), (_STORING, calls.storing.append)):
            for owner, names in owners:
                for name in names:
                    _note(stack, owner, name, note)
        yield calls


def _note(stack: ExitStack, owner: Any, name: str, note: Callable[[Call], None]) -> None:
    """Wrap a function of a module or class until the stack is closed."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def noted(*args: Any, **kwargs: Any) -> Any:
        begin, processor = time.perf_counter(), time.thread_time()
        try:
            return original(*args, **kwargs)
        finally:
            processor_s = time.thread_time() - processor
            note(Call(begin, time.perf_counter(), processor_s, threading.get_ident()))

    stack.enter_context(mock.patch.object(owner, name, noted))
