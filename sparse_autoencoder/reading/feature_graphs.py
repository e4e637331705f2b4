"""Neuron-to-graph explanations that are kept in a run's folder: graphs/NNNNNN.json, by feature.

A file has the version of its format, the answer (FeatureGraph), and a hash of the examples that this was made from:
what was made from others, as those of an unfinished run, or in another format, is as good as not there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from itertools import chain
from typing import Any

from pydantic import BaseModel, ConfigDict

from sparse_autoencoder.errors import DamagedError
from sparse_autoencoder.questions.answer_types import FeatureGraph
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.store import NotFoundError, TooLargeError, get_at_most

VERSION = 1
_MOST_BYTES = 1 << 22  # a few kB are usual; the patterns of 36 sources of 64 different tokens take 300 kB


class _Head(BaseModel):
    version: int
    examples: str  # see examples_hash


class _File(_Head):
    model_config = ConfigDict(allow_inf_nan=False)

    graph: FeatureGraph


class FeatureGraphs:
    """The explanations of one run."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def kept(self, feature_id: int, record: Mapping[str, Any]) -> FeatureGraph | None:
        """A feature's explanation, if there is one of its examples; `record` is RunView.feature.

        Raises DamagedError if the file is damaged.
        """
        key = self.folder.graph(feature_id)
        try:
            data = get_at_most(self.folder.store, key, _MOST_BYTES)
            head = _Head.model_validate_json(data)
            if (head.version, head.examples) != (VERSION, examples_hash(record)):
                return None
            graph = _File.model_validate_json(data).graph
            json.dumps(graph["explanation"], allow_nan=False)  # that could not be answered
        except NotFoundError:
            return None
        except (ValueError, TooLargeError, RecursionError) as error:
            raise DamagedError(
                f"the file {key} is damaged: remove it, and it is made anew when it is asked for"
            ) from error
        return graph if graph["feature_id"] == feature_id else None

    def keep(self, record: Mapping[str, Any], graph: FeatureGraph) -> None:
        """Write a feature's explanation, or replace it; SaescopeError if that isn't possible."""
        content = {"version": VERSION, "examples": examples_hash(record), "graph": graph}
        data = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        self.folder.store.put(self.folder.graph(graph["feature_id"]), data)


def examples_hash(record: Mapping[str, Any]) -> str:
    """A hash of a feature's examples: what is in their windows, and where the feature fires how strongly."""
    lists = [record["top"], record["random"], *(band["examples"] for band in record.get("bands", ()))]
    told = [[one["token_ids"], one["position"], one["activation"]] for one in chain.from_iterable(lists)]
    return blake2b(json.dumps(told, separators=(",", ":")).encode(), digest_size=16).hexdigest()
