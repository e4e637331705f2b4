"""How much of a device's memory the models, a block and its summary take, for sparse and for dense autoencoders."""

from __future__ import annotations

import gc

import torch
from torch import Tensor

from benchmarks.gpu.part_settings import Situation
from benchmarks.speed.headline_rows import read_records, windows_of_rows
from benchmarks.speed.stages import equal_batches
from benchmarks.speed.workload import LOCATION, Target
from sparse_autoencoder.model import Autoencoder
from sparse_autoencoder.pipeline.chunk_encoder import BLOCK_ACTIVATIONS, Encoder
from sparse_autoencoder.runs.rows_file_format import FEATURES_PER_ROW
from sparse_autoencoder.runs.run_options import Precision
from sparse_autoencoder.subjects.subject import Subject
from sparse_autoencoder.summaries.feature_summary import SummarySpec
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.tokens.windows import Windows, cut_windows

_DENSE = 300  # latents active at a token, about
_SOME = 256  # vectors, from which follows what bias makes so many active
_ROWS, _QUICK_ROWS = 90_000, 100


def memory(situation: Situation) -> None:
    """Encode one chunk in each way."""
    if not situation.has_gpu:
        situation.report.skip("how much memory is taken", "needs CUDA's allocator")
    rows = _QUICK_ROWS if situation.quick or not situation.has_gpu else _ROWS
    chunk, _windows = windows_of_rows(
        read_records(situation.setting.headlines(rows)), situation.setting.tokenizer, situation.setting.policy
    )
    for precision in ("bfloat16", "float32"):
        _encode(situation, chunk, precision, dense=False)
    _encode(situation, chunk, "bfloat16", dense=True)


def _encode(situation: Situation, chunk: Chunk, precision: Precision, *, dense: bool) -> None:
    setting = situation.setting
    kind = f"{precision}, {'about 300 active' if dense else 'top-k'}"
    target = Target(situation.device, precision, situation.scale.latents[0])
    subject, autoencoder = setting.subject(target), setting.autoencoder(target)
    windows = cut_windows(chunk, setting.policy)
    if dense:
        autoencoder = _dense(autoencoder, _some_vectors(situation, subject, windows))
    encoder = Encoder(
        subject,
        autoencoder,
        location=LOCATION,
        layer_index=situation.scale.layer,
        policy=setting.policy,
        spec=SummarySpec(autoencoder.n_latents, examples_per_feature=20, seed=0),
    )
    _note(situation, f"{kind}: models")
    sizes = [(len(block.tokens), len(found)) for block, found in encoder.blocks(windows)]
    _note(situation, f"{kind}: computing, at most")
    found = sum(number for _tokens, number in sizes)
    situation.report.check(
        f"{kind}: no block has more than {BLOCK_ACTIVATIONS:,} activations",
        max(number for _tokens, number in sizes) <= BLOCK_ACTIVATIONS,
        ", ".join(f"{number:,} in {tokens:,} tokens" for tokens, number in sizes),
    )
    summary = encoder.encode(chunk, FEATURES_PER_ROW).summary
    _note(situation, f"{kind}: a whole chunk, at most")
    situation.report.check(f"{kind}: all are summarised", int(summary.count.sum()) == found, f"{found:,}")
    situation.report.figure(f"{kind}: active at a token", found / summary.num_tokens, "latents")
    del encoder, subject, autoencoder
    gc.collect()


def _note(situation: Situation, what: str) -> None:
    """Report the most memory since the last time."""
    if situation.has_gpu:
        situation.report.figure(what, torch.cuda.max_memory_allocated() / 2**30, "GiB")
        torch.cuda.reset_peak_memory_stats()


@torch.inference_mode()
def _some_vectors(situation: Situation, subject: Subject, windows: Windows) -> Tensor:
    """What the model gives for some of the windows, [vectors, width]."""
    some = equal_batches(windows.run(0, min(_SOME, len(windows))), subject)
    hidden = [subject.activations(batch, LOCATION, situation.scale.layer) for batch in some]
    return torch.cat([vectors[:, 1:].flatten(0, 1) for vectors in hidden])[:_SOME]


@torch.inference_mode()
def _dense(autoencoder: Autoencoder, vectors: Tensor) -> Autoencoder:
    """A ReLU autoencoder with the same weights, of whose latents about so many are active at these vectors."""
    state = {name: value for name, value in autoencoder.state_dict().items() if not name.startswith("activation")}
    made = Autoencoder.from_state_dict(state | {"activation": "ReLU"}).requires_grad_(False)
    pre_activations = made.encode_pre_act(vectors).float().flatten()
    active = int(min(_DENSE / made.n_latents, 0.5) * len(pre_activations))
    made.latent_bias.fill_(-float(pre_activations.topk(active).values[-1]))
    return made
