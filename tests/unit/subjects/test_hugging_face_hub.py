"""Where a model's files are looked for, what is downloaded, and what is said when they can't be had."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.subjects.hugging_face_hub import model_folder, read_config, tokenizer_file, weight_files
from tests.support.hf_cache import cache_entry
from tests.support.hub_server import hub_server

CONFIG: dict[str, Any] = {"model_type": "gpt2", "vocab_size": 50, "n_positions": 12, "bos_token_id": 49}

FIND = """
import sys
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.subjects.hugging_face_hub import model_folder
try:
    print(model_folder(sys.argv[1], weights="--no-weights" not in sys.argv))
except SaescopeError as error:
    print(f"SaescopeError: {error}")
print("torch" in sys.modules)
"""


@pytest.fixture
def silent_address() -> Iterator[str]:
    """An address that accepts connections and never answers, as behind a careless firewall."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def write_files(folder: Path, *names: str) -> Path:
    """A folder with a config and files of these names, none of which is opened here."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"content of {name}")
    return folder


def find_in_new_process(name: str, *flags: str, **environment: str) -> str:
    """What a fresh process, with nothing but these variables for Hugging Face, finds for a model name."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGINGFACE"))}
    inherited = {key: value for key, value in inherited.items() if not key.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-c", FIND, name, *flags],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found, torch_imported = done.stdout.splitlines()
    assert torch_imported == "False"
    return found


def test_a_local_folder_is_itself(tmp_path: Path) -> None:
    assert model_folder(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("name", ["./no/such/folder", "/no/such/folder", "no/such/folder", "", "a b", "a--b", ".gpt2"])
def test_a_name_that_is_neither_a_folder_nor_a_hub_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SaescopeError, match=f"there is no folder '{name}' for the subject model"):
        model_folder(name, cache=tmp_path)


def test_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.touch()
    with pytest.raises(SaescopeError, match=r"is a file: give the folder that holds its config\.json"):
        model_folder(str(file))


@pytest.mark.parametrize("name", ["gpt2", "someone/gpt2-medium"])
def test_a_cached_model_is_found_without_the_hub(tmp_path: Path, name: str) -> None:
    snapshot = write_files(cache_entry(tmp_path / "hub", name), "tokenizer.json", "model.safetensors")
    unreachable = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    assert find_in_new_process(name, HF_HOME=str(tmp_path), **unreachable) == str(snapshot)
    assert find_in_new_process(name, HF_HUB_CACHE=str(tmp_path / "hub"), **unreachable) == str(snapshot)
    assert model_folder(name, cache=tmp_path / "hub") == snapshot


def test_only_what_is_needed_is_downloaded_once_and_safetensors_preferred(tmp_path: Path) -> None:
    needed = ["tokenizer.json", "merges.txt", "vocab.json", "tokenizer_config.json", "model.safetensors"]
    others = ["pytorch_model.bin", "tf_model.h5", "README.md", "onnx/model.onnx", "64.tflite", "training_args.bin"]
    files = write_files(tmp_path / "files", *needed, *others)
    with hub_server("gpt2", files) as hub:
        environment = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.address}
        folder = Path(find_in_new_process("gpt2", **environment))
        assert sorted(path.name for path in folder.iterdir()) == sorted([*needed, "config.json"])
        assert (folder / "model.safetensors").read_text() == "content of model.safetensors"
        first = set(hub.downloaded)
        hub.downloaded.clear()
        assert find_in_new_process("gpt2", **environment) == str(folder)
        assert hub.downloaded == []
    assert first == {*needed, "config.json"}
    assert find_in_new_process("gpt2", **environment) == str(folder)


def test_pickled_weights_are_downloaded_where_there_are_no_others(tmp_path: Path) -> None:
    shards = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin", "pytorch_model.bin.index.json"]
    files = write_files(tmp_path / "files", "tokenizer.json", *shards)
    with hub_server("someone/old", files) as hub:
        folder = Path(find_in_new_process("someone/old", HF_HOME=str(tmp_path / "home"), HF_ENDPOINT=hub.address))
    assert sorted(path.name for path in folder.iterdir()) == sorted(["config.json", "tokenizer.json", *shards])


def test_a_download_that_was_cut_short_is_completed(tmp_path: Path) -> None:
    files = write_files(tmp_path / "files", "tokenizer.json", "model.safetensors")
    write_files(cache_entry(tmp_path / "home" / "hub", "gpt2"), "tokenizer.json")
    with hub_server("gpt2", files) as hub:
        folder = Path(find_in_new_process("gpt2", HF_HOME=str(tmp_path / "home"), HF_ENDPOINT=hub.address))
    assert (folder / "model.safetensors").is_file()


