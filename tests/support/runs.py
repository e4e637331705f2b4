"""A tiny world for whole runs: a random GPT-2 with a tokenizer, random autoencoders, rows; and a run's files read back.

Everything is seeded and small, so that a whole run takes a fraction of a second and a brute-force oracle can follow it.
This file knows how files are made and read; what must be in them is `oracle.py`'s to say.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.folder_layout import run_ids
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.gpt2_tokenizer import END_OF_TEXT, byte_symbols
from tests.support.hf_cache import write_random_gpt2
from tests.support.oracle import OracleExample, OracleFeature

WORDS = ("up", "down", "raises", "cuts", "target", "to", "price", "of", "Apple", "buy", "sell", "5%", "10%", "Q1", "Q4")
LAYER = 1  # of three
MAX_TOKENS = 12
N_LATENTS = 48
WIDTH = 24
DEAD = (5, 17, 40)  # latents that never fire
K = 5
COLUMNS = {"keep_columns": "day", "group_by": "source"}  # of the rows


@dataclass(frozen=True)
class World:
    """Where the files of the tiny world are."""

    subject: Path
    topk: Path
    relu: Path
    rows: Path

    def options(self, **changes: Any) -> RunOptions:
        """A run's options in this world."""
        autoencoder = str(changes.pop("autoencoder", self.topk))
        settings: dict[str, Any] = {"chunk_size": 20, "top_feature_count": 10, "top_tokens_per_feature": 4}
        settings |= {"source": str(self.rows), "subject": str(self.subject), "autoencoder": autoencoder}
        settings |= {} if "source" in changes or "prompt_file" in changes else COLUMNS
        settings |= {"layer": LAYER, "max_tokens": MAX_TOKENS, "device": "cpu"}
        return RunOptions(**settings | changes)

    def flags(self, output: Path, **changes: Any) -> list[str]:
        """The same options as flags of `saescope run`."""
        options = self.options(**changes).model_dump(exclude_unset=True)
        flags = [part for name, value in options.items() for part in ("--" + name.replace("_", "-"), str(value))]
        return [*flags, "--output", str(output)]


def make_world(folder: Path, n_rows: int = 90, seed: int = 0) -> World:
    """Write the tiny world's files into `folder`."""
    world = World(folder / "subject", folder / "topk.pt", folder / "relu.pt", folder / "rows.jsonl")
    tokenizer = tiny_tokenizer()
    bos = tokenizer.get_vocab()[END_OF_TEXT]
    config = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "activation_function": "gelu_new"}
    sizes = {"vocab_size": bos + 1, "n_positions": 32, "n_embd": WIDTH, "n_layer": 3, "n_head": 3}
    rest = {"layer_norm_epsilon": 1e-5, "bos_token_id": bos, "eos_token_id": bos}
    write_random_gpt2(world.subject, config | sizes | rest, seed)
    tokenizer.save(str(world.subject / "tokenizer.json"))
    torch.save(random_state(seed, "TopK", latent_bias=-1.0), world.topk)
    torch.save(random_state(seed, "ReLU", latent_bias=-3.0), world.relu)
    texts = random_texts(n_rows, seed)
    lines = [json.dumps({"title": text} | columns_of(row), ensure_ascii=False) for row, text in enumerate(texts)]
    world.rows.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return world


