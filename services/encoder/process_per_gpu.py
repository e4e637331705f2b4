"""One worker process for each GPU that this container may use.

A process sees one GPU, has one CUDA context and encodes one chunk at a time, so nothing is shared between devices.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import takewhile
from types import FrameType

VISIBLE = "CUDA_VISIBLE_DEVICES"
METRICS_PORT = "SAESCOPE_METRICS_PORT"
WORKER = (sys.executable, "-m", "services.encoder")


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The GPUs that CUDA would show, by the names that CUDA_VISIBLE_DEVICES takes; none without a driver."""
    given = environment.get(VISIBLE)
    if given is not None:
        names = (name.strip() for name in given.split(","))
        return list(takewhile(lambda name: name not in ("", "-1"), names))  # CUDA ignores what follows an invalid one
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    answer = subprocess.run([program, "--list-gpus"], capture_output=True, text=True, check=False)  # noqa: S603
    return [str(number) for number, line in enumerate(answer.stdout.splitlines()) if line.startswith("GPU ")]


def run_on_each(gpus: Sequence[str], command: Sequence[str] = WORKER) -> int:
    """Run a worker on each GPU until one ends or a signal comes, then end all; returns the first status that isn't 0.

    Metrics are at the port that is set for the first, and at the following ones for the others.
    """
    workers = [
        subprocess.Popen(list(command), env=_environment(gpu, place))  # noqa: S603
        for place, gpu in enumerate(gpus)
    ]
    told = False

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal told
        told = True
        for worker in workers:
            worker.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)  # until the first one ends
    if not told:  # a second signal would end them in the middle of their chunks
        for worker in workers:
            worker.terminate()
    statuses = [worker.wait() for worker in workers]
    return next((status for status in statuses if status != 0), 0)


def _environment(gpu: str, place: int) -> dict[str, str]:
    environment = dict(os.environ) | {VISIBLE: gpu}
    port = environment.get(METRICS_PORT, "0")
    if port.isdigit() and int(port):
        environment[METRICS_PORT] = str(int(port) + place)
    return environment
