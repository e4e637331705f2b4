"""Whether an API's answers are what its description says: status, type, and the keys that are described and no others.

The description is the one that the API itself gives. This file knows no endpoint in particular.
"""

from __future__ import annotations

import json
import re
from typing import Any

from openapi_schema_validator import OAS31Validator

Answered = tuple[str, str, int]  # method, path as described, status


class Description:
    """An OpenAPI document against which answers are held."""

    def __init__(self, document: Any) -> None:
        self._paths = document["paths"]
        self._components = document["components"]

    @property
    def answers(self) -> set[Answered]:
        """Everything that may be answered."""
        return {
            (method.upper(), path, int(status))
            for path, operations in self._paths.items()
            for method, operation in operations.items()
            for status in operation["responses"]
        }

    def check(self, response: Any) -> Answered:
        """Which of the answers it is; AssertionError if it is none of them, or not as described."""
        path = self._path_of(response.url.path)
        responses = self._paths[path][response.request.method.lower()]["responses"]
        assert str(response.status_code) in responses, (response.url, response.status_code, response.text)
        content = responses[str(response.status_code)].get("content")
        if content is None:
            assert response.content == b""
        else:
            media_type = response.headers["Content-Type"].partition(";")[0]
            assert media_type in content
            for value in _values(media_type, response.text):
                self.validate(value, content[media_type]["schema"])
        return response.request.method, path, response.status_code

    def _path_of(self, path: str) -> str:
        matching = (known for known in self._paths if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), path))
        found = min(matching, key=lambda known: known.count("{"))  # one without parameters comes first, says OpenAPI
        return str(found)

    def validate(self, value: Any, schema: Any) -> None:
        """AssertionError unless a JSON value is what a schema says."""
        problems = [
            f"{problem.json_path}: {problem.message[:300]}"
            for problem in OAS31Validator({**schema, "components": self._components}).iter_errors(value)
        ]
        assert problems == []


def _values(media_type: str, text: str) -> list[Any]:
    """What a schema describes in an answer's text."""
    match media_type:
        case "application/json":
            return [json.loads(text)]
        case "application/x-ndjson":
            return [json.loads(line) for line in text.splitlines()]
        case "text/event-stream":
            return [json.loads(line.removeprefix("data: ")) for line in text.split("\n") if line.startswith("data: ")]
        case _:
            return [text]
