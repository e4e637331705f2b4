"""GPT-2 small in its full size, as a user who ran it before has it: in the Hugging Face cache, with no network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from sparse_autoencoder.subjects.hugging_face_hub import model_folder, read_config, tokenizer_file
from sparse_autoencoder.subjects.subject import load_subject
from tests.support.gpt2_tokenizer import gpt2_tokenizer

TEXTS = ["Shares of Apple jumped 3.5% after the upgrade", "Here's why Ørsted — Denmark's utility — fell on Monday 💥"]


@pytest.fixture
def gpt2(gpt2_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(gpt2_cache))
    return model_folder("gpt2")


def test_gpt2_is_found_offline_through_the_environments_cache(gpt2_cache: Path, gpt2: Path) -> None:
    program = "from sparse_autoencoder.subjects.hugging_face_hub import model_folder; print(model_folder('gpt2'))"
    environment = os.environ | {"HF_HUB_CACHE": str(gpt2_cache), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(gpt2)
    assert gpt2_cache in gpt2.parents


def test_layer_6_equals_hugging_faces_hidden_states_7(gpt2: Path) -> None:
    tokenizer = Tokenizer.from_file(str(tokenizer_file(gpt2)))
    bos = read_config(gpt2)["bos_token_id"]
    ids = [[bos, *tokenizer.encode(text).ids] for text in TEXTS]
    length = min(map(len, ids))
    tokens = torch.tensor([window[:length] for window in ids])
    from transformers import GPT2LMHeadModel  # takes seconds

    model = GPT2LMHeadModel.from_pretrained(gpt2)
    with torch.inference_mode():
        expected = model.transformer(tokens, output_hidden_states=True).hidden_states[7]
    subject = load_subject(gpt2, last_layer=6)
    found = subject.activations(tokens, "resid_post_mlp", 6)
    assert (subject.n_layers, subject.vocab_size, subject.max_positions) == (12, 50257, 1024)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_tokenizer_is_gpt2s_also_for_transformers(gpt2: Path) -> None:
    from transformers import AutoTokenizer  # takes seconds

    tokenizer = AutoTokenizer.from_pretrained(gpt2)
    assert len(tokenizer) == 50257
    assert tokenizer("Hello world")["input_ids"] == [15496, 995]
    assert tokenizer.bos_token_id == 50256
    for text in TEXTS:
        assert tokenizer(text)["input_ids"] == gpt2_tokenizer().encode(text).ids
        assert gpt2_tokenizer().decode(gpt2_tokenizer().encode(text).ids) == text
