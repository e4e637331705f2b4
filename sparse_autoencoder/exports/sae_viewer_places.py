"""Where OpenAI's viewer looks for the features of an autoencoder: `subject/family/layer_L/location`.

Its pages know OpenAI's own families for GPT-2 small; the form is that of its autoencoder_registry.tsx (sae-viewer in
github.com/openai/sparse_autoencoder). Other autoencoders have places of the same form, which a page has to be told of.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.paths import FAMILIES
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.utils.printable import printable

_GPT2 = ("gpt2", "openai-community/gpt2")  # which the viewer calls gpt2-small
_WORD = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
_PLACE = re.compile(rf"{_WORD}(/{_WORD}){{3}}")
_ATOM = re.compile(rf"(?P<place>{_PLACE.pattern})/atoms/(?P<feature>0|[1-9][0-9]{{0,8}})(?P<ablated>-ablated)?\.json")
_OTHERS = re.compile(r"[^A-Za-z0-9_.-]+")
_MOST_CHARS = 60
_SHOWN_OF_HASH = 8


def place_of(metadata: RunMetadata) -> str:
    """The place of a run's features.

    For an autoencoder that came from OpenAI's address it is the viewer's own, as gpt2-small/v5_32k/layer_6/
    resid_post_mlp. For another one it is made of the model's name, the autoencoder's with the beginning of its SHA-256,
    layer and location, as pythia-70m/my_sae-0123abcd/layer_3/resid_post_mlp.
    """
    subject, layer, location = str(metadata.subject["name"]), metadata.layer_index, metadata.location
    is_gpt2 = subject in _GPT2
    family = _family(metadata) if is_gpt2 else None
    if family is None:
        name = _word(PurePosixPath(str(metadata.autoencoder["name"])).stem)
        sha256 = str(metadata.autoencoder.get("sha256") or "")[:_SHOWN_OF_HASH]
        family = f"{name}-{_word(sha256)}" if sha256 else name
    return "/".join(
        ("gpt2-small" if is_gpt2 else _word(subject.rstrip("/")), family, f"layer_{layer}", _word(location))
    )


def checked_place(place: str) -> str:
    """A place that somebody names; SaescopeError if it has another form."""
    if not _PLACE.fullmatch(place):
        raise SaescopeError(
            f"{printable(place)!r} is no place of OpenAI's viewer: it has four names with slashes between them, as "
            "gpt2-small/v5_32k/layer_6/resid_post_mlp"
        )
    return place


def asked_in(path: str) -> tuple[str, int, bool] | None:
    """The place, the feature, and whether effects are wanted, by the end of an address; None if it has another form."""
    found = _ATOM.fullmatch(path)
    return None if found is None else (found["place"], int(found["feature"]), found["ablated"] is not None)


def atom_name(feature_id: int, *, ablated: bool) -> str:
    """The name of a feature's file."""
    return f"{feature_id}{'-ablated' if ablated else ''}.json"


def _family(metadata: RunMetadata) -> str | None:
    """The family of OpenAI's that the run's autoencoder is one of, by its address."""
    for name, address in FAMILIES.items():
        try:
            if metadata.autoencoder.get("address") == address(metadata.location, metadata.layer_index):
                return name
        except ValueError:  # the family has nothing there
            continue
    return None


def _word(text: str) -> str:
    """A text as a part of an address and of a path: letters, digits, _, . and -, and no dot in front."""
    return _OTHERS.sub("_", PurePosixPath(text).name).strip("._-")[:_MOST_CHARS] or "unnamed"
