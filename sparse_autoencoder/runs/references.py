"""References: how well a checkpoint is known to give back its input at its hook point, to compare a run with.

A reference belongs to one checkpoint by the SHA-256 of its file, one hook point, and one model by the SHA-256 of its
weights. Some are kept in references.json beside this file; users give others with --check-reference, most easily the
metadata.json of an earlier run. docs/self-check.md says how to record one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sparse_autoencoder.errors import SaescopeError

_KNOWN = Path(__file__).with_name("references.json")
# How far from a reference's FVU a run's may be, as a factor, where the reference doesn't say. Texts of other kinds
# differ by some tenths; the layers beside the right one begin at half as much again.
USUAL_RANGE = 1.3
_MOST_BYTES = 1 << 24


class Reference(BaseModel):
    """What was measured with a checkpoint, and on what."""

    model_config = ConfigDict(allow_inf_nan=False)

    autoencoder_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    hook: str  # as in metadata.json, such as blocks.6.hook_resid_post
    weights_sha256: list[str] = Field(min_length=1)  # of the model's weight files
    fvu: float = Field(gt=0)  # in the autoencoder's own space
    fvu_range: tuple[float, float] | None = None  # in which a run fits
    cosine: float | None = None
    num_tokens: int = Field(gt=0)
    text: str  # what it was measured on
    how: str  # by what, with which options

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest FVU with which a run fits."""
        return self.fvu_range or (self.fvu / USUAL_RANGE, self.fvu * USUAL_RANGE)

    def is_of(self, subject: Mapping[str, Any], autoencoder: Mapping[str, Any]) -> bool:
        """Whether it belongs to a run with these entries of its metadata."""
        same_weights = sorted(self.weights_sha256) == sorted(weights_of(subject))
        return same_weights and self.hook == subject.get("hook") and self.autoencoder_sha256 == autoencoder["sha256"]


def weights_of(subject: Mapping[str, Any]) -> list[str]:
    """The SHA-256 of the model's weight files, of a run's `subject` entry."""
    return [sha256 for name, sha256 in subject.get("files", {}).items() if name.endswith((".safetensors", ".bin"))]


def known_references() -> list[Reference]:
    """The references that come with saescope."""
    return [Reference.model_validate(one) for one in json.loads(_KNOWN.read_text(encoding="utf-8"))]


def read_reference(path: Path) -> Reference:
    """The reference in a user's file, which is one like those in references.json, or a finished run's metadata.json.

    Raises SaescopeError if it can't be read, is neither, or is of a run that can't serve as one.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is too large")
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is no JSON object")
        return _of_run(path, content) if "run_id" in content else Reference.model_validate(content)
    except OSError as error:
        raise SaescopeError(f"--check-reference {path} can't be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise _no_reference(path, f"{place}: {first['msg']}") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _no_reference(path, str(error)) from error


def _no_reference(path: Path, why: str) -> SaescopeError:
    return SaescopeError(
        f"--check-reference {path} holds no reference ({why}): give a finished run's metadata.json, or a file as "
        "docs/self-check.md describes it"
    )


def _of_run(path: Path, metadata: Mapping[str, Any]) -> Reference:
    """The reference that a finished run's metadata.json gives."""
    figures = metadata.get("self_check")
    if not isinstance(figures, dict) or figures.get("fvu") is None:
        raise _no_reference(path, "that run has no self-check: it is not finished, or of an earlier version")
    if figures.get("verdict") == "doubtful":
        raise SaescopeError(f"--check-reference {path} is of a run whose own self-check is doubtful: take another")
    subject, autoencoder, options = (metadata.get(name) or {} for name in ("subject", "autoencoder", "options"))
    return Reference(
        autoencoder_sha256=autoencoder.get("sha256", ""),
        hook=str(subject.get("hook")),
        weights_sha256=weights_of(subject),
        fvu=figures["fvu"],
        cosine=figures.get("cosine"),
        num_tokens=figures.get("num_tokens", 0),
        text=str(metadata.get("dataset_csv")),
        how=f"run {metadata['run_id']}, --max-tokens {options.get('max_tokens')}, --bos {options.get('bos')}",
    )


def reference_for(subject: Mapping[str, Any], autoencoder: Mapping[str, Any], given: Path | None) -> Reference | None:
    """The reference for a run with these entries of its metadata: the user's, else a known one, else none.

    Raises SaescopeError if the user's can't be read, or is of something else.
    """
    if given is None:
        return next((one for one in known_references() if one.is_of(subject, autoencoder)), None)
    reference = read_reference(given)
    if not reference.is_of(subject, autoencoder):
        raise SaescopeError(
            f"--check-reference {given} is of another autoencoder, hook point or model than this run "
            f"({reference.hook}, autoencoder {reference.autoencoder_sha256[:12]}…): leave it out, or give its own"
        )
    return reference
