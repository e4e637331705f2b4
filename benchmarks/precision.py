"""What does a precision cost in agreement: how near do float32, TF32 and bfloat16 come to float64?

    python -m benchmarks.precision [--quick] [--results FOLDER]

Encodes the same rows in each precision with the library's own encoder and summaries: the demo's models and headlines,
and models of GPT-2 small's size with random weights. On this machine's CPU; TF32, which CPUs don't have, is emulated.
Takes about three minutes on two cores. Writes benchmarks/results/precision.json and the table in docs/performance.md.
--quick tries the benchmark itself on tiny models and few rows; its figures are kept only with --results.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import demo
from benchmarks import performance_table, precision_table
from benchmarks.agreement import Encoded, PrecisionResults, Sample, compare, window_keys
from benchmarks.results import FOLDER, PRECISION_FILE, Hardware
from benchmarks.setting import FULL, QUICK, Scale, Setting, Target
from benchmarks.tf32 import emulated
from services.cli import DEMO_ROWS
from sparse_autoencoder.autoencoders.checkpoints import load_autoencoder
from sparse_autoencoder.pipeline.chunk_result import FEATURES_PER_ROW
from sparse_autoencoder.pipeline.encoder import Encoder
from sparse_autoencoder.pipeline.loading import load_models, load_tokens, open_rows
from sparse_autoencoder.runs.options import Precision, RunOptions
from sparse_autoencoder.summaries.blocks import Activations
from sparse_autoencoder.summaries.numpy_blocks import SparseActivations
from sparse_autoencoder.summaries.summary import SummarySpec
from sparse_autoencoder.summaries.torch_blocks import DeviceActivations
from sparse_autoencoder.tokens.chunks import Chunk, tokenise
from sparse_autoencoder.tokens.windows import Windows

REFERENCE: Precision = "float64"
COMPARED: tuple[Precision, ...] = ("float32", "tf32", "bfloat16")
RANDOM_ROWS = 1_500
QUICK_ROWS = 60


class RecordingEncoder(Encoder):
    """An encoder that keeps the activations it finds."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.found: list[tuple[Windows, SparseActivations]] = []

    def activations(self, block: Windows) -> Activations:
        """See Encoder.activations."""
        found = super().activations(block)
        self.found.append((block, _on_host(found)))
        return found


def _on_host(found: Activations) -> SparseActivations:
    if isinstance(found, DeviceActivations):
        return SparseActivations(*(part.cpu().numpy() for part in (found.token, found.feature, found.value)))
    assert isinstance(found, SparseActivations)
    return found


def encode(options: RunOptions, chunk: Chunk, precision: Precision) -> Encoded:
    """Load the models in a precision and encode the chunk; a CPU emulates TF32."""
    print(f"  {precision}", flush=True)
    emulates = precision == "tf32" and options.device == "cpu"
    options = options.model_copy(update={"precision": "float32" if emulates else precision})
    with emulated() if emulates else nullcontext():
        models = load_models(options)
        encoder = RecordingEncoder(
            models.subject,
            load_autoencoder(models.checkpoint),
            location=options.location,
            layer_index=options.layer,
            policy=models.policy,
            spec=SummarySpec(models.num_features, options.top_tokens_per_feature, options.seed),
            tf32=options.precision == "tf32",
        )
        summary = encoder.encode(chunk, FEATURES_PER_ROW).summary
    blocks = [found for _windows, found in encoder.found]
    ends = np.cumsum([len(windows.tokens) for windows, _found in encoder.found])
    starts = [0, *ends[:-1].tolist()]
    return Encoded(
        token=np.concatenate([found.token + start for found, start in zip(blocks, starts, strict=True)]),
        feature=np.concatenate([found.feature for found in blocks]),
        value=np.concatenate([found.value for found in blocks]),
        window=np.concatenate([window_keys(windows.row_ids, windows.numbers) for windows, _found in encoder.found]),
        begin=np.concatenate(
            [windows.starts[:-1] + start for (windows, _found), start in zip(encoder.found, starts, strict=True)]
        ),
        summary=summary,
    )


def measure(name: str, options: RunOptions) -> Sample:
    """Encode the options' rows in all precisions."""
    print(name, flush=True)
    tokens = load_tokens(options)
    with open_rows(options) as source:
        chunk = tokenise(0, list(source), tokens.tokenizer, tokens.policy)
    reference = encode(options, chunk, REFERENCE)
    summary = reference.summary
    windows = np.bincount(summary.top.feature)
    return Sample(
        name=name,
        rows=len(chunk.row_ids),
        tokens=summary.num_tokens,
        latents=summary.spec.n_features,
        active_latents=len(reference.value) / summary.num_tokens,
        features=int((summary.count > 0).sum()),
        full_lists=int((windows == summary.spec.examples_per_feature).sum()),
        agreements=[
            compare(precision, reference, encode(options, chunk, precision), emulated=precision == "tf32")
            for precision in COMPARED
        ],
    )


def samples(folder: Path, scale: Scale) -> list[Sample]:
    """The demo's models and rows, and full-size random weights."""
    setting = Setting(folder, scale)
    quick = scale is QUICK
    target = Target("cpu", REFERENCE, scale.latents[0])
    random = setting.options(target, QUICK_ROWS if quick else RANDOM_ROWS)
    trained = RunOptions(
        source=str(setting.headlines(QUICK_ROWS if quick else DEMO_ROWS)),
        subject=str(demo.SUBJECT),
        autoencoder=str(demo.AUTOENCODER),
        layer=demo.LAYER,
        location=demo.LOCATION,
        device="cpu",
    )
    return [
        measure("The demo's models", trained),
        measure("Tiny random models" if quick else "GPT-2 small's size, random weights", random),
    ]


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny models and few rows, to try the benchmark")
    parser.add_argument("--results", type=Path, help="folder for the results (default: benchmarks/results)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = samples(Path(folder), QUICK if args.quick else FULL)
    results = PrecisionResults(
        command=" ".join(["python -m benchmarks.precision", *sys.argv[1:]]),
        measured_on=f"{datetime.now(UTC):%Y-%m-%d}",
        hardware=Hardware.here(),
        samples=found,
    )
    target = args.results or (None if args.quick else FOLDER)
    if target is not None:
        results.write(target / PRECISION_FILE)
    if target == FOLDER:
        performance_table.write()
    print(precision_table.section(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
