"""What is checked once per run, when its first chunk is encoded: runs/first_chunk_checks.py.

Always: the fast way of computing latents against the autoencoder's published formula, on a few tokens. On request: the
places beside the autoencoder's own (neighbouring_places.py), and what the model's predictions lose (cross_entropy.py).
A check that can't be done is told, and doesn't fail the chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from sparse_autoencoder.autoencoders.checkpoints import Checkpoint, at_hand, beside
from sparse_autoencoder.autoencoders.latent_encoder import LatentEncoder
from sparse_autoencoder.autoencoders.openai_checkpoint import load_autoencoder
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.kernels.precision import multiplying
from sparse_autoencoder.model import Autoencoder, TopK
from sparse_autoencoder.pipeline.chunk_encoder import Encoder
from sparse_autoencoder.pipeline.cross_entropy import check_cross_entropy
from sparse_autoencoder.pipeline.neighbouring_places import Family, check_neighbours, sample
from sparse_autoencoder.runs.first_chunk_checks import CrossEntropyCheck, FirstChunkChecks, FormulaCheck, NeighbourCheck
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.subjects.gpt2 import Gpt2
from sparse_autoencoder.subjects.hugging_face_hub import model_files
from sparse_autoencoder.subjects.load_whole_model import load_whole
from sparse_autoencoder.subjects.places import counted_vectors
from sparse_autoencoder.subjects.subject import Subject, load_subject
from sparse_autoencoder.summaries.example_order import token_draws
from sparse_autoencoder.tokens.chunks import Chunk
from sparse_autoencoder.tokens.windows import Windows, cut_windows
from sparse_autoencoder.utils.failure_rule import first_line
from sparse_autoencoder.utils.file_hashes import FileHashes

COMPARED = 32  # tokens for which the formula is computed
# By how much latents may differ, as a share of |x| |w| + |b|, which bounds a pre-activation: some times the precision's
# rounding error, and of float32, in which latents are kept.
TOLERANCE = {"float64": 2e-7, "float32": 1e-5, "tf32": 3e-3, "bfloat16": 1e-2}
Checked = TypeVar("Checked")


@dataclass(frozen=True)
class FirstChunk:
    """Checks the first chunk of a run with these options, with the models that encode it."""

    checkpoint: Checkpoint
    options: RunOptions
    folder: Path  # the subject model's
    files: Mapping[str, str]  # and the SHA-256 of what was loaded from it

    def check(self, encoder: Encoder, chunk: Chunk) -> FirstChunkChecks:
        """Everything that the run's options ask for; what can't be checked is in `problems`.

        The encoder's `moved` is called meanwhile, and what it raises is raised on.
        """
        same = encoder.with_spec(encoder.spec)
        same.moved = _moved(encoder)
        try:
            return self._checks(same, chunk)
        except _StoppedError as stopped:
            raise stopped.error from None

    def _checks(self, encoder: Encoder, chunk: Chunk) -> FirstChunkChecks:
        windows = cut_windows(chunk, encoder.policy)
        problems: list[str] = []

        def tried(what: str, check: Callable[[], Checked]) -> Checked | None:
            try:
                return check()
            except (SaescopeError, OSError, MemoryError, torch.OutOfMemoryError) as error:
                problems.append(f"{what}: {first_line(error)}")
                return None

        neighbours, cross_entropy = None, None
        with multiplying(tf32=encoder.tf32):
            formula = tried("the autoencoder's formula could not be checked", lambda: self._formula(encoder, windows))
            encoder.moved()
            if self.options.check_neighbours:
                what = "the places beside the autoencoder's could not be compared"
                neighbours = tried(what, lambda: self._neighbours(encoder, windows))
                encoder.moved()
            if self.options.check_rows:
                what = "what the model's predictions lose could not be measured"
                cross_entropy = tried(what, lambda: self._cross_entropy(encoder, windows))
                encoder.moved()
        return FirstChunkChecks(formula=formula, neighbours=neighbours, cross_entropy=cross_entropy, problems=problems)

    def _neighbours(self, encoder: Encoder, windows: Windows) -> NeighbourCheck:
        place, policy = (encoder.location, encoder.layer_index), encoder.policy
        block = sample(windows)
        family = [
            Family(address, layer, partial(self._other, encoder, checkpoint))
            for layer, address in beside(self.options.autoencoder, *place).items()
            if (checkpoint := at_hand(address)) is not None
        ]
        last_layer = min(encoder.layer_index + 1, encoder.subject.n_layers - 1)
        return check_neighbours(
            self._subject(encoder, last_layer), encoder.latents, place, block, policy, family, encoder.moved
        )

    def _cross_entropy(self, encoder: Encoder, windows: Windows) -> CrossEntropyCheck:
        rows = np.unique(windows.row_ids)[: self.options.check_rows]
        block = windows.take(np.flatnonzero(np.isin(windows.row_ids, rows)))
        place = encoder.location, encoder.layer_index
        whole = load_whole(encoder.subject, self.folder, self.files, place, tf32=encoder.tf32)
        return check_cross_entropy(whole, encoder.latents, block, encoder.policy, encoder.moved)

    def _other(self, encoder: Encoder, checkpoint: Checkpoint) -> LatentEncoder:
        other = load_autoencoder(checkpoint.path, encoder.latents.width, self.options.activation)
        return LatentEncoder(other.to(device=encoder.subject.device, dtype=encoder.subject.dtype))

    def _subject(self, encoder: Encoder, last_layer: int) -> Subject:
        """The run's model with further layers; SaescopeError if its files have changed."""
        if not isinstance(encoder.subject, Gpt2) or last_layer <= encoder.layer_index:
            return encoder.subject  # it has them
        hashes = FileHashes(model_files(self.folder))
        device, dtype = str(encoder.subject.device), encoder.subject.dtype
        subject = load_subject(self.folder, device=device, dtype=dtype, implementation="gpt2", last_layer=last_layer)
        if hashes.result() != self.files:
            raise SaescopeError(f"the model's files in {self.folder} have changed")
        return subject

    def _formula(self, encoder: Encoder, windows: Windows) -> FormulaCheck:
        plain = load_autoencoder(self.checkpoint.path, activation=self.options.activation)
        found = check_formula(encoder, windows, plain, TOLERANCE[self.options.precision])
        self.checkpoint.state.check()  # the file is still the one that was loaded for the run
        return found


