"""Finds a language model's files: in a local folder, in the Hugging Face cache, or (once) on the Hugging Face hub.

A model is a folder in Hugging Face's layout: config.json, tokenizer.json, and weights as safetensors or .bin files.
Importing this file doesn't import torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparse_autoencoder.errors import NetworkError, SaescopeError
from sparse_autoencoder.utils.failure_rule import first_line
from sparse_autoencoder.utils.time_limit import within

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

CONFIG_FILE = "config.json"
_LONGEST_WINDOW = ("n_positions", "max_position_embeddings", "n_ctx", "max_sequence_length", "seq_length")
TOKENIZER_FILE = "tokenizer.json"
_WEIGHTS = (("model", ".safetensors"), ("pytorch_model", ".bin"))  # file names, in order of preference
# transformers applies adapters that it finds
_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
INDEX_SUFFIX = ".index.json"  # such a file says which shard holds which tensor
OFFLINE_AFTER_S = 6.0  # timeout for listing a model's files on the hub

_TOKENIZER_FILES = (
    TOKENIZER_FILE,
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)
_SAFETENSORS = re.compile(r"model(-\d+-of-\d+)?\.safetensors(\.index\.json)?")
_PICKLES = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin(\.index\.json)?")


def model_folder(name: str, *, cache: Path | None = None, weights: bool = True) -> Path:
    """The folder with the files of the model `name`: a local folder, or a hub name such as `gpt2`.

    A model in the local Hugging Face cache (`cache`; by default HF_HUB_CACHE's or HF_HOME's) needs no network.
    Otherwise config, tokenizer and weights are downloaded into the cache. With `weights=False` the weights are neither
    needed nor downloaded.

    Raises SaescopeError if there is no such folder, or the model is neither in the cache nor on the hub. Without a
    network this takes less than 10 s.
    """
    local = Path(name).expanduser()
    if name and local.is_dir():
        return local
    if name and local.exists():
        raise SaescopeError(f"the subject model '{name}' is a file: give the folder that holds its {CONFIG_FILE}")
    # imported here because it takes a third of a second, and local folders don't need it
    from huggingface_hub import constants
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise SaescopeError(
            f"there is no folder '{name}' for the subject model: give an existing folder, or a name on the "
            "Hugging Face hub such as gpt2"
        ) from error
    cache = cache if cache is not None else Path(constants.HF_HUB_CACHE)
    return _cached_folder(name, cache, weights) or _download(name, cache, weights)


def folder_at_hand(name: str, *, weights: bool = True) -> Path | None:
    """The model's folder if its files are on this machine, as `model_folder`; nothing is downloaded."""
    local = Path(name).expanduser()
    if not name or local.exists():
        return model_folder(name)  # or what is wrong with it
    from huggingface_hub import constants

    return _cached_folder(name, Path(constants.HF_HUB_CACHE), weights)


