"""What the command for a GPU found, part by part, as a JSON file; and the lines by which a part reports it.

Every part is a process of its own. It appends a line of JSON for whatever it finds as soon as it has it, so that what
was found before it failed or was killed is kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from benchmarks.report.measurement_records import Hardware, Record

Status = Literal["passed", "failed", "out of time", "skipped"]
_STRICT = ConfigDict(frozen=True, extra="forbid")


class Check(BaseModel):
    """Something that must hold, and whether it does."""

    model_config = _STRICT

    what: str
    holds: bool
    detail: str = ""


class Figure(BaseModel):
    """A number that was measured."""

    model_config = _STRICT

    what: str
    value: float
    unit: str


class Kernel(BaseModel):
    """What a device, or the host, spent its time on in one part of the work."""

    model_config = _STRICT

    work: str
    on_device: bool
    name: str
    calls: int
    ms: float  # its own, without what it calls


class Part(BaseModel):
    """What one part of the command found, and how it ended."""

    model_config = _STRICT

    name: str
    status: Status
    seconds: float
    limit_s: float
    skipped: list[str] = []  # what could not be done here, and why
    checks: list[Check] = []
    figures: list[Figure] = []
    records: list[Record] = []
    kernels: list[Kernel] = []
    hardware: Hardware | None = None
    versions: dict[str, str] = {}
    error: str | None = None  # the end of what it wrote to standard error, if it did not end well


class GpuResults(BaseModel):
    """Everything that one call of the command found."""

    model_config = _STRICT

    command: str
    measured_on: str  # date, UTC
    device: str
    deadline_s: float
    parts: list[Part]

    @property
    def hardware(self) -> Hardware | None:
        """The machine, if a part could say what it is."""
        return next((part.hardware for part in self.parts if part.hardware is not None), None)

    @property
    def records(self) -> list[Record]:
        """The rows of the benchmark."""
        return [record for part in self.parts for record in part.records]

    @property
    def holds(self) -> bool:
        """Whether all that could be tried holds."""
        return all(part.status in ("passed", "skipped") for part in self.parts)

    def write(self, path: Path) -> None:
        """Write the file, whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".part")
        new.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        new.replace(path)


class Report:
    """A part's side: what it has found, line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self, what: str, holds: bool, detail: str = "") -> None:
        """Say whether something holds that must."""
        print(f"  {'holds' if holds else 'DOES NOT HOLD'}: {what}{f' ({detail})' if detail else ''}", flush=True)
        self._add("checks", Check(what=what, holds=holds, detail=detail).model_dump())

    def figure(self, what: str, value: float, unit: str) -> None:
        """Say what was measured."""
        print(f"  {what}: {value:,.4g} {unit}", flush=True)
        self._add("figures", Figure(what=what, value=value, unit=unit).model_dump())

    def record(self, record: Record) -> None:
        """Give a row of the benchmark; a later one of its name and kind replaces it."""
        self._add("records", record.model_dump())

    def kernel(self, kernel: Kernel) -> None:
        """Give a line of a profile."""
        self._add("kernels", kernel.model_dump())

    def skip(self, what: str, why: str) -> None:
        """Say that something can't be done here."""
        print(f"  skipped: {what}, {why}", flush=True)
        self._add("skipped", f"{what}: {why}")

    def machine(self, hardware: Hardware, versions: dict[str, str]) -> None:
        """Say what it is done on."""
        self._add("hardware", hardware.model_dump())
        self._add("versions", versions)

    def _add(self, kind: str, content: Any) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([kind, content]) + "\n")


def read_report(path: Path) -> dict[str, Any]:
    """The fields of `Part` that a report fills; what was being written when the part was killed is left out."""
    found: dict[str, Any] = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        try:
            kind, content = json.loads(line)
        except ValueError:
            continue
        if kind in ("hardware", "versions"):
            found[kind] = content
        else:
            found.setdefault(kind, []).append(content)
    records = TypeAdapter(list[Record]).validate_python(found.pop("records", []))
    latest = {(record.name, record.device, record.precision, record.latents): record for record in records}
    return found | {"records": list(latest.values())}


def read_results(path: Path) -> GpuResults:
    """A file of results."""
    return GpuResults.model_validate_json(path.read_text(encoding="utf-8"))
