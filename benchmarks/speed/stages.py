"""The stages of a run, each alone: read, tokenise, cut windows, subject model, SAE, top-k, summary, merge, write.

The library's own calls on the rows of the benchmark. In a run some of them overlap, so their times don't add up to a
run's. What is summarised is drawn at random, with frequencies as skewed as real features'.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.report.measurement_records import Record
from benchmarks.speed.alternating_repeats import Case, alternate
from benchmarks.speed.device_timing import timed
from benchmarks.speed.gemm_rate import Roofline
from benchmarks.speed.headline_rows import Work, distinct_rows, read_records, windows_of_rows
from benchmarks.speed.workload import LOCATION, PRECISIONS, Setting, Target, multiplying_as
from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.kernels.any_device_top_k import top_k
from sparse_autoencoder.kernels.tiled_matmul import row_tiles
from sparse_autoencoder.pipeline.chunk_encoder import Encoder, batch_tokens
from sparse_autoencoder.runs.rows_file_format import FEATURES_PER_ROW, to_parquet
from sparse_autoencoder.runs.store import DirectoryStore
from sparse_autoencoder.subjects.subject import Subject
from sparse_autoencoder.summaries.feature_summary import Summary, SummarySpec
from sparse_autoencoder.summaries.summarise_in_background import summarise_blocks
from sparse_autoencoder.summaries.summarise_numpy import SparseActivations
from sparse_autoencoder.summaries.summariser_interface import BLOCK_TOKENS, RowFeatures
from sparse_autoencoder.summaries.text_sums import RowTexts
from sparse_autoencoder.tokens.chunks import tokenise
from sparse_autoencoder.tokens.windows import Windows, cut_windows

_SKEW = 2.5  # feature numbers are a uniform number to this power: few fire often, most rarely


def measure_stages(setting: Setting, device: str, roofline: Roofline) -> list[Record]:
    """All stages on one device, in turns; those that every device leaves to the CPU are measured with the CPU."""
    with tempfile.TemporaryDirectory() as folder:
        cases = _cpu_cases(setting, Path(folder)) if device == "cpu" else []
        for precision in PRECISIONS[device]:
            cases += computing_cases(setting, Target(device, precision))
        alternate(cases, setting.scale.rounds, roofline)
    return [case.record(roofline) for case in cases]


def _cpu_cases(setting: Setting, folder: Path) -> list[Case]:
    """What doesn't depend on precision or device."""
    path = setting.headlines(setting.scale.stage_rows)
    records = read_records(path)
    chunk, windows = windows_of_rows(records, setting.tokenizer, setting.policy)
    whole = Work.of(windows, setting.policy)
    work = Work(whole.rows, whole.tokens)
    here = Target()
    cases = [
        _case("read", here, work, lambda: read_records(path)),
        _case("tokenise", here, work, lambda: tokenise(0, records, setting.tokenizer, setting.policy)),
        _case("cut windows", here, work, lambda: cut_windows(chunk, setting.policy)),
    ]
    for latents in setting.scale.latents:
        cases += _summary_cases(setting, Target(latents=latents), folder)
    return cases


def _summary_cases(setting: Setting, target: Target, folder: Path) -> list[Case]:
    """Summarise a chunk, merge it to a run's summary, and write its rows."""
    assert target.latents is not None
    rows = distinct_rows(setting.headlines(setting.scale.stage_rows))
    chunk, windows = windows_of_rows(rows, setting.tokenizer, setting.policy)
    whole = Work.of(windows, setting.policy)
    work = Work(whole.rows, whole.tokens)
    spec = SummarySpec(target.latents, examples_per_feature=20, seed=0)
    first_counted = setting.policy.first_counted
    random = np.random.default_rng(0)

    def drawn(windows: Windows) -> list[tuple[Windows, SparseActivations]]:
        blocks = windows.blocks(BLOCK_TOKENS)
        return [
            (block, draw_activations(random, block, first_counted, spec.n_features, setting.scale.k))
            for block in blocks
        ]

    def summarised(
        windows: Windows, blocks: list[tuple[Windows, SparseActivations]]
    ) -> tuple[Summary, list[RowFeatures]]:
        texts = RowTexts.all_different(windows)
        return summarise_blocks(blocks, texts, spec, per_row=FEATURES_PER_ROW)

    blocks = drawn(windows)
    summary, row_features = summarised(windows, blocks)
    # as many further rows, with other texts
    further = replace(windows, row_ids=windows.row_ids + windows.row_ids[-1] + 1, token_hashes=~windows.token_hashes)
    later, _rows = summarised(further, drawn(further))
    store = DirectoryStore(folder)

    def write() -> None:
        store.put("rows.parquet", to_parquet(chunk, row_features, setting.policy, FEATURES_PER_ROW))

    return [
        _case("summarise", target, work, lambda: summarised(windows, blocks)),
        _case("merge", target, work, lambda: summary.merge(later)),
        _case("write rows", target, work, write),
    ]


