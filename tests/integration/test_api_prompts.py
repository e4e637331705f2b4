"""The API about a dataset's rows: what it says, checked against what was read and against the run's files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from demo.headlines import generate
from services.api.app import create_app
from services.api.endpoints.rows import some_rows
from sparse_autoencoder.pipeline.single_process import run
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.reading.run_rows import WantedRows
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.commands import DEMO_SUBJECT, LAYER, write_random_autoencoder
from tests.support.live_runs import LiveWriter, published_twin
from tests.support.watched_store import Clock

TITLES = [headline.title for headline in generate(40, 3)]
ODD_TEXTS = [
    '<script>alert("rating")</script> & <b onmouseover=alert(1)>Apple</b>',
    "Tesla 🚀🚀 to the moon 💎🙌 👨\u200d👩\u200d👧",
    "ØRSTED – Denmark’s utility – gains 3%; a \ufffd was here",
    r"\u0000 %00 \x00 </textarea> ${7*7} {{7*7}}",
    "עברית and العربية with \u202eoverrides\u202c",
    "long " * 2000 + "end",
]
UNUSABLE = {"  ": "no text", "a\0b": "NUL bytes in the text", "a \ud800 b": "not valid Unicode"}
TEXTS = [*TITLES, *ODD_TEXTS, *UNUSABLE, "the last one"]
FIRST_ODD, FIRST_UNUSABLE = len(TITLES), len(TITLES) + len(ODD_TEXTS)


@dataclass(frozen=True)
class Finished:
    """A finished run of TEXTS, in chunks of eight rows, and a client of the API."""

    client: TestClient
    root: Path
    run_id: str

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON of a successful answer."""
        response = self.client.get(f"/api{path}", params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def file(self, name: str) -> Any:
        return json.loads((self.root / self.run_id / name).read_text(encoding="utf-8"))

    def records(self) -> list[dict[str, Any]]:
        """All records of the prompts files."""
        paths = sorted((self.root / self.run_id / "prompts").iterdir())
        records: list[dict[str, Any]] = pa.concat_tables([pq.read_table(path) for path in paths]).to_pylist()
        return records


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    root, source = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("source")
    lines = [json.dumps({"title": title}) for title in TEXTS]
    (source / "texts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    options = RunOptions(
        source=str(source / "texts.jsonl"),
        subject=str(DEMO_SUBJECT),
        autoencoder=str(write_random_autoencoder(source / "autoencoder.pt")),
        layer=LAYER,
        chunk_size=8,
    )
    metadata = run(options, DirectoryStore(root))
    with TestClient(create_app(DirectoryStore(root))) as client:
        yield Finished(client, root, metadata.run_id)


def error(client: TestClient, path: str, status: int, **query: str | int) -> str:
    """The sentence of an answer that must have this status."""
    response = client.get(f"/api{path}", params=query)
    assert response.status_code == status, response.text
    return str(response.json()["error"])


# Lists.


def test_the_list_has_every_row_of_the_dataset_in_its_order(finished: Finished) -> None:
    answer = finished.get("/prompts", limit=100)
    assert answer.keys() == {"run", "prompts", "next", "limit", "text"}
    assert (answer["run"], answer["limit"], answer["text"], answer["next"]) == (finished.run_id, 100, None, None)
    assert [row["row_id"] for row in answer["prompts"]] == list(range(len(TEXTS)))
    assert [row["text"] for row in answer["prompts"]] == [
        None if text in UNUSABLE else text.strip()[:1000] for text in TEXTS
    ]
    assert [row["row_id"] for row in answer["prompts"] if row["is_cut"]] == [FIRST_UNUSABLE - 1]


def test_skipped_rows_are_listed_with_the_reason(finished: Finished) -> None:
    rows = finished.get("/prompts", **{"from": FIRST_UNUSABLE, "limit": 4})["prompts"]
    assert [row["skipped"] for row in rows] == [*UNUSABLE.values(), None]
    assert [row["text"] for row in rows] == [None, None, None, "the last one"]
    assert [row["features"] for row in rows[:3]] == [[], [], []]


def strings_of(finished: Any, tokens: list[int]) -> list[str]:
    """A row's tokens: each character is in the token where its first byte is."""
    vocabulary, parts = finished.file("vocabulary.json"), finished.file("vocabulary_bytes.json")
    pieces = [bytes.fromhex(parts.get(str(token), "")) or vocabulary[token].encode() for token in tokens]
    owners = [number for number, piece in enumerate(pieces) for _ in piece]
    strings = [""] * len(tokens)
    at = 0
    for char in b"".join(pieces).decode():
        strings[owners[at]] += char
        at += len(char.encode())
    return strings


def character_at(finished: Any, tokens: list[int], token: int) -> str:
    """What a row's token is shown as: the character that it begins or goes on with."""
    return next(string for string in reversed(strings_of(finished, tokens)[: token + 1]) if string)


def described(finished: Finished) -> dict[int, dict[str, Any]]:
    """What is said of each feature beside a row, from the run's other answers."""
    listed = finished.get("/features", details="true", limit=10_000)
    return {
        feature["feature_id"]: {
            "max_activation": feature["metrics"]["max_activation"],
            "density": feature["num_active_tokens"] / listed["num_tokens"],
            "tokens": feature["tokens"],
        }
        for feature in listed["features"]
    }


def test_a_row_has_its_strongest_features_and_the_tokens_they_fired_on(finished: Finished) -> None:
    features = described(finished)
    for row, record in zip(finished.get("/prompts", limit=100)["prompts"], finished.records(), strict=True):
        expected = [
            entry
            | {"token_str": character_at(finished, record["tokens"], entry["token"])}
            | {"max_activation": features[entry["feature_id"]]["max_activation"]}
            for entry in record["features"]
        ]
        assert row["features"] == expected
        values = [entry["activation"] for entry in expected]
        assert values == sorted(values, reverse=True)
        assert row["skipped"] or len(values) > 1


def test_pages_follow_each_other_without_gaps(finished: Finished) -> None:
    found, first = [], 0
    while first is not None:
        answer = finished.get("/prompts", **{"from": first, "limit": 7})
        found += answer["prompts"]
        first = answer["next"]
    assert found == finished.get("/prompts", limit=100)["prompts"]


def test_the_list_begins_with_the_row_that_is_asked_for(finished: Finished) -> None:
    rows = finished.get("/prompts", **{"from": 17, "limit": 2})["prompts"]
    assert [row["row_id"] for row in rows] == [17, 18]
    assert finished.get("/prompts", **{"from": 10**18})["prompts"] == []


# Search.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ALERT(1)", [FIRST_ODD]),
        ("🚀🚀 to", [FIRST_ODD + 1]),
        ("ørsted –", [FIRST_ODD + 2]),
        ("%00 \\X00", [FIRST_ODD + 3]),
        ("{{7*7}}", [FIRST_ODD + 3]),
        ("العربية", [FIRST_ODD + 4]),
        ("long end", [FIRST_UNUSABLE - 1]),
        ("The Last", [FIRST_UNUSABLE + 3]),
        ("\0", []),
        (".*", []),
        ("\ufffd", [FIRST_ODD + 2]),
    ],
)
def test_a_search_finds_a_text_wherever_it_is(finished: Finished, text: str, expected: list[int]) -> None:
    answer = finished.get("/prompts", text=text)
    assert [row["row_id"] for row in answer["prompts"]] == expected
    assert (answer["text"], answer["next"]) == (text, None)


