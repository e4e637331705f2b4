"""`saescope labels export | import`: what people say of features, taken away and brought in as JSON Lines."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from services.client.submit import TOKEN_VARIABLE
from services.commands.run_paths import folder_and_name
from services.commands.runs import add_place, address_given
from sparse_autoencoder.errors import DataError, SaescopeError
from sparse_autoencoder.runs.resume_command import DEFAULT_OUTPUT
from sparse_autoencoder.utils.printable import facts_in_lines, printable

if TYPE_CHECKING:
    from sparse_autoencoder.runs.label_log import LabelLog

Outcome = Mapping[str, Any]  # as the API answers an import
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 64 << 20
_MOST_FEATURES = 2**31  # where no run says how many there are
_STANDARD_INPUT = "-"


def add_labels_parser(commands: Any) -> None:
    """Add `labels` and its own subcommands."""
    labels = commands.add_parser(
        "labels",
        help="take labels, notes and stars away, and bring them in",
        description="Take what people say of features away as JSON Lines, and bring it in. It is kept by the "
        "autoencoder's SHA-256, so all runs of an autoencoder have the same.",
    )
    actions = labels.add_subparsers(dest="action", metavar="ACTION", required=True)
    export = actions.add_parser(
        "export", help="print them as JSON Lines", description="Print all that is said, a feature a line."
    )
    imports = actions.add_parser(
        "import",
        help="take over JSON Lines",
        description="Take over lines of an export, or of Neuronpedia's exports of explanations, all at once.",
    )
    for parser in (export, imports):
        parser.add_argument(
            "run",
            metavar="RUN",
            help="a run: its id, the beginning of it, latest, or its folder; or the SHA-256 of an autoencoder",
        )
    imports.add_argument("file", metavar="FILE", help="the lines; - for standard input")
    imports.add_argument(
        "--replace", action="store_true", help="take over labels and notes that are said otherwise here, too"
    )
    export.add_argument("--output", type=Path, metavar="FILE", help="write this file instead of printing")
    for parser in (export, imports):
        add_place(parser)
    export.set_defaults(handler=export_command)
    imports.set_defaults(handler=import_command)


def export_command(args: argparse.Namespace) -> int:
    """Print what is said of an autoencoder's features, or write it into a file."""
    from sparse_autoencoder.runs.store import DirectoryStore

    lines = _labels(args).lines()
    if args.output is not None:
        DirectoryStore(args.output.parent).put(args.output.name, lines.encode())
    else:  # bytes: the terminal's encoding may lack characters of a label
        sys.stdout.buffer.write(lines.encode())
    count = lines.count("\n")
    said = f"something is said of {count:,} features" if count != 1 else "something is said of 1 feature"
    print(f"saescope: {said if count else 'nothing is said of any feature'}", file=sys.stderr)
    return 0


def import_command(args: argparse.Namespace) -> int:
    """Take over lines, and print what became of them; SaescopeError if none of them can be used."""
    text = _text_of(args.file)
    outcome = _labels(args).take(text, replace=args.replace)
    done = outcome["taken"] + outcome["unchanged"] + outcome["num_conflicts"]
    if not done:
        why = "".join(f": line {one['line']}, {printable(one['why'])}" for one in outcome["skipped"][:1])
        raise SaescopeError(f"{_shown(args.file)} has no line that can be used{why}")
    for line in _report(outcome):
        print(line)
    return 0


def _report(outcome: Outcome) -> Iterator[str]:
    counts = {"conflicts": outcome["num_conflicts"], "left out": outcome["num_skipped"]}
    counts = {name: outcome[name] for name in ("added", "changed", "unchanged")} | counts
    yield facts_in_lines([(name, f"{count:,}") for name, count in counts.items()])
    for name, verb in (("conflicts", "conflicts"), ("skipped", "lines left out")):
        yield from (f"line {one['line']}: {printable(one['why'])}" for one in outcome[name])
        if (more := outcome[f"num_{name}"] - len(outcome[name])) > 0:
            yield f"and {more:,} more {verb}"
    if counts["conflicts"]:
        yield "what was said here stays; with --replace the lines' labels and notes take its place"


class _Labels(Protocol):
    """What is said of one autoencoder's features, wherever it is kept."""

    def lines(self) -> str:
        """All of it, as JSON Lines."""

    def take(self, text: str, *, replace: bool) -> Outcome:
        """Take over lines; what became of them."""


class _InFolder:
    def __init__(self, log: LabelLog, num_features: int) -> None:
        self._log = log
        self._num_features = num_features

    def lines(self) -> str:
        from sparse_autoencoder.runs.label_lines import exported

        return "".join(exported(self._log))

    def take(self, text: str, *, replace: bool) -> Outcome:
        from services.api.runs.run_labels import what_became
        from sparse_autoencoder.runs.label_lines import imported

        return what_became(imported(self._log, text, self._num_features, replace=replace))


class _AtApi:
    def __init__(self, url: str, token: str | None, named: str) -> None:
        from services.client.api_client import ApiClient
        from services.commands.places_of_runs import RunsOfServices

        if _SHA256.fullmatch(named):
            raise SaescopeError("an API keeps labels for the runs that it has: name one of the autoencoder's runs")
        self._run_id = str(RunsOfServices(url, token).one(named)["id"])
        self._api = ApiClient(url, token)

    def lines(self) -> str:
        return self._api.export_labels(self._run_id)

    def take(self, text: str, *, replace: bool) -> Outcome:
        return self._api.import_labels(self._run_id, text, replace=replace)


def _labels(args: argparse.Namespace) -> _Labels:
    if url := address_given(args):
        return _AtApi(url, args.token or os.environ.get(TOKEN_VARIABLE), args.run)

    from services.commands.places_of_runs import FolderOfRuns
    from sparse_autoencoder.reading.open_runs import RunLibrary
    from sparse_autoencoder.runs.folder_layout import RunFolder
    from sparse_autoencoder.runs.label_log import LabelLog, LabelLogs
    from sparse_autoencoder.runs.store import DirectoryStore

    folder, name = folder_and_name(args.run, args.runs or DEFAULT_OUTPUT)
    runs, store = FolderOfRuns(folder), DirectoryStore(folder)
    if _SHA256.fullmatch(name):
        of_it = (run for run in RunLibrary(store).all() if run.autoencoder.get("sha256") == name)
        return _InFolder(LabelLog(store, name), max((run.num_features for run in of_it), default=_MOST_FEATURES))
    metadata = RunFolder(store, str(runs.one(name)["id"])).read_metadata()
    return _InFolder(LabelLogs(store).of_run(metadata), metadata.num_features)


def _text_of(file: str) -> str:
    """The text of a file, or of standard input; SaescopeError if it can't be read, is too large or isn't UTF-8."""
    try:
        if file == _STANDARD_INPUT:
            data = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise SaescopeError(f"can't read {printable(file)}: {error.strerror or error}") from error
    if len(data) > _MOST_BYTES:
        raise SaescopeError(f"{_shown(file)} is larger than {_MOST_BYTES >> 20} MB: bring in fewer lines at once")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{_shown(file)} is not UTF-8, as JSON Lines are (byte {error.start:,})") from error


def _shown(file: str) -> str:
    return "standard input" if file == _STANDARD_INPUT else printable(file)
