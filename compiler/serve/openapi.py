"""The OpenAPI document of one program: its fields' JSON Schemas as the file has them, its limits, its failures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import Response

from ...signatures.canonical import JSON
from ...signatures.schema import Field
from .contract import Contract
from .problems import KINDS

_REF = "#/components/schemas/"
# Keywords whose value is the user's own (nothing in it is a reference), and those that map names to schemas.
_LITERAL = frozenset({"enum", "const", "default", "examples"})
_NAMED = frozenset({"properties", "patternProperties"})
_STATE = {"application/json": {"schema": {"type": "object"}}}

HEALTHY: dict[str, Any] = {
    "responses": {200: {"description": "It does.", "content": _STATE}},
    "response_class": Response,
}
READY: dict[str, Any] = {
    "responses": {
        200: {"description": "It can.", "content": _STATE},
        503: {"description": "It cannot; `reason` says why.", "content": _STATE},
    },
    "response_class": Response,
}


def run_path(with_token: bool) -> dict[str, JSON]:
    """What can be done at /run: the inputs, the outputs, and every status that a problem can have."""
    responses: dict[str, JSON] = {"200": {"description": "The outputs.", "content": _json_of("Outputs")}}
    for kind, (status, sentence) in KINDS.items():
        if kind in ("not_found", "method_not_allowed") or (kind == "unauthorized" and not with_token):
            continue
        before = f"{responses[str(status)]['description']} " if str(status) in responses else ""
        responses[str(status)] = {"description": f"{before}`{kind}`: {sentence}", "content": _json_of("Error")}
    body = {"required": True, "content": _json_of("Inputs")}
    operation = {"summary": "Run the program", "operationId": "run", "requestBody": body, "responses": responses}
    return {"post": {**operation, **_secured(with_token)}}


def metrics_operation(with_token: bool) -> dict[str, Any]:
    responses: dict[int, JSON] = {200: {"description": "Counts.", "content": {"text/plain": {}}}}
    if with_token:
        responses[401] = {"description": KINDS["unauthorized"][1], "content": _json_of("Error")}
    return {"responses": responses, "response_class": Response, "openapi_extra": _secured(with_token)}


def _json_of(schema: str) -> dict[str, JSON]:
    return {"application/json": {"schema": {"$ref": _REF + schema}}}


def _secured(with_token: bool) -> dict[str, JSON]:
    return {"security": [{"token": []}]} if with_token else {}


def components(contract: Contract, with_token: bool) -> dict[str, JSON]:
    """`Inputs`, `Outputs`, `Error`, and every definition that they refer to."""
    found = _Components()
    inputs = found.object(contract.inputs.values(), as_reply=False)
    if contract.is_open:
        del inputs["additionalProperties"]
    outputs: dict[str, JSON] = {"type": "object", "description": "What the program's own code gives."}
    if contract.outputs is not None:
        outputs = found.object(contract.outputs.values(), as_reply=True)
    schemas = {"Inputs": inputs, "Outputs": outputs, "Error": _error(), **found.schemas}
    scheme = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
    return {"schemas": schemas, **(scheme if with_token else {})}


def _error() -> dict[str, JSON]:
    properties = {
        "kind": {"type": "string", "enum": list(KINDS)},
        "message": {"type": "string"},
        "field": {"type": "string", "description": "The input that is wrong."},
        "request_id": {"type": "string"},
    }
    inner = {"type": "object", "properties": properties, "required": ["kind", "message", "request_id"]}
    return {"type": "object", "properties": {"error": inner}, "required": ["error"]}


class _Components:
    """Schemas of fields, with the definitions of all of them side by side."""

    def __init__(self) -> None:
        self.schemas: dict[str, JSON] = {}
        self._as_declared: dict[str, JSON] = {"Inputs": None, "Outputs": None, "Error": None}

    def object(self, fields: Iterable[Field], as_reply: bool) -> dict[str, JSON]:
        """One object of these fields. as_reply: all of them are there."""
        listed = list(fields)
        return {
            "type": "object",
            "properties": {field.name: self._property(field, as_reply) for field in listed},
            "required": [field.name for field in listed if as_reply or field.required],
            "additionalProperties": False,
        }

    def _property(self, field: Field, as_reply: bool) -> dict[str, JSON]:
        defs = field.json_schema.get("$defs", {})
        names = self._names(field, defs)
        for name, definition in defs.items():
            self._as_declared[names[name]] = definition
            self.schemas[names[name]] = _moved(definition, names)
        schema: dict[str, JSON] = _moved({k: v for k, v in field.json_schema.items() if k != "$defs"}, names)
        if field.description:
            schema["description"] = field.description
        if field.default_json is not None and not as_reply:
            schema["default"] = field.default
        return schema

    def _names(self, field: Field, defs: Mapping[str, JSON]) -> dict[str, str]:
        """Definitions keep their names, unless another one has one of them: then the field's stands before all."""
        names = {name: re.sub(r"[^\w.-]", "_", name, flags=re.ASCII) for name in defs}
        while any(self._as_declared.get(names[name], defs[name]) != defs[name] for name in defs):
            names = {name: f"{field.name}.{names[name]}" for name in defs}
        return names


def _moved(schema: JSON, names: Mapping[str, str]) -> JSON:
    """The schema with its references pointing to where the definitions stand now."""
    if isinstance(schema, list):
        return [_moved(item, names) for item in schema]
    if not isinstance(schema, dict):
        return schema
    moved: dict[str, JSON] = {}
    for keyword, value in schema.items():
        if keyword == "$ref":
            moved[keyword] = _REF + names[value.rpartition("/")[2]]
        elif keyword == "discriminator":
            moved[keyword] = {"propertyName": value["propertyName"]}  # its mapping names definitions, which may move
        elif keyword in _NAMED:
            moved[keyword] = {name: _moved(item, names) for name, item in value.items()}
        else:
            moved[keyword] = value if keyword in _LITERAL else _moved(value, names)
    return moved