@pytest.mark.parametrize("word", ["price", "to", "e", "  ", "Zebra"])
def test_a_search_finds_every_row_with_the_text(finished: Finished, word: str) -> None:
    expected = [
        row_id for row_id, text in enumerate(TEXTS) if text not in UNUSABLE and word.lower() in text.strip().lower()
    ]
    assert [row["row_id"] for row in finished.get("/prompts", text=word, limit=100)["prompts"]] == expected


def test_a_search_ends_in_time_and_goes_on_where_it_ended(finished: Finished) -> None:
    clock = Clock()

    def ticking() -> float:
        clock.now += 0.4
        return clock()

    view = RunLibrary(DirectoryStore(finished.root)).newest()
    pages: list[tuple[int, list[int]]] = []
    first: int | None = 0
    while first is not None:
        answer = some_rows(view, first, 50, WantedRows("the last one"), ticking)
        pages.append((first, [row["row_id"] for row in answer["prompts"]]))
        first = answer["next"]
    # after 0.4 and 0.8 s the next chunk of eight rows is looked at, after 1.2 s no further one
    assert pages == [(0, []), (24, []), (48, [FIRST_UNUSABLE + 3])]


# One row.


def test_a_row_is_told_whole(finished: Finished) -> None:
    listed, features = finished.get("/prompts", limit=100)["prompts"], described(finished)
    for record in finished.records():
        row_id = record["row_id"]
        assert finished.get(f"/prompts/{row_id}") == {
            "run": finished.run_id,
            "row_id": row_id,
            "text": None if TEXTS[row_id] in UNUSABLE else TEXTS[row_id].strip(),
            "skipped": UNUSABLE.get(TEXTS[row_id]),
            "tokens": strings_of(finished, record["tokens"]),
            "token_ints": record["tokens"],
            "windows": list(range(0, len(record["tokens"]), 63)),
            "features": [feature | features[feature["feature_id"]] for feature in listed[row_id]["features"]],
            "keeps_firings": False,
            "columns": {},
            "previous": row_id - 1 if row_id else None,
            "next": row_id + 1 if row_id + 1 < len(TEXTS) else None,
        }