def random_state(seed: int, activation: str, latent_bias: float) -> dict[str, Any]:
    """A random autoencoder as OpenAI's state dicts are; a few latents are dead."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, std: float, mean: float = 0.0) -> torch.Tensor:
        return torch.empty(shape).normal_(mean, std, generator=generator)

    biases = normal(N_LATENTS, std=0.3, mean=latent_bias)
    biases[list(DEAD)] = -1000.0
    state: dict[str, Any] = {
        "pre_bias": normal(WIDTH, std=0.2),
        "latent_bias": biases,
        "stats_last_nonzero": torch.arange(N_LATENTS),
        "latents_activation_frequency": normal(N_LATENTS, std=0.1),
        "latents_mean_square": normal(N_LATENTS, std=0.1),
        "encoder.weight": normal(N_LATENTS, WIDTH, std=WIDTH**-0.5),
        "decoder.weight": normal(WIDTH, N_LATENTS, std=WIDTH**-0.5),
        "activation": activation,
    }
    if activation == "TopK":
        state["activation_state_dict"] = {"k": K, "postact_fn": "ReLU"}
    return state


def tiny_tokenizer() -> Tokenizer:
    """Byte-level BPE with a token for each byte and, by way of its beginnings, for each of WORDS after a space."""
    vocabulary = {symbol: number for number, symbol in enumerate(byte_symbols())}
    space = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(" ")[0][0]
    merges = []
    for word in WORDS:
        begun = space
        for letter in word:
            if begun + letter not in vocabulary:
                vocabulary[begun + letter] = len(vocabulary)
                merges.append((begun, letter))
            begun += letter
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, normalized=False, special=True)])
    return tokenizer


def random_texts(n_rows: int, seed: int) -> list[str]:
    """Texts of rows: many alike, some longer than a window, some with characters of several tokens, some unusable."""
    chooser = random.Random(seed)

    def headline(least: int, most: int) -> str:
        words = chooser.choices(WORDS, k=chooser.randint(least, most))
        return chooser.choice(["A", "€", "é:", "x"]) + " " + " ".join(words)

    alike = [headline(2, 8) for _ in range(8)] + [headline(20, 30) for _ in range(2)]
    makers = [lambda: chooser.choice(alike), lambda: headline(1, 9), lambda: headline(15, 40)]
    texts = [chooser.choices(makers, weights=[6, 3, 1])[0]() for _ in range(n_rows)]
    for unusable, rows in {
        "": range(3, n_rows, 40),
        "   ": range(9, n_rows, 50),
        "a\0b": range(21, n_rows, 60),
    }.items():
        for row in rows:
            texts[row] = unusable
    return texts


def columns_of(row: int) -> dict[str, Any]:
    """The other columns of a row: a value that every seventh row lacks, and a number."""
    return {"day": None if row % 7 == 0 else f"day {row % 5}", "source": ["wire", "blog", 3][row % 3]}


def break_token(world: World, text: str) -> None:
    """Make the subject model give NaN for the token of one character, and put it into row 30."""
    token = tiny_tokenizer().encode(text, add_special_tokens=False).ids[0]
    weights = load_file(world.subject / "model.safetensors")
    weights["wte.weight"][token] = float("nan")
    save_file(weights, world.subject / "model.safetensors", metadata={"format": "pt"})
    lines = world.rows.read_text().splitlines()
    lines[30] = json.dumps({"title": f"A {text}"} | columns_of(30))
    world.rows.write_text("\n".join(lines) + "\n")


class InterruptedStore(DirectoryStore):
    """A directory in which a Ctrl-C arrives whenever an object whose key ends with `name` is about to be written."""

    def __init__(self, root: Path, name: str) -> None:
        super().__init__(root)
        self._name = name

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        if key.endswith(self._name):
            raise KeyboardInterrupt
        super().put(key, data)


def interrupted_run(options: RunOptions, root: Path, name: str) -> str:
    """The id of a new run in the directory `root` that was interrupted before it wrote the file `name`."""
    before = set(run_ids(DirectoryStore(root)))
    with suppress(KeyboardInterrupt):
        run(options, InterruptedStore(root, name))
    (run_id,) = set(run_ids(DirectoryStore(root))) - before
    return run_id


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: on matrices this small, threads do nothing but wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def files_of(run: Path) -> dict[str, bytes]:
    """A run's visible files but for metadata.json, by their names."""
    files = [path for path in sorted(run.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in files if path.name != "metadata.json"}


def read_json(run: Path, name: str) -> Any:
    return json.loads((run / name).read_text(encoding="utf-8"))


def read_json_lines(run: Path, name: str) -> list[Any]:
    return [json.loads(line) for line in (run / name).read_text(encoding="utf-8").split("\n")[:-1]]


def read_tables(run: Path, folder: str) -> list[dict[str, Any]]:
    """The records of all Parquet files of a folder."""
    tables = [pq.read_table(path) for path in sorted((run / folder).glob("*.parquet"))]
    records: list[dict[str, Any]] = pa.concat_tables(tables).to_pylist()
    return records


def feature_of(record: dict[str, Any], own_tokens_per_window: int) -> OracleFeature:
    """A record of features/*.parquet in the oracle's terms, but for its sums."""
    return OracleFeature(
        sums=[],
        count=record["num_active_tokens"],
        maximum=record["max_activation"],
        histogram=Counter({entry["bin"]: entry["count"] for entry in record["histogram"]}),
        top=[_example_of(example, own_tokens_per_window) for example in record["top"]],
        random=[_example_of(example, own_tokens_per_window) for example in record["random"]],
        bands={
            _number_of(band["above"]): [_example_of(example, own_tokens_per_window) for example in band["examples"]]
            for band in record["bands"]
        },
    )


def _number_of(above: float) -> int:
    """A band's number, from its lower edge."""
    return round(math.log2(above / 0.2)) + 1 if above else 0


def _example_of(example: dict[str, Any], own_tokens_per_window: int) -> OracleExample:
    window, rest = divmod(example["window_offset"], own_tokens_per_window)
    assert rest == 0
    position, acts = example["position"], tuple(example["activations"])
    return OracleExample(
        example["activation"], example["row_id"], window, position, example["token_ids"][position], acts
    )
