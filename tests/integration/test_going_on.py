"""A run that goes on has the models and rows that it was begun with, or says what is another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.pipeline.single_process import resume, run
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.runs import COLUMNS, World, files_of, interrupted_run, make_world, read_json

pytestmark = pytest.mark.usefixtures("quick")

REPOSITORY = Path(__file__).resolve().parents[2]
SHORT = r"[0-9a-f]{12}…"
AT = "prompts/000003.parquet"  # what a run is interrupted before, of five chunks


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A tiny world whose files may be changed."""
    return make_world(tmp_path / "world")


def other_weights(world: World) -> None:
    weights = load_file(world.subject / "model.safetensors")
    weights["h.0.mlp.c_fc.weight"] += 0.01
    save_file(weights, world.subject / "model.safetensors", metadata={"format": "pt"})


def other_tokenizer(world: World) -> None:
    """One without its last merge."""
    path = world.subject / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["merges"].pop()
    path.write_text(json.dumps(tokenizer))


def other_config(world: World) -> None:
    path = world.subject / "config.json"
    path.write_text(path.read_text().replace("1e-05", "1e-03"))


def other_shard(world: World) -> None:
    weights = load_file(world.subject / "second.safetensors")
    save_file({name: tensor + 0.01 for name, tensor in weights.items()}, world.subject / "second.safetensors")


def in_two_shards(world: World) -> None:
    """Split the subject's weights over two files with an index."""
    weights = load_file(world.subject / "model.safetensors")
    (world.subject / "model.safetensors").unlink()
    where = {name: "first.safetensors" if "h.0" in name else "second.safetensors" for name in weights}
    for file in set(where.values()):
        save_file({name: weights[name] for name, place in where.items() if place == file}, world.subject / file)
    (world.subject / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))


def other_rows(world: World) -> None:
    """The same number of bytes, with another word in an early row."""
    text = world.rows.read_text()
    assert text.index("price") < len(text) // 3
    world.rows.write_text(text.replace("price", "prise", 1))


def bit_in_the_weights(world: World) -> None:
    """Change one number's last bit, in place, and nothing of the file's name, size or times but that it was written."""
    data = bytearray((world.subject / "model.safetensors").read_bytes())
    data[-4] ^= 1
    (world.subject / "model.safetensors").write_bytes(data)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_weights, f"its subject model has changed: model.safetensors was {SHORT} and is {SHORT}; put back"),
        (bit_in_the_weights, f"its subject model has changed: model.safetensors was {SHORT} and is {SHORT}; put"),
        (other_tokenizer, f"its subject model has changed: tokenizer.json was {SHORT} and is {SHORT}; put back"),
        (other_config, f"its subject model has changed: config.json was {SHORT} and is {SHORT}; put back"),
    ],
)
def test_a_run_whose_subject_model_was_replaced_can_not_be_resumed(
    world: World, tmp_path: Path, change: Callable[[World], None], said: str
) -> None:
    run_id = interrupted_run(world.options(), tmp_path / "runs", AT)
    before = files_of(tmp_path / "runs" / run_id)
    change(world)
    with pytest.raises(SaescopeError, match=f"^run {run_id} can't be resumed, {said}"):
        resume(run_id, DirectoryStore(tmp_path / "runs"))
    assert files_of(tmp_path / "runs" / run_id) == before


def test_every_shard_of_the_weights_counts(world: World, tmp_path: Path) -> None:
    in_two_shards(world)
    run_id = interrupted_run(world.options(), tmp_path / "runs", AT)
    other_shard(world)
    with pytest.raises(SaescopeError, match=f"subject model has changed: second.safetensors was {SHORT} and is"):
        resume(run_id, DirectoryStore(tmp_path / "runs"))


def test_a_run_whose_rows_were_replaced_by_as_many_bytes_can_not_be_resumed(world: World, tmp_path: Path) -> None:
    run_id = interrupted_run(world.options(), tmp_path / "runs", AT)
    size = world.rows.stat().st_size
    other_rows(world)
    assert world.rows.stat().st_size == size
    message = r"^rows.jsonl has changed since it was read: it no longer begins with the 60 rows that were read of it"
    with pytest.raises(SaescopeError, match=message):
        resume(run_id, DirectoryStore(tmp_path / "runs"))
    assert read_json(tmp_path / "runs" / run_id, "metadata.json")["status"] == "failed"


def test_a_run_goes_on_when_what_was_replaced_is_put_back(world: World, tmp_path: Path) -> None:
    whole = run(world.options(), DirectoryStore(tmp_path / "whole")).run_id
    run_id = interrupted_run(world.options(), tmp_path / "runs", AT)
    kept = {path: path.read_bytes() for path in (*world.subject.iterdir(), world.rows)}
    for change in (other_weights, other_rows):
        change(world)
        with pytest.raises(SaescopeError, match="changed"):
            resume(run_id, DirectoryStore(tmp_path / "runs"))
        for path, content in kept.items():
            path.write_bytes(content)
    resume(run_id, DirectoryStore(tmp_path / "runs"))
    assert files_of(tmp_path / "runs" / run_id) == files_of(tmp_path / "whole" / whole)


