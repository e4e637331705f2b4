"""`saescope run` where something hangs: the process ends by itself, says what hung, and a fresh one goes on.

Real processes, as only these can be ended; what hangs in them is put there by a few lines before the command.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from sparse_autoencoder.pipeline.single_process import resume, run
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.commands import one_sentence
from tests.support.runs import World, files_of, interrupted_run, read_json
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("quick")

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT_S = 120
OPTIONS = {"chunk_size": 10}  # of 90 rows: chunks 0 to 8
# Little patience with one chunk only, as all others may take long on a busy machine.
IMPATIENT = """
from sparse_autoencoder.utils import watchdog
from sparse_autoencoder.pipeline.hang_detection import RunWatch
watchdog.FACTOR = 0
encoding_of = RunWatch.encoding
def impatient_with(number, seconds):
    def encoding(self, chunk):
        self._patience_s = seconds if chunk.index == number else 600
        return encoding_of(self, chunk)
    RunWatch.encoding = encoding
"""
# The chunk of this number hangs in the way that is asked for, where a batch is computed; one batch goes through before.
HANGING = (
    IMPATIENT
    + """
import ctypes, sys, threading
from sparse_autoencoder import cli
from sparse_autoencoder.pipeline import chunk_outputs, chunk_encoder as encoding
how, number = sys.argv[1], int(sys.argv[2])
impatient_with(number, 1)
encode_chunk, encode_batch = chunk_outputs.encode_chunk, encoding.Encoder._encode_batch
now, batches = None, 0
def encode(encoder, chunk, policy):
    global now, batches
    now, batches = chunk.index, 0
    return encode_chunk(encoder, chunk, policy)
def computes_for_ever(*arguments, **more):
    global batches
    batches += 1
    if now == number and batches > 1:
        if how == "waiting":
            threading.Event().wait()
        ctypes.PyDLL(None).sleep(1000)  # in native code that keeps the interpreter's lock
    return encode_batch(*arguments, **more)
chunk_outputs.encode_chunk, encoding.Encoder._encode_batch = encode, computes_for_ever
sys.exit(cli.main(sys.argv[3:]))
"""
)


@pytest.fixture(scope="module")
def undisturbed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing happened to."""
    root = tmp_path_factory.mktemp("undisturbed")
    return root / run(world.options(**OPTIONS), DirectoryStore(root)).run_id


def python(program: str, *arguments: str, patience_s: str = "600") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SAESCOPE_PATIENCE_S": patience_s}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def only_run(root: Path) -> Path:
    (found,) = (path for path in root.iterdir() if path.is_dir())
    return found


def metadata_of(run: Path) -> Any:
    return read_json(run, "metadata.json")


def log_of(run: Path) -> str:
    return run.with_name(f"{run.name}.failures.log").read_text()


def test_a_computation_that_hangs_ends_the_process_which_says_so_and_a_fresh_one_goes_on(
    world: World, undisturbed: Path, tmp_path: Path
) -> None:
    done = python(HANGING, "waiting", "4", *world.flags(tmp_path, **OPTIONS))
    assert (done.returncode, done.stdout) == (1, "")
    hung = only_run(tmp_path)
    metadata = metadata_of(hung)
    assert (metadata["status"], metadata["num_records"], metadata["failed_chunks"]) == ("failed", 40, [])
    assert metadata["error"].startswith("chunk 4 (rows 40 to 49) hangs, nothing has moved for ")
    sentence = one_sentence(done.stderr)
    assert sentence.startswith(metadata["error"])
    assert "if this is only slow, set SAESCOPE_PATIENCE_S to more than 600" in sentence
    command = f"saescope run --resume {hung.name} --output {tmp_path}"
    assert sentence.endswith(f"go on in a fresh process: `{command}`")
    assert "in computes_for_ever\n" in log_of(hung)  # what all threads did
    resume(hung.name, DirectoryStore(tmp_path))
    assert files_of(hung) == files_of(undisturbed)


@pytest.mark.parametrize("how", ["waiting", "native"])
def test_a_chunk_that_hung_in_three_processes_is_left_out(how: str, world: World, tmp_path: Path) -> None:
    run_id = interrupted_run(world.options(**OPTIONS), tmp_path, "prompts/000003.parquet")
    hung = tmp_path / run_id
    (hung / "attempts.json").write_text('{"chunks": {"4": {"hangs": 2}}}')
    again = ["--resume", run_id, "--output", str(tmp_path)]
    third = python(HANGING, how, "4", *again)
    assert third.returncode == 1
    if how == "waiting":
        assert ", in 3 processes by now: going on leaves it out (see " in one_sentence(third.stderr)
    else:  # no Python code could run any more
        assert "in computes_for_ever" in (hung / "watched.log").read_text()
    done = python(HANGING, how, "4", *again)
    assert done.returncode == 0, done.stderr
    assert "missing: rows 40 to 49, chunk 4 failed: it hung in 3 processes\n" in done.stdout
    assert metadata_of(hung)["status"] == "completed_with_errors"
    assert "in computes_for_ever" in log_of(hung)
    assert [path.name for path in hung.iterdir() if path.name in ("attempts.json", "watched.log")] == []


