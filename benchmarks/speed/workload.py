"""What is measured on: models of GPT-2 small's size with random weights, and how many rows each measurement takes.

Knows sizes and files, not how anything is computed or timed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from demo.headlines import write_csv
from sparse_autoencoder.kernels.precision import dtype_of, multiplying
from sparse_autoencoder.model import Autoencoder
from sparse_autoencoder.runs.run_options import Precision, RunOptions
from sparse_autoencoder.subjects.hugging_face_hub import tokenizer_file
from sparse_autoencoder.subjects.subject import Subject, load_subject
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.tokenizer import RowTokenizer
from tests.support.commands import write_random_autoencoder
from tests.support.gpt2_tokenizer import write_tokenizer
from tests.support.hf_cache import GPT2_SMALL, write_random_gpt2

LOCATION = "resid_post_mlp"
PRECISIONS: Mapping[str, tuple[Precision, ...]] = {
    "cpu": ("float32", "bfloat16"),
    "cuda": ("float32", "tf32", "bfloat16"),
}


@dataclass(frozen=True)
class Target:
    """What a measurement is of; None where it makes no difference."""

    device: str = "cpu"
    precision: Precision | None = None
    latents: int | None = None

    @property
    def dtype(self) -> torch.dtype:
        """What the models' weights are."""
        return dtype_of(self.precision or "float32")


def multiplying_as(target: Target) -> AbstractContextManager[None]:
    """Multiply float32 as the target says: in TF32, or exactly."""
    return multiplying(tf32=target.precision == "tf32")


@dataclass(frozen=True)
class Scale:
    """How large everything is. Rows are chosen so that the whole takes about twenty minutes on two cores."""

    config: Mapping[str, Any]  # of the subject model, as in config.json
    layer: int
    latents: tuple[int, int]
    k: int
    rounds: int  # how often the measurements of the first number of latents are repeated
    large_rounds: int  # and those of the second
    rows: Mapping[tuple[str, str], tuple[int, int]]  # of a run, by (device, precision), for each number of latents
    chunk_rows: Mapping[str, int]  # by device
    warm_up_rows: int
    original_rows: int
    batched_rows: Mapping[str, int]  # by device
    stage_rows: int  # that are read, tokenised, summarised and written
    stage_tokens: Mapping[str, tuple[int, int]]  # that are computed, by device, for each number of latents

    @property
    def d_model(self) -> int:
        """Width of the subject model."""
        return int(self.config["n_embd"])

    def run_rows(self, target: Target) -> int:
        """How many rows a run is over."""
        return self.rows[target.device, str(target.precision)][self._number(target)]

    def computed_tokens(self, target: Target) -> int:
        """About how many tokens a stage is measured on."""
        return self.stage_tokens[target.device][self._number(target)]

    def _number(self, target: Target) -> int:
        return self.latents.index(target.latents) if target.latents is not None else 0


FULL = Scale(
    config=GPT2_SMALL,
    layer=6,
    latents=(32_768, 131_072),
    k=32,
    rounds=3,
    large_rounds=1,
    rows={
        ("cpu", "float32"): (6_000, 1_500),
        ("cpu", "bfloat16"): (12_000, 3_000),
        ("cuda", "float32"): (100_000, 50_000),
        ("cuda", "tf32"): (200_000, 100_000),
        ("cuda", "bfloat16"): (400_000, 200_000),
    },
    chunk_rows={"cpu": 3_000, "cuda": 100_000},
    warm_up_rows=100,
    original_rows=40,
    batched_rows={"cpu": 256, "cuda": 4_096},
    stage_rows=10_000,
    stage_tokens={"cpu": (4_096, 1_024), "cuda": (131_072, 65_536)},
)
QUICK = Scale(
    config=GPT2_SMALL | {"n_embd": 32, "n_layer": 3, "n_head": 2, "n_positions": 64},
    layer=1,
    latents=(256, 512),
    k=8,
    rounds=2,
    large_rounds=1,
    rows={(device, precision): (60, 60) for device, precisions in PRECISIONS.items() for precision in precisions},
    chunk_rows={"cpu": 30, "cuda": 30},
    warm_up_rows=10,
    original_rows=4,
    batched_rows={"cpu": 40, "cuda": 40},
    stage_rows=100,
    stage_tokens={"cpu": (400, 400), "cuda": (400, 400)},
)


class Setting:
    """Models and rows in a folder, written when they are first asked for."""

    def __init__(self, folder: Path, scale: Scale, tokenizer_writer: Callable[[Path], None] = write_tokenizer) -> None:
        self.folder = folder
        self.scale = scale
        self.subject_folder = folder / "subject"
        written = folder / "written"
        if not written.exists():  # by another process
            write_random_gpt2(self.subject_folder, dict(scale.config))
            tokenizer_writer(self.subject_folder)
            written.touch()
        self.tokenizer = RowTokenizer(tokenizer_file(self.subject_folder))
        self.policy = TokenPolicy(scale.config["bos_token_id"])

    def headlines(self, rows: int) -> Path:
        """A CSV file of generated headlines."""
        return _made(self.folder / f"headlines-{rows}.csv", lambda path: write_csv(rows, 0, str(path)))

    def options(self, target: Target, rows: int, chunk_rows: int | None = None) -> RunOptions:
        """A run over headlines on the target."""
        return RunOptions(
            skip_directions=True,  # measured by benchmarks/speed/directions.py
            source=str(self.headlines(rows)),
            subject=str(self.subject_folder),
            autoencoder=str(self._autoencoder_file(target)),
            layer=self.scale.layer,
            location=LOCATION,
            precision=target.precision or "float32",
            device=target.device,
            chunk_size=chunk_rows or self.scale.chunk_rows[target.device],
        )

    def subject(self, target: Target) -> Subject:
        """The subject model up to the hooked layer, on our own code."""
        return load_subject(self.subject_folder, device=target.device, dtype=target.dtype, last_layer=self.scale.layer)

    def autoencoder(self, target: Target) -> Autoencoder:
        """The autoencoder, in the target's precision."""
        state = torch.load(self._autoencoder_file(target), weights_only=True)
        return Autoencoder.from_state_dict(state).to(device=target.device, dtype=target.dtype)

    def _autoencoder_file(self, target: Target) -> Path:
        assert target.latents is not None
        latents, width, k = target.latents, self.scale.d_model, self.scale.k
        path = self.folder / f"autoencoder-{latents}.pt"
        return _made(path, lambda path: write_random_autoencoder(path, latents, width, k=k))


def _made(path: Path, write: Callable[[Path], object]) -> Path:
    """The file, which is written if it isn't there; whole, should the process be killed meanwhile."""
    if not path.exists():
        part = path.with_name(f"part-{path.name}")
        write(part)
        part.replace(path)
    return path