def test_a_rows_tokens_are_its_text(finished: Finished) -> None:
    for row_id in [0, FIRST_ODD, FIRST_UNUSABLE - 1]:
        answer = finished.get(f"/prompts/{row_id}")
        assert "".join(answer["tokens"]) == answer["text"]
    assert len(answer["windows"]) > 10


@pytest.mark.parametrize("row_id", [len(TEXTS), 10**18])
def test_a_row_that_is_not_there_is_404(finished: Finished, row_id: int) -> None:
    assert error(finished.client, f"/prompts/{row_id}", 404) == f"run {finished.run_id} has no row {row_id}"


@pytest.mark.parametrize("row_id", ["x", "-", "1.0", "1e3", "٣", "9" * 5000, "%00"])
def test_what_is_no_row_id_is_400(finished: Finished, row_id: str) -> None:
    assert error(finished.client, f"/prompts/{row_id}", 400).startswith("row_id must be a whole number, not '")


# Live runs.


def test_a_live_run_has_its_merged_rows_and_says_that_it_is_live(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "runs")
    writer = LiveWriter.start(store, chunk_size=10)
    writer.add(10)
    writer.fail(10)
    writer.add(10)
    writer.save()
    twin = published_twin(writer.folder, writer.state, DirectoryStore(tmp_path / "twin"))
    with TestClient(create_app(store)) as live, TestClient(create_app(DirectoryStore(tmp_path / "twin"))) as done:
        ids = [row.row_id for row in twin.rows.page(0, 100).rows]
        assert len(ids) == 20
        for path in ["prompts?limit=100", "prompts?text=text 1", *(f"prompts/{row_id}" for row_id in ids)]:
            expected = done.get(f"/api/{path}").json()
            assert live.get(f"/api/{path}").json() == expected | {"live": True, "num_records": 30}


def test_rows_that_are_merged_later_are_there_then(tmp_path: Path) -> None:
    store, clock = DirectoryStore(tmp_path / "runs"), Clock()
    writer = LiveWriter.start(store)
    writer.add(5)
    writer.save()
    library = RunLibrary(store, clock)
    assert len(library.newest().rows.page(0, 100).rows) == 5
    writer.add(5)
    writer.save()
    clock.now += 2
    assert len(library.newest().rows.page(0, 100).rows) == 10


# Wrong questions.


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"limit": "0"}, "limit must be from 1 to 1000, not 0"),
        ({"limit": "x"}, "limit must be a whole number, not 'x'"),
        ({"from": "-1"}, "from must be from 0 to 9223372036854775807, not -1"),
        ({"from": "nan"}, "from must be a whole number, not 'nan'"),
        ({"from": ""}, "from must be a whole number, not ''"),
        ({"text": ""}, "text must have from 1 to 1,000 characters, not 0"),
        ({"text": "é" * 1001}, "text must have from 1 to 1,000 characters, not 1,001"),
        ({"text": ["a", "b"]}, "text is there 2 times: give it once"),
    ],
)
def test_a_wrong_parameter_is_400_with_a_sentence(finished: Finished, query: dict[str, Any], sentence: str) -> None:
    assert error(finished.client, "/prompts", 400, **query) == sentence


@pytest.mark.parametrize("path", ["/prompts", "/prompts/0"])
def test_a_run_that_is_not_there_is_404(finished: Finished, path: str) -> None:
    assert error(finished.client, path, 404, run="20200101-000000_run-001").startswith("there is no run")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["from", "limit", "text", "row"]), st.binary(max_size=6)), max_size=3))
def test_no_question_breaks_the_api(finished: Finished, query: list[tuple[str, bytes]]) -> None:
    raw = "&".join(f"{name}=" + "".join(f"%{byte:02x}" for byte in value) for name, value in query)
    assert finished.client.get(f"/api/prompts?{raw}").status_code in (200, 400)


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=8))
def test_no_row_id_breaks_the_api(finished: Finished, row_id: bytes) -> None:
    path = "".join(f"%{byte:02x}" for byte in row_id)
    assert finished.client.get(f"/api/prompts/{path}").status_code in (200, 400, 404)


def test_a_missing_file_is_a_503_that_names_it(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    writer = LiveWriter.start(store)
    writer.add(5)
    writer.save()
    store.delete(writer.folder.prompts(0))
    with TestClient(create_app(store)) as client:
        for path in ("/prompts", "/prompts/3"):
            assert error(client, path, 503).endswith("/prompts/000000.parquet is missing: run it again")