def draw_activations(
    random: np.random.Generator, windows: Windows, first_counted: int, n_features: int, k: int
) -> SparseActivations:
    """`k` random features at each counted token."""
    counted = np.ones(len(windows.tokens), bool)
    if first_counted:
        counted[windows.starts[:-1]] = False
    token = np.flatnonzero(counted)
    drawn = np.sort(n_features * random.random((len(token), k)) ** _SKEW, axis=1).astype(np.int32)
    features = ((drawn + np.arange(k)) % n_features).astype(np.int32)  # moved apart where one was drawn twice
    values = random.gamma(2.0, 2.0, (len(token), k)).astype(np.float32)
    return SparseActivations(np.repeat(token, k).astype(np.int32), features.ravel(), values.ravel())


def computing_cases(setting: Setting, target: Target) -> list[Case]:
    """The subject model, the SAE with either number of latents, and both as the encoder runs them."""
    records = distinct_rows(setting.headlines(setting.scale.stage_rows))
    _chunk, windows = windows_of_rows(records, setting.tokenizer, setting.policy, setting.scale.computed_tokens(target))
    subject = setting.subject(target)
    batches = equal_batches(windows, subject)
    work = Work.of(windows, setting.policy)

    def model() -> list[Tensor]:
        return [subject.activations(batch, LOCATION, setting.scale.layer) for batch in batches]

    with multiplying_as(target), torch.inference_mode():
        vectors = torch.cat([hidden[:, setting.policy.first_counted :].flatten(0, 1) for hidden in model()])
    cases = [_case("subject model", target, replace(work, vectors=0), model)]
    for latents in setting.scale.latents:
        cases += _autoencoder_cases(setting, replace(target, latents=latents), vectors)
    largest = replace(target, latents=setting.scale.latents[0])
    encoder = Encoder(
        subject,
        setting.autoencoder(largest),
        location=LOCATION,
        layer_index=setting.scale.layer,
        policy=setting.policy,
        spec=SummarySpec(setting.scale.latents[0], examples_per_feature=20, seed=0),
        tf32=target.precision == "tf32",
    )
    return [*cases, _case("encode (model, SAE, top-k)", largest, work, lambda: encoder.activations(windows))]


def _autoencoder_cases(setting: Setting, target: Target, vectors: Tensor) -> list[Case]:
    """The SAE's multiplication alone, with the top-k (which may then be screened), and the top-k alone."""
    latents = LatentEncoder(setting.autoencoder(target))
    vectors = vectors[: setting.scale.computed_tokens(target)]
    tokens = len(vectors)
    work = Work(rows=0, tokens=tokens, vectors=tokens)

    def multiply() -> None:
        for part in row_tiles(vectors):
            latents.pre_activations(part)

    def multiply_and_select() -> None:
        latents.sparse(vectors)

    with torch.inference_mode():
        tile = latents.pre_activations(row_tiles(vectors)[0])

    def select() -> None:
        for part in row_tiles(vectors):
            top_k(tile[: len(part)], setting.scale.k)

    return [
        _case("SAE matmul", target, work, multiply),
        _case("SAE matmul and top-k", target, work, multiply_and_select),
        _case("top-k", target, replace(work, vectors=0), select),
    ]


def equal_batches(windows: Windows, subject: Subject) -> list[Tensor]:
    """The windows' tokens in batches of equal length, [batch, pos] on the subject's device, as the encoder has them."""
    lengths = windows.lengths
    batches = []
    for length in np.unique(lengths):
        starts = windows.starts[:-1][lengths == length]
        tokens = windows.tokens[starts[:, None] + np.arange(length)].astype(np.int64)
        tokens = tokens[np.lexsort(tokens.T[::-1])]
        size = max(1, batch_tokens(subject.device) // int(length))
        batches += [
            torch.from_numpy(part).to(subject.device) for part in np.split(tokens, range(size, len(tokens), size))
        ]
    return batches


def _case(name: str, target: Target, work: Work, call: Callable[[], object]) -> Case:
    """A case that does a call; it is done once now, to be warm."""

    def measure() -> float:
        with multiplying_as(target), torch.inference_mode():
            return timed(call, target.device)

    measure()
    return Case(name, target, work, measure)
