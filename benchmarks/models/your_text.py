"""How long does it take until the page has what fires in a text?

    python -m benchmarks.models.your_text [--folder FOLDER] [--times 30] [--precision float32] [--quick]

GPT-2 small to layer 6 and an autoencoder with 32,768 latents, with random weights, and a run over sixty headlines with
them. `saescope serve --models` answers, and the time is that of the whole request; the first answer includes loading
the models. The texts are headlines, each another one, and one of 300 words. The models and the run are kept in FOLDER,
if one is named. --quick tries the benchmark itself on tiny models; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.speed.workload import FULL, PRECISIONS, QUICK, Setting, Target
from demo.headlines import generate
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.run_flags import at_least
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.commands import free_port

ROWS = 60
MOST_S = 0.3  # the goal, on two cores
PATIENCE_S = 300.0
LONG_WORDS = 300


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the models and the run are kept for the next time")
    parser.add_argument("--times", type=at_least(1), default=30, help="how many texts")
    parser.add_argument("--precision", default="float32", choices=PRECISIONS["cpu"])
    parser.add_argument("--quick", action="store_true", help="tiny models")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        setting = Setting(folder, QUICK if args.quick else FULL)
        runs = folder / f"runs-{args.precision}"
        if not runs.exists():
            options = setting.options(Target("cpu", args.precision, setting.scale.latents[0]), ROWS)
            run(options, DirectoryStore(runs))
        texts = [headline.title for headline in generate(args.times + 1, 1)]
        with served(runs) as url:
            begin = time.perf_counter()
            ask(url, texts[0])
            print(f"the first answer, with loading: {time.perf_counter() - begin:.1f} s")
            tell(f"a headline (goal: {MOST_S} s)", [seconds_of(url, text) for text in texts[1:]])
            long = " ".join(" ".join(texts * LONG_WORDS).split()[:LONG_WORDS])
            tell(f"{LONG_WORDS} words", [seconds_of(url, f"{number} {long}") for number in range(5)])


@contextmanager
def served(runs: Path) -> Iterator[str]:
    """`saescope serve --models` on a folder of runs; its address."""
    port = free_port()
    command = [sys.executable, "-m", "services.cli", "serve", "--models", "--runs", str(runs), "--port", str(port)]
    environment = dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", env=environment) as process:
        try:
            assert process.stdout is not None
            for _line in range(2):
                process.stdout.readline()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def seconds_of(url: str, text: str) -> float:
    """How long a text's answer takes."""
    begin = time.perf_counter()
    ask(url, text)
    return time.perf_counter() - begin


def ask(url: str, text: str) -> None:
    """Have a text encoded."""
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(f"{url}/api/encode", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        json.load(answer)


def tell(what: str, seconds: list[float]) -> None:
    """Print a line."""
    median, slowest = statistics.median(seconds), max(seconds)
    print(f"{what}: median {median:.3f} s, slowest of {len(seconds)} {slowest:.3f} s", flush=True)


if __name__ == "__main__":
    main()
