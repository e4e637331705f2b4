"""Which sources and models a run may name if it was requested over the network.

These are Kaggle datasets, models of the Hugging Face hub, and files below the data folder. The API checks a request;
ingest and encoders check again before they open files, because a symbolic link may have changed in between.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sparse_autoencoder import paths
from sparse_autoencoder.data.file_formats import format_by_name, split_format
from sparse_autoencoder.data.source import HUGGING_FACE, KAGGLE
from sparse_autoencoder.data.source_files import local_files
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.subjects.hook_points import LOCATIONS

RULES = {  # options for which the services allow less than `saescope run` does
    "source": "kaggle:owner/name[/versions/N][/file], hf:owner/name[@revision][/config][/split], or the path of a file "
    "or folder below the data folder, or a pattern of such (CSV, TSV, JSON, JSON Lines, Parquet or plain text, also "
    "compressed; FORMAT:PATH forces a format)",
    "prompt_file": "the path below the data folder of a text file that is taken as one single prompt instead",
    "subject": "Hugging Face name of the language model, or the path of its folder below the data folder",
    "autoencoder": f"{', '.join(paths.FAMILIES)}, or the path of a file below the data folder",
    "neighbours_of": f"{', '.join(paths.FAMILIES)}, or the path of a file below the data folder",
    "location": f"one of {', '.join(LOCATIONS)}",
    "device": "auto, cpu, cuda, or cuda:N",
    "check_reference": "the path below the data folder of an earlier run's metadata.json, or of a reference file",
}
_KAGGLE = re.compile(r"kaggle:[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*(/[^\x00-\x1f\x7f\\]+)?")
_HUB_DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._@-]*)?(/[^\x00-\x1f\x7f\\]+)?")
_HUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{,95}(/[A-Za-z0-9][A-Za-z0-9._-]{,95})?")
_DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,3})?")
_PATTERN_SIGNS = set("*?[")
_SHOWN_CHARS = 200  # how much of a value an error quotes


class NotAllowedError(SaescopeError):
    """An option has a value that the services don't allow; `field` is the option's name."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


def allowed(options: RunOptions, data_folder: Path) -> RunOptions:
    """Check the options; returns them with absolute paths. NotAllowedError for the first that is not allowed."""
    files = _Files(data_folder)
    changes: dict[str, Any] = {}
    if options.prompt_file is None:
        changes["source"] = _source(options.source, files)
    else:
        _check_alone(options)
        changes["prompt_file"] = str(files.file("prompt_file", options.prompt_file))
    if options.location not in LOCATIONS:
        raise _refusal("location", options.location)
    if not _DEVICE.fullmatch(options.device):
        raise _refusal("device", options.device)
    changes["subject"] = _subject(options.subject, files)
    changes["autoencoder"] = _autoencoder("autoencoder", options.autoencoder, options, files)
    if options.neighbours_of is not None:
        changes["neighbours_of"] = _autoencoder("neighbours_of", options.neighbours_of, options, files)
    if options.check_reference is not None:
        changes["check_reference"] = str(files.file("check_reference", options.check_reference))
    return options.model_copy(update=changes)


def readable_by_name(name: str) -> bool:
    """Whether the extension of a file's name is one of the formats that can be read."""
    return format_by_name(name) is not None


