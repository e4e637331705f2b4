"""What `saescope run` says: progress, how to see the run or go on with it, what it would do; and its statuses."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from demo.headlines import generate
from tests.support.commands import COMMAND, environment, metadata_of, run_flags, saescope, write_random_autoencoder
from tests.support.terminal import on_terminal
from tests.support.waiting import wait_until

ROWS = 3000


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_random_autoencoder(folder / "autoencoder.pt")
    (folder / "headlines.txt").write_text("\n".join(h.title for h in generate(ROWS, 0)), encoding="utf-8")
    return folder


def flags(inputs: Path, *more: str) -> list[str]:
    source = ["--source", str(inputs / "headlines.txt")]
    return [*run_flags(inputs / "autoencoder.pt"), *source, "--skip-directions", *more]


def test_progress_moves_within_a_chunk(inputs: Path, tmp_path: Path) -> None:
    with on_terminal(tmp_path, *flags(inputs, "--chunk-size", str(ROWS))) as (process, terminal):
        process.communicate(timeout=200)
    assert process.returncode == 0
    shares = {line.partition("(")[2].partition("%")[0] for line in terminal.lines if f" {ROWS:,} rows (" in line}
    assert any(0 < int(share) < 100 for share in shares)
    assert any("tokens/s" in line and "left" in line for line in terminal.lines)
    assert any(line.startswith("loading ") for line in terminal.lines)


def test_in_a_log_a_short_run_has_no_progress(inputs: Path, tmp_path: Path) -> None:
    done = saescope(*flags(inputs, "--max-rows", "50"), cwd=tmp_path, env=environment(tmp_path))
    assert done.stderr == "saescope: reading headlines.txt (txt)\n"


def test_a_run_ends_with_the_command_that_shows_it(inputs: Path, tmp_path: Path) -> None:
    arguments = flags(inputs, "--max-rows", "50", "--output", "my runs")
    done = saescope(*arguments, cwd=tmp_path, env=environment(tmp_path))
    assert done.stdout.splitlines()[-1] == "see it: saescope serve --runs 'my runs'"


def test_ctrl_c_names_the_command_that_goes_on_and_it_does(inputs: Path, tmp_path: Path) -> None:
    arguments = flags(inputs, "--chunk-size", "20", "--output", "it's mine")
    output = tmp_path / "it's mine"
    with on_terminal(tmp_path, *arguments) as (process, terminal):
        wait_until(lambda: len(list(output.glob("*/prompts/*.parquet"))) > 1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=100)
    assert process.returncode == 130
    advice = "saescope: interrupted; go on with: saescope "
    assert terminal.lines[-1].startswith(advice)
    (run,) = output.iterdir()
    assert metadata_of(run)["status"] == "interrupted"
    command = shlex.split(terminal.lines[-1].removeprefix(advice))
    assert command == ["run", "--resume", run.name, "--output", "it's mine"]
    done = saescope(*command, cwd=tmp_path, env=environment(tmp_path))
    assert done.returncode == 0, done.stderr
    assert metadata_of(run)["num_records"] == ROWS


def test_with_open_the_run_is_shown_in_the_browser_when_it_is_complete(inputs: Path, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.part && mv {opened}.part {opened}\n')
    browser.chmod(0o755)
    command = [*COMMAND, *flags(inputs, "--max-rows", "50", "--open")]
    env = environment(tmp_path, BROWSER=f"{browser} %s")
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            wait_until(opened.exists)
        finally:
            process.kill()
        assert process.stdout is not None
        printed = process.stdout.read().splitlines()
    assert printed[-2].startswith("showing ")
    assert printed[-1] == opened.read_text().strip()


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(inputs: Path, tmp_path: Path) -> None:
    whole = saescope(*flags(inputs, "--save-activations"), cwd=tmp_path, env=environment(tmp_path))
    (run,) = (tmp_path / "analysis_data").iterdir()
    tokens = metadata_of(run)["num_tokens"]
    assert whole.returncode == 0
    size = sum(path.stat().st_size for path in (run / "activations").iterdir())
    work = tmp_path / "dry"
    work.mkdir()
    done = saescope(*flags(inputs, "--save-activations", "--dry-run"), cwd=work, env=environment(work))
    assert (done.returncode, list(work.iterdir())) == (0, [])
    facts = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert facts["rows"] == f"{ROWS:,}"
    assert facts["dataset"].startswith("headlines.txt (txt), ")
    assert "on this machine" in facts["model"]
    assert int(facts["tokens"].removeprefix("about ").replace(",", "")) == pytest.approx(tokens, rel=0.1)
    assert "tokens/s, measured on the first rows" in facts["time"]
    for said in (facts["activations"], whole.stderr):
        found = re.search(r"about ([\d.]+) MB, [\d.]+ B for each of about ([\d,]+) tokens; there is room for", said)
        assert found is not None, said
        assert float(found[1]) * 1e6 == pytest.approx(size, rel=0.3)
        assert int(found[2].replace(",", "")) == pytest.approx(tokens, rel=0.1)


def test_a_dry_run_fails_where_the_run_would(inputs: Path, tmp_path: Path) -> None:
    done = saescope(*flags(inputs, "--dry-run", "--text-column", "x"), cwd=tmp_path, env=environment(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("saescope: headlines.txt is read as plain text, which has no columns")


def test_a_dry_run_without_a_connection_says_what_would_be_downloaded(inputs: Path, tmp_path: Path) -> None:
    env = environment(tmp_path, HF_HUB_OFFLINE="1", SAESCOPE_AZURE_ENDPOINT="http://127.0.0.1:9")
    source = str(inputs / "headlines.txt")
    done = saescope("run", "--source", source, "--dry-run", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert "gpt2, to be downloaded: its size can't be asked for now" in done.stdout
    assert "(az://openaipublic/" in done.stdout


@pytest.mark.parametrize(
    ("content", "more", "status"),
    [
        ("", [], 5),
        ("title\nx\n", ["--location", "attic"], 2),
        ("title\nx\n", ["--subject", "no/such-model"], 3),
        (None, [], 2),
    ],
)
def test_the_status_tells_the_kind_of_failure(
    content: str | None, more: list[str], status: int, inputs: Path, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "rows.csv").write_text(content)
    arguments = [*run_flags(inputs / "autoencoder.pt"), "--source", "rows.csv", *more]
    done = saescope(*arguments, cwd=tmp_path, env=environment(tmp_path, HF_HUB_OFFLINE="1"))
    assert (done.returncode, done.stdout) == (status, "")


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["rnu"], "did you mean run?"),
        (["run", "--sorce", "x"], "unrecognized arguments: --sorce x; did you mean --source?"),
        (["serve", "out"], "unrecognized arguments: out; did you mean --runs out?"),
        (["run", "--precision", "float23"], "did you mean float32?"),
        (["run", "--location", "resid_post_mpl"], "(did you mean resid_post_mlp?)"),
        (["run", "--autoencoder", "v5_32K"], "there is no autoencoder 'v5_32K' (did you mean v5_32k?)"),
        (["run", "--autoencoder", "v5_32K", "--layer", "99"], "(did you mean v5_32k?)"),
    ],
)
def test_mistyped_names_are_answered_with_what_was_meant(arguments: list[str], answer: str, tmp_path: Path) -> None:
    done = saescope(*arguments, cwd=tmp_path, env=environment(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert answer in done.stderr


def test_a_mistyped_column_is_answered_with_what_was_meant(inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("body,stars\nx,1\n")
    arguments = [*run_flags(inputs / "autoencoder.pt"), "--source", "rows.csv", "--text-column", "bdy"]
    done = saescope(*arguments, cwd=tmp_path, env=environment(tmp_path))
    assert "has no column 'bdy' (did you mean body?); its columns are 'body', 'stars'\n" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_shell_s_completion_knows_commands_and_flags(shell: str, tmp_path: Path) -> None:
    done = saescope("completion", shell, cwd=tmp_path, env=environment(tmp_path))
    assert done.returncode == 0, done.stderr
    for word in ("submit", "--text-column", "--retry-failed", "bfloat16"):
        assert word in done.stdout
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=True)


def test_json_of_the_list_has_what_a_finished_run_says(inputs: Path, tmp_path: Path) -> None:
    saescope(*flags(inputs, "--max-rows", "50"), cwd=tmp_path, env=environment(tmp_path))
    listed = saescope("runs", "ls", "--json", cwd=tmp_path, env=environment(tmp_path))
    (entry,) = json.loads(listed.stdout)
    (run,) = (tmp_path / "analysis_data").iterdir()
    assert (entry["id"], entry["status"]) == (run.name, "complete")
    assert entry["num_tokens"] == metadata_of(run)["num_tokens"]
