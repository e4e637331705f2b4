"""The flags of `saescope run`, and what the command prints.

Importing this file is fast, so that `--help` and errors in flags are answered at once.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.run_flags import add_flag, add_run_arguments
from sparse_autoencoder.runs.resume_command import command_again, command_to_see
from sparse_autoencoder.runs.warnings import self_check_line
from sparse_autoencoder.utils.flag_parser import FlagParser
from sparse_autoencoder.utils.printable import facts_in_lines, printable

if TYPE_CHECKING:
    from sparse_autoencoder.runs.metadata import RunMetadata
    from sparse_autoencoder.runs.store import DirectoryStore

DESCRIPTION = "Read a dataset, run a language model and a sparse autoencoder over it, and summarise every feature."
EXIT_INTERRUPTED = 130  # as shells report Ctrl-C
EXIT_UNREAD = 141  # as shells report a broken pipe
EXIT_WARNED = 4  # with --strict
EXIT_STATUSES = f"""exit status:
  0    what was asked for is done
  1    something unexpected, or a run that hung; what is known is in the message
  2    a flag, or what it names, is wrong, or the run failed; the message says what to do
  3    something can't be reached: no connection, or a server that doesn't answer
  {EXIT_WARNED}    with --strict: done, and there are warnings
  5    the dataset, or a file of the run, can't be read as what it is: empty, cut or damaged
  {EXIT_INTERRUPTED}  interrupted (Ctrl-C); a run says how to go on
  {EXIT_UNREAD}  nobody reads the output any more"""
_OF_A_RUN = ("resume", "retry_failed")  # flags that name a run, which then has all options
_OF_THE_COMMAND = (
    *("output", "strict", "open", "dry_run", "save_arrays", *_OF_A_RUN, "command", "handler"),
    "per_token_feature_scan",
)
_ABOUT_THE_SOURCE = ("source", "text_column", "delimiter", "no_header", "kaggle_row", "keep_columns", "group_by")


def run_command(args: argparse.Namespace) -> int:
    """Do what the parsed flags say, and print the outcome; raises SaescopeError."""
    given = vars(args)
    output: Path = given["output"]
    options = {name: value for name, value in given.items() if name not in _OF_THE_COMMAND}
    _check_names(given)
    again = [name for name in _OF_A_RUN if name in given]
    if given.get("save_arrays") and not again:
        options["save_activations"] = True
    _check_together(again, options)
    _check_one_text(given, again)
    need_torch()

    from sparse_autoencoder.runs.store import DirectoryStore
    from sparse_autoencoder.utils.interrupt_signals import stopping_cleanly

    store = DirectoryStore(output)
    if given.get("dry_run"):
        if again:
            raise SaescopeError(f"--dry-run is for new runs, so leave out {_flag(again[0])}")
        return _dry_run(options, store)

    def do() -> RunMetadata:
        from sparse_autoencoder.pipeline import single_process as runs
        from sparse_autoencoder.runs.find_run import find_run
        from sparse_autoencoder.runs.folder_layout import run_ids
        from sparse_autoencoder.runs.run_options import RunOptions

        if not again:
            return runs.run(RunOptions(**options), store)
        run_id = find_run(given[again[0]], run_ids(store), str(output))
        return runs.resume(run_id, store) if again == ["resume"] else runs.retry_failed(run_id, store)

    with stopping_cleanly(), _leaving_no_empty_folder(output), _unexpected_reported():
        metadata = do()
    print(f"{output / metadata.run_id}")
    print_outcome(metadata.model_dump())
    if metadata.failed_chunks:
        print(f"try what is missing again: {command_again('--retry-failed', metadata.run_id, output)}")
    if given.get("save_arrays"):
        _save_arrays(store, metadata.run_id)
    newest = max(store.folders()) == metadata.run_id
    see = output if newest else output / metadata.run_id
    if given.get("strict") and metadata.warnings:
        print(f"see it: {command_to_see(see)}")
        return EXIT_WARNED
    if given.get("open"):
        _serve_and_open(see)
    print(f"see it: {command_to_see(see)}")
    return 0


def _check_one_text(given: Mapping[str, Any], again: Sequence[str]) -> None:
    """Raise SaescopeError if --save-arrays is given for more than one text."""
    if given.get("save_arrays") and not again and not given.keys() & {"prompt_file", "kaggle_row"}:
        raise SaescopeError(
            "--save-arrays is for a single text, so name one with --prompt-file or --kaggle-row; of a dataset, "
            "--save-activations keeps the same in less room"
        )


def _save_arrays(store: DirectoryStore, run_id: str) -> None:
    from sparse_autoencoder.reading.original_arrays import write_original_arrays
    from sparse_autoencoder.runs.folder_layout import RunFolder

    for key in write_original_arrays(RunFolder(store, run_id)):
        print(f"wrote {store.root / key}")


def _dry_run(options: dict[str, Any], store: DirectoryStore) -> int:
    from sparse_autoencoder.pipeline.dry_run import dry_run
    from sparse_autoencoder.runs.run_options import RunOptions

    with _unexpected_reported():
        facts = dry_run(RunOptions(**options), store)
    print(facts_in_lines(facts))
    print("nothing was begun or written: leave out --dry-run to begin")
    return 0


def _serve_and_open(folder: Path) -> NoReturn:
    """Go on as `saescope serve --open`, in place of this process, whose models then take no memory any more."""
    sys.stdout.flush()
    sys.stderr.flush()
    # -P: a folder here that happens to be named services must not be taken for ours
    command = [sys.executable, "-P", "-m", "services.cli", "serve", "--open", "--port", "0", "--runs", str(folder)]
    path = os.pathsep.join([str(Path(__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    os.execve(sys.executable, command, os.environ | {"PYTHONPATH": path})  # noqa: S606


def need_torch() -> None:
    """Raise SaescopeError if this installation is without what computes; asking for it imports nothing."""
    if importlib.util.find_spec("torch") is None:
        raise SaescopeError(
            "PyTorch is not installed, and runs are computed with it; install saescope with its extra: saescope[run]"
        )


def _check_together(again: Sequence[str], options: Mapping[str, Any]) -> None:
    """Raise SaescopeError for flags that exclude each other."""
    if again and (extra := [*again[1:], *options]):
        raise SaescopeError(f"{_flag(again[0])} takes everything from the run, so leave out {_flags(extra)}")
    if "prompt_file" in options and (beside := set(_ABOUT_THE_SOURCE) & options.keys()):
        raise SaescopeError(f"--prompt-file is the whole input, so leave out {_flags(sorted(beside))}")


def _check_names(given: Mapping[str, Any]) -> None:
    """Raise SaescopeError if a flag's value isn't UTF-8; Python hands on the name of such a file with surrogates."""
    for name, value in given.items():
        text = str(value) if isinstance(value, str | Path) else ""
        if any("\ud800" <= char <= "\udfff" for char in text):
            pattern = "".join("?" if "\ud800" <= char <= "\udfff" else char for char in text)
            advice = f", or give a pattern, as in {_flag(name)} '{pattern}'" if name == "source" else ""
            raise SaescopeError(f"{_flag(name)} {printable(text)} isn't UTF-8: rename it{advice}")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _flags(names: Iterable[str]) -> str:
    return ", ".join(map(_flag, names))


@contextmanager
def _unexpected_reported() -> Iterator[None]:
    """Turn an unexpected error before the run's begin into a SaescopeError, with the traceback in a temporary file."""
    from sparse_autoencoder.utils.failure_rule import Failure, is_failure

    try:
        yield
    except BaseException as error:
        if isinstance(error, SaescopeError | BrokenPipeError) or not is_failure(error):
            raise
        failure = Failure(error)
        with tempfile.NamedTemporaryFile("w", prefix="saescope-", suffix=".log", delete=False) as file:
            file.write(f"{failure.traceback}\n")
        raise SaescopeError(f"the run could not be begun, unexpectedly ({failure.reason}; see {file.name})") from error


