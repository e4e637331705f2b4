"""Parts one after the other, each a process with a time of its own; what they find is written after each.

A part that fails, hangs or spoils its GPU's context takes nothing with it but itself. This file knows no GPU.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.gpu.results import GpuResults, Part, Status, read_report
from benchmarks.report.measurement_records import GPU_PREFIX

_LEAST_S = 10.0  # with less left a part isn't begun
_ENDING_S = 5.0  # before the deadline, for killing and writing
TELL = signal.SIGUSR1  # on which a part writes where it is to standard error
_TELLING_S = 1.0
_ERROR_CHARS = 6_000


@dataclass(frozen=True)
class Planned:
    """A part that is to be done, and how long it may take."""

    name: str
    limit_s: float
    command: Sequence[str]  # to which the path of its report is added


def run_all(
    planned: Sequence[Planned], results: GpuResults, folder: Path, clock: Callable[[], float] = time.monotonic
) -> GpuResults:
    """Do all parts within the results' deadline; what has been found is in a file in `folder` after each."""
    begin = clock()
    written: Path | None = None
    for part in planned:
        left = results.deadline_s - (clock() - begin) - _ENDING_S
        print(f"{part.name} (at most {min(part.limit_s, max(left, 0)):.0f} s)", flush=True)
        done = _run(part, min(part.limit_s, left)) if left >= _LEAST_S else _not_begun(part)
        print(f"  {done.status} after {done.seconds:.1f} s", flush=True)
        results = results.model_copy(update={"parts": [*results.parts, done]})
        path = folder / f"{GPU_PREFIX}{_slug(results)}.json"
        results.write(path)
        if written is not None and written != path:  # before it was known what machine this is
            written.unlink()
        written = path
    print(f"written to {written}", flush=True)
    return results


def _run(part: Planned, limit_s: float) -> Part:
    begin = time.monotonic()
    with TemporaryDirectory() as name:
        report, errors = Path(name) / "report", Path(name) / "errors"
        with errors.open("wb") as stderr:
            # a session of its own, so that what it starts can be ended with it
            process = subprocess.Popen([*part.command, str(report)], stderr=stderr, start_new_session=True)
            try:
                status: int | None = process.wait(limit_s)
            except subprocess.TimeoutExpired:
                status = None
                process.send_signal(TELL)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_TELLING_S)
            finally:
                _end(process)
        found = read_report(report)
        error = errors.read_text(encoding="utf-8", errors="replace")[-_ERROR_CHARS:]
    ended = _status(status, found)
    if ended in ("failed", "out of time"):
        print(error, flush=True)
    return Part(
        name=part.name,
        status=ended,
        seconds=round(time.monotonic() - begin, 1),
        limit_s=round(limit_s, 1),
        error=error if ended in ("failed", "out of time") else None,
        **found,
    )


def _status(status: int | None, found: dict[str, list[dict[str, object]]]) -> Status:
    if status is None:
        return "out of time"
    if status != 0 or not all(check["holds"] for check in found.get("checks", [])):
        return "failed"
    nothing = not any(found.get(kind) for kind in ("checks", "figures", "records", "kernels", "hardware"))
    return "skipped" if nothing else "passed"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it has started."""
    with suppress(ProcessLookupError):  # nobody is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _not_begun(part: Planned) -> Part:
    error = "not begun: too little was left of the command's time"
    return Part(name=part.name, status="out of time", seconds=0, limit_s=part.limit_s, error=error)


def _slug(results: GpuResults) -> str:
    """A name for the file: the device's."""
    hardware = results.hardware
    if results.device.startswith("cuda"):
        name = hardware.gpu if hardware is not None and hardware.gpu else "unknown"
    else:
        name = f"{results.device} {hardware.cpu if hardware is not None else 'unknown'}"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
