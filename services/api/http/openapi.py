"""The API's description, OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.1.html), out of endpoints and their types.

It takes about as long as starting the API does, and is seldom asked for, so it is made when it is.
"""

from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from services.api.http.endpoint_declaration import Endpoint
from services.api.http.table_answers import MEDIA_TYPES
from services.api.response_types.health import Problem

Json = dict[str, Any]
_Schemas = dict[tuple[Endpoint | None, JsonSchemaMode], JsonSchemaValue]  # of answers ("serialization") and bodies

_REFERENCE = "#/components/schemas/{model}"
_PROBLEMS = {
    400: "The request can't be understood, or asks for something that can't be.",
    401: "The API's token is missing or wrong.",
    403: "Without a token, the API answers at addresses, undotted names and allowed names only; or another site asks.",
    404: "There is no such thing.",
    408: "The body took too long to arrive.",
    405: "There are no services behind this API, so runs can only be looked at.",
    409: "The run's state doesn't allow this, somebody changed the label meanwhile, or these aren't the run's models.",
    429: "This client asks too much of the models; the header Retry-After says when to ask again.",
    415: "The header Content-Type is missing, or not what this takes.",
    503: "Something that the API needs doesn't answer, or is busy, or a file of the run is damaged.",
    504: "The models didn't answer in time.",
}


@cache
def openapi(endpoints: tuple[Endpoint, ...]) -> Json:
    """The description of these endpoints."""
    schemas, named = _schemas(endpoints)
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "saescope",
            "version": "1",
            "description": "What each feature of a sparse autoencoder responds to in a text dataset.",
        },
        "paths": paths,
        "components": {"schemas": named, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


class _Generator(GenerateJsonSchema):
    """As pydantic's, but answers have no keys besides those declared, and fields no titles that repeat their names."""

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        return super().typed_dict_schema(schema) | {"additionalProperties": False}

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class _ParameterGenerator(_Generator):
    """Of parameters: null is that one is left out, which no request can say otherwise."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def _schemas(endpoints: tuple[Endpoint, ...]) -> tuple[_Schemas, Json]:
    """The schemas of all answers and bodies, and the named ones that they refer to."""
    wanted: list[tuple[Endpoint | None, JsonSchemaMode, TypeAdapter[Any]]] = [
        (None, "serialization", TypeAdapter(Problem))
    ]
    for endpoint in endpoints:
        if endpoint.answer is not None:
            wanted.append((endpoint, "serialization", TypeAdapter(endpoint.answer)))
        if endpoint.body is not None:
            wanted.append((endpoint, "validation", TypeAdapter(endpoint.body)))
    schemas, rest = TypeAdapter.json_schemas(wanted, schema_generator=_Generator, ref_template=_REFERENCE)
    named: Json = rest["$defs"]
    for schema in named.values():
        schema.pop("title", None)
    return schemas, named


def _operation(endpoint: Endpoint, schemas: _Schemas) -> Json:
    operation: Json = {"summary": endpoint.summary}
    parameters = _parameters(endpoint)
    if parameters:
        operation["parameters"] = parameters
    if endpoint.method != "GET":
        body = schemas.get((endpoint, "validation"), {"type": "object", "maxProperties": 0})
        if endpoint.takes != "application/json":
            body = {"type": "string"}
        operation["requestBody"] = {"content": {endpoint.takes: {"schema": body}}}
        operation["security"] = [{}, {"token": []}]
    operation["responses"] = _responses(endpoint, schemas)
    return operation


def _parameters(endpoint: Endpoint) -> list[Json]:
    model = endpoint.parameters.model_json_schema(schema_generator=_ParameterGenerator)
    parameters = []
    for name, schema in model["properties"].items():
        if schema.get("default", ...) is None:  # what is left out has no value to show
            del schema["default"]
        parameters.append(
            {
                "name": name,
                "in": "path" if f"{{{name}}}" in endpoint.path else "query",
                "description": schema.pop("description"),
                "required": name in model.get("required", []),
                "schema": schema,
            }
        )
    return parameters


def _responses(endpoint: Endpoint, schemas: _Schemas) -> Json:
    answer: Json = {"description": HTTPStatus(endpoint.status).phrase}
    if endpoint.answer is not None:
        answer["content"] = {endpoint.media_type: {"schema": schemas[endpoint, "serialization"]}}
    if endpoint.table is not None:
        answer["content"] |= {kind.partition(";")[0]: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()}
    responses = {str(endpoint.status): answer}
    if endpoint.has_tag:
        responses["304"] = {"description": "It is what If-None-Match says."}
    problem = {"application/json": {"schema": {"$ref": _REFERENCE.format(model="Problem")}}}
    for status in endpoint.problems:
        responses[str(status)] = {"description": _PROBLEMS[status], "content": problem}
    return responses