def print_outcome(metadata: Mapping[str, Any]) -> None:
    """Print a finished run's counts and what it lacks; `metadata` has the names of metadata.json, as in the API."""
    print(
        f"{metadata['num_prompts']:,} rows, "
        f"{metadata['num_tokens']:,} tokens: "
        f"{metadata['num_active_features']:,} of {metadata['num_features']:,} features fired"
    )
    for reason, count in metadata["skipped_rows"].items():
        print(f"skipped {count:,} rows: {reason}")
    for note, count in metadata["noted_rows"].items():
        print(f"noted {count:,} rows: {note}")
    for chunk in metadata["failed_chunks"]:
        rows = f"rows {chunk['first_row']} to {chunk['last_row']}"
        print(f"missing: {rows}, chunk {chunk['chunk']} failed: {chunk['error']}")
    if (self_check := metadata.get("self_check")) is not None:
        print(self_check_line(self_check))
    for warning in metadata["warnings"]:
        print(f"warning: {warning}")


@contextmanager
def _leaving_no_empty_folder(output: Path) -> Iterator[None]:
    """If the block fails, remove the empty output folders that it created."""
    missing = [folder for folder in (output, *output.parents) if not folder.exists()]
    try:
        yield
    except BaseException:
        with suppress(OSError):  # not empty, or never created
            for folder in missing:
                folder.rmdir()
        raise


