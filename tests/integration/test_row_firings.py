"""What fires at each token of a row, as the API says it, held against the run's firings files read from end to end."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from services.api.app import create_app
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.runs import firings_file
from sparse_autoencoder.runs.folder_layout import RunFolder
from sparse_autoencoder.runs.rows_file_format import read_rows
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.runs import World, interrupted_run

pytestmark = pytest.mark.usefixtures("quick")
OPTIONS = {"keep_firings": True, "skip_directions": True}
POLICIES = [{}, {"bos": "include"}, {"bos": "none"}, {"context": 4}, {"bos": "include", "context": 4}]
MARKER = -1


def ask(root: Path, path: str, **query: Any) -> Any:
    return TestClient(create_app(DirectoryStore(root))).get(f"/api/prompts/{path}", params=query)


def fired(root: Path, run_id: str) -> dict[int, dict[int, set[int]]]:
    """By row and place in it (MARKER for BOS), the features that fire there, from the files alone."""
    folder = RunFolder(DirectoryStore(root), run_id)
    policy = folder.read_metadata().policy
    bos = int(policy.prepends_bos)
    found: dict[int, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for chunk in folder.numbers("firings"):
        windows = read_rows((root / folder.prompts(chunk)).read_bytes(), policy).windows
        firings = iter(pq.read_table(root / folder.firings(chunk))["features"].to_pylist())
        for w in range(len(windows)):
            begin = int(policy.window_offsets(windows.numbers[w]))
            for position in range(windows.first_counted[w], windows.lengths[w]):
                place = MARKER if position < bos else begin + position - bos
                found[int(windows.row_ids[w])][place] |= set(next(firings))
        assert next(firings, None) is None
    return found


@pytest.mark.parametrize("policy", POLICIES)
def test_each_token_has_what_fires_there_whatever_counts(world: World, tmp_path: Path, policy: Any) -> None:
    run_id = run(world.options(**OPTIONS, **policy), DirectoryStore(tmp_path)).run_id
    expected = fired(tmp_path, run_id)
    marked = 0
    for row_id, here in expected.items():
        row, answer = ask(tmp_path, f"{row_id}").json(), ask(tmp_path, f"{row_id}/firings").json()
        assert len(answer["tokens"]) == len(row["tokens"])
        assert [set(ids) for ids in answer["tokens"]] == [here[token] for token in range(len(row["tokens"]))]
        assert set(answer["marker"]) == here[MARKER]
        marked += len(here[MARKER])
        assert row["keeps_firings"]
    assert (marked > 0) == (policy.get("bos") == "include")


@pytest.mark.parametrize("policy", [{"bos": "include"}, {"context": 4}])
def test_saved_activations_say_the_same_and_how_strongly(world: World, tmp_path: Path, policy: Any) -> None:
    stored = DirectoryStore(tmp_path)
    kept = run(world.options(**OPTIONS, **policy), stored).run_id
    saved = run(world.options(save_activations=True, skip_directions=True, **policy), stored).run_id
    assert not (tmp_path / saved / "firings").exists()
    values: dict[tuple[int, int, int], float] = {}
    for path in sorted((tmp_path / saved / "activations").iterdir()):
        for row, token, feature, value in zip(*pq.read_table(path).to_pydict().values(), strict=True):
            values.setdefault((row, max(token, MARKER), feature), value)
    for row_id in sorted({row for row, _token, _feature in values})[::6]:
        expected, answer = (ask(tmp_path, f"{row_id}/firings", run=one, limit=500).json() for one in (kept, saved))
        own = {key[1:]: value for key, value in values.items() if key[0] == row_id}
        assert answer.pop("marker_values") == [own.pop((MARKER, feature)) for feature in answer["marker"]]
        for token, (ids, found) in enumerate(zip(answer["tokens"], answer.pop("values"), strict=True)):
            assert found == [own[token, feature] for feature in ids]
        for feature in answer["features"]:
            at, activation = feature.pop("token"), feature.pop("activation")
            mine = {key: value for key, value in values.items() if (key[0], key[2]) == (row_id, feature["feature_id"])}
            assert activation == max(mine.values()) == mine[row_id, at, feature["feature_id"]]
        assert answer | {"run": kept} == expected


@pytest.fixture(scope="module")
def kept(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kept")
    run(world.options(**OPTIONS), DirectoryStore(root))
    return root


def long_row(root: Path) -> int:
    """A row of several windows in which more fires than its strongest features."""
    rows = TestClient(create_app(DirectoryStore(root))).get("/api/prompts").json()
    return int(max(rows["prompts"], key=lambda row: len(row["text"] or ""))["row_id"])


def test_features_beside_the_strongest_come_by_their_first_token(kept: Path) -> None:
    row_id = long_row(kept)
    answer = ask(kept, f"{row_id}/firings", limit=500).json()
    strongest = {feature["feature_id"] for feature in ask(kept, f"{row_id}").json()["features"]}
    order = [feature for ids in answer["tokens"] for feature in ids]
    expected = [feature for feature in dict.fromkeys(order) if feature not in strongest]
    assert [feature["feature_id"] for feature in answer["features"]] == expected
    assert answer["num_features"] == len(expected) > 5


def test_features_beside_the_strongest_can_come_the_rarest_first_and_in_parts(kept: Path) -> None:
    row_id = long_row(kept)
    whole = ask(kept, f"{row_id}/firings", sort="rarest", limit=500).json()["features"]
    densities = [feature["density"] for feature in whole]
    assert densities == sorted(densities)
    assert len(set(densities)) > 3
    part = ask(kept, f"{row_id}/firings", sort="rarest", offset=2, limit=3).json()
    assert part["features"] == whole[2:5]
    assert part["num_features"] == len(whole)


def test_a_stretch_of_a_row_has_the_same_as_the_whole(kept: Path) -> None:
    row_id = long_row(kept)
    whole = ask(kept, f"{row_id}/firings").json()["tokens"]
    part = ask(kept, f"{row_id}/firings", **{"from": 5, "tokens": 4}).json()
    assert (part["first"], part["tokens"]) == (5, whole[5:9])
    assert ask(kept, f"{row_id}/firings", **{"from": 10**6}).json()["tokens"] == []


def test_a_run_that_is_going_answers_for_what_it_has_merged(world: World, tmp_path: Path) -> None:
    run_id = interrupted_run(world.options(**OPTIONS), tmp_path, "prompts/000003.parquet")
    expected = fired(tmp_path, run_id)
    row_id = min(expected)
    answer = ask(tmp_path, f"{row_id}/firings", run=run_id).json()
    assert answer["live"]
    assert [set(ids) for ids in answer["tokens"]] == [expected[row_id][at] for at in range(len(answer["tokens"]))]


def test_only_the_row_groups_with_the_row_are_read(kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = next(kept.iterdir())
    whole = next(firings_file.read("", pq.ParquetFile(folder / "firings" / "000000.parquet")))
    monkeypatch.setattr(firings_file, "_MOST_FIRINGS", 7)
    path = tmp_path / "firings.parquet"
    path.write_bytes(firings_file.to_parquet([whole]))
    file = pq.ParquetFile(path)
    assert file.num_row_groups > 10
    starts = [0, *whole.counts.cumsum().tolist()]
    for first, last in [(0, 1), (3, 9), (20, 20), (len(whole.counts) - 2, len(whole.counts))]:
        found = firings_file.read_tokens("", file, first, last)
        assert found.counts.tolist() == whole.counts[first:last].tolist()
        assert found.features.tolist() == whole.features[starts[first] : starts[last]].tolist()
    with pytest.raises(ValueError, match="fewer tokens"):
        firings_file.read_tokens("", file, 0, len(whole.counts) + 1)


def test_a_run_without_them_says_how_to_get_them(world: World, tmp_path: Path) -> None:
    run(world.options(skip_directions=True), DirectoryStore(tmp_path))
    answer = ask(tmp_path, "0/firings")
    assert answer.status_code == 404
    assert answer.json()["error"].endswith(
        "so no more is known of a row than its strongest features: run it again with --keep-firings"
    )


def test_an_answer_about_a_finished_run_can_be_kept(kept: Path) -> None:
    answer = ask(kept, "0/firings")
    again = TestClient(create_app(DirectoryStore(kept))).get(
        str(answer.request.url), headers={"If-None-Match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


def test_a_row_that_is_not_there_is_404(kept: Path) -> None:
    answer = ask(kept, "999999/firings")
    assert (answer.status_code, answer.json()["error"].endswith("has no row 999999")) == (404, True)


def test_a_damaged_file_is_a_503_that_names_it(world: World, tmp_path: Path) -> None:
    run_id = run(world.options(**OPTIONS), DirectoryStore(tmp_path)).run_id
    path = tmp_path / run_id / "firings" / "000000.parquet"
    path.write_bytes(path.read_bytes()[:100])
    answer = ask(tmp_path, "0/firings")
    assert answer.status_code == 503
    assert "firings/000000.parquet" in answer.json()["error"]


@pytest.mark.parametrize(("column", "wrong"), [("value", float("nan")), ("value", -1.0), ("feature", 10**6)])
def test_saved_activations_that_no_run_writes_are_a_503(
    world: World, tmp_path: Path, column: str, wrong: float
) -> None:
    run_id = run(
        world.options(save_activations=True, skip_directions=True, max_rows=5), DirectoryStore(tmp_path)
    ).run_id
    path = tmp_path / run_id / "activations" / "000000.parquet"
    table = pq.read_table(path)
    at = table.schema.names.index(column)
    values = pa.array([wrong] * len(table), table.schema.field(column).type)
    pq.write_table(table.set_column(at, table.schema.field(column), values), path)
    answer = ask(tmp_path, "0/firings")
    assert answer.status_code == 503
    assert "activations/000000.parquet is damaged" in answer.json()["error"]
