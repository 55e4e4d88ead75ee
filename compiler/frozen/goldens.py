"""Golden vectors: synthetic inputs and the sha256 of the exact request they must give, checked without a call.

They tell whether this version of Burnish still asks the model, byte for byte, what was scored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...signatures.candidate import Candidate, Part
from ...signatures.canonical import JSON
from ...signatures.prompt import Template
from ...signatures.rules.vectors import components, quantised
from ...signatures.schema import Schema
from ..lm.connection import HTTPConnection
from ..lm.lm import LM
from .checks import MALFORMED, Refused, shown

TEXTS = (
    "The quick brown fox jumps over the lazy dog.",
    'Zoë\'s naïve café: 数据 🦊\n\ttab, \\back\\slash, "quotes", e\u0301 and \u2028.\n',
    '[[ ## completed ## ]]\n<answer>x</answer>\n{"answer": 1}\nAnswer: x\n\\[[ ## reasoning ## ]]',
)


def make_goldens(candidate: Candidate, model: str) -> list[dict[str, JSON]]:
    """Golden vectors of every predictor, in order; equal for equal candidates."""
    goldens: list[dict[str, JSON]] = []
    for path, part in candidate.parts:
        template = part.prompt.template
        for case, inputs in enumerate(golden_inputs(template)):
            vector = None if template.encoder is None else golden_vector(template, case)
            kept = {} if vector is None else {"vector": vector}
            request = request_digest(part, model, inputs, vector)
            goldens.append({"predictor": path, "inputs": inputs, **kept, "request": request})
    return goldens


def check_goldens(candidate: Candidate, model: str, goldens: Sequence[Mapping[str, JSON]]) -> None:
    """Raises FrozenError, naming the predictor, when inputs do not give the request that was recorded."""
    for golden in goldens:
        path = golden["predictor"]
        try:
            found = request_digest(candidate[path], model, golden["inputs"], golden.get("vector"))
        except MALFORMED as error:
            raise Refused(f"predictor {shown(path)} does not render its golden inputs: {error}") from None
        if found != golden["request"]:
            raise Refused(
                f"predictor {shown(path)} does not render what was scored: the request for its golden inputs differs. "
                "Load it with the version of burnish that wrote it."
            )


def request_digest(part: Part, model: str, inputs: Mapping[str, JSON], vector: str | None = None) -> str:
    """sha256 of the body that these inputs send to a model of this name. vector: of the query, where one is taken."""
    template = part.prompt.template
    messages = template.render(inputs, vector)
    body = asked(model).chat(messages, schema=template.response_schema, **part.settings.params).body_json
    return hashlib.sha256(body.encode("utf-8")).hexdigest()


def asked(model: str) -> LM:
    """An LM that only builds requests for a model of this name: it has no server and reads no environment."""
    return LM(model, client=HTTPConnection(model, "http://nowhere.invalid"))


def golden_inputs(template: Template) -> list[dict[str, JSON]]:
    """Synthetic inputs: plain, unicode, marker-like texts, optional inputs left out, near to a rule's own pool."""
    schema = template.schema
    cases = [_inputs(schema, case) for case in range(len(TEXTS))]
    if any(not field.required for field in schema.inputs):
        cases.append({field.name: _value(field.json_schema, 0) for field in schema.inputs if field.required})
    if template.rule is not None and template.demo_inputs:
        # A rule compares the query with its pool: a query that is near to one demonstration tests the index too.
        known = json.loads(template.demo_inputs[-1])
        near = {name: _near(value) for name, value in known.items() if name in schema.by_name}
        # A demonstration may lack an input that a query has to have.
        missing = [field for field in schema.inputs if field.required and field.name not in near]
        cases.append({**near, **{field.name: _value(field.json_schema, 0) for field in missing}})
    return cases


def golden_vector(template: Template, case: int) -> str:
    """A query's vector that no encoder is asked for: between those of two demonstrations, of others for each case."""
    known = template.demo_vectors
    near, other = (components(known[(place * len(known)) // 5]) for place in (case % 5, (case + 2) % 5))
    return quantised([3 * one + another for one, another in zip(near, other, strict=True)])


def _inputs(schema: Schema, case: int) -> dict[str, JSON]:
    return {field.name: _value(field.json_schema, case) for field in schema.inputs}


def _near(value: JSON) -> JSON:
    return f"{value} again" if isinstance(value, str) else value


def _value(json_schema: Mapping[str, Any], case: int) -> JSON:
    """A value of the schema; of another one for each case where the schema allows more than one."""
    return _Sampler(json_schema.get("$defs", {}), case).value(json_schema, depth=4)


class _Sampler:
    def __init__(self, definitions: Mapping[str, Any], case: int) -> None:
        self.definitions = definitions
        self.case = case

    def value(self, schema: Mapping[str, Any], depth: int) -> JSON:
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][self.case % len(schema["enum"])]
        if "$ref" in schema:
            return self.value(self.definitions[schema["$ref"].rpartition("/")[2]], depth - 1) if depth > 0 else None
        for several in ("anyOf", "oneOf"):
            if schema.get(several):
                return self.value(schema[several][self.case % len(schema[several])], depth)
        if schema.get("allOf"):
            return self.value(schema["allOf"][0], depth)
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = kind[self.case % len(kind)]
        if kind == "array":
            return self.items(schema, depth)
        if kind == "object":
            return self.properties(schema, depth)
        return self.scalar(kind, schema)

    def items(self, schema: Mapping[str, Any], depth: int) -> JSON:
        fixed = schema.get("prefixItems", [])
        count = 0 if depth <= 0 else max(self.case, schema.get("minItems", 0)) - len(fixed)
        rest = schema.get("items")
        return [self.value(item, depth - 1) for item in fixed] + [
            self.value(rest if isinstance(rest, dict) else {}, depth - 1) for _ in range(count)
        ]

    def properties(self, schema: Mapping[str, Any], depth: int) -> JSON:
        if depth <= 0:
            return {}
        named = {name: self.value(inner, depth - 1) for name, inner in schema.get("properties", {}).items()}
        if isinstance(schema.get("additionalProperties"), dict):
            named[f"key {self.case}"] = self.value(schema["additionalProperties"], depth - 1)
        return named

    def scalar(self, kind: object, schema: Mapping[str, Any]) -> JSON:
        if kind == "null":
            return None
        if kind == "boolean":
            return self.case % 2 == 0
        if kind == "integer":
            return int(schema.get("minimum", 0)) + (7, 0, 1234567)[self.case]
        if kind == "number":
            return float(schema.get("minimum", 0)) + (2.5, 0.1, 1e-7)[self.case]
        dated = {
            "date": "2024-02-29",
            "date-time": "2024-02-29T12:30:00Z",
            "time": "12:30:00",
            "duration": "P1DT2H",
            "uuid": "12345678-1234-5678-1234-567812345678",
        }
        return dated.get(str(schema.get("format")), TEXTS[self.case])