def test_rows_that_were_not_read_yet_may_be_others(world: World, tmp_path: Path) -> None:
    run_id = interrupted_run(world.options(), tmp_path / "runs", AT)
    lines = world.rows.read_text().splitlines()
    world.rows.write_text("\n".join([*lines[:60], *(line.replace("Q", "R") for line in lines[60:])]) + "\n")
    resume(run_id, DirectoryStore(tmp_path / "runs"))
    texts = (tmp_path / "runs" / run_id / "prompts.jsonl").read_text()
    assert "Q1" in texts
    assert "R1" in texts


@pytest.mark.parametrize(
    "options", [{"max_rows": 70}, {"kaggle_row": 13, "chunk_size": 1}], ids=["max rows", "one row"]
)
def test_rows_that_the_run_does_not_take_may_be_others(world: World, tmp_path: Path, options: dict[str, Any]) -> None:
    run_id = interrupted_run(world.options(**options), tmp_path / "runs", "feature_stats.json")
    lines = world.rows.read_text().splitlines()
    world.rows.write_text("\n".join([*lines[:70], *(line.replace("Q", "R") for line in lines[70:])]) + "\n")
    assert resume(run_id, DirectoryStore(tmp_path / "runs")).status == "complete"


def test_a_single_row_or_prompt_that_was_replaced_is_refused(world: World, tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Apple cuts target to 5%")
    one = interrupted_run(world.options(kaggle_row=1), tmp_path / "runs", "feature_stats.json")
    options = world.options(prompt_file=str(prompt))
    other = interrupted_run(options, tmp_path / "runs", "feature_stats.json")
    lines = world.rows.read_text().splitlines()
    row = json.loads(lines[1])
    reversed_title = json.dumps(row | {"title": row["title"][::-1]}, ensure_ascii=False)
    world.rows.write_text("\n".join([lines[0], reversed_title, *lines[2:]]) + "\n")
    prompt.write_text("Apple cuts target to 6%")
    for run_id, name in ((one, "rows.jsonl"), (other, "prompt.txt")):
        with pytest.raises(SaescopeError, match=f"^{name} has changed since it was read"):
            resume(run_id, DirectoryStore(tmp_path / "runs"))


INTERRUPTED = """
import sys
from pathlib import Path
from sparse_autoencoder.runs.run_options import RunOptions
from tests.support.runs import interrupted_run
print(interrupted_run(RunOptions.model_validate_json(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
"""


def python(*arguments: str, rows: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # as in this process
        input=rows,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_standard_input_must_come_again_as_it_was(world: World, tmp_path: Path) -> None:
    options, rows = world.options(source="jsonl:-", **COLUMNS), world.rows.read_text()
    begun = python("-c", INTERRUPTED, options.model_dump_json(), str(tmp_path / "runs"), AT, rows=rows)
    run_id = begun.stdout.strip()
    flags = ["-m", "services.cli", "run", "--resume", run_id, "--output", str(tmp_path / "runs")]
    refused = python(*flags, rows=rows.replace("price", "prise", 1))
    assert refused.returncode == 2
    assert "saescope: standard input has changed since it was read: it no longer begins with the 60" in refused.stderr
    again = python(*flags, rows=rows)
    assert again.returncode == 0, again.stderr
    assert f"saescope: run {run_id} reads standard input: it needs the same input again" in again.stderr
    whole = run(world.options(), DirectoryStore(tmp_path / "whole")).run_id
    assert files_of(tmp_path / "runs" / run_id) == files_of(tmp_path / "whole" / whole)


def test_what_an_attempt_left_of_a_longer_source_is_not_published(world: World, tmp_path: Path) -> None:
    run_id = interrupted_run(world.options(), tmp_path / "runs", AT)
    for state in (tmp_path / "runs" / run_id / "state").iterdir():
        state.unlink()  # as if it had been killed before it saved one
    assert len(list((tmp_path / "runs" / run_id / "prompts").iterdir())) == 3
    size = world.rows.stat().st_size
    rows = world.rows.read_text().splitlines()[:30]
    rows[-1] += " " * (size - sum(len(row.encode()) + 1 for row in rows))
    world.rows.write_text("\n".join(rows) + "\n")
    resume(run_id, DirectoryStore(tmp_path / "runs"))
    whole = run(world.options(), DirectoryStore(tmp_path / "whole")).run_id
    assert files_of(tmp_path / "runs" / run_id) == files_of(tmp_path / "whole" / whole)


def test_a_run_that_an_earlier_version_began_can_not_be_resumed(world: World, tmp_path: Path) -> None:
    run_id = interrupted_run(world.options(), tmp_path / "runs", AT)
    path = tmp_path / "runs" / run_id / "metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["subject"]["files"], metadata["subject"]["commit"], metadata["processor"], metadata["rows_hash"]
    path.write_text(json.dumps(metadata))
    with pytest.raises(
        SaescopeError, match=f"^run {run_id} can't be resumed: it was begun by a version of saescope that"
    ):
        resume(run_id, DirectoryStore(tmp_path / "runs"))
