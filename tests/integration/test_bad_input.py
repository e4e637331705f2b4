"""`saescope run` on bad input: one sentence and a non-zero status, or rows that are skipped, counted and listed.

What is the fault of a single format, checkpoint or model is tested beside it in tests/unit; here it is the command's
answer that counts, and what the run's folder says afterwards.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from services.cli import main
from tests.support.commands import (
    COMMAND,
    DEMO_SUBJECT,
    environment,
    metadata_of,
    one_sentence,
    run_flags,
    run_folders,
    saescope,
    write_random_autoencoder,
)

pytestmark = pytest.mark.usefixtures("work")

GOOD_CSV = "title,stock\nApple beats on earnings,AAPL\nTesla falls 3%,TSLA\n"
Said = Callable[..., str]


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_autoencoder(tmp_path_factory.mktemp("autoencoder") / "autoencoder.pt")


@pytest.fixture
def said(autoencoder: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    """Calls `saescope run` with more flags, which must fail; gives the sentence."""

    def call(*more: str | Path) -> str:
        assert main([*run_flags(autoencoder), *map(str, more)]) in (2, 5)
        captured = capsys.readouterr()
        assert captured.out == ""
        return one_sentence(captured.err)

    return call


def write(name: str, content: str | bytes) -> str:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


# --- the source ---


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("empty.csv", "", "empty.csv is empty"),
        ("header.csv", "title,stock\n", "header.csv has no rows"),
        ("columns.csv", "name,price\nApple,3\n", "columns.csv has no column 'title' or 'text'; name one with"),
        ("list.jsonl", "[1, 2]\n[3]\n", "list.jsonl isn't JSON Lines: none of its first lines is an object with keys"),
        ("not.parquet", "PAR1 or so", "not.parquet isn't a readable Parquet file, or it is truncated: "),
        ("cut.txt.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\3\x01\x02\x03", "cut.txt.gz "),
        ("table.log", "some words", "the format of table.log can't be told from its name or from its beginning"),
        ("utf16.txt", "Apple".encode("utf-16-le"), "utf16.txt looks like UTF-16-LE without a byte-order mark"),
    ],
)
def test_an_unusable_file_is_named(name: str, content: str | bytes, complaint: str, said: Said) -> None:
    assert said("--source", write(name, content)).startswith(complaint)


def test_a_missing_file_is_named_and_nothing_is_written(said: Said, work: Path) -> None:
    assert said("--source", "nowhere.csv") == "there is no file nowhere.csv; check the path given as the source"
    assert list(work.iterdir()) == []


def test_a_missing_column_is_answered_with_the_columns_there_are(said: Said) -> None:
    sentence = said("--source", write("news.csv", GOOD_CSV), "--text-column", "headline")
    assert sentence == "news.csv has no column 'headline'; its columns are 'title', 'stock'"


@pytest.mark.parametrize(
    ("content", "reasons"),
    [
        ("title,stock\n ,A\n\t,B\n\u2003,C\n", {"no text": 3}),
        (b"title,stock\n\xff\xfe,A\n\0,B\n,C\n", {"not valid Unicode": 1, "NUL bytes in the text": 1, "no text": 1}),
    ],
    ids=["only spaces", "all kinds"],
)
def test_no_usable_row_is_an_error_with_the_reasons_and_a_failed_run(
    content: str | bytes, reasons: dict[str, int], said: Said, work: Path
) -> None:
    sentence = said("--source", write("news.csv", content), "--encoding", "utf-8")
    assert sentence.startswith("none of the 3 rows of news.csv has usable text (")
    assert all(f"{reason}: {count}" in sentence for reason, count in reasons.items())
    (run,) = run_folders(work)
    metadata = metadata_of(run)
    assert (metadata["status"], metadata["error"], metadata["skipped_rows"]) == ("failed", sentence, reasons)


def test_bad_rows_are_skipped_counted_and_listed(
    autoencoder: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        b"Apple beats on earnings,AAPL",
        b"broken \xff\xfe UTF-8,A",
        b"a NUL \0 byte,B",
        b"   ,C",
        b"one field",
        b'"text" after a closing quote,D',
        b"Tesla falls 3%,TSLA",
        b'"a stray quote,E',
        b"three,fields,here",
        "Ørsted gains 💥,DNNGY".encode(),
    ]
    write("news.csv", b"title,stock\n" + b"\n".join(rows) + b"\n")
    assert main([*run_flags(autoencoder), "--source", "news.csv", "--encoding", "utf-8", "--chunk-size", "3"]) == 0
    (run,) = run_folders(work)
    listed = [json.loads(line) for line in (run / "skipped.jsonl").read_text().splitlines()]
    assert {entry["row_id"]: entry["reason"] for entry in listed} == {
        1: "not valid Unicode",
        2: "NUL bytes in the text",
        3: "no text",
        4: "1 field where the header has 2",
        5: "text after a closing quote",
        7: "a quoted field that is never closed",
        8: "3 fields where the header has 2",
    }
    prompts = [json.loads(line) for line in (run / "prompts.jsonl").read_text().splitlines()]
    assert {prompt["row_id"]: prompt["prompt"] for prompt in prompts} == {
        0: "Apple beats on earnings",
        6: "Tesla falls 3%",
        9: "Ørsted gains 💥",
    }
    metadata = metadata_of(run)
    assert (metadata["status"], metadata["num_records"], metadata["num_skipped_rows"]) == ("complete", 10, 7)
    assert metadata["skipped_rows"] == {entry["reason"]: 1 for entry in listed}
    printed = capsys.readouterr().out
    assert all(f"skipped 1 rows: {entry['reason']}\n" in printed for entry in listed)


def test_a_row_of_50_megabytes_is_skipped_without_being_held(autoencoder: Path, work: Path) -> None:
    write("small.txt", "Apple beats on earnings\nTesla falls 3%\n")
    with Path("large.txt").open("wb") as file:
        file.write(b"Apple beats on earnings\n")
        for _megabyte in range(50):
            file.write(b"word " * 200_000)
        file.write(b"\nTesla falls 3%\n")
    peaks = [peak_memory([*run_flags(autoencoder), "--source", name], work) for name in ("small.txt", "large.txt")]
    small, large = run_folders(work)
    assert metadata_of(small)["skipped_rows"] == {}
    assert metadata_of(large)["skipped_rows"] == {"longer than 1,048,576 characters": 1}
    assert (small / "feature_tokens.json").stat().st_size == (large / "feature_tokens.json").stat().st_size
    assert peaks[1] - peaks[0] < 25e6


def peak_memory(arguments: list[str], work: Path) -> int:
    """The most bytes of memory that the command had, when it ends well."""
    program = (
        "import resource, sys; from services.cli import main; assert main(sys.argv[1:]) == 0; "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [COMMAND[0], "-c", program, *arguments],
        cwd=work,
        env=environment(work),
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.splitlines()[-1]) * 1024  # Linux counts kilobytes


def test_a_row_beyond_the_end_is_an_error_with_the_number_of_rows(said: Said, work: Path) -> None:
    sentence = said("--source", write("news.csv", GOOD_CSV), "--kaggle-row", "2")
    assert sentence == "there is no row 2: news.csv has 2 rows, counted from 0"
    (run,) = run_folders(work)
    assert (metadata_of(run)["status"], metadata_of(run)["error"]) == ("failed", sentence)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "no text"), (b" \n ", "no text"), (b"\xff", "not valid Unicode"), (b"a\0b", "NUL bytes in the text")],
)
def test_an_unusable_prompt_file_is_an_error_with_the_reason(content: bytes, reason: str, said: Said) -> None:
    sentence = said("--prompt-file", write("p.txt", content), "--encoding", "utf-8")
    assert sentence == f"the prompt file p.txt can't be used: {reason}"


def test_a_prompt_file_beside_another_source_is_refused(said: Said) -> None:
    sentence = said("--prompt-file", write("p.txt", b"text"), "--kaggle-row", "2", "--source", "rows.csv")
    assert sentence == "--prompt-file is the whole input, so leave out --kaggle-row, --source"


def test_empty_standard_input_is_an_error(autoencoder: Path, work: Path) -> None:
    done = saescope(*run_flags(autoencoder), "--source", "-", cwd=work, env=environment(work))
    assert (done.returncode, done.stdout) == (5, "")
    assert one_sentence(done.stderr) == "standard input is empty"


# --- models ---


class _RunsCode:
    """Unpickling it naively leaves a file."""

    def __init__(self, function: Callable[..., object], *arguments: str) -> None:
        self._reduced = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return self._reduced


def _truncated(path: Path, sound: Path) -> None:
    path.write_bytes(sound.read_bytes()[:-1000])


def _not_a_checkpoint(path: Path, _sound: Path) -> None:
    path.write_text("title,stock\n")


def _running_a_function(path: Path, _sound: Path) -> None:
    torch.save({"encoder.weight": _RunsCode(os.mkdir, "ran")}, path)


def _running_a_builtin(path: Path, _sound: Path) -> None:
    torch.save({"encoder.weight": _RunsCode(eval, "__import__('os').mkdir('ran')")}, path)


def _bare_pickle(path: Path, _sound: Path) -> None:
    path.write_bytes(pickle.dumps(_RunsCode(os.mkdir, "ran")))


def _too_narrow(path: Path, _sound: Path) -> None:
    write_random_autoencoder(path, 256, 64)


def _incomplete(path: Path, sound: Path) -> None:
    state = torch.load(sound, weights_only=True)
    del state["pre_bias"]
    torch.save(state, path)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (_truncated, "the checkpoint sae.pt is truncated or damaged; copy or download it again"),
        (_not_a_checkpoint, "sae.pt isn't a PyTorch checkpoint; give a .pt file that torch.save wrote"),
        (_running_a_function, "sae.pt is refused: loading it would run code (posix.mkdir); a checkpoint holds"),
        (_running_a_builtin, "sae.pt is refused: loading it would run code (eval); a checkpoint holds tensors only"),
        (_bare_pickle, "sae.pt isn't a PyTorch checkpoint but another pickle, which may run code; it is refused"),
        (_too_narrow, "the autoencoder in sae.pt reads vectors of width 64, but the subject model gives 128; choose"),
        (_incomplete, "sae.pt doesn't hold an autoencoder in OpenAI's format: it has no tensor 'pre_bias'"),
    ],
)
def test_an_unusable_checkpoint_is_refused_and_runs_nothing(
    make: Callable[[Path, Path], None], complaint: str, autoencoder: Path, said: Said, work: Path
) -> None:
    make(Path("sae.pt"), autoencoder)
    sentence = said("--source", write("news.csv", GOOD_CSV), "--autoencoder", "sae.pt")
    assert sentence.startswith(complaint)
    assert {path.name for path in work.iterdir()} == {"sae.pt", "news.csv"}


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--layer", "4"], f"the model in {DEMO_SUBJECT} has no layer 4: it has 4 layers, 0 to 3"),
        (["--location", "resid_pre"], "there is no location 'resid_pre' in a model (did you mean resid_post_"),
        (["--location", "mlp_post_act"], "the autoencoder in "),
        (["--subject", "no/such/model"], "there is no folder 'no/such/model' for the subject model: give an existing"),
        (["--subject", "."], "the model folder . has no config.json: give a folder in Hugging Face's layout"),
        (["--subject", "news.csv"], "the subject model 'news.csv' is a file: give the folder that holds its"),
        (["--autoencoder", "missing.pt"], "there is no checkpoint missing.pt; check the path of the autoencoder"),
        (["--autoencoder", "v6"], "there is no autoencoder 'v6'; known are v1, v4, v5_32k, v5_128k, an az:// or"),
        (["--autoencoder", "v5_32k", "--location", "mlp_post_act"], "v5_32k has no autoencoder at location"),
        (["--autoencoder", "http://x/y.pt"], "the checkpoint http://x/y.pt can't be fetched: only az://"),
        (["--max-tokens", "129"], f"--max-tokens 129 is more than the 128 positions of {DEMO_SUBJECT}: choose fewer"),
        (["--max-tokens", "1"], "--max-tokens 1 leaves no room for a token after BOS: use a larger value"),
        (["--device", "abacus"], "the device 'abacus' can't be used on this machine ("),
        (
            ["--device", "meta"],
            "the device 'meta' can't be used: features are summarised in 64-bit integers and float64",
        ),
        (
            ["--text-column", "stocks"],
            "news.csv has no column 'stocks' (did you mean stock?); its columns are 'title', 'stock'",
        ),
    ],
)
def test_a_choice_that_does_not_fit_is_refused_before_anything_is_written(
    more: list[str], complaint: str, said: Said, work: Path
) -> None:
    assert said("--source", write("news.csv", GOOD_CSV), *more).startswith(complaint)
    assert run_folders(work) == []


def test_the_largest_numbers_that_flags_take_work(autoencoder: Path, work: Path) -> None:
    write("news.csv", GOOD_CSV)
    largest = str(2**63 - 1)
    counts = ["--chunk-size", largest, "--max-rows", largest, "--top-feature-count", largest, "--seed", largest]
    more = [*counts, "--top-tokens-per-feature", str(2**31 - 1)]
    assert main([*run_flags(autoencoder), "--source", "news.csv", *more]) == 0
    assert metadata_of(run_folders(work)[0])["num_prompts"] == 2


# --- runs to resume ---


@pytest.mark.parametrize("run", ["20260101-000000_run-001", "../..", "x" * 300, ""])
def test_resuming_a_run_that_is_not_there_is_an_error(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--resume", run]) == 2
    assert one_sentence(capsys.readouterr().err).startswith(f"there is no run '{run[:200]}")


def test_resuming_a_run_with_damaged_metadata_is_one_sentence(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "analysis_data" / "broken").mkdir(parents=True)
    (work / "analysis_data" / "broken" / "metadata.json").write_text('{"run_id": "broken"}')
    assert main(["run", "--resume", "broken"]) == 2
    sentence = one_sentence(capsys.readouterr().err)
    assert sentence == ("the metadata.json of run broken can't be understood (status: Field required): start a new run")
