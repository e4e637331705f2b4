"""The self-check of runs with the demo's autoencoder: which mistakes it finds, and which it can't."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import AUTOENCODER, LAYER, LOCATION, SUBJECT
from demo.headlines import generate
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.metadata import RunMetadata
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.self_check import SelfCheck
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.runs import one_thread


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def headlines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of one headline each."""
    path = tmp_path_factory.mktemp("rows") / "headlines.txt"
    path.write_text("\n".join(headline.title for headline in generate(150, 77)), encoding="utf-8")
    return path


def finished(source: Path, folder: Path, **changes: Any) -> RunMetadata:
    settings: dict[str, Any] = {"source": str(source), "subject": str(SUBJECT), "autoencoder": str(AUTOENCODER)}
    settings |= {"layer": LAYER, "location": LOCATION, "device": "cpu", "top_feature_count": 5}
    return run(RunOptions(**settings | changes), DirectoryStore(folder))


def checked(source: Path, folder: Path, **changes: Any) -> SelfCheck:
    """The self-check of a run that compares its place with those beside it."""
    found = finished(source, folder, **{"check_neighbours": True} | changes).self_check
    assert found is not None
    assert found.checks.problems == []
    return found


def test_the_right_place_fits(headlines: Path, tmp_path: Path) -> None:
    found = checked(headlines, tmp_path)
    assert (found.verdict, found.reasons) == (
        "fits",
        ["of its own place and 11 others beside it, it gives back its own one best"],
    )
    assert found.fvu == pytest.approx(0.057, abs=0.005)
    assert found.mean_l0 == 4.0


@pytest.mark.parametrize(
    ("location", "layer"),
    [(LOCATION, LAYER - 1), (LOCATION, LAYER + 1), ("resid_post_attn", LAYER), ("resid_delta_mlp", LAYER)],
)
def test_another_place_is_doubtful(headlines: Path, tmp_path: Path, location: str, layer: int) -> None:
    metadata = finished(headlines, tmp_path, location=location, layer=layer, check_neighbours=True)
    found = metadata.self_check
    assert found is not None
    assert found.verdict == "doubtful"
    assert f"it gives back {LOCATION} of layer {LAYER} better than {location} of layer {layer}" in found.reasons[0]
    assert metadata.warnings == [f"the self-check is doubtful: {found.reasons[0]}"]
