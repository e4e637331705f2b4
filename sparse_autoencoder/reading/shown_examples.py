"""A feature's examples as they are shown, and what was computed of them."""

from __future__ import annotations

from itertools import chain
from typing import Any

from sparse_autoencoder.questions.answer_types import FeatureEffects
from sparse_autoencoder.reading.damaged_files import DAMAGE
from sparse_autoencoder.reading.token_strings import Vocabulary
from sparse_autoencoder.runs import effects_file
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import NotFoundError, TooLargeError, get_at_most


def shown_examples(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The distinct examples of a feature (RunView.feature): the top ones, the random ones, and those of the bands."""
    lists = [record["top"], record["random"], *(band["examples"] for band in record.get("bands", []))]
    return list({place_of(example): example for example in reversed(list(chain(*lists)))}.values())[::-1]


def place_of(example: dict[str, Any]) -> effects_file.Place:
    """An example's row, its window's offset in the row, and its boxed token."""
    return example["row_id"], example["window_offset"], example["position"]


def read_effects(folder: RunFolder, vocabulary: Vocabulary, feature_id: int, record: dict[str, Any]) -> FeatureEffects:
    """The kept effects of a feature, whose `record` is RunView.feature's.

    Raises NotFoundError if there are none that can be read, or if they are of other examples than those, and
    NewerFormatError if a later version of saescope wrote them.
    """
    key = folder.effects(feature_id)
    try:
        data = get_at_most(folder.store, key, effects_file.MOST_BYTES)
    except TooLargeError:
        raise _missing(folder, feature_id) from None
    except NotFoundError:
        folder.read_metadata()  # raises the NotFoundError of a run that was deleted
        raise _missing(folder, feature_id) from None
    try:
        feature, of, examples = effects_file.from_bytes(data, vocabulary.strings)
    except DAMAGE:  # what can be computed again counts as missing
        raise _missing(folder, feature_id) from None
    if (feature, of) != (feature_id, effects_file.hash_of(map(place_of, shown_examples(record)))):
        raise _missing(folder, feature_id)
    return {"feature_id": feature_id, "examples": examples}


def _missing(folder: RunFolder, feature_id: int) -> NotFoundError:
    return NotFoundError(
        f"what feature {feature_id} does to later predictions wasn't computed yet: ask for it on its page where models "
        f"can be asked, or `saescope effects {folder.run_id} --features {feature_id}`"
    )
