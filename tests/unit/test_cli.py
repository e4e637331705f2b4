"""The flags of `saescope run`, `serve` and `demo`: what is refused at once, and how errors are told."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from services.cli import main
from sparse_autoencoder import cli
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.resume_command import command_again

REPOSITORY = Path(__file__).parents[2]
RUN_FLAGS = [
    "--max-rows --chunk-size --top-feature-count --top-tokens-per-feature --per-token-feature-scan --prompt-file",
    "--kaggle-row --source --text-column --subject --autoencoder --layer --location --max-tokens --bos --long-rows",
    "--precision --device --seed --output --resume --retry-failed",
]
WHOLE_NUMBERS = {  # flag -> the least that it takes
    "--max-rows": 1,
    "--chunk-size": 1,
    "--top-feature-count": 1,
    "--top-tokens-per-feature": 1,
    "--per-token-feature-scan": 1,
    "--max-tokens": 1,
    "--kaggle-row": 0,
    "--layer": 0,
    "--context": 0,
    "--seed": 0,
}


def parse(*arguments: str) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    cli.add_run_parser_arguments(parser)
    return vars(parser.parse_args(arguments))


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The last line of what a command says to flags that it doesn't take."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()[-1]


@pytest.mark.parametrize("flag", " ".join(RUN_FLAGS).split())
def test_help_explains_every_flag(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--help"])
    assert ended.value.code == 0
    assert f"\n  {flag} " in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["demo", "--help"]])
def test_every_command_has_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: saescope")


def test_flags_that_are_not_given_are_left_to_the_defaults_of_a_run() -> None:
    assert parse() == {"output": Path("analysis_data")}


def test_flags_become_options_of_a_run() -> None:
    given = "--source x.csv --max-rows 7 --bos none --long-rows truncate --precision bfloat16 --output out"
    assert parse(*given.split()) == {
        "source": "x.csv",
        "max_rows": 7,
        "bos": "none",
        "long_rows": "truncate",
        "precision": "bfloat16",
        "output": Path("out"),
    }


@pytest.mark.parametrize("flag", WHOLE_NUMBERS)
@pytest.mark.parametrize("text", ["x", "1.5", "", "1e3", "0x10", "²"])
def test_what_is_no_whole_number_is_refused(flag: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "run", flag, text).endswith(f"argument {flag}: {text!r} is not a whole number")


@pytest.mark.parametrize(("flag", "least"), WHOLE_NUMBERS.items())
def test_numbers_have_a_least_and_a_largest_value(flag: str, least: int, capsys: pytest.CaptureFixture[str]) -> None:
    too_small = refused(capsys, "run", f"{flag}={least - 1}")
    assert too_small.endswith(f"argument {flag}: must be at least {least}, not {least - 1}")
    most = 2147483647 if flag == "--top-tokens-per-feature" else 9223372036854775807
    too_large = refused(capsys, "run", flag, str(most + 1))
    assert too_large.endswith(f"argument {flag}: must be at most {most}, not {most + 1}")
    assert least in parse(flag, str(least)).values()


@pytest.mark.parametrize(
    ("flag", "known"),
    [
        ("--precision", ["float32", "tf32", "bfloat16", "float64"]),
        ("--bos", ["exclude", "include", "none"]),
        ("--long-rows", ["split", "truncate"]),
    ],
)
def test_an_unknown_choice_is_answered_with_the_known(
    flag: str, known: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(capsys, "run", flag, "float16")
    assert message.startswith(f"saescope run: error: argument {flag}: invalid choice: 'float16'")
    assert all(choice in message for choice in known)


@pytest.mark.parametrize("subcommand", ["serve", "demo"])
@pytest.mark.parametrize(
    ("port", "complaint"),
    [
        ("http", "'http' is not a whole number"),
        ("-1", "must be at least 0, not -1"),
        ("65536", "must be at most 65535, not 65536"),
    ],
)
def test_a_port_that_there_is_none_of_is_refused(
    subcommand: str, port: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, subcommand, f"--port={port}").endswith(f"argument --port: {complaint}")


@pytest.mark.parametrize("rows", ["0", "-5", "many"])
def test_a_demo_of_no_rows_is_refused(rows: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "argument --max-rows" in refused(capsys, "demo", f"--max-rows={rows}")


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert [command in printed.out for command in ("run", "serve", "demo", "submit")] == [True] * 4


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    pyproject = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr() == (f"saescope {pyproject['project']['version']}\n", "")


@pytest.mark.parametrize("command", ["run", "demo"])
def test_what_computes_says_that_torch_is_missing(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert main([command]) == 2
    assert capsys.readouterr() == (
        "",
        "saescope: PyTorch is not installed, and runs are computed with it; "
        "install saescope with its extra: saescope[run]\n",
    )


def test_a_command_must_be_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert "invalid choice: 'walk'" in refused(capsys, "walk")


@pytest.mark.parametrize("flag", ["--resume", "--retry-failed"])
def test_what_takes_a_run_takes_no_other_choice(flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", flag, "x", "--max-rows", "3", "--bos", "none", "--output", str(tmp_path)]
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err == f"saescope: {flag} takes everything from the run, so leave out --max-rows, --bos\n"


def test_a_run_is_resumed_or_its_failed_chunks_are_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--resume", "x", "--retry-failed", "x"]) == 2
    said = "saescope: --resume takes everything from the run, so leave out --retry-failed\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("output", "command_line"),
    [
        ("analysis_data", "saescope run --resume r1"),
        ("other", "saescope run --resume r1 --output other"),
        ("my runs", "saescope run --resume r1 --output 'my runs'"),
        ("/elsewhere", "saescope run --resume r1 --output /elsewhere"),
    ],
)
def test_the_command_to_go_on_with_a_run_is_one_to_type(
    output: str, command_line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_again("--resume", "r1", Path(output)) == command_line


def test_an_error_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    def action() -> int:
        raise SaescopeError("there is no file x; give another")

    assert cli.guarded(action) == 2
    assert capsys.readouterr() == ("", "saescope: there is no file x; give another\n")


def test_ctrl_c_is_one_line_and_the_status_that_shells_give(capsys: pytest.CaptureFixture[str]) -> None:
    def action() -> int:
        raise KeyboardInterrupt

    assert cli.guarded(action) == 130
    assert capsys.readouterr() == ("", "saescope: interrupted\n")


def test_other_exceptions_are_not_hidden() -> None:
    def action() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cli.guarded(action)


@pytest.mark.parametrize("module", ["services.cli", "sparse_autoencoder.cli"])
def test_the_command_line_is_there_before_torch(module: str) -> None:
    program = f"import sys, {module}; assert not set(sys.modules) & {{'torch', 'numpy', 'pyarrow', 'starlette'}}"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_main_py_is_the_same_command_as_saescope_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = Path(cli.__file__).with_name("main.py")
    done = subprocess.run([sys.executable, script, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True)
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    theirs = capsys.readouterr().out
    assert done.stdout.partition("options:")[2] == theirs.partition("options:")[2] != ""


def test_feature_probe_server_py_is_the_same_command_as_saescope_serve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = REPOSITORY / "viz_analysis" / "feature_probe_server.py"
    done = subprocess.run([sys.executable, script, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True)
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    assert done.stdout.partition("options:")[2] == capsys.readouterr().out.partition("options:")[2] != ""
