"""Train the demo's subject model: a byte-level BPE tokenizer, then a small GPT-2 from scratch on generated headlines.

What is written to the folder `demo.SUBJECT` is what Hugging Face's AutoTokenizer and AutoModelForCausalLM load. This
file knows nothing of autoencoders. `demo/train.py` is the command.
"""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from demo.batches import BOS_TOKEN, bos_id, token_batches
from demo.headlines import generate

VOCABULARY = 2000
TOKENIZER_ROWS = 60_000
N_POSITIONS = 128
STEPS = 1500
BATCH_TOKENS = 2048
PEAK_LEARNING_RATE = 3e-3
WARMUP_STEPS = 100
SEED = 1  # of the headlines and of the initial weights


def train_tokenizer() -> Tokenizer:
    """A byte-level BPE tokenizer like GPT-2's, with GPT-2's splitting into words and its one special token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BOS_TOKEN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((headline.title for headline in generate(TOKENIZER_ROWS, SEED)), trainer)
    return tokenizer


def train_model(tokenizer: Tokenizer, steps: int = STEPS) -> GPT2LMHeadModel:
    """A GPT-2 of 4 layers and width 128 that has learned to predict the next token of headlines."""
    torch.manual_seed(SEED)
    bos = bos_id(tokenizer)
    config = GPT2Config(
        vocab_size=tokenizer.get_vocab_size(),
        n_positions=N_POSITIONS,
        n_embd=128,
        n_layer=4,
        n_head=4,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=bos,
        eos_token_id=bos,
    )
    model: GPT2LMHeadModel = GPT2LMHeadModel(config)
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
        lr=PEAK_LEARNING_RATE,
        betas=(0.9, 0.95),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _warmup_then_cosine(step, steps))
    progress = tqdm(islice(token_batches(tokenizer, SEED, BATCH_TOKENS), steps), total=steps, desc="subject model")
    model.train()
    for step, tokens in enumerate(progress):
        loss = next_token_loss(model, tokens)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            progress.set_postfix_str(f"{loss.item():.3f} nats/token")
    return model


def next_token_loss(model: GPT2LMHeadModel, tokens: Tensor) -> Tensor:
    """Mean cross-entropy, in nats, of every token after the first of `tokens` [rows, pos]."""
    logits: Tensor = model(tokens).logits
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def _warmup_then_cosine(step: int, steps: int) -> float:
    if step < WARMUP_STEPS:
        return (step + 1) / WARMUP_STEPS
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - WARMUP_STEPS) / max(1, steps - WARMUP_STEPS)))


def train_subject(folder: Path) -> None:
    """Train tokenizer and model and write them to the folder."""
    tokenizer = train_tokenizer()
    model = train_model(tokenizer)
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=BOS_TOKEN,
        eos_token=BOS_TOKEN,
        unk_token=BOS_TOKEN,
        model_max_length=N_POSITIONS,
    )
    fast.save_pretrained(folder)
    model.save_pretrained(folder, safe_serialization=True)
