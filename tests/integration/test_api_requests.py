"""What the API says to requests for runs that can't be done: 400 with the field's name, and never 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from services.api.app import create_app
from services.api.http.write_requests import options_of
from services.common.allowed_sources import NotAllowedError
from sparse_autoencoder.runs.run_options import RunOptions
from sparse_autoencoder.runs.store import DirectoryStore
from tests.support.api import Servers, backend_without_servers
from tests.support.servers import redis_server, s3_server

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    root = tmp_path_factory.mktemp("servers")
    (root / "data").mkdir()
    (root / "data" / "rows.csv").write_text("title\nx\n")
    with redis_server(root / "redis") as redis, s3_server(root / "s3") as s3:
        backend = Servers(redis, s3).backend("", root / "data")
        with TestClient(create_app(backend.deps.store, backend=backend)) as client:
            yield client


def refusal(client: TestClient, content: Any) -> tuple[str | None, str]:
    """The field and the sentence of an answer that must have the status 400."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    response = client.post("/api/runs", content=body, headers=JSON)
    assert response.status_code == 400, response.text
    answer = response.json()
    assert answer.keys() <= {"error", "field"}
    assert "\n" not in answer["error"]
    assert len(answer["error"]) < 1000
    return answer.get("field"), answer["error"]


WRONG = [
    ({"max_row": 5}, "max_row", "there is no option 'max_row'; did you mean max_rows?"),
    ({"zebra": 5}, "zebra", "there is no option 'zebra'; there are name, source, text_column, "),
    ({"output": "x"}, "output", "there is no option 'output'"),
    ({"": 1}, "", "there is no option ''"),
    ({"layer": "6"}, "layer", 'layer must be a whole number, not "6"'),
    ({"layer": 6.0}, "layer", "layer must be a whole number, not 6.0"),
    ({"layer": True}, "layer", "layer must be a whole number, not true"),
    ({"layer": None}, "layer", "layer must be a whole number, not null"),
    ({"layer": -1}, "layer", "layer must be at least 0, not -1"),
    ({"layer": 2**63}, "layer", "layer must be at most 9223372036854775807"),
    ({"max_rows": 0}, "max_rows", "max_rows must be at least 1, not 0"),
    ({"chunk_size": [1]}, "chunk_size", "chunk_size must be a whole number, not [1]"),
    (
        {"top_tokens_per_feature": 2**31},
        "top_tokens_per_feature",
        "top_tokens_per_feature must be less than 2147483648",
    ),
    ({"seed": -(10**30)}, "seed", "seed must be at least 0"),
    ({"bos": "maybe"}, "bos", "bos must be 'exclude', 'include' or 'none', not \"maybe\""),
    ({"long_rows": 1}, "long_rows", "long_rows must be 'split' or 'truncate', not 1"),
    ({"precision": "int8"}, "precision", "precision must be 'float32', 'tf32', 'bfloat16' or 'float64'"),
    ({"source": 5}, "source", "source must be text, not 5"),
    ({"activation": ""}, "activation", 'activation must be relu, identity or topk:K, not ""'),
    ({"activation": "topk:0"}, "activation", "activation must be relu, identity or topk:K"),
    ({"name": ""}, "name", 'name must be a name of 1 to 100 characters, not ""'),
    ({"name": "a\nb"}, "name", "name must be a name in characters that are printed"),
    ({"name": "x" * 101}, "name", "name must be a name of 1 to 100 characters"),
    ({"no_header": "yes"}, "no_header", 'no_header must be true or false, not "yes"'),
    ({"source": {"a": [1] * 1000}}, "source", 'source must be text, not {"a": [1, 1'),
    ({"text_column": "\ud800"}, "text_column", "text_column has characters that no name has"),
    ({"subject": "gpt2\0"}, "subject", "subject has characters that no name has"),
    ({"source": "missing.csv"}, "source", "source can't be 'missing.csv', there is nothing of that name in "),
    ({"source": "../x.csv"}, "source", "source can't be '../x.csv', that is outside the data folder"),
    ({"source": "/etc/passwd"}, "source", "source can't be '/etc/passwd', that is outside the data folder"),
    ({"source": "https://example.org/x.csv"}, "source", "source can't be 'https://example.org/x.csv'"),
    ({"source": "-"}, "source", "source can't be '-'"),
    ({"autoencoder": "az://a/b/c.pt"}, "autoencoder", "autoencoder can't be 'az://a/b/c.pt'"),
    ({"subject": "../model"}, "subject", "subject can't be '../model'"),
    ({"prompt_file": "none.txt"}, "prompt_file", "prompt_file can't be 'none.txt'"),
    ({"device": "gpu"}, "device", "device can't be 'gpu'; it is auto, cpu, cuda, or cuda:N"),
    ({"location": "roof"}, "location", "location can't be 'roof'; it is one of "),
    ({"autoencoder": "v1"}, "location", "v1 has no autoencoder at location 'resid_post_mlp'"),
    ({"layer": 99}, "layer", "v5_32k has no layer 99"),
]


@pytest.mark.parametrize(("content", "field", "sentence"), WRONG)
def test_a_wrong_field_is_400_with_its_name_and_a_sentence(
    client: TestClient, content: dict[str, Any], field: str, sentence: str
) -> None:
    named, said = refusal(client, content)
    assert (named, said[: len(sentence)]) == (field, sentence)


