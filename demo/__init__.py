"""The demo: a small world of generated headlines, with a language model and an autoencoder trained on it.

This file knows where the committed files are and which point of the model the autoencoder reads. It imports nothing
heavy and generates nothing.
"""

from __future__ import annotations

from pathlib import Path

SUBJECT = Path(__file__).parent / "subject"  # a Hugging Face folder: GPT-2 architecture with its own tokenizer
AUTOENCODER = Path(__file__).parent / "autoencoder.pt"  # a state dict as OpenAI's TopK family has it
LAYER = 1  # the autoencoder reads the residual stream after this block, counted from 0
LOCATION = "resid_post_mlp"
