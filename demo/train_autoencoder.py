"""Train the demo's TopK autoencoder on the subject model's residual stream, as OpenAI trained its own.

From "Scaling and evaluating sparse autoencoders" (Gao et al., 2024, arXiv:2406.04093): inputs normalised, `pre_bias`
starting at the geometric median of a sample, decoder starting as the encoder's transpose with columns of unit norm, the
gradient's part parallel to a column projected out, the residual error predicted from dead latents as an auxiliary loss,
Adam. The BOS position is left out. This file reads a trained subject model and writes a state dict; `demo/train.py` is
the command.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from tqdm import tqdm
from transformers import GPT2LMHeadModel

from demo import LAYER
from demo.batches import token_batches
from sparse_autoencoder.model import Autoencoder
from sparse_autoencoder.training.decoder_norm import normalise_decoder, project_out_parallel_gradient
from sparse_autoencoder.training.initialisation import initialised
from sparse_autoencoder.training.losses import AuxK, topk_loss

N_LATENTS = 2048
K = 4  # few, as this world is small: with 8 or 16, concepts are spread over many features
STEPS = 1500
BATCH_TOKENS = 2048
POOL_BATCHES = 48  # batches of activations that are shuffled together
LEARNING_RATE = 1e-3
AUXK = AuxK(8)  # with 32, the auxiliary loss outweighed the rest and left more latents dead
DEAD_AFTER_TOKENS = 200_000
STATISTICS_TOKENS = 500_000
SEED = 2  # of the headlines and of the initial weights; the subject model was trained with another


class Subject:
    """The subject model up to the layer that the autoencoder reads."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.model = GPT2LMHeadModel.from_pretrained(folder)
        self.model.requires_grad_(False)
        self.width = int(self.model.config.n_embd)
        # blocks after the hooked one would be computed for nothing
        self.model.transformer.h = self.model.transformer.h[: LAYER + 1]
        self.model.transformer.ln_f = torch.nn.Identity()  # type: ignore[assignment]

    @torch.no_grad()
    def activations(self, tokens: Tensor) -> Tensor:
        """Residual stream after block `LAYER`, [rows * (pos - 1), width]: of all tokens [rows, pos] but BOS."""
        hidden: Tensor = self.model.transformer(tokens).last_hidden_state
        return hidden[:, 1:].flatten(0, 1)

    def stream(self, seed: int) -> Iterator[Tensor]:
        """Endless shuffled activations, [BATCH_TOKENS, width] at a time."""
        generator = torch.Generator().manual_seed(seed)
        source = token_batches(self.tokenizer, seed, BATCH_TOKENS)
        while True:
            pool = torch.cat([self.activations(next(source)) for _ in range(POOL_BATCHES)])
            pool = pool[torch.randperm(len(pool), generator=generator)]
            yield from (batch for batch in torch.split(pool, BATCH_TOKENS) if len(batch) == BATCH_TOKENS)


def train(subject: Subject, steps: int = STEPS) -> Autoencoder:
    """An autoencoder trained on `steps` batches of fresh headlines' activations."""
    batches = subject.stream(SEED)
    autoencoder = initialised(torch.cat([next(batches) for _ in range(4)]), N_LATENTS, K, SEED)
    optimizer = torch.optim.Adam(autoencoder.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.999), eps=6.25e-10)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, 5 * (1 - step / steps)))
    silent_tokens = torch.zeros(N_LATENTS)  # how many tokens each latent has not been active for
    progress = tqdm(islice(batches, steps), total=steps, desc="autoencoder")
    for step, x in enumerate(progress):
        loss = topk_loss(autoencoder, x, silent_tokens > DEAD_AFTER_TOKENS, AUXK)
        optimizer.zero_grad()
        loss.total.backward()  # type: ignore[no-untyped-call]
        project_out_parallel_gradient(autoencoder)
        optimizer.step()
        normalise_decoder(autoencoder)
        schedule.step()
        silent_tokens = torch.where(loss.active, 0, silent_tokens + len(x))
        if step % 50 == 0:
            dead = int((silent_tokens > DEAD_AFTER_TOKENS).sum())
            progress.set_postfix_str(f"FVU {loss.fvu.item():.4f}, {dead} dead")
    autoencoder.stats_last_nonzero.copy_(silent_tokens)
    return autoencoder


@torch.no_grad()
def fill_statistics(autoencoder: Autoencoder, batches: Iterator[Tensor]) -> None:
    """Measure how often each latent is active and its mean square, over `STATISTICS_TOKENS` tokens."""
    counts = torch.zeros(N_LATENTS, dtype=torch.float64)
    squares = torch.zeros(N_LATENTS, dtype=torch.float64)
    tokens = 0
    for x in islice(batches, math.ceil(STATISTICS_TOKENS / BATCH_TOKENS)):
        latents, _ = autoencoder.encode(x)
        counts += (latents > 0).sum(dim=0)
        squares += latents.double().square().sum(dim=0)
        tokens += len(x)
    autoencoder.latents_activation_frequency.copy_(counts / tokens)
    autoencoder.latents_mean_square.copy_(squares / tokens)


def train_autoencoder(subject_folder: Path, file: Path) -> None:
    """Train an autoencoder for the subject model in the folder and write its state dict to the file."""
    subject = Subject(subject_folder)
    autoencoder = train(subject)
    fill_statistics(autoencoder, subject.stream(SEED + 1))
    torch.save(autoencoder.state_dict(), file)
