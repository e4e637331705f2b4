"""What do queue, store and merge cost? The services with one encoder against `saescope run`, on the same rows.

    python -m benchmarks.services.overhead [--rows 20000] [--models full|demo] [--precision float32] [--rounds 1]

`full` is a GPT-2 small and a 32,768-latent autoencoder with random weights. Redis, the S3 server and the services run
on this machine as processes of their own; they are up when the run is submitted, and its time lasts until the published
files are complete. `saescope run` is timed from its start to its end. The published files are compared, and the largest
size of Redis is printed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import redis

import demo
from demo.headlines import write_csv
from sparse_autoencoder.runs.run_options import RunOptions
from tests.support.commands import write_random_autoencoder
from tests.support.gpt2_tokenizer import write_tokenizer
from tests.support.hf_cache import GPT2_SMALL, write_random_gpt2
from tests.support.runs import files_of
from tests.support.servers import redis_server, s3_server
from tests.support.services import AGGREGATOR, ENCODER, INGEST, Cluster, cluster

MOST = 1.10  # what the services may take for what takes 1 in one process
MOST_REDIS_MB = 50
POLL_S = 0.2
STOPPED_EVERY = 50  # looks


def options_for(models: str, precision: str, data: Path) -> RunOptions:
    """A run over headlines.csv of the data folder; full-size models are written there."""
    if models == "demo":
        shutil.copytree(demo.SUBJECT, data / "subject")
        shutil.copy(demo.AUTOENCODER, data / "autoencoder.pt")
        where = {"subject": "subject", "autoencoder": "autoencoder.pt", "layer": demo.LAYER, "location": demo.LOCATION}
        return RunOptions.model_validate({"source": "headlines.csv", "chunk_size": 1000} | where)
    write_random_gpt2(data / "gpt2", GPT2_SMALL)
    write_tokenizer(data / "gpt2")
    write_random_autoencoder(data / "v5_32k.pt", 32_768, 768, k=32)
    return RunOptions.model_validate(
        {"source": "headlines.csv", "subject": "gpt2", "autoencoder": "v5_32k.pt", "precision": precision}
    )


def flags(options: RunOptions) -> list[str]:
    """The options as flags."""
    given = options.model_dump(mode="json", exclude_defaults=True)
    return [part for name, value in given.items() for part in ("--" + name.replace("_", "-"), str(value))]


def in_one_process(options: RunOptions, data: Path, output: Path) -> tuple[float, dict[str, bytes]]:
    """Seconds that `saescope run` takes, and the files that it leaves."""
    command = [sys.executable, "-m", "services.cli", "run", *flags(options), "--output", str(output)]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    begin = time.monotonic()
    with (output.parent / "run.log").open("ab") as log:
        subprocess.run(command, cwd=data, check=True, stdout=log, stderr=log, env=dict(os.environ) | environment)
    seconds = time.monotonic() - begin
    (run,) = output.iterdir()
    return seconds, files_of(run)


def in_services(services: Cluster, options: RunOptions, run_id: str) -> tuple[float, dict[str, bytes]]:
    """Seconds that the services take, and the files that they leave."""
    begin = time.monotonic()
    space = services.submit(options, run_id)
    (aggregator,) = (service for service in services.running if service.name == AGGREGATOR)
    looks = 0
    # Its log says when it is done. Asking the S3 server, on the same two cores, as often would cost a tenth of a core.
    while not aggregator.said("run_finished", run=run_id):
        looks += 1
        if looks % STOPPED_EVERY == 0 and (stopped := space.stopped()) is not None:
            raise SystemExit(f"the run failed: {stopped.error}")
        time.sleep(POLL_S)
    seconds = time.monotonic() - begin
    services.wait(lambda: not space.active() and not space.chunks(), "the run is cleaned up")
    return seconds, services.files(run_id)


class RedisSize(threading.Thread):
    """Watches how large a Redis gets."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._client = redis.Redis.from_url(url)
        self.peak_mb = 0.0

    def run(self) -> None:
        """Look every now and then until the process ends."""
        while True:
            try:
                used = self._client.info("memory")["used_memory"]
            except redis.RedisError:
                return
            self.peak_mb = max(self.peak_mb, used / 1e6)
            time.sleep(POLL_S)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--models", choices=["full", "demo"], default="full")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        data = root / "data"
        data.mkdir()
        write_csv(args.rows, 0, str(data / "headlines.csv"))
        options = options_for(args.models, args.precision, data)
        with redis_server(root / "redis") as redis_, s3_server(root / "s3") as s3:
            size = RedisSize(redis_.url)
            size.start()
            with cluster(redis_, s3, root / "services", data, "runs", OMP_NUM_THREADS="") as services:
                for module in (INGEST, ENCODER, AGGREGATOR):
                    services.start(module)
                services.wait(lambda: services.logs().count('"ready"') == 3, "all services are ready")
                ratios = []
                for number in range(args.rounds):
                    alone, expected = in_one_process(options, data, root / f"alone-{number}")
                    shared, found = in_services(services, options, f"20260101-000000_run-{number + 1:03d}")
                    ratios.append(shared / alone)
                    same = "the same files" if found == expected else "OTHER FILES"
                    print(
                        f"saescope run {alone:7.1f} s, services {shared:7.1f} s: {ratios[-1]:.3f}; {same}", flush=True
                    )
                    if found != expected:
                        raise SystemExit("the files differ")
        ratio = statistics.median(ratios)
        print(f"{args.rows:,} rows, {args.models} models: {ratio:.3f} times `saescope run` (at most {MOST})")
        print(f"Redis: {size.peak_mb:.1f} MB at most (below {MOST_REDIS_MB})")


if __name__ == "__main__":
    main()