@dataclass(frozen=True)
class _Files:
    """Looks up files and folders below the data folder `root`."""

    root: Path

    def file(self, field: str, text: str) -> Path:
        """The absolute path of a regular file; NotAllowedError for anything else, such as a folder or a pipe."""
        path = self._inside(field, text)
        if not path.is_file():
            raise _refusal(field, text, "that is no regular file")
        return path

    def source(self, text: str) -> Path:
        """The absolute path of a source: a file, a folder or a pattern, all of whose files are in the data folder."""
        path = self.root / text
        if _lexists(path) and not path.is_dir():
            return self.file("source", text)
        if ".." in PurePosixPath(text).parts or not path.is_relative_to(self.root):
            raise _refusal("source", text, "that is outside the data folder")
        if not _lexists(path) and not (set(text) & _PATTERN_SIGNS) and ".zip/" not in text.lower():
            raise _refusal("source", text, f"there is nothing of that name in {self.root}")
        try:
            found = local_files(str(path))
        except (SaescopeError, OSError, ValueError) as error:  # a name that is too long; a NUL in it
            raise _refusal("source", text, str(error).partition(";")[0]) from error
        for file in found:
            try:
                real = file.path.resolve(strict=True)
            except (OSError, RuntimeError) as error:
                raise _refusal("source", text, f"{file.name} can't be read") from error
            self._check_inside("source", text, real)
            if not real.is_file():
                raise _refusal("source", text, f"{file.name} is no regular file")
        return path

    def folder(self, field: str, text: str) -> Path:
        """The absolute path of a folder; NotAllowedError also if an entry links to outside the data folder."""
        path = self._inside(field, text)
        if not path.is_dir():
            raise _refusal(field, text, "that is no folder")
        try:
            entries = [entry.resolve() for entry in path.iterdir()]
        except (OSError, RuntimeError) as error:
            raise _refusal(field, text, "that folder can't be read") from error
        for entry in entries:
            self._check_inside(field, text, entry)
        return path

    def has(self, text: str) -> bool:
        """Whether a file or folder of that name exists."""
        return os.path.lexists(self.root / text)

    def _inside(self, field: str, text: str) -> Path:
        path = self.root / text
        if ".." in PurePosixPath(text).parts or not path.is_relative_to(self.root):
            raise _refusal(field, text, "that is outside the data folder")
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError, ValueError) as error:  # a circle of links; a NUL in the name
            raise _refusal(field, text, f"there is nothing of that name in {self.root}") from error
        self._check_inside(field, text, real)
        return path

    def _check_inside(self, field: str, text: str, real: Path) -> None:
        if not real.is_relative_to(self.root.resolve()):
            raise _refusal(field, text, "a link leads out of the data folder")


def _lexists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a NUL, or half of a surrogate pair
        return False


def _source(source: str, files: _Files) -> str:
    forced, where = split_format(source)
    hub = next((where[len(prefix) :] for prefix in HUGGING_FACE if where.startswith(prefix)), None)
    if hub is not None:
        if not _HUB_DATASET.fullmatch(hub) or {".", "..", ""} & set(hub.split("/")):
            raise _refusal("source", source)
        return source
    if where.startswith(KAGGLE):
        if not _KAGGLE.fullmatch(where) or {".", "..", ""} & set(where.split("/")):
            raise _refusal("source", source)
        return source
    if not where or where == "-" or "://" in where:
        raise _refusal("source", source)
    return ("" if forced is None else f"{forced}:") + str(files.source(where))


def _subject(subject: str, files: _Files) -> str:
    if _HUB_NAME.fullmatch(subject) and not files.has(subject):
        if os.path.lexists(subject):  # the library would load this folder, relative to the working directory
            raise _refusal("subject", subject, "that is a path on the server outside the data folder")
        return subject
    return str(files.folder("subject", subject))


def _autoencoder(field: str, name: str, options: RunOptions, files: _Files) -> str:
    family = paths.FAMILIES.get(name)
    if family is None:
        return str(files.file(field, name))
    try:
        family(options.location, options.layer)
    except ValueError as error:
        field = "layer" if options.layer >= paths.N_LAYERS else "location"
        raise NotAllowedError(field, str(error)) from error
    return name


def _check_alone(options: RunOptions) -> None:
    for field in ("source", "text_column", "delimiter", "no_header", "kaggle_row"):
        if getattr(options, field) != RunOptions.model_fields[field].default:
            raise NotAllowedError(field, f"prompt_file is the whole input, so leave out {field}")


def _refusal(field: str, text: str, why: str = "") -> NotAllowedError:
    reason = f", {why}" if why else ""
    return NotAllowedError(field, f"{field} can't be {text[:_SHOWN_CHARS]!r}{reason}; it is {RULES[field]}")
