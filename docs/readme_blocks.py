"""Writes the generated parts of README.md: the command's help, and what a run leaves.

    python docs/readme_blocks.py [--check]

A block stands between `<!-- generated: NAME -->` and `<!-- end -->`. A test fails when one is stale.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for the tests' list of inputs

import demo
from demo.headlines import write_csv
from services.cli import main as saescope
from sparse_autoencoder.cli import EXIT_STATUSES
from tests.support.readable_inputs import table

README = Path(__file__).resolve().parents[1] / "README.md"
_BLOCK = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def run_help() -> str:
    """`saescope run --help`, 100 columns wide."""
    with mock.patch.dict(os.environ, {"COLUMNS": "100"}):
        return f"```\n$ saescope run --help\n{_output_of('run', '--help')}```\n"


def readable_inputs() -> str:
    """The table of what can be read; the tests read each of its entries."""
    return f"{table()}\n"


def run_files() -> str:
    """The files of a small demo run, and how their contents begin."""
    with tempfile.TemporaryDirectory() as folder:
        headlines = Path(folder) / "headlines.csv"
        write_csv(200, 0, str(headlines))
        with contextlib.redirect_stderr(io.StringIO()):
            _output_of(
                *("run", "--source", str(headlines), "--output", str(Path(folder) / "runs")),
                *("--subject", str(demo.SUBJECT), "--autoencoder", str(demo.AUTOENCODER)),
                *("--layer", str(demo.LAYER), "--location", demo.LOCATION),
            )
        (run,) = (Path(folder) / "runs").iterdir()
        names = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
        prompt = (run / "prompts.jsonl").read_text().splitlines()[0]
        stats = json.loads((run / "feature_stats.json").read_text())
        tokens = json.loads((run / "feature_tokens.json").read_text())
    entry = next(iter(tokens["features"].values()))[0]
    lines = [f"analysis_data/<timestamp>_run-001/{name}" for name in names]
    lines += ["", "$ head -n 1 prompts.jsonl", prompt]
    lines += ["", "feature_stats.json:", "  " + _keys(stats)]
    lines += [
        "  each of its metrics' top_features:",
        "  " + _keys(stats["metrics"]["mean_activation"]["top_features"][0]),
    ]
    lines += ["", "feature_tokens.json, each entry:", "  " + _keys(entry)]
    return "```\n" + "\n".join(lines) + "\n```\n"


def exit_statuses() -> str:
    """The table of exit statuses, as `saescope --help` has it."""
    rows = [line.split(None, 1) for line in EXIT_STATUSES.splitlines()[1:]]
    return "| Status | Meaning |\n|---|---|\n" + "".join(f"| {status} | {text} |\n" for status, text in rows)


BLOCKS = {
    "exit-statuses": exit_statuses,
    "run-help": run_help,
    "run-files": run_files,
    "readable-inputs": readable_inputs,
}


def generated(text: str) -> str:
    """README's text with its blocks made anew."""
    return _BLOCK.sub(lambda match: match[1] + BLOCKS[match["name"]]() + match[3], text)


def main() -> int:
    """Rewrite README.md, or with --check say whether that would change it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 if README.md is stale")
    args = parser.parse_args()
    before = README.read_text()
    after = generated(before)
    if args.check:
        return int(before != after)
    README.write_text(after)
    return 0


def _output_of(*command: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        saescope(command)
    return printed.getvalue()


def _keys(entry: dict[str, object]) -> str:
    return ", ".join(entry)


if __name__ == "__main__":
    sys.exit(main())
