"""Explanations by patterns that are kept in a run's folder, and `saescope explain`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.cli import main
from sparse_autoencoder.errors import DamagedError
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.runs.store import DirectoryStore, NotFoundError
from tests.support.explaining import Asked, asked, most_frequent, nodes_in
from tests.support.runs import DEAD, N_LATENTS, World, interrupted_run

pytestmark = pytest.mark.usefixtures("quick")


# Kept in the run's folder.


@pytest.fixture(scope="module")
def finished_run(world: World, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    root = tmp_path_factory.mktemp("finished")
    return asked(root / run(world.options(), DirectoryStore(root)).run_id)


@pytest.fixture
def again(finished_run: Asked, tmp_path: Path) -> Asked:
    """A copy of a run that nobody asked anything yet."""
    folder = tmp_path / "runs" / finished_run.view.metadata.run_id
    shutil.copytree(root_of(finished_run) / folder.name, folder, ignore=shutil.ignore_patterns("graphs"))
    return Asked(finished_run.encoder, RunLibrary(DirectoryStore(folder.parent)).open(folder.name))


def root_of(models: Asked) -> Path:
    return Path(models.view.graphs.folder.store.root)  # type: ignore[attr-defined]


def kept_file(models: Asked, feature: int) -> Path:
    return root_of(models) / models.view.metadata.run_id / "graphs" / f"{feature:06d}.json"


def test_an_explanation_is_made_once(again: Asked) -> None:
    (feature,) = most_frequent(again.view, 2)
    with pytest.raises(NotFoundError, match=f"saescope explain .* --feature {feature} --graph"):
        again.view.graph(feature)
    first, second = again.parts(feature), again.parts(feature)
    assert len(first) > 3
    assert all("progress" in part for part in first[:-1])
    assert second == first[-1:]
    assert again.view.graph(feature) == first[-1]["result"]


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content | {"version": 2},
        lambda content: content | {"examples": "of another run"},
        lambda content: content | {"graph": content["graph"] | {"feature_id": 0}},
        lambda content: content | {"graph": {"feature_id": content["graph"]["feature_id"]}},
        lambda _content: ["nothing"],
    ],
    ids=["version", "examples", "feature", "damaged", "foreign"],
)
def test_what_is_not_of_these_examples_or_damaged_is_made_anew(
    change: Callable[[dict[str, Any]], Any], again: Asked
) -> None:
    (feature,) = most_frequent(again.view, 2)
    made = again.graph(feature)
    file = kept_file(again, feature)
    right = file.read_bytes()
    file.write_text(json.dumps(change(json.loads(right))))
    assert again.graph(feature) == made
    assert file.read_bytes() == right


@pytest.mark.parametrize(
    ("part", "damaged"),
    [
        (b"{", b""),
        (b"{", b"[" * 100_000),
        (b"{", b"\0" * (1 << 23)),
        (b'"recall":', b'"recall":"'),
        (b'"recall":', b'"recall":"none","recall_":'),
        (b'"activation":', b'"activation":NaN,"was":'),
        (b'"<saliency>":', b'"<saliency>":NaN,"was":'),
    ],
)
def test_a_damaged_file_is_named_to_whoever_only_reads(part: bytes, damaged: bytes, again: Asked) -> None:
    (feature,) = most_frequent(again.view, 2)
    again.graph(feature)
    file = kept_file(again, feature)
    content = file.read_bytes()
    assert part in content
    file.write_bytes(content.replace(part, damaged, 1))
    with pytest.raises(DamagedError, match=f"graphs/{feature:06d}.json is damaged: remove it"):
        again.view.graph(feature)


def test_that_of_an_unfinished_run_is_not_kept(world: World, finished_run: Asked, tmp_path: Path) -> None:
    run_id = interrupted_run(world.options(), tmp_path, "/overview.parquet")
    view = RunLibrary(DirectoryStore(tmp_path)).open(run_id)
    assert view.live
    (feature,) = most_frequent(view, 2)
    assert Asked(finished_run.encoder, view).graph(feature)["roots"]
    assert not (tmp_path / run_id / "graphs").exists()


# The command.


def test_the_command_prints_patterns_and_scores(again: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    (feature,) = most_frequent(again.view, 5)
    assert explain(again, feature) == 0
    first = capsys.readouterr()
    head, columns, *lines = first.out.splitlines()
    graph = again.graph(feature)
    assert head == f"feature {feature} of run {again.view.metadata.run_id}, by {graph['num_sources']} examples"
    assert columns.split() == ["PATTERN", "EXAMPLES", "FIRES", "ELSEWHERE", "PREDICTS"]
    assert [line.split()[0] for line in lines[-3:]] == ["recall", "precision", "explained"]
    assert len(lines) - 3 == len([one for one in nodes_in(graph["roots"]) if "activation" in one])
    assert explain(again, feature) == 0  # now from the file
    assert capsys.readouterr().out == first.out


def explain(models: Asked, feature: int, *more: str) -> int:
    return main(["explain", "latest", "--feature", str(feature), "--graph", "--runs", str(root_of(models)), *more])


def test_the_command_writes_what_openai_s_class_reads(
    again: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (feature,) = most_frequent(again.view, 5)
    file = tmp_path / "explanation.json"
    assert explain(again, feature, "--json", str(file)) == 0
    assert json.loads(file.read_text(encoding="utf-8")) == again.graph(feature)["explanation"]
    assert explain(again, feature, "--json", str(tmp_path)) == 2
    assert capsys.readouterr().err.startswith(f"saescope: can't write {tmp_path}: ")


@pytest.mark.parametrize(
    ("feature", "says"),
    [
        (DEAD[0], f"feature {DEAD[0]} doesn't fire on any token of a text"),
        (N_LATENTS, f"there is no feature {N_LATENTS} in run "),
    ],
)
def test_a_feature_that_can_t_be_explained_is_a_sentence(
    feature: int, says: str, again: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(again, feature) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"saescope: {says}")


def test_other_models_than_the_run_s_are_refused(again: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    file = root_of(again) / again.view.metadata.run_id / "metadata.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["autoencoder"]["sha256"] = "0" * 64
    file.write_text(json.dumps(content), encoding="utf-8")
    (feature,) = most_frequent(again.view, 5)
    assert explain(again, feature) == 2
    assert "the autoencoder at hand isn't the one that run" in capsys.readouterr().err
