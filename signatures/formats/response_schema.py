"""The JSON Schema of a whole reply in format `json`, in the strict form that servers constrain replies with."""

from __future__ import annotations

from collections.abc import Mapping

from ..canonical import JSON
from ..schema import Schema

_LITERAL_VALUES = frozenset({"enum", "const", "default", "examples"})


def response_schema(schema: Schema) -> dict[str, JSON]:
    """One object that has every output and nothing else. Definitions of all fields stand at its top.

    Objects inside take all their declared keys and no others, unions are `anyOf`: what OpenAI's strict mode asks for.
    """
    defs: dict[str, JSON] = {}
    properties = {}
    for field in schema.outputs:
        own = field.json_schema
        names = {name: _free_name(name, part, own["$defs"], defs) for name, part in own.get("$defs", {}).items()}
        for name, part in own.get("$defs", {}).items():
            defs[names[name]] = _strict(part, names)
        properties[field.name] = _strict({k: v for k, v in own.items() if k != "$defs"}, names)
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **({"$defs": defs} if defs else {}),
    }


def _free_name(name: str, part: JSON, own: Mapping[str, JSON], taken: Mapping[str, JSON]) -> str:
    """The name, or one with a number where another field has defined something else under it."""
    unchanged = {each: each for each in own}
    free, number = name, 1
    while free in taken and taken[free] != _strict(part, unchanged):
        number += 1
        free = f"{name}_{number}"
    return free


def _strict(part: JSON, names: Mapping[str, str]) -> JSON:
    if isinstance(part, list):
        return [_strict(item, names) for item in part]
    if not isinstance(part, Mapping):
        return part
    changed: dict[str, JSON] = {}
    for keyword, value in part.items():
        if keyword in ("default", "discriminator", "examples"):
            continue
        if keyword == "$ref":
            changed[keyword] = f"#/$defs/{names[value.rpartition('/')[2]]}"
        elif keyword == "oneOf":
            changed["anyOf"] = _strict(value, names)
        elif keyword in ("properties", "patternProperties"):
            changed[keyword] = {name: _strict(inner, names) for name, inner in value.items()}
        else:
            changed[keyword] = value if keyword in _LITERAL_VALUES else _strict(value, names)
    if "properties" in part and "additionalProperties" not in part:
        changed["additionalProperties"] = False
        changed["required"] = list(part["properties"])
    return changed
