"""How much slower is a run of services while somebody looks at it, and asks its models now and then?

    python -m benchmarks.models.page_beside_a_run [--rows 4000] [--models full|demo] [--pairs 5] [--text-every-s 30]

In pairs, in turns of who comes first: a run with nobody there, and one with a page open that follows it as the viewer
does (the run's events, its list of features every five seconds) and has a text encoded every so often. All services,
Redis and the S3 server are on this machine. The ratio of the times is printed with its 95 % interval, by Student's t of
the logarithms.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from benchmarks.services.overhead import in_services, options_for
from demo.headlines import write_csv
from sparse_autoencoder.run_flags import at_least
from sparse_autoencoder.runs.run_options import RunOptions
from tests.support.commands import free_port
from tests.support.servers import redis_server, s3_server
from tests.support.services import AGGREGATOR, ENCODER, INGEST, Cluster, cluster

MODELS, API = "services.models", "services.api"
MOST = 1.03
LIST_EVERY_S = 5.0
TIMEOUT_S = 60.0
T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)  # Student's t, by degrees of freedom, from 1


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=at_least(1), default=4000)
    parser.add_argument("--models", choices=["full", "demo"], default="full")
    parser.add_argument("--pairs", type=at_least(2, len(T_975) + 1), default=5)
    parser.add_argument("--text-every-s", type=float, default=30.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, services(Path(name), args.rows) as (made, url):
        options = options_for(args.models, "float32", made.data)
        warm = "20260101-000000_run-000"
        in_services(made, options.model_copy(update={"max_rows": 200}), warm)
        encode(url, warm)  # loads the models
        logs = [one_pair(made, options, url, number, args.text_every_s) for number in range(args.pairs)]
    mean, spread = statistics.mean(logs), statistics.stdev(logs) / math.sqrt(len(logs)) * T_975[len(logs) - 2]
    low, high = (math.exp(mean + sign * spread) for sign in (-1, 1))
    print(f"with a page open: {math.exp(mean):.4f} times, 95 % interval {low:.4f} to {high:.4f} (at most {MOST})")


@contextmanager
def services(root: Path, rows: int) -> Iterator[tuple[Cluster, str]]:
    """All services on rows of headlines, and the API's address."""
    data, port = root / "data", free_port()
    data.mkdir()
    write_csv(rows, 0, str(data / "headlines.csv"))
    with (
        redis_server(root / "redis") as redis_,
        s3_server(root / "s3") as s3,
        cluster(redis_, s3, root / "services", data, "runs", OMP_NUM_THREADS="") as made,
    ):
        for module in (INGEST, ENCODER, AGGREGATOR, MODELS):
            made.start(module)
        made.start(API, "--host", "127.0.0.1", "--port", str(port))
        made.wait(lambda: made.logs().count('"ready"') == 5, "all services are ready")
        yield made, f"http://127.0.0.1:{port}"


def one_pair(made: Cluster, options: RunOptions, url: str, number: int, text_every_s: float) -> float:
    """The logarithm of the ratio of a run with a page and one without."""
    seconds: dict[bool, float] = {}
    for looked_at in (False, True) if number % 2 else (True, False):
        run_id = f"20260102-000000_run-{2 * number + looked_at:03d}"
        with page(url, run_id, text_every_s) if looked_at else nullcontext():
            seconds[looked_at], _files = in_services(made, options, run_id)
    print(f"alone {seconds[False]:.1f} s, with a page {seconds[True]:.1f} s", flush=True)
    return math.log(seconds[True] / seconds[False])


@contextmanager
def page(url: str, run_id: str, text_every_s: float) -> Iterator[None]:
    """A page that follows a run while the block runs."""
    over = threading.Event()

    def every(pause_s: float, ask: str) -> None:
        while not over.wait(pause_s):
            with suppress(urllib.error.URLError):  # there is nothing to show yet
                encode(url, run_id) if ask == "text" else get(f"{url}{ask}")

    def follow() -> None:
        with suppress(OSError), urllib.request.urlopen(f"{url}/api/runs/{run_id}/events", timeout=TIMEOUT_S) as events:
            while not over.is_set() and events.readline():
                pass

    asks = [(LIST_EVERY_S, f"/api/features?run={run_id}&limit=50&details=true"), (text_every_s, "text")]
    threads = [threading.Thread(target=every, args=ask, daemon=True) for ask in asks]
    threads.append(threading.Thread(target=follow, daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads[:2]:
            thread.join()


def encode(url: str, run_id: str) -> None:
    """Have a text encoded with a run's models."""
    body = json.dumps({"text": f"Analysts raise their targets again, at {time.time():.0f}"}).encode()
    headers = {"Content-Type": "application/json"}
    get(urllib.request.Request(f"{url}/api/encode?run={run_id}", body, headers))


def get(asked: str | urllib.request.Request) -> None:
    """Have something answered."""
    with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as answer:
        answer.read()


if __name__ == "__main__":
    main()
