"""How long do the effects of a feature in 20 examples take, and how fast is steered text generated?

    python -m benchmarks.models.effects_speed [--folder FOLDER] [--precision bfloat16] [--device cuda] [--quick]

GPT-2 small to its end, hooked after layer 6, and an autoencoder with 32,768 latents, all with random weights, after
loading. The windows are random tokens, the boxed ones anywhere in them; the examples are computed from the first to
the last, as for a feature's page. The models are kept in FOLDER, if one is named. --quick tries the benchmark itself on
tiny models; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.speed.workload import FULL, LOCATION, PRECISIONS, QUICK, Setting, Target
from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.effects.ablation import Ablated, feature_effects
from sparse_autoencoder.effects.steering import Prompt, Sampling, Steering, TokenNames, steered_and_plain
from sparse_autoencoder.pipeline.load_inputs import load_models
from sparse_autoencoder.runs.run_options import Precision
from sparse_autoencoder.subjects.load_whole_model import load_whole
from sparse_autoencoder.subjects.whole_model import WholeModel

EXAMPLES = 20
WINDOW_TOKENS = (64, 16)
FIRST_S, ALL_S = 2.0, 15.0  # the goals, on two cores
NEW_TOKENS = 40


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the models are written, and kept for the next time")
    parser.add_argument("--precision", default="float32", choices=PRECISIONS["cuda"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="tiny models")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        measure(Setting(folder, QUICK if args.quick else FULL), args.device, args.precision)


def measure(setting: Setting, device: str, precision: Precision) -> None:
    """Print a line for each length of windows, and one for generation."""
    target = Target(device, precision, setting.scale.latents[0])
    options = setting.options(target, rows=1)
    begin = time.perf_counter()
    models = load_models(options)
    place = (LOCATION, setting.scale.layer)
    whole = load_whole(models.subject, models.folder, models.files, place, tf32=precision == "tf32")
    print(f"loading: {time.perf_counter() - begin:.1f} s")
    latents = models.any_encoder.latents
    for length in WINDOW_TOKENS:
        first, total, cpu = seconds_of(whole, latents, windows_of(length, whole.vocab_size))
        met = "met" if first <= FIRST_S and total <= ALL_S else "MISSED"
        print(
            f"{EXAMPLES} examples of {length} tokens: the first after {first:.2f} s, all after {total:.2f} s, "
            f"{cpu:.2f} CPU s (goal: {FIRST_S:.0f} s and {ALL_S:.0f} s: {met})"
        )
    prompt = Prompt(windows_of(16, whole.vocab_size)[0].token_ids, 1)
    names = TokenNames([b"a"] * whole.vocab_size)
    begin = time.perf_counter()
    for _ in steered_and_plain(whole, latents, Steering(0, "add", 1.0), prompt, Sampling(NEW_TOKENS), names):
        pass
    seconds = time.perf_counter() - begin
    print(f"steered text beside the plain one: {NEW_TOKENS} tokens of each in {seconds:.2f} s")


def windows_of(length: int, vocab_size: int) -> list[Ablated]:
    """Examples of random tokens, the last of which can be any but BOS."""
    random = np.random.default_rng(0)
    tokens = random.integers(0, vocab_size, (EXAMPLES, length)).tolist()
    boxed = random.integers(1, length - 1, EXAMPLES).tolist()
    return [Ablated(row, 0, tuple(window), idx) for row, (window, idx) in enumerate(zip(tokens, boxed, strict=True))]


def seconds_of(whole: WholeModel, latents: LatentEncoder, examples: Sequence[Ablated]) -> tuple[float, float, float]:
    """Seconds to the first example's effects and to all, and the processor's seconds for all, of all cores together."""
    run = whole.run([list(examples[0].token_ids)])
    feature = int(latents.sparse(run.vectors[examples[0].idx : examples[0].idx + 1]).latent[0])
    if whole.device.type == "cuda":
        torch.cuda.synchronize()
    begin, cpu, times = time.perf_counter(), time.process_time(), list[float]()
    for _ in feature_effects(whole, latents, feature, examples, lambda ids: [str(token) for token in ids]):
        times.append(time.perf_counter() - begin)
    return times[0], times[-1], time.process_time() - cpu


if __name__ == "__main__":
    main()