def guarded(action: Callable[[], int]) -> int:
    """Run a command and return the exit status; a SaescopeError is one line on stderr, a broken pipe no message."""
    try:
        status = _reported(action)
        sys.stdout.flush()
    except BrokenPipeError:
        status = EXIT_UNREAD
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:  # so that flushing the rest doesn't fail again when Python exits
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return status


def _reported(action: Callable[[], int]) -> int:
    try:
        return action()
    except SaescopeError as error:
        print(f"saescope: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt as interruption:  # whose text, if it has one, says how to go on
        advice = f"; {interruption}" if str(interruption) else ""
        print(f"saescope: interrupted{advice}", file=sys.stderr)
        return EXIT_INTERRUPTED


def main(argv: Sequence[str] | None = None) -> int:
    """`python sparse_autoencoder/main.py`: the same as `saescope run`."""
    parser = FlagParser(prog="main.py", description=DESCRIPTION)
    add_run_parser_arguments(parser)
    args = parser.parse_args(argv)
    return guarded(lambda: run_command(args))


def add_run_parser_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all flags of `saescope run`: a run's, --resume and --retry-failed."""
    add_run_arguments(parser)
    add_strict_flag(parser)
    add_flag(
        parser,
        "--dry-run",
        action="store_true",
        help="say what would be read, downloaded and computed, and about how long it takes; begin and write nothing",
    )
    add_flag(
        parser,
        "--save-arrays",
        action="store_true",
        help="of a single text (--prompt-file, --kaggle-row), also write latent_activations.npy, tokens.npy and "
        "prompt.txt, as the original script's full save did, up to 1 GB",
    )
    add_flag(parser, "--open", action="store_true", help="when the run is complete, show it in the browser")
    add_flag(
        parser,
        "--resume",
        metavar="RUN",
        help="go on with an interrupted run of the output folder; the beginning of its id does, and latest",
    )
    add_flag(parser, "--retry-failed", metavar="RUN", help="try the chunks again that failed in a finished run")


def add_strict_flag(parser: argparse.ArgumentParser) -> None:
    """Add --strict, which isn't an option of the run."""
    add_flag(
        parser,
        "--strict",
        action="store_true",
        help=f"end with exit status {EXIT_WARNED} if there is a warning, such as that more than a tenth of the rows "
        "were skipped",
    )