class _StoppedError(BaseException):
    """What `moved` raised: it is no problem of a check, and must not be taken for one."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def _moved(encoder: Encoder) -> Callable[[], None]:
    def moved() -> None:
        try:
            encoder.moved()
        except BaseException as error:
            raise _StoppedError(error) from error

    return moved


@torch.inference_mode()
def check_formula(encoder: Encoder, windows: Windows, plain: Autoencoder, tolerance: float) -> FormulaCheck:
    """Compare the latents that an encoder gives some tokens of these windows with the formula of model.py.

    The tokens are drawn by hash, so they are the same wherever the chunk is encoded. `plain` is the autoencoder on the
    CPU, as its file has it. For `tolerance` see TOLERANCE.
    """
    block = drawn(windows, encoder, COMPARED)
    if not len(block):
        return FormulaCheck(num_tokens=0, num_different=0, problem="there was no token")
    place = encoder.location, encoder.layer_index
    vectors = counted_vectors(encoder.subject, block, [place])[place][:COMPARED]
    dtype = torch.float64 if vectors.dtype == torch.float64 else torch.float32
    latents = _Plain(plain.to(dtype), vectors.cpu().to(dtype), tolerance)
    everything = [
        ("", _dense_of_vectors(encoder, vectors, plain.n_latents).to(dtype)),
        (" in the chunk's activations", _dense_of_block(encoder, block, len(vectors), plain.n_latents).to(dtype)),
    ]
    problems = [latents.problems(found, kept_only=bool(where)) for where, found in everything]
    different = [token for token in range(len(vectors)) if any(token in one for one in problems)]
    told = (
        f"{problem[different[0]]}{where}"
        for (where, _latents), problem in zip(everything, problems, strict=True)
        if different and different[0] in problem
    )
    return FormulaCheck(num_tokens=len(vectors), num_different=len(different), problem=next(told, None))


def drawn(windows: Windows, encoder: Encoder, num_tokens: int) -> Windows:
    """As few windows as have so many counted tokens: those with the smallest draws, in order."""
    counted = windows.counted_lengths
    draws = token_draws(encoder.spec.seed, windows.row_ids, windows.numbers, np.zeros(len(windows), np.int64))
    order = np.argsort(draws, kind="stable")
    order = order[counted[order] > 0]
    needed = int(np.searchsorted(np.cumsum(counted[order]), num_tokens)) + 1
    return windows.take(np.sort(order[:needed]))


def _dense_of_vectors(encoder: Encoder, vectors: Tensor, n_latents: int) -> Tensor:
    """The latents of vectors as the encoder computes them, dense on the CPU; those that aren't positive too."""
    found = encoder.latents.sparse(vectors)
    dense = torch.zeros(len(vectors), n_latents, dtype=torch.float64)
    row = torch.repeat_interleave(torch.arange(len(vectors)), found.counts.cpu())
    dense[row, found.latent.cpu().long()] = found.value.cpu().double()
    return dense


