"""Finished runs that can be asked for explanations of their features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from sparse_autoencoder.explanations.answers import explain_by_graph
from sparse_autoencoder.pipeline.chunk_encoder import Encoder
from sparse_autoencoder.pipeline.load_inputs import load_models
from sparse_autoencoder.questions.answer_types import FeatureGraph, GraphNode, Part
from sparse_autoencoder.questions.question_types import ExplainByGraph
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.run_view import RunView
from sparse_autoencoder.runs.store import DirectoryStore


@dataclass(frozen=True)
class Asked:
    """A finished run that can be asked."""

    encoder: Encoder
    view: RunView

    def parts(self, feature_id: int) -> list[Part]:
        return list(explain_by_graph(self.encoder, self.view, ExplainByGraph(feature_id=feature_id)))

    def graph(self, feature_id: int) -> FeatureGraph:
        return cast("FeatureGraph", self.parts(feature_id)[-1]["result"])


def asked(folder: Path) -> Asked:
    view = RunLibrary(DirectoryStore(folder.parent)).open(folder.name)
    return Asked(load_models(view.metadata.options).encoder(view.metadata), view)


def most_frequent(view: RunView, *ranks: int) -> list[int]:
    """Features by how often they fire."""
    found: list[int] = np.argsort(-view.statistics.count, kind="stable")[list(ranks)].tolist()
    return found


def nodes_in(nodes: list[GraphNode]) -> Iterator[GraphNode]:
    for node in nodes:
        yield node
        yield from nodes_in(node["before"])