def test_who_only_tokenises_downloads_no_weights_and_who_computes_gets_them_later(tmp_path: Path) -> None:
    files = write_files(tmp_path / "files", "tokenizer.json", "model.safetensors")
    with hub_server("gpt2", files) as hub:
        environment = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.address}
        find_in_new_process("gpt2", "--no-weights", **environment)
        first = set(hub.downloaded)
        folder = Path(find_in_new_process("gpt2", **environment))
    assert first == {"config.json", "tokenizer.json"}
    assert (folder / "model.safetensors").is_file()
    assert find_in_new_process("gpt2", "--no-weights", HF_HOME=str(tmp_path / "home")) == str(folder)


def test_a_name_that_the_hub_doesnt_know_is_an_error(tmp_path: Path) -> None:
    with hub_server("gpt2", write_files(tmp_path / "files")) as hub:
        found = find_in_new_process("gpt3", HF_HOME=str(tmp_path / "home"), HF_ENDPOINT=hub.address)
    assert found.startswith("SaescopeError: the Hugging Face hub has no model 'gpt3'")


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "(HF_HUB_OFFLINE is set)"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "([Errno 111] Connection refused)"),
        ({"HF_ENDPOINT": "SILENT"}, "(no answer within 6 seconds)"),
    ],
    ids=["offline mode", "nothing listens", "no answer"],
)
def test_offline_and_not_cached_names_the_model_and_the_cache(
    tmp_path: Path, environment: dict[str, str], reason: str, silent_address: str
) -> None:
    environment = {key: value.replace("SILENT", silent_address) for key, value in environment.items()}
    found = find_in_new_process("gpt2", HF_HOME=str(tmp_path), **environment)
    assert found.startswith(
        "SaescopeError: the subject model 'gpt2' is not, or not completely, in the Hugging Face cache "
        f"{tmp_path / 'hub'} and can't be downloaded {reason}: connect to the internet"
    )


def test_a_config_is_read_with_the_entries_that_runs_need(tmp_path: Path) -> None:
    write_files(tmp_path)
    assert read_config(tmp_path) == CONFIG


def test_the_window_limit_is_found_under_either_name_and_a_bos_token_is_optional(tmp_path: Path) -> None:
    config = {"model_type": "gpt_neox", "vocab_size": 7, "max_position_embeddings": 9}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert read_config(tmp_path) == config | {"n_positions": 9, "bos_token_id": None}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "can't be read as JSON"),
        ("[1]", "holds no JSON object"),
        ('{"vocab_size": 5, "n_positions": 5}', "has no model_type"),
        ('{"model_type": "gpt2", "n_positions": 5}', "has no usable vocab_size: .* not None"),
        ('{"model_type": "gpt2", "n_positions": 5, "vocab_size": true}', "has no usable vocab_size: .* not True"),
        ('{"model_type": "gpt2", "vocab_size": 5, "n_positions": -1}', "has no usable n_positions: .* not -1"),
        (json.dumps(CONFIG | {"bos_token_id": 50}), "bos_token_id 50, which is no token of a vocabulary of 50"),
        (json.dumps(CONFIG | {"bos_token_id": -1}), "bos_token_id -1, which is no token"),
        (json.dumps(CONFIG | {"bos_token_id": True}), "bos_token_id True, which is no token"),
        (json.dumps(CONFIG | {"bos_token_id": "a"}), "bos_token_id 'a', which is no token"),
    ],
)
def test_an_unusable_config_is_an_error_that_says_why(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(SaescopeError, match=complaint):
        read_config(tmp_path)


def test_the_tokenizer_is_tokenizer_json(tmp_path: Path) -> None:
    write_files(tmp_path, "tokenizer.json", "vocab.json", "merges.txt")
    assert tokenizer_file(tmp_path) == tmp_path / "tokenizer.json"


def test_a_folder_with_only_vocabulary_and_merges_is_told_how_to_make_a_tokenizer(tmp_path: Path) -> None:
    write_files(tmp_path, "vocab.json", "merges.txt")
    with pytest.raises(SaescopeError, match=r"no tokenizer\.json: make one with"):
        tokenizer_file(tmp_path)


def test_a_folder_without_a_tokenizer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SaescopeError, match=r"has no tokenizer\.json: copy the model's tokenizer into it"):
        tokenizer_file(write_files(tmp_path))


def test_safetensors_go_before_pickles(tmp_path: Path) -> None:
    write_files(tmp_path, "model.safetensors", "pytorch_model.bin")
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]


def test_all_shards_of_an_index_are_the_weights(tmp_path: Path) -> None:
    write_files(tmp_path, "a.safetensors", "b.safetensors")
    index = {"weight_map": {"x": "b.safetensors", "y": "a.safetensors", "z": "b.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert weight_files(tmp_path) == [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    index = {"weight_map": {"x": "b.safetensors"}}
    write_files(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(SaescopeError, match=r"lacks b\.safetensors, which model\.safetensors\.index\.json names"):
        weight_files(tmp_path)
