"""Questions are answered with the run's own models, which stay loaded; what is wrong is a problem with its status."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.questions.answer_types import LOADING, Part
from sparse_autoencoder.questions.answering import Answerer
from sparse_autoencoder.questions.question_types import EncodeRow, EncodeText, Question, Wanted
from sparse_autoencoder.questions.refusals import OverError
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.runs import World, make_world, one_thread

TEXT = EncodeText(text="A up down")


@dataclass(frozen=True)
class Place:
    """A world whose files tests may change, and a run that was made there."""

    world: World
    store: DirectoryStore
    run_id: str

    def ask(self, answerer: Answerer, wanted: Wanted = TEXT) -> list[Part]:
        return list(answerer.answer(Question(run_id=self.run_id, wanted=wanted)))

    def problem(self, answerer: Answerer, wanted: Wanted = TEXT) -> tuple[int, str]:
        problem = self.ask(answerer, wanted)[-1]["problem"]
        return problem["status"], problem["error"]

    def other_weights(self) -> None:
        weights = load_file(self.world.subject / "model.safetensors")
        weights["wpe.weight"] += 1.0
        save_file(weights, self.world.subject / "model.safetensors", metadata={"format": "pt"})

    def metadata(self, **changes: Any) -> None:
        file = self.store.root / self.run_id / "metadata.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with one_thread():
        folder = tmp_path_factory.mktemp("original")
        world, store = make_world(folder / "world"), DirectoryStore(folder / "runs")
        yield Place(world, store, run(world.options(), store).run_id)


@pytest.fixture
def place(original: Place, tmp_path: Path) -> Place:
    """A copy, at other paths."""
    folder = original.world.rows.parent
    shutil.copytree(folder, tmp_path / "world")
    shutil.copytree(original.store.root, tmp_path / "runs")
    world = World(*(tmp_path / "world" / path.name for path in vars(original.world).values()))
    copy = Place(world, DirectoryStore(tmp_path / "runs"), original.run_id)
    content = json.loads((copy.store.root / copy.run_id / "metadata.json").read_text())
    moved = {"subject": str(world.subject), "autoencoder": str(world.topk)}
    copy.metadata(options=content["options"] | moved)
    return copy


def test_the_models_are_loaded_at_the_first_question_and_stay(place: Place) -> None:
    answerer = Answerer(place.store)
    first = place.ask(answerer)
    assert first[0] == {"progress": {"done": 0, "of": 0, "what": LOADING}}
    assert first[1]["result"]["tokens"] == ["A", " up", " down"]
    shutil.rmtree(place.world.subject)
    place.world.topk.unlink()
    assert place.ask(answerer) == first[1:]


def test_two_runs_with_the_same_models_share_them(place: Place) -> None:
    answerer = Answerer(place.store)
    place.ask(answerer)
    other = f"{place.run_id}-b"
    shutil.copytree(place.store.root / place.run_id, place.store.root / other)
    again = Place(place.world, place.store, other)
    again.metadata(run_id=other)
    assert [list(part) for part in again.ask(answerer)] == [["result"]]


def test_another_model_than_the_run_s_is_refused_and_named(place: Place) -> None:
    place.other_weights()
    status, sentence = place.problem(Answerer(place.store))
    assert status == 409
    assert re.search(rf"subject model .* {place.run_id} .* model\.safetensors was \w+… and is \w+…; put back", sentence)


def test_another_autoencoder_than_the_run_s_is_refused(place: Place) -> None:
    shutil.copyfile(place.world.relu, place.world.topk)
    status, sentence = place.problem(Answerer(place.store))
    assert status == 409
    assert re.search(rf"autoencoder .* {place.run_id} .* sha256 was \w+… and is \w+…; put back", sentence)


def test_the_right_model_in_the_place_of_another_is_taken_again(place: Place, original: Place) -> None:
    answerer = Answerer(place.store)
    place.other_weights()
    assert place.problem(answerer)[0] == 409
    shutil.copyfile(original.world.subject / "model.safetensors", place.world.subject / "model.safetensors")
    assert "result" in place.ask(answerer)[-1]


def test_models_that_are_away_or_damaged_are_a_sentence(place: Place) -> None:
    weights = place.world.subject / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    status, sentence = place.problem(Answerer(place.store))
    assert (status, str(weights) in sentence) == (503, True)
    shutil.rmtree(place.world.subject)
    status, sentence = place.problem(Answerer(place.store))
    assert (status, str(place.world.subject) in sentence) == (503, True)


def test_a_run_that_did_not_record_its_models_is_refused(place: Place) -> None:
    content = json.loads((place.store.root / place.run_id / "metadata.json").read_text())
    del content["subject"]["files"]
    place.metadata(subject=content["subject"])
    status, sentence = place.problem(Answerer(place.store))
    assert (status, "did not record the hashes of its models" in sentence) == (409, True)


def test_what_is_wrong_with_a_question_has_its_status(place: Place) -> None:
    answerer = Answerer(place.store)
    assert place.problem(answerer, EncodeText(text="\u200b"))[0] == 400
    assert place.problem(answerer, EncodeRow(row_id=10_000))[0] == 404
    nowhere = Question(run_id="20200101-000000_run-001", wanted=TEXT)
    assert next(answerer.answer(nowhere))["problem"]["status"] == 404


def test_a_model_that_gives_no_numbers_is_a_sentence(place: Place, tmp_path: Path) -> None:
    weights = load_file(place.world.subject / "model.safetensors")
    weights["wte.weight"][ord("A") - 33] = float("nan")
    save_file(weights, place.world.subject / "model.safetensors", metadata={"format": "pt"})
    store = DirectoryStore(tmp_path / "other")
    (place.world.rows).write_text('{"title": "up down", "day": 1, "source": 1}\n' * 3)
    with one_thread():
        other = Place(place.world, store, run(place.world.options(), store).run_id)
    status, sentence = other.problem(Answerer(store), EncodeText(text="A up"))
    assert (status, "isn't finite" in sentence) == (503, True)


def test_it_goes_no_further_when_nobody_waits_any_more(place: Place) -> None:
    def moved() -> None:
        raise OverError

    parts = Answerer(place.store).answer(Question(run_id=place.run_id, wanted=TEXT), moved)
    assert "progress" in next(parts)
    with pytest.raises(OverError):
        next(parts)


def test_an_option_that_is_not_allowed_is_refused(place: Place) -> None:
    from services.common.allowed_sources import allowed

    answerer = Answerer(place.store, lambda options: allowed(options, place.store.root))
    assert place.problem(answerer)[0] == 503