def _dense_of_block(encoder: Encoder, block: Windows, num_tokens: int, n_latents: int) -> Tensor:
    """The activations of the first counted tokens of a block, as a chunk's are computed; dense, on the CPU."""
    found = encoder.activations(block)
    token, feature, value = (torch.as_tensor(part).cpu() for part in (found.token, found.feature, found.value))  # type: ignore[attr-defined]
    numbers = np.zeros(len(block.tokens), np.int64)
    numbers[block.counted_tokens] = np.arange(len(block.counted_tokens))
    number = torch.from_numpy(numbers)[token.long()]
    compared = number < num_tokens
    dense = torch.zeros(num_tokens, n_latents, dtype=torch.float64)
    dense[number[compared], feature[compared].long()] = value[compared].double()
    return dense


class _Plain:
    """The latents of vectors by the formula."""

    def __init__(self, autoencoder: Autoencoder, vectors: Tensor, tolerance: float) -> None:
        own, _info = autoencoder.preprocess(vectors)
        self._before = autoencoder.encode_pre_act(own)
        self._latents = autoencoder.activation(self._before)
        lengths = torch.linalg.vector_norm(own - autoencoder.pre_bias, dim=1)[:, None]
        bounds = lengths * torch.linalg.vector_norm(autoencoder.encoder.weight, dim=1) + autoencoder.latent_bias.abs()
        self._tolerance = tolerance * bounds
        self._either = torch.zeros_like(self._before, dtype=torch.bool)  # latents that rounding may put in or leave out
        activation = autoencoder.activation
        if isinstance(activation, TopK):
            least = torch.topk(self._before, activation.k, dim=1).values[:, -1:]
            self._either = (self._before - least).abs() <= 2 * self._tolerance
            self._selected: Tensor = activation.postact_fn(self._before)
        else:
            self._selected = self._latents

    def problems(self, found: Tensor, *, kept_only: bool) -> dict[int, str]:
        """By token, what is wrong with these latents; with `kept_only`, the ones not above 0 were dropped."""
        expected, selected = self._latents, self._selected
        if kept_only:
            expected, selected = expected.clamp(min=0), selected.clamp(min=0)
        close = (found - expected).abs() <= self._tolerance
        in_or_out = self._either & ((found == 0) | ((found - selected).abs() <= self._tolerance))
        wrong = {}
        for token in torch.nonzero(~(close | in_or_out).all(dim=1)).flatten().tolist():
            latent = int(torch.nonzero(~(close[token] | in_or_out[token]))[0])
            is_now, should = float(found[token, latent]), float(expected[token, latent])
            wrong[token] = f"latent {latent} is {is_now:.4g} and should be {should:.4g}"
        tolerance = self._tolerance
        counts = [(latents.abs() > tolerance).sum(1) for latents in (found, expected)]
        doubtful = [((latents != 0) & (latents.abs() <= 2 * tolerance)).sum(1) for latents in (found, expected)]
        for token in torch.nonzero((counts[0] - counts[1]).abs() > doubtful[0] + doubtful[1]).flatten().tolist():
            wrong.setdefault(token, f"{counts[0][token]} latents are active and {counts[1][token]} should be")
        return wrong
