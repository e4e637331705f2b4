"""A soak: many workers, killed at random for many minutes, run after run, and always the same bytes.

    python -m benchmarks.services.soak --minutes 20 [--rows 20000] [--workers 4] [--seed 0]

Every few seconds one service gets a SIGKILL and is started again, or Redis is wiped or restarted, or the S3 server is
restarted. When a run is finished, its published files are compared with those of one undisturbed process, and the next
run begins. When the time is up, the last run is let finish in peace. The exit status is 0 if all runs were complete and
the same.

The services keep their default settings but for the attempts that a chunk has. With three, a chunk that is under way in
three kills is reported as failed, which is what the services promise, and would end a soak that has killed hundreds of
times; with ATTEMPTS that takes a coincidence that doesn't come.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.services.overhead import options_for
from demo.headlines import write_csv
from services.common.dependency_interfaces import UnavailableError
from services.common.run_workspace import Workspace
from sparse_autoencoder.runs.run_options import RunOptions
from tests.support.servers import redis_server, s3_server
from tests.support.services import AGGREGATOR, ENCODER, INGEST, Cluster, Service, cluster, reference

ATTEMPTS = 20
CHUNK_ROWS = 500
PAUSE_S = (2.0, 8.0)  # between two faults: the shortest, the longest
PATIENCE_S = 900.0  # for one run
POLL_S = 0.5
# How often each fault comes, in relation to the others.
FAULTS = {
    "encoder killed": 12,
    "aggregator killed": 4,
    "ingest killed": 2,
    "Redis wiped": 1,
    "Redis restarted": 1,
    "S3 server restarted": 1,
}


class SoakError(Exception):
    """A run that isn't what it must be."""


@dataclass
class Soak:
    """The services under attack, and what was done to them."""

    services: Cluster
    chooser: random.Random
    encoders: list[Service]
    aggregator: Service
    ingest: Service
    faults: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)  # services that ended by themselves

    def harm(self) -> None:
        """Do one thing at random."""
        (fault,) = self.chooser.choices(list(FAULTS), weights=list(FAULTS.values()))
        deeds: dict[str, Callable[[], None]] = {
            "encoder killed": lambda: again(self.chooser.choice(self.encoders)),
            "aggregator killed": lambda: again(self.aggregator),
            "ingest killed": lambda: again(self.ingest),
            "Redis wiped": self.services.redis.flush,
            "Redis restarted": self.services.redis.restart,
            "S3 server restarted": self.services.s3.process.restart,
        }
        deeds[fault]()
        self.faults[fault] += 1

    def revive(self) -> None:
        """Start again what ended by itself, as a container's restart policy does."""
        for service in (*self.encoders, self.aggregator, self.ingest):
            if not service.running:
                self.ended[f"{service.name} (status {service.process.returncode})"] += 1
                service.start()

    def requeued(self) -> int:
        """How many messages the reconcile loop requeued."""
        return len(self.aggregator.said("task_requeued"))


def again(service: Service) -> None:
    """Kill a service and start it again."""
    service.kill()
    service.start()


def is_over(space: Workspace) -> bool:
    """Whether a run is finished and cleaned up; SoakError if it failed."""
    try:
        if (stopped := space.stopped()) is not None:
            raise SoakError(f"the run failed: {stopped.error}")
        return space.finished() and not space.folder.store.list(space.folder.key("request.json"))
    except UnavailableError:  # just now
        return False


def same(soak: Soak, space: Workspace, expected: dict[str, bytes]) -> None:
    """SoakError unless a finished run has the expected files; what came late is removed within two minutes."""
    deadline = time.monotonic() + 120
    while (found := soak.services.files(space.folder.run_id)).keys() - expected.keys() and time.monotonic() < deadline:
        time.sleep(POLL_S)
    metadata = space.folder.read_metadata()
    if metadata.status != "complete":
        raise SoakError(f"{space.folder.run_id} is {metadata.status}: {metadata.failed_chunks}")
    differing = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    if differing:
        raise SoakError(f"{space.folder.run_id} has other files: {', '.join(differing)}")


def attack(soak: Soak, options: RunOptions, expected: dict[str, bytes], minutes: float) -> list[float]:
    """Run after run until the time is up; the seconds that each took."""
    seconds: list[float] = []
    until = time.monotonic() + 60 * minutes
    next_fault = time.monotonic() + soak.chooser.uniform(*PAUSE_S)
    while time.monotonic() < until:
        begin, before = time.monotonic(), soak.faults.total()
        space = submitted(soak.services, options, len(seconds) + 1)
        while not is_over(space):
            now = time.monotonic()
            if now - begin > PATIENCE_S:
                raise SoakError(f"{space.folder.run_id} isn't finished after {PATIENCE_S:g} s\n{soak.services.logs()}")
            soak.revive()
            if now >= next_fault and now < until:
                soak.harm()
                next_fault = time.monotonic() + soak.chooser.uniform(*PAUSE_S)
            time.sleep(POLL_S)
        seconds.append(time.monotonic() - begin)
        same(soak, space, expected)
        faults = soak.faults.total() - before
        print(f"{space.folder.run_id}: {seconds[-1]:6.1f} s, {faults:3} faults, the same files", flush=True)
    return seconds


def submitted(services: Cluster, options: RunOptions, number: int) -> Workspace:
    """The run of this number, asked for."""
    while True:
        try:
            return services.submit(options, f"20260101-000000_run-{number:03d}")
        except UnavailableError:  # just now
            time.sleep(POLL_S)


def main() -> int:
    """Soak, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(f"{args.minutes:g} minutes, {args.rows:,} rows, {args.workers} encoders, seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        data = root / "data"
        data.mkdir()
        write_csv(args.rows, 0, str(data / "headlines.csv"))
        options = options_for("demo", "float32", data).model_copy(update={"chunk_size": CHUNK_ROWS})
        paths = {field: str(data / getattr(options, field)) for field in ("source", "subject", "autoencoder")}
        begin = time.monotonic()
        expected = reference(options.model_copy(update=paths), root / "alone")
        print(f"one process, undisturbed: {time.monotonic() - begin:.1f} s, {len(expected)} files", flush=True)
        with (
            redis_server(root / "redis") as redis,
            s3_server(root / "s3") as s3,
            cluster(redis, s3, root / "services", data, "runs", SAESCOPE_CHUNK_ATTEMPTS=str(ATTEMPTS)) as services,
        ):
            encoders = [services.start(ENCODER) for _ in range(args.workers)]
            aggregator, ingest = services.start(AGGREGATOR), services.start(INGEST)
            soak = Soak(services, random.Random(args.seed), encoders, aggregator, ingest)
            try:
                seconds = attack(soak, options, expected, args.minutes)
            except SoakError as error:
                print(error)
                return 1
            finally:
                print("; ".join(f"{fault} {times} times" for fault, times in sorted(soak.faults.items())))
                print(f"requeued: {soak.requeued()}; ended by themselves: {dict(soak.ended) or 'none'}")
    print(f"{len(seconds)} runs, all complete and the same as in one process")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
