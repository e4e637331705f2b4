"""What can be chosen for a run that is started over HTTP: every option with its default, type and meaning.

Types and limits are RunOptions', the descriptions are the command's help or, where the services take less, their rules.
"""

import os
from pathlib import Path
from typing import Any

from services.api.response_types.runs import Option
from services.common.allowed_sources import RULES, readable_by_name
from services.common.run_option_flags import option_helps
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.subjects.hook_points import LOCATIONS

MOST_FILES = 1000


def options() -> dict[str, Option]:
    """Every option of a run."""
    schema = RunOptions.model_json_schema()["properties"]
    helps = option_helps()
    return {name: _option(name, field, RULES.get(name, helps[name])) for name, field in schema.items()}


def data_files(folder: Path) -> list[str]:
    """The first files below the data folder whose names say that they can be read, as a run names them."""
    found: list[str] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and readable_by_name(name) and _is_inside(path, folder):
                found.append(path.relative_to(folder).as_posix())
                if len(found) == MOST_FILES:
                    return found
    return found


_CHOICES = {"location": list(LOCATIONS), "boolean": ["false", "true"]}


def _option(name: str, field: dict[str, Any], description: str) -> Option:
    kinds = [kind for kind in field.get("anyOf", [field]) if kind["type"] != "null"]
    (kind,) = kinds
    option: Option = {"default": field["default"], "description": description, "type": kind["type"]}
    choices = _CHOICES.get(name) or _CHOICES.get(kind["type"]) or kind.get("enum")
    if choices is not None:
        option["choices"] = choices
    if "minimum" in kind:
        option["minimum"] = kind["minimum"]
    return option


def _is_inside(path: Path, folder: Path) -> bool:
    """Whether it is a regular file that no link leads out to, with a name that can be sent."""
    try:
        str(path).encode()
        return path.is_file() and path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, UnicodeEncodeError):
        return False
