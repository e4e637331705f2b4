"""The command `saescope` as users start it, and small runs on the demo's language model with a random autoencoder.

Tests give the environment and look at what came out; this file knows no run's files.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from demo.headlines import generate
from sparse_autoencoder.model import Autoencoder, TopK
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore

DEMO_SUBJECT = Path(__file__).parents[2] / "demo" / "subject"
LAYER = 2
COMMAND = (sys.executable, "-m", "services.cli")
TIMEOUT_S = 240.0
# What a command has of the tests' own environment; the last two say which test's lines tests.mutation measures.
KEPT = ("PATH", "LANG", "TMPDIR", "PYTEST_CURRENT_TEST", "COVERAGE_PROCESS_START")
_REPOSITORY = Path(__file__).parents[2]


def write_random_autoencoder(
    path: Path, n_latents: int = 256, n_inputs: int = 128, *, k: int = 8, dead: tuple[int, ...] = ()
) -> Path:
    """Save a TopK autoencoder with seeded random weights, in OpenAI's layout; the `dead` latents never fire."""
    generator = torch.Generator().manual_seed(0)
    autoencoder = Autoencoder(n_latents, n_inputs, TopK(k), normalize=True)
    with torch.no_grad():
        for tensor in (autoencoder.encoder.weight, autoencoder.decoder.weight):
            tensor.normal_(0.0, n_inputs**-0.5, generator=generator)
        autoencoder.latent_bias[list(dead)] = -1e6
    torch.save(autoencoder.state_dict(), path)
    return path


def environment(home: Path, **more: str) -> dict[str, str]:
    """What a command needs to start, with an empty home directory and no settings of this machine."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {"HOME": str(home), "PYTHONPATH": str(_REPOSITORY)} | more


def saescope(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `saescope ARGUMENTS` to its end."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=dict(env), input=stdin, capture_output=True, encoding="utf-8", timeout=TIMEOUT_S
    )


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def small_run(store: DirectoryStore, folder: Path, rows: int = 60) -> str:
    """Do a run over a few headlines, whose source and autoencoder are kept in `folder`; return its name."""
    autoencoder = write_random_autoencoder(folder / "autoencoder.pt", dead=(0,))
    (folder / "headlines.txt").write_text("\n".join(h.title for h in generate(rows, 0)), encoding="utf-8")
    options = RunOptions(
        source=str(folder / "headlines.txt"), subject=str(DEMO_SUBJECT), autoencoder=str(autoencoder), layer=LAYER
    )
    return run(options, store).run_id


def run_flags(autoencoder: Path) -> list[str]:
    """What `saescope` needs for a run on the demo's language model, but for its source."""
    return ["run", "--subject", str(DEMO_SUBJECT), "--layer", str(LAYER), "--autoencoder", str(autoencoder)]


def one_sentence(stderr: str) -> str:
    """The one line that a command says besides what it reads and computes and its progress, without its name."""
    assert "Traceback" not in stderr
    lines = [line for line in stderr.replace("\r", "\n").splitlines() if line.startswith("saescope: ")]
    (line,) = (
        line
        for line in lines
        if not line.startswith(("saescope: computing ", "saescope: on http"))
        and not (line.startswith("saescope: reading ") and line.endswith(")"))
    )
    assert stderr.endswith(f"{line}\n")
    return line.removeprefix("saescope: ")


def run_folders(work: Path) -> list[Path]:
    """The runs of a command that was called in `work`, oldest first."""
    output = work / "analysis_data"
    return sorted(output.iterdir()) if output.exists() else []


def metadata_of(run: Path) -> Any:
    """A run's metadata.json."""
    return json.loads((run / "metadata.json").read_text(encoding="utf-8"))