def download_size(name: str) -> int | None:
    """Bytes that downloading a model would take; None if the hub can't be asked, or doesn't tell."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.errors import HTTPError as ClientError  # type: ignore[attr-defined]

    if constants.HF_HUB_OFFLINE:
        return None
    try:
        listing: ModelInfo = within(OFFLINE_AFTER_S, lambda: HfApi().model_info(name, files_metadata=True))
    except (OSError, HfHubHTTPError, ClientError):
        return None
    files = {sibling.rfilename: sibling.size or 0 for sibling in listing.siblings or []}
    return sum(files[wanted] for wanted in _wanted_files(list(files), weights=True) if wanted in files)


def read_config(folder: Path) -> dict[str, Any]:
    """The model's config.json, in which these entries are checked; other entries are returned as they are.

    `model_type` (str); `vocab_size` (int); `n_positions` (int, the longest window, whatever the family calls it);
    `bos_token_id` (int within the vocabulary, or None). Those of a nested `text_config` count too.

    Raises SaescopeError if the file is missing, isn't JSON, or one of these entries is missing or malformed.
    """
    path = _config_file(folder)
    config = _read_json(path)
    text_config = config.get("text_config")
    if isinstance(text_config, dict):  # of a model that also takes pictures
        config = {**text_config, **{key: value for key, value in config.items() if value is not None}}
    config["n_positions"] = next((config[name] for name in _LONGEST_WINDOW if config.get(name) is not None), None)
    config["bos_token_id"] = _first_of(config.get("bos_token_id"))
    if not isinstance(config.get("model_type"), str):
        raise SaescopeError(f"{path} has no model_type, so the kind of model is unknown: take the model's own config")
    for key in ("vocab_size", "n_positions"):
        if not _is_whole(config.get(key)) or config[key] < 1:
            raise SaescopeError(
                f"{path} has no usable {key}: it must be a positive whole number, not {config.get(key)!r}"
            )
    bos = config["bos_token_id"]
    if bos is not None and not (_is_whole(bos) and 0 <= bos < config["vocab_size"]):
        raise SaescopeError(
            f"{path} says bos_token_id {bos!r}, which is no token of a vocabulary of {config['vocab_size']}: "
            "correct it, or set it to null if the model has none"
        )
    return config


def _first_of(value: Any) -> Any:
    """The first of several ids, as some configs have for one that may be any of these; other values as they are."""
    return value[0] if isinstance(value, list) and value else value


def _config_file(folder: Path) -> Path:
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise SaescopeError(f"the model folder {folder} has no {CONFIG_FILE}: give a folder in Hugging Face's layout")
    return path


def tokenizer_file(folder: Path) -> Path:
    """The path of the model's tokenizer.json, for `tokenizers.Tokenizer.from_file`.

    Raises SaescopeError if there is none; if there are vocab.json and merges.txt, it says how to make one of them.
    """
    path = folder / TOKENIZER_FILE
    if path.is_file():
        return path
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        raise SaescopeError(
            f"the model folder {folder} has vocab.json and merges.txt but no {TOKENIZER_FILE}: make one with "
            f"python -c \"from transformers import AutoTokenizer; AutoTokenizer.from_pretrained('{folder}')"
            f".save_pretrained('{folder}')\""
        )
    raise SaescopeError(f"the model folder {folder} has no {TOKENIZER_FILE}: copy the model's tokenizer into it")


def weight_files(folder: Path) -> list[Path]:
    """The folder's weight files: safetensors if there are any (one file, or the index's shards), else .bin files.

    Raises SaescopeError if there are none, or a shard that the index names is missing.
    """
    for stem, suffix in _WEIGHTS:
        index = folder / f"{stem}{suffix}{INDEX_SUFFIX}"
        if index.is_file():
            return _shards(index)
        single = folder / f"{stem}{suffix}"
        if single.is_file():
            return [single]
    raise SaescopeError(
        f"the model folder {folder} has no weights: give one with model.safetensors or pytorch_model.bin"
    )


def model_files(folder: Path, *, weights: bool = True) -> dict[str, Path]:
    """All files that can change a model's tokens or activations, by their names in its folder.

    They are config, tokenizer, weights, the weights' index, and adapters.
    Raises SaescopeError if config, tokenizer or weights are missing.
    """
    files = [_config_file(folder), tokenizer_file(folder)]
    if weights:
        loaded = weight_files(folder)
        beside = [f"{stem}{suffix}{INDEX_SUFFIX}" for stem, suffix in _WEIGHTS if suffix == loaded[0].suffix]
        files += [*loaded, *(path for name in (*beside, *_ADAPTER_FILES) if (path := folder / name).is_file())]
    return {path.relative_to(folder).as_posix(): path for path in files}


def commit_of(folder: Path) -> str | None:
    """The hub commit of a model folder in a Hugging Face cache; None for other folders."""
    in_cache = folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--")
    return folder.name if in_cache else None


def _shards(index: Path) -> list[Path]:
    weight_map = _read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise SaescopeError(f"{index} has no weight_map, so the model's shards are unknown: download the model again")
    shards = [index.parent / str(name) for name in sorted(set(weight_map.values()))]
    missing = [shard.name for shard in shards if not shard.is_file()]
    if missing:
        raise SaescopeError(
            f"the model folder {index.parent} lacks {', '.join(missing)}, which {index.name} names: "
            "download the model again"
        )
    return shards


def _cached_folder(name: str, cache: Path, weights: bool) -> Path | None:
    """The model's folder in the cache; None if files are missing there, as after an interrupted download."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(name, CONFIG_FILE, cache_dir=cache)
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    try:
        tokenizer_file(folder)
        if weights:
            weight_files(folder)
    except SaescopeError:
        return None
    return folder


def _download(name: str, cache: Path, weights: bool) -> Path:
    from huggingface_hub import HfApi, constants, snapshot_download

    # the HTTP client's base error; which client it is depends on the version of huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
    from huggingface_hub.errors import HTTPError as ClientError  # type: ignore[attr-defined]

    def refusal(reason: str) -> NetworkError:
        return NetworkError(
            f"the subject model '{name}' is not, or not completely, in the Hugging Face cache {cache} and can't be "
            f"downloaded ({reason}): "
            "connect to the internet for the first run, copy the model into that cache, or give a local folder"
        )

    if constants.HF_HUB_OFFLINE:
        raise refusal("HF_HUB_OFFLINE is set")
    try:
        listing: ModelInfo = within(OFFLINE_AFTER_S, lambda: HfApi().model_info(name, timeout=OFFLINE_AFTER_S))
        wanted = _wanted_files([sibling.rfilename for sibling in listing.siblings or []], weights)
        folder = snapshot_download(name, cache_dir=cache, allow_patterns=wanted)
    except RepositoryNotFoundError as error:
        raise SaescopeError(
            f"the Hugging Face hub has no model '{name}' (or it needs a login): check the name, or give a local folder"
        ) from error
    except HfHubHTTPError as error:
        raise refusal(f"the hub answered {error.response.status_code}") from error
    except (OSError, ClientError) as error:
        raise refusal(first_line(error)) from error
    return Path(folder)


def _wanted_files(names: Sequence[str], weights: bool) -> list[str]:
    wanted = [CONFIG_FILE, *(name for name in names if name in _TOKENIZER_FILES)]
    if weights:
        safe = [name for name in names if _SAFETENSORS.fullmatch(name)]
        wanted += safe or [name for name in names if _PICKLES.fullmatch(name)]
    return wanted


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SaescopeError(f"{path} can't be read as JSON ({error}): download the model again") from error
    if not isinstance(content, dict):
        raise SaescopeError(f"{path} holds no JSON object: download the model again")
    return content


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
