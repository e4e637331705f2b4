"""How fast is everything after the SAE's top-k: summarising blocks, rows' strongest features, and merging?

    python -m benchmarks.summaries.summary_speed

Chunks of windows of 16 tokens with 32 of 32,768 features active at each token; feature frequencies are skewed as in
real autoencoders. Prints tokens/s of wall time and of processor time, after a first chunk that warms up.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from sparse_autoencoder.runs.rows_file_format import FEATURES_PER_ROW
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.summaries.summarise_in_background import summarise_blocks
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.summaries.summariser_interface import BLOCK_TOKENS
from sparse_autoencoder.summaries.text_sums import RowTexts
from sparse_autoencoder.tokens.token_policy import TokenPolicy
from sparse_autoencoder.tokens.windows import Windows, windows_of
from sparse_autoencoder.utils.numpy_array_ops import starts_of

BLOCKS_PER_CHUNK = 3
TOKENS_PER_ROW = 16
K = 32


def make_block(random: np.random.Generator, number: int, n_features: int) -> tuple[Windows, SparseActivations]:
    """A block of windows with random tokens and activations."""
    n_rows = BLOCK_TOKENS // TOKENS_PER_ROW
    policy = TokenPolicy(bos_token_id=0, bos="none")
    tokens = random.integers(0, 50257, BLOCK_TOKENS).astype(np.int32)
    starts = np.arange(0, BLOCK_TOKENS + 1, TOKENS_PER_ROW, dtype=np.int64)
    windows = windows_of(np.arange(number * n_rows, (number + 1) * n_rows), tokens, starts, policy)
    # a power of a uniform number: few features fire often, most rarely; doubles at a token are moved apart
    drawn = np.sort(n_features * random.random((BLOCK_TOKENS, K)) ** 2.5, axis=1).astype(np.int32)
    features = ((drawn + np.arange(K)) % n_features).astype(np.int32)
    values = random.gamma(2.0, 2.0, (BLOCK_TOKENS, K)).astype(np.float32)
    token = np.repeat(np.arange(BLOCK_TOKENS, dtype=np.int32), K)
    return windows, SparseActivations(token, features.ravel(), values.ravel())


def joined(parts: list[Windows]) -> Windows:
    """The windows of several blocks as one."""
    flat = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("row_ids", "numbers", "tokens")}
    starts = starts_of(np.concatenate([part.lengths for part in parts]))
    return Windows(**flat, starts=starts, token_hashes=np.concatenate([part.token_hashes for part in parts]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=32_768)
    parser.add_argument("--chunks", type=int, default=6)
    args = parser.parse_args()
    spec = SummarySpec(args.features, examples_per_feature=20, seed=0)
    random = np.random.default_rng(0)
    run = Summary.empty(spec)
    wall = processor = tokens = 0.0
    for chunk in range(args.chunks + 1):
        first = chunk * BLOCKS_PER_CHUNK
        blocks = [make_block(random, number, args.features) for number in range(first, first + BLOCKS_PER_CHUNK)]
        rows = RowTexts.all_different(joined([windows for windows, _activations in blocks]))
        wall_begin, processor_begin = time.perf_counter(), time.process_time()
        summary, _rows = summarise_blocks(blocks, rows, spec, per_row=FEATURES_PER_ROW)
        run = run.merge(summary)
        if chunk:  # the first warms up
            wall += time.perf_counter() - wall_begin
            processor += time.process_time() - processor_begin
            tokens += BLOCKS_PER_CHUNK * BLOCK_TOKENS
    print(
        f"{args.features:,} features, k = {K}, {tokens:,.0f} tokens, summary and merge: {tokens / wall:,.0f} tokens/s "
        f"({1e6 * processor / tokens:.1f} us of processor time per token, {processor / wall:.2f} cores busy)"
    )


if __name__ == "__main__":
    main()
