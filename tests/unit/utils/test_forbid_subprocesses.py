"""Loading a model starts no program, whatever the libraries below would like to install."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.subjects.subject import load_subject
from sparse_autoencoder.utils.forbid_subprocesses import ProcessRefusedError, no_processes
from tests.support.hf_cache import write_random_gpt2
from tests.support.runs import tiny_tokenizer

MARKER = "started"


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that says what `uv` was started with, which TransformerLens takes to install packages; here it is ours."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program, told = folder / "uv", folder / MARKER
    program.write_text(f'#!/bin/sh\necho "$@" >>"{told}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return told


@pytest.fixture
def with_pictures(tmp_path: Path) -> Path:
    """A tiny LLaVA without its processor."""
    folder = tmp_path / "llava"
    tiny: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration  # takes seconds

    text = LlamaConfig(vocab_size=50, num_key_value_heads=2, max_position_embeddings=32, **tiny)
    vision = CLIPVisionConfig(image_size=8, patch_size=4, projection_dim=16, **tiny)
    made = LlavaConfig(text_config=text, vision_config=vision, image_token_index=49, vision_feature_layer=-1)
    LlavaForConditionalGeneration(made).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text()) | {"vocab_size": 50, "max_position_embeddings": 32}
    (folder / "config.json").write_text(json.dumps(config))
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    return folder


def test_a_model_with_pictures_is_loaded_for_its_texts_and_nothing_is_installed(
    with_pictures: Path, installer: Path
) -> None:
    subject = load_subject(with_pictures)
    assert not installer.exists()
    assert subject.activations(torch.tensor([[1, 2, 3]]), "resid_post_mlp", 1).shape == (1, 3, 16)


def test_a_model_that_cant_be_loaded_without_another_program_is_refused_with_its_command(
    tmp_path: Path, installer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformer_lens.model_bridge import TransformerBridge

    def boot(*_: object, **__: object) -> None:
        subprocess.run(["uv", "pip", "install", "anything"], check=True)

    write_random_gpt2(tmp_path / "model", {"model_type": "gpt2", "vocab_size": 9, "n_positions": 9} | GPT2)
    monkeypatch.setattr(TransformerBridge, "boot_transformers", boot)
    expected = r"TransformerLens can't load the model in .*, of type gpt2: .* `uv pip install anything`.*do it yourself"
    with pytest.raises(SaescopeError, match=expected):
        load_subject(tmp_path / "model", implementation="transformer_lens")
    assert not installer.exists()


GPT2 = {"n_embd": 4, "n_layer": 1, "n_head": 1}
WAYS: dict[str, Callable[[str], object]] = {
    "subprocess": lambda file: subprocess.run(["touch", file], check=True),
    "a shell": lambda file: subprocess.check_output(f"touch {file}", shell=True),
    "system": lambda file: os.system(f"touch {file}"),
    "popen": lambda file: os.popen(f"touch {file}").close(),
    "spawn": lambda file: os.spawnlp(os.P_WAIT, "touch", "touch", file),
    "posix_spawn": lambda file: os.waitpid(os.posix_spawnp("touch", ["touch", file], os.environ), 0),
    "multiprocessing": lambda file: _in_a_fork(Path(file).touch),
}


def _in_a_fork(work: Callable[[], None]) -> None:
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()


@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_starting_a_process_works_in_the_block_and_each_does_after_it(way: str, tmp_path: Path) -> None:
    made = tmp_path / MARKER
    with no_processes(), pytest.raises(ProcessRefusedError):
        WAYS[way](str(made))
    assert not made.exists()
    WAYS[way](str(made))
    assert made.exists()


def test_it_holds_for_threads_that_the_block_starts() -> None:
    caught: list[type[BaseException]] = []

    def work() -> None:
        try:
            subprocess.run(["true"], check=True)
        except OSError as error:
            caught.append(type(error))

    with no_processes():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert caught == [ProcessRefusedError]


def test_it_holds_until_the_last_of_two_blocks_ends() -> None:
    with no_processes():
        with no_processes():
            pass
        with pytest.raises(ProcessRefusedError):
            subprocess.run(["true"], check=True)
    subprocess.run(["true"], check=True)