@pytest.mark.parametrize("content", [[], None, 5, "source", True, [{}]])
def test_what_is_no_object_is_400(client: TestClient, content: Any) -> None:
    assert refusal(client, content) == (
        None,
        "the body must be a JSON object of options; GET /api/options says which there are",
    )


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"{'a': 1}", b"[" * 60_000, b'{"layer": ' + b"9" * 5000 + b"}", b"\0", b"{}{}"]
)
def test_what_is_no_json_is_400(client: TestClient, body: bytes) -> None:
    field, sentence = refusal(client, body)
    assert field is None
    assert sentence.startswith("the body is not JSON (")


def test_a_body_that_is_too_large_is_400(client: TestClient) -> None:
    sentence = "the body is larger than 65,536 bytes; what can be sent is a few lines"
    assert refusal(client, b'{"source": "' + b"x" * 70_000 + b'"}') == (None, sentence)


def test_a_body_in_pieces_without_a_length_is_limited_as_well(client: TestClient) -> None:
    response = client.post("/api/runs", content=(b" " * 1000 for _ in range(1000)), headers=JSON)
    assert (response.status_code, response.json()["error"][:18]) == (400, "the body is larger")


def test_no_wrong_request_leaves_a_run(client: TestClient) -> None:
    before = client.get("/api/runs").json()
    for content, _field, _sentence in WRONG:
        refusal(client, content)
    assert client.get("/api/runs").json() == before


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The API on folders and without Redis, for many requests."""
    root = tmp_path_factory.mktemp("quick")
    (root / "data").mkdir()
    (root / "data" / "rows.csv").write_text("title\nx\n")
    backend = backend_without_servers(DirectoryStore(root / "runs"), root / "data")
    with TestClient(create_app(backend.deps.store, backend=backend)) as client:
        yield client


names = st.one_of(st.sampled_from(list(RunOptions.model_fields)), st.text(max_size=8))
words = st.sampled_from(["rows.csv", "../rows.csv", "kaggle:a/b", "csv:", "-", "gpt2", "v1", "cuda:0", "cpu", "\ud800"])
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=True), st.text(max_size=10), words)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2))


@pytest.mark.parametrize("wrong", ["", "{0}", "topk:{k}", 5, -1, 2.5, True, None, [], {"{": "}"}], ids=repr)
@pytest.mark.parametrize("field", RunOptions.model_fields)
def test_a_wrong_value_is_refused_in_our_words(field: str, wrong: Any) -> None:
    assert "should" not in sentence_about({field: wrong})  # as pydantic speaks of inputs


def sentence_about(content: dict[str, Any]) -> str:
    """Why these can't be a run's options; nothing if they can."""
    try:
        options_of(content)
    except NotAllowedError as error:
        return str(error)
    return ""


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(content=st.one_of(values, st.dictionaries(names, values, max_size=4)))
def test_every_request_for_a_run_is_taken_or_refused_with_a_sentence(quick: TestClient, content: Any) -> None:
    response = quick.post("/api/runs", content=json.dumps(content).encode(), headers=JSON)
    assert response.status_code in (201, 400), response.text
    assert "id" in response.json() or "error" in response.json()


@settings(max_examples=80, deadline=None)
@given(body=st.binary(max_size=200))
def test_every_body_is_refused_with_a_sentence(quick: TestClient, body: bytes) -> None:
    response = quick.post("/api/runs", content=body, headers=JSON)
    assert response.status_code in (201, 400), response.text


ids = st.one_of(
    st.sampled_from(["..", "%2e%2e", "a..b", "%00", "%ff", "x" * 300, "%2fetc%2fpasswd", "run%0a", "💥", "a%20b", ""]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#?%[]"), max_size=20),
)


@settings(max_examples=40, deadline=None)
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "DELETE", "PUT"]),
    run_id=ids,
    rest=st.sampled_from(["", "/cancel", "/resume", "/events", "/nothing"]),
)
def test_whatever_the_run_is_called_there_is_an_answer_and_never_500(
    quick: TestClient, method: str, run_id: str, rest: str
) -> None:
    response = quick.request(method, f"/api/runs/{run_id}{rest}", headers=JSON, content=b"{}")
    assert response.status_code in (200, 201, 204, 400, 404, 405, 503), response.text


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "localhost.evil.example", "127.0.0.1.evil.example"]
)
def test_without_a_token_nothing_is_changed_under_a_domains_name(client: TestClient, host: str) -> None:
    response = client.post("/api/runs", content=b'{"layer": "6"}', headers=JSON | {"Host": host})
    assert (response.status_code, "SAESCOPE_ALLOWED_HOSTS" in response.json()["error"]) == (403, True)


@pytest.mark.parametrize("host", ["localhost:1234", "127.0.0.1:8765", "[::1]:8765", "api:8765", "192.168.1.5"])
def test_addresses_and_undotted_names_are_the_apis_own(client: TestClient, host: str) -> None:
    response = client.post("/api/runs", content=b'{"layer": "6"}', headers=JSON | {"Host": host})
    assert (response.status_code, response.json()["field"]) == (400, "layer")