READING = """
import sys, threading
from sparse_autoencoder import cli
from sparse_autoencoder.tokens.tokenizer import RowTokenizer
def hangs(tokenizer, texts):
    if "A hangs" in texts:
        threading.Event().wait()
    return encode(tokenizer, texts)
encode, RowTokenizer.encode = RowTokenizer.encode, hangs
sys.exit(cli.main(sys.argv[1:]))
"""


def test_reading_that_hangs_ends_the_process_with_what_was_computed(world: World, tmp_path: Path) -> None:
    rows = tmp_path / "rows.txt"
    rows.write_text("Apple raises target\n" * 45 + "A hangs\n" + "Apple cuts target\n" * 10)
    output = tmp_path / "runs"
    done = python(READING, *world.flags(output, source=str(rows), **OPTIONS), patience_s="4")
    assert done.returncode == 1
    hung = only_run(output)
    metadata = metadata_of(hung)
    assert (metadata["status"], metadata["num_records"]) == ("failed", 40)
    assert metadata["error"].startswith("reading rows.txt hangs, nothing has moved for ")
    assert one_sentence(done.stderr).endswith(f"`saescope run --resume {hung.name} --output {output}`")
    assert resume(hung.name, DirectoryStore(output)).num_prompts == 56


PIPE = """
import sys
from sparse_autoencoder import cli
from sparse_autoencoder.pipeline import hang_detection
hang_detection.STREAM_SILENCE_S = 0.5
sys.exit(cli.main(sys.argv[1:]))
"""


def read_until(stream: IO[str], words: str) -> None:
    """Read up to some words; the test's own time limit is for when they don't come."""
    said = ""
    while words not in said:
        character = stream.read(1)
        assert character, said
        said += character


@contextmanager
def started(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process with pipes, which is gone afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_pipe_may_wait_for_ever_but_it_is_said(world: World, tmp_path: Path) -> None:
    flags = world.flags(tmp_path, source="txt:-", **OPTIONS)
    with started(PIPE, *flags) as process:
        assert process.stdin is not None
        assert process.stderr is not None

        read_until(process.stderr, "saescope: nothing has come from txt:- for ")
        process.stdin.write("Apple raises target\n" * 15)
        process.stdin.flush()
        read_until(process.stderr, "saescope: nothing has come from standard input for ")
        out, _err = process.communicate("Apple cuts target\n" * 15, timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert "\n30 rows, " in out


STOPPED = (
    IMPATIENT
    + """
import ctypes, os, signal, sys
from sparse_autoencoder import cli
from sparse_autoencoder.pipeline import chunk_outputs
impatient_with(4, 1.5)
encode_chunk = chunk_outputs.encode_chunk
def encode(encoder, chunk, policy):
    if chunk.index == 4:
        os.kill(os.getpid(), signal.SIGTSTP)
        ctypes.PyDLL(None).usleep(300_000)  # keeps the interpreter's lock: nobody can set the backstop again
    return encode_chunk(encoder, chunk, policy)
chunk_outputs.encode_chunk = encode
sys.exit(cli.main(sys.argv[1:]))
"""
)


def test_a_run_that_was_stopped_with_ctrl_z_for_long_goes_on(world: World, tmp_path: Path) -> None:
    with started(STOPPED, *world.flags(tmp_path, **OPTIONS)) as process:
        _pid, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        with pytest.raises(subprocess.TimeoutExpired):  # longer than the backstop leaves it
            process.wait(3.5)
        process.send_signal(signal.SIGCONT)
        _out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err


ENDLESS = """
import sys, threading
from sparse_autoencoder import cli
from sparse_autoencoder.pipeline import single_process
def records(source, most):
    for number in range(10**9):
        yield from source
        yield Row(number + 90, "Apple raises target")
from sparse_autoencoder.data.row_skip_rules import Row
single_process._first = records
sys.exit(cli.main(sys.argv[1:]))
"""


def test_ctrl_c_does_not_wait_for_a_chunk_that_is_read(world: World, tmp_path: Path) -> None:
    with started(ENDLESS, *world.flags(tmp_path, chunk_size=10**9)) as process:
        wait_until(lambda: list(tmp_path.rglob("watched.log")))
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert one_sentence(err).startswith("interrupted; go on with: saescope run --resume ")
    assert metadata_of(only_run(tmp_path))["status"] == "interrupted"
