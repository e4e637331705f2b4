"""`python -m benchmarks.speed.directions`: how long logit effects and neighbours take at GPT-2's size, on this machine.

The weights are random: it takes as long as with real ones, unless many directions are equal. A part of the features is
computed and scaled up, as the time is proportional to their number. CPU seconds are those of all cores together.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from sparse_autoencoder.directions.logit_effects import logit_effects
from sparse_autoencoder.directions.neighbours import neighbours
from sparse_autoencoder.subjects.unembedding import Unembedding

WIDTH, VOCABULARY = 768, 50_257
N_LATENTS = (32_768, 131_072)


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=2048, help="how many to compute (default: 2048)")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.empty(shape).normal_(generator=generator).to(args.device)

    unembedding = Unembedding(0.14 * normal(VOCABULARY, WIDTH), 1 + 0.2 * normal(WIDTH), centres=True)
    for n_latents in N_LATENTS:
        directions = normal(n_latents, WIDTH)
        some = directions[: args.features]
        neighbours(some[:128], some[:128])  # starts the threads
        _report(f"logit effects of {n_latents:,}", n_latents, partial(_effects, unembedding), some)
        _report(f"neighbours of {n_latents:,}", n_latents, partial(_neighbours, directions), some)


def _effects(unembedding: Unembedding, x: Tensor) -> None:
    logit_effects(x, unembedding)


def _neighbours(others: Tensor, x: Tensor) -> None:
    neighbours(x, others)


def _report(what: str, n_latents: int, work: Callable[[Tensor], None], x: Tensor) -> None:
    fixed, computed = _seconds(work, x[:128]), len(x)
    seconds = [
        a + (b - a) * (n_latents - 128) / (computed - 128) for a, b in zip(fixed, _seconds(work, x), strict=True)
    ]
    print(f"{what}: {seconds[0]:,.0f} s, {seconds[1]:,.0f} CPU s; of these {fixed[0]:.1f} s for any number")


def _seconds(work: Callable[[Tensor], None], x: Tensor) -> tuple[float, float]:
    begin, cpu = time.perf_counter(), time.process_time()
    work(x)
    return time.perf_counter() - begin, time.process_time() - cpu


if __name__ == "__main__":
    main()
