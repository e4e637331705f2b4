"""How fast does one API process answer, `saescope serve` on finished runs in a folder?

    python -m benchmarks.viewer.api_speed [--folder FOLDER] [--seconds 20] [--rate 200]

The runs, of 32,768 and of 131,072 features, are made by synthetic_run.py, in FOLDER if they aren't there yet. Server
and client have a core each. A feature of each file is asked for first, one after the other, which opens the files. Then
features are asked for in an open loop: at a fixed rate, however long answers take, and an answer's time counts from
when its question was due. Lists are asked for one after the other, all different.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from benchmarks.summaries.synthetic_run import write_run
from sparse_autoencoder.run_flags import at_least
from sparse_autoencoder.runs.features_file_format import FEATURES_PER_FILE
from sparse_autoencoder.runs.store import DirectoryStore

RUN, N_FEATURES, N_ROWS = "20300101-000000_run-001", 32_768, 60_000
LARGE_RUN, N_LARGE, N_LARGE_ROWS = "20300101-000000_run-002", 131_072, 20_000
EXAMPLES = 20  # of each sort, as the viewer asks for
_HEAD_START_S = 0.5  # in which the client makes itself ready
Times = NDArray[np.float64]  # milliseconds
_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Target:
    """What is asked, and how long it may take: the median and the 99th percentile, in milliseconds."""

    name: str
    p50_ms: float | None
    p99_ms: float | None


class Connections:
    """Connections to a server that stay open: as many as there are questions at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Connection] = []

    async def get(self, path: str) -> None:
        """Ask, and read the whole answer; SystemExit if it isn't a good one."""
        reader, writer = self._open() or await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = next(line for line in head.split("\r\n") if line.startswith("content-length: "))
        body = await reader.readexactly(int(length.partition(": ")[2]))
        if not head.startswith("http/1.1 200 "):
            raise SystemExit(f"{path} was answered with {head.splitlines()[0]}: {body[:300].decode()}")
        self._idle.append((reader, writer))

    def _open(self) -> _Connection | None:
        """One that waits; the server closes those that waited for some seconds."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    def close(self) -> None:
        """Close those that are open."""
        for _reader, writer in self._idle:
            writer.close()


async def open_loop(port: int, paths: Sequence[str], rate: float) -> Times:
    """Ask at a rate (per second); how long after it was due each answer was there."""
    connections = Connections(port)
    begin = time.perf_counter() + _HEAD_START_S

    async def ask(number: int, path: str) -> float:
        due = begin + number / rate
        await asyncio.sleep(due - time.perf_counter())
        await connections.get(path)
        return time.perf_counter() - due

    times = await asyncio.gather(*(ask(number, path) for number, path in enumerate(paths)))
    connections.close()
    return 1000 * np.array(times)


async def one_by_one(port: int, paths: Sequence[str]) -> Times:
    """Ask when the last answer is there; how long each took."""
    connections, times = Connections(port), []
    for path in paths:
        begin = time.perf_counter()
        await connections.get(path)
        times.append(time.perf_counter() - begin)
    connections.close()
    return 1000 * np.array(times)


def feature_paths(features: Sequence[int]) -> list[str]:
    """Questions about features."""
    return [f"/api/feature_info?{urlencode({'run': RUN, 'id': id_, 'top_k': EXAMPLES})}" for id_ in features]


def list_paths() -> list[str]:
    """Different lists of the large run: every order, filtered by density, count and token."""
    filters: tuple[dict[str, object], ...] = (
        {"min_density": 1e-5, "max_density": 1e-3},
        {"min_count": 10},
        {"token": " a"},
        {"token": "xy", "max_density": 1e-3, "min_count": 2},
    )
    sorts = ("mean_activation", "max_activation", "mean_when_active", "skew", "num_active_tokens", "feature_id")
    return [
        f"/api/features?{urlencode({'run': LARGE_RUN, 'sort': sort, 'order': order, 'details': 'true', **filtered})}"
        for sort, order, filtered in product(sorts, ("desc", "asc"), filters)
    ]


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """The port of a server on a folder of runs, on a core of its own if there are two."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    if cores:
        os.sched_setaffinity(0, {cores[0]})  # which the server inherits
    command = [sys.executable, "-m", "services.cli", "serve", "--runs", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        if cores:
            os.sched_setaffinity(0, {cores[-1]})
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline() for _line in range(2)]
            yield int(lines[1].rpartition(":")[2])
        finally:
            process.terminate()
            process.wait()


def report(target: Target, times: Times) -> bool:
    """Print a line of the table; whether the limits hold."""
    p50, p99 = np.quantile(times, [0.5, 0.99])
    limits = {"p50": (p50, target.p50_ms), "p99": (p99, target.p99_ms)}
    met = all(limit is None or value < limit for value, limit in limits.values())
    cells = [f"{value:7.1f} ({'no limit' if limit is None else f'< {limit:g}'})" for value, limit in limits.values()]
    print(f"{target.name:44} {len(times):6,} {cells[0]:>18} {cells[1]:>18}  {'met' if met else 'MISSED'}", flush=True)
    return met


def measure(port: int, seconds: float, rate: float) -> bool:
    """Measure and print everything; whether all limits hold."""
    n_questions = int(seconds * rate)
    features = np.random.default_rng(0).integers(0, N_FEATURES, n_questions).tolist()
    asyncio.run(one_by_one(port, [*feature_paths([0]), list_paths()[0]]))  # opens the runs
    others = range(FEATURES_PER_FILE, N_FEATURES, FEATURES_PER_FILE)
    print(f"{'ms':44} {'asked':>6} {'p50':>18} {'p99':>18}")
    questions: list[tuple[Target, Callable[[], Times]]] = [
        (
            Target("feature_info, the first of a file", None, 25),
            lambda: asyncio.run(one_by_one(port, feature_paths(others))),
        ),
        (
            Target(f"feature_info, {rate:g}/s, features at random", 5, 25),
            lambda: asyncio.run(open_loop(port, feature_paths(features), rate)),
        ),
        (
            Target(f"feature_info, {rate:g}/s, always the same", 3, None),
            lambda: asyncio.run(open_loop(port, feature_paths([7] * n_questions), rate)),
        ),
        (
            Target(f"features of {N_LARGE:,}, sorted and filtered", None, 50),
            lambda: asyncio.run(one_by_one(port, list_paths())),
        ),
    ]
    return sum(report(target, ask()) for target, ask in questions) == len(questions)


def main() -> int:
    """Make the runs that are missing, measure and print; 1 if a limit doesn't hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the runs are kept (default: nowhere)")
    parser.add_argument("--seconds", type=at_least(1), default=20)
    parser.add_argument("--rate", type=at_least(1), default=200, help="questions per second")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        store = DirectoryStore(args.folder or Path(temporary))
        for run_id, n_features, n_rows in ((RUN, N_FEATURES, N_ROWS), (LARGE_RUN, N_LARGE, N_LARGE_ROWS)):
            if not store.list(f"{run_id}/metadata.json"):
                print(f"making a run of {n_features:,} features", flush=True)
                write_run(store, n_features, n_rows, run_id)
        with serving(store.root) as port:
            return int(not measure(port, args.seconds, args.rate))


if __name__ == "__main__":
    sys.exit(main())
