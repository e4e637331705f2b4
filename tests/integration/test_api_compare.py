"""The API's comparison of two runs, checked against each run's own answers about its features, one by one."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from demo.headlines import generate
from services.api.app import create_app
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.commands import DEMO_SUBJECT, LAYER, write_random_autoencoder
from tests.support.live_runs import LiveWriter

DEAD = (3, 77)  # latents that never fire
N_FEATURES = 256
SORTS = ["certain", "log_ratio", "feature_id", "density_a", "density_b", "p", "log_odds"]


@dataclass(frozen=True)
class Compared:
    """Two finished runs, b of another dataset than a, and a client of the API."""

    client: TestClient
    root: Path
    a: str
    b: str

    def get(self, **query: str | int) -> Any:
        """A comparison of a and b, if nothing else is asked for."""
        response = self.ask(query)
        assert response.status_code == 200, response.text
        return response.json()

    def error(self, status: int, **query: str | int) -> str:
        """The sentence of an answer that must have this status."""
        response = self.ask(query)
        assert response.status_code == status, response.text
        return str(response.json()["error"])

    def ask(self, query: Mapping[str, str | int]) -> Any:
        """The answer to a question about a and b, if it names no others."""
        return self.client.get("/api/compare", params={"a": self.a, "b": self.b, **query})


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compared]:
    root, source = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("source")
    autoencoder = write_random_autoencoder(source / "autoencoder.pt", N_FEATURES, dead=DEAD)
    titles = [headline.title for headline in generate(80, 0)]
    datasets = {"a.txt": titles, "b.txt": [title.upper() for title in titles[:30]]}
    ids = []
    for name, texts in datasets.items():
        (source / name).write_text("\n".join(texts), encoding="utf-8")
        options = RunOptions(
            source=str(source / name), subject=str(DEMO_SUBJECT), autoencoder=str(autoencoder), layer=LAYER
        )
        ids.append(run(options, DirectoryStore(root)).run_id)
    with TestClient(create_app(DirectoryStore(root))) as client:
        yield Compared(client, root, *ids)


@pytest.fixture(scope="module")
def expected(compared: Compared) -> list[dict[str, Any]]:
    """What is to be said of every feature that fired in a run, by id, from what each run says of it."""
    found = []
    for feature in range(N_FEATURES):
        sides: dict[str, dict[str, Any]] = {}
        for side, run_id in (("a", compared.a), ("b", compared.b)):
            info = compared.client.get("/api/feature_info", params={"id": feature, "run": run_id}).json()
            sides[side] = {name: info[name] for name in ("num_active_tokens", "density", "num_tokens")}
        if sides["a"]["num_active_tokens"] + sides["b"]["num_active_tokens"]:
            found.append({"feature_id": feature} | ratio(**sides) | sides)
    return found


def ratio(a: dict[str, Any], b: dict[str, Any]) -> dict[str, float]:
    """The log ratio and its interval with tokens as units, by the formula in compare_densities.py."""
    more_a, more_b = a["num_active_tokens"] + 0.5, b["num_active_tokens"] + 0.5
    all_a, all_b = a["num_tokens"] + 1, b["num_tokens"] + 1
    value = math.log2(more_b / all_b) - math.log2(more_a / all_a)
    half = 1.959963984540054 * math.sqrt(1 / more_a - 1 / all_a + 1 / more_b - 1 / all_b) / math.log(2)
    return {"log_ratio": value, "low": value - half, "high": value + half}


def certain(feature: dict[str, Any]) -> float:
    """The end of the interval that is nearer to 0, without its sign; 0 if the interval contains 0."""
    ends = sorted([abs(feature["low"]), abs(feature["high"])])
    return 0.0 if feature["low"] <= 0 <= feature["high"] else float(ends[0])


KEYS: dict[str, Callable[[dict[str, Any]], float]] = {
    "certain": certain,
    "log_ratio": lambda feature: feature["log_ratio"],
    "feature_id": lambda feature: feature["feature_id"],
    "density_a": lambda feature: feature["a"]["density"],
    "density_b": lambda feature: feature["b"]["density"],
    "p": lambda feature: 1.0 if feature["p"] is None else feature["p"],
    "log_odds": lambda feature: abs(feature["log_odds_z"]),
}


def ids_of(answer: Any) -> list[int]:
    return [feature["feature_id"] for feature in answer["features"]]


def test_with_tokens_as_units_every_feature_that_fired_in_a_run_is_compared(
    compared: Compared, expected: list[dict[str, Any]]
) -> None:
    answer = compared.get(unit="token", limit=N_FEATURES, sort="feature_id", order="asc")
    assert answer["unit"] == "token"
    assert answer["num_matching"] == len(expected) <= N_FEATURES - len(DEAD)
    for feature, ours in zip(answer["features"], expected, strict=True):
        assert feature["feature_id"] == ours["feature_id"]
        for name in ("log_ratio", "low", "high"):
            assert feature[name] == pytest.approx(ours[name], rel=1e-12, abs=1e-12)
        for side in ("a", "b"):
            assert feature[side]["num_active_tokens"] == ours[side]["num_active_tokens"]
            assert feature[side]["density"] == ours[side]["density"]


def test_there_are_features_of_every_sort(expected: list[dict[str, Any]]) -> None:
    assert any(feature["low"] > 0 for feature in expected)
    assert any(feature["high"] < 0 for feature in expected)
    assert any(feature["low"] < 0 < feature["high"] for feature in expected)


def test_a_features_tokens_are_those_of_its_examples_in_that_run(compared: Compared) -> None:
    for feature in compared.get(limit=20)["features"]:
        for side, run_id in (("a", compared.a), ("b", compared.b)):
            query: dict[str, str | int] = {"run": run_id, "details": "true", "limit": N_FEATURES}
            listed = compared.client.get("/api/features", params=query).json()["features"]
            (tokens,) = [own["tokens"] for own in listed if own["feature_id"] == feature["feature_id"]] or [[]]
            assert feature[side]["tokens"] == tokens


def test_what_is_said_of_the_runs(compared: Compared) -> None:
    answer = compared.get(limit=0)
    for side, source in (("a", "a.txt"), ("b", "b.txt")):
        metadata = json.loads((compared.root / answer[side]["run"] / "metadata.json").read_text(encoding="utf-8"))
        names = ("num_tokens", "num_active_features", "num_texts")
        told = {name: answer[side][name] for name in ("run", "source", "part", "num_rows", *names)}
        expected = {"run": metadata["run_id"], "source": source, "part": "all", "num_rows": metadata["num_prompts"]}
        assert told == expected | {name: metadata[name] for name in names}
        mean = answer[side]["tokens_per_text"]["mean"]
        assert mean == pytest.approx(metadata["num_tokens"] / metadata["num_texts"])
        assert answer[side]["halves"]["num_found"] <= answer[side]["halves"]["num_tested"]
    assert (answer["a"]["run"], answer["b"]["run"]) == (compared.a, compared.b)
    assert (answer["confidence"], answer["num_features"], answer["features"]) == (0.95, N_FEATURES, [])


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", SORTS)
def test_features_are_sorted_and_ties_go_to_the_smaller_id(
    compared: Compared, expected: list[dict[str, Any]], sort: str, order: str
) -> None:
    answer = compared.get(sort=sort, order=order, limit=N_FEATURES)
    assert (answer["sort"], answer["order"]) == (sort, order)
    sign = -1 if order == "desc" else 1
    ranks = [(sign * KEYS[sort](feature), feature["feature_id"]) for feature in answer["features"]]
    assert ranks == sorted(ranks)
    assert sorted(ids_of(answer)) == [feature["feature_id"] for feature in expected]


def test_what_differs_most_for_sure_comes_first_if_nothing_else_is_asked(compared: Compared) -> None:
    answer = compared.get()
    assert (answer["sort"], answer["order"], answer["offset"], answer["limit"]) == ("certain", "desc", 0, 50)
    assert ids_of(answer) == ids_of(compared.get(sort="certain", order="desc", limit=50))
    first = answer["features"][0]
    assert certain(first) == max(map(certain, compared.get(limit=N_FEATURES)["features"])) > 0


@pytest.mark.parametrize(("offset", "limit"), [(0, 7), (7, 7), (100, 1000), (10**18, 5), (3, 0)])
def test_a_stretch_of_the_list_is_a_stretch_of_the_whole(compared: Compared, offset: int, limit: int) -> None:
    whole = compared.get(limit=N_FEATURES)
    stretch = compared.get(offset=offset, limit=limit)
    assert stretch["features"] == whole["features"][offset : offset + limit]
    assert (stretch["num_matching"], stretch["offset"], stretch["limit"]) == (whole["num_matching"], offset, limit)


@pytest.mark.parametrize("least", [0, 1, 2, 30, 10**6])
def test_features_that_fired_too_seldom_in_both_runs_together_are_left_out(
    compared: Compared, expected: list[dict[str, Any]], least: int
) -> None:
    answer = compared.get(min_count=least, limit=N_FEATURES, sort="feature_id", order="asc")
    together = {
        feature["feature_id"]: feature["a"]["num_active_tokens"] + feature["b"]["num_active_tokens"]
        for feature in expected
    }
    assert ids_of(answer) == [feature for feature, count in together.items() if count >= least]
    assert answer["num_matching"] == len(answer["features"])


def test_one_feature_can_be_asked_for(compared: Compared, expected: list[dict[str, Any]]) -> None:
    whole = compared.get(limit=N_FEATURES)["features"]
    for feature in [expected[0]["feature_id"], expected[-1]["feature_id"]]:
        answer = compared.get(id=feature)
        assert answer["features"] == [entry for entry in whole if entry["feature_id"] == feature]
        assert answer["num_matching"] == 1


def test_a_feature_that_never_fired_is_not_compared(compared: Compared) -> None:
    answer = compared.get(id=DEAD[0])
    assert (answer["features"], answer["num_matching"]) == ([], 0)


def test_exchanging_the_runs_mirrors_the_comparison(compared: Compared) -> None:
    forward = compared.get(limit=N_FEATURES, sort="feature_id", order="asc")["features"]
    exchanged = compared.get(a=compared.b, b=compared.a, limit=N_FEATURES, sort="feature_id", order="asc")
    for there, back in zip(forward, exchanged["features"], strict=True):
        assert (back["a"], back["b"]) == (there["b"], there["a"])
        assert (back["p"], back["q"]) == pytest.approx((there["p"], there["q"]))
        mirrored = {"log_ratio": "log_ratio", "low": "high", "high": "low", "log_odds": "log_odds"}
        for name, other in mirrored.items():
            assert back[name] == pytest.approx(-there[other])
        if there["b_stronger"] is not None:
            assert back["b_stronger"] == pytest.approx(1 - there["b_stronger"])


def test_a_run_compared_with_itself_differs_by_nothing(compared: Compared) -> None:
    answer = compared.get(b=compared.a, limit=N_FEATURES)
    assert {feature["log_ratio"] for feature in answer["features"]} == {0.0}
    assert ids_of(answer) == sorted(ids_of(answer))
    assert answer["num_matching"] == answer["a"]["num_active_features"]


def test_a_live_run_can_be_compared(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    ids = ["20300101-000000_run-001", "20300101-000000_run-002"]
    for seed, run_id in enumerate(ids):
        writer = LiveWriter.start(store, run_id, seed=seed)
        writer.add(20)
        writer.save()
    with TestClient(create_app(store)) as client:
        answer = client.get("/api/compare", params={"a": ids[0], "b": ids[1]})
        assert answer.status_code == 200
        assert answer.json()["num_matching"] > 0


# Wrong questions.


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"autoencoder": {"name": "other", "sha256": "0" * 64}}, "autoencoders"),
        ({"layer_index": LAYER + 1}, "layers"),
        ({"location": "mlp_post_act"}, "locations"),
        ({"num_features": 128}, "numbers of features"),
        ({"subject": {"name": "gpt3"}}, "subject models"),
    ],
)
def test_runs_of_different_models_are_400_with_what_differs(
    compared: Compared, tmp_path: Path, changes: dict[str, Any], what: str
) -> None:
    shutil.copytree(compared.root / compared.a, tmp_path / compared.a)
    shutil.copytree(compared.root / compared.b, tmp_path / compared.b)
    path = tmp_path / compared.b / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    with TestClient(create_app(DirectoryStore(tmp_path))) as client:
        sentence = Compared(client, tmp_path, compared.a, compared.b).error(400)
    assert sentence.startswith(f"runs {compared.a} and {compared.b} can't be compared, as their {what} differ (")
    assert sentence.endswith("): choose two runs of the same autoencoder and the same subject model")


def test_the_same_autoencoder_under_another_name_is_the_same(compared: Compared, tmp_path: Path) -> None:
    shutil.copytree(compared.root / compared.a, tmp_path / compared.a)
    shutil.copytree(compared.root / compared.b, tmp_path / compared.b)
    path = tmp_path / compared.b / "metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    metadata["autoencoder"]["name"] = "somewhere/else.pt"
    path.write_text(json.dumps(metadata), encoding="utf-8")
    with TestClient(create_app(DirectoryStore(tmp_path))) as client:
        assert Compared(client, tmp_path, compared.a, compared.b).get() == compared.get()


def test_runs_whose_windows_were_made_in_other_ways_are_compared_and_it_is_said(
    compared: Compared, tmp_path: Path
) -> None:
    shutil.copytree(compared.root / compared.a, tmp_path / compared.a)
    shutil.copytree(compared.root / compared.b, tmp_path / compared.b)
    path = tmp_path / compared.b / "metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    metadata["options"] |= {"bos": "none", "context": 4}
    path.write_text(json.dumps(metadata), encoding="utf-8")
    with TestClient(create_app(DirectoryStore(tmp_path))) as client:
        answer = Compared(client, tmp_path, compared.a, compared.b).get()
    assert answer["policies_differ"] == (
        "the runs' tokens were seen in other contexts, as they differ in bos (exclude and none), context (0 and 4)"
    )


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_run_that_is_not_there_is_404(compared: Compared, side: str) -> None:
    assert compared.error(404, **{side: "20200101-000000_run-001"}) == "there is no run '20200101-000000_run-001'"
    assert compared.error(404, **{side: "../.."}).startswith("there is no run")


@pytest.mark.parametrize("side", ["a", "b"])
def test_both_runs_must_be_named(compared: Compared, side: str) -> None:
    others = {"a": compared.a, "b": compared.b}
    del others[side]
    response = compared.client.get("/api/compare", params=others)
    assert response.status_code == 400
    assert response.json() == {"error": f"{side} is missing: ask as in /api/compare?a=RUN&b=RUN"}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (
            {"sort": "mean"},
            "sort is certain, log_ratio, feature_id, density_a, density_b, p or log_odds, not 'mean'",
        ),
        ({"sort": "p", "unit": "token"}, "sort=p needs texts as units: ask with unit=text"),
        ({"order": "up"}, "order is asc or desc, not 'up'"),
        ({"limit": "-1"}, "limit must be from 0 to 10000, not -1"),
        ({"offset": "1.5"}, "offset must be a whole number, not '1.5'"),
        ({"min_count": "inf"}, "min_count must be a whole number, not 'inf'"),
        ({"id": "256"}, "id must be from 0 to 255, not 256"),
        ({"id": "-1"}, "id must be from 0 to 255, not -1"),
        ({"id": ""}, "id must be a whole number, not ''"),
    ],
)
def test_a_wrong_parameter_is_400_with_a_sentence(compared: Compared, query: dict[str, str], sentence: str) -> None:
    assert compared.error(400, **query) == sentence


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "part_a", "unit", "sort", "order", "offset", "limit", "min_count", "id"]),
        st.text(max_size=5) | st.integers(-3, 2**65).map(str),
        max_size=3,
    )
)
def test_no_question_breaks_the_api(compared: Compared, query: dict[str, str]) -> None:
    query = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
    assert compared.ask(query).status_code in (200, 400, 404)
