"""Messages survive their journey as JSON, and one that this service can't trust is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.common.tasks.messages import Message, parse_message
from sparse_autoencoder.errors import SaescopeError

ENCODE: dict[str, Any] = {"version": 1, "task": "encode", "run_id": "20260101-000000_run-001", "chunk": 7}


@pytest.mark.parametrize(
    "message",
    [
        Message(task="ingest", run_id="20260101-000000_run-001"),
        Message(task="encode", run_id="20260101-000000_run-001", chunk=0),
        Message(task="aggregate", run_id="a"),
        Message(task="probe", run_id="a", question="0" * 32),
    ],
)
def test_a_message_survives_json(message: Message) -> None:
    assert parse_message(json.loads(json.dumps(message.model_dump()))) == message


def test_a_message_is_what_it_says() -> None:
    assert parse_message(ENCODE) == Message(task="encode", run_id="20260101-000000_run-001", chunk=7)
    assert Message(task="encode", run_id="20260101-000000_run-001", chunk=7).model_dump() == ENCODE


@pytest.mark.parametrize("version", [0, 2, "1", None, True, 1.0, [1]])
def test_an_unknown_version_is_refused(version: object) -> None:
    with pytest.raises(SaescopeError, match=r"^a message of version .* arrived, and this service knows version 1: run"):
        parse_message(ENCODE | {"version": version})


def test_a_message_without_a_version_is_refused() -> None:
    with pytest.raises(SaescopeError, match="version None arrived"):
        parse_message({"task": "ingest", "run_id": "a"})


def test_the_version_is_looked_at_before_anything_else() -> None:
    with pytest.raises(SaescopeError, match="version 2 arrived"):
        parse_message({"version": 2, "quite": "different"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task", "dance"),
        ("task", None),
        ("run_id", ""),
        ("run_id", "../other"),
        ("run_id", "a/b"),
        ("run_id", "a\n"),
        ("run_id", "a" * 201),
        ("run_id", 5),
        ("question", "x"),
        ("chunk", -1),
        ("chunk", "7"),
        ("chunk", 1.5),
        ("chunk", True),
        ("extra", 1),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    with pytest.raises(SaescopeError, match=rf"^a message can't be understood \({field}: "):
        parse_message(ENCODE | {field: value})


@pytest.mark.parametrize("field", ["task", "run_id"])
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(SaescopeError, match=rf"^a message can't be understood \({field}: Field required"):
        parse_message({name: value for name, value in ENCODE.items() if name != field})


@pytest.mark.parametrize(
    "content",
    [ENCODE | {"chunk": None}, ENCODE | {"task": "ingest"}, ENCODE | {"task": "aggregate"}],
)
def test_a_chunk_belongs_to_encode_alone(content: dict[str, Any]) -> None:
    with pytest.raises(SaescopeError, match="a chunk belongs to the task encode"):
        parse_message(content)


@pytest.mark.parametrize(
    "content",
    [ENCODE | {"question": "0" * 32}, {"version": 1, "task": "probe", "run_id": "a"}],
)
def test_a_question_belongs_to_probe_alone(content: dict[str, Any]) -> None:
    with pytest.raises(SaescopeError, match="a question belongs to the task probe"):
        parse_message(content)


@pytest.mark.parametrize("content", [None, "text", 5, ["a", "list"], b"bytes"])
def test_what_is_no_message_at_all_is_refused(content: object) -> None:
    with pytest.raises(SaescopeError, match=r"^what arrived is no message but "):
        parse_message(content)
