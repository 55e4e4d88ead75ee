"""The structure of a compiled file that nobody vouches for, checked by hand: every part where it belongs, of its type.

What passes here renders, asks and parses without further checks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any

from ...signatures.canonical import JSON
from ...signatures.errors import BurnishError, FrozenError
from ...signatures.formats import FORMATS, get_format
from ...signatures.prompt import POSITIONS
from ...signatures.rules import ORDERS, SELECTORS
from ...signatures.rules.vectors import components
from ...signatures.supported import check_supported

KINDS = ("predictor", "pipeline", "module")
DECISIONS = ("ship", "keep", "inconclusive")
GOLDENS = 3  # a predictor, at least

# What no honest file comes near. Without them a small file could ask for work that grows with the square of its size.
MOST_PREDICTORS = 256
MOST_FIELDS = 1000  # of a predictor
MOST_SLOTS = 8  # that show one input
MOST_GOLDENS = 8  # a predictor

_TOP = {
    "format", "kind", "holds", "pipeline", "predictors", "lm", "goldens",
    "verdict", "evidence", "provenance", "finalist", "digest",
}  # fmt: skip
_PREDICTOR = {"template", "grammar", "settings", "source"}
_TEMPLATE = {"format", "schema", "head", "demos", "tail", "rule", "demo_inputs", "response_schema"}
_FIELD = {"name", "json_schema", "description", "type_name", "note", "required"}


# What code that trusts its input may raise on a file's content.
MALFORMED = (
    BurnishError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, Warning
)  # fmt: skip


class Refused(FrozenError):
    """Why a file is refused, without its name."""


def check_structure(document: Mapping[str, JSON]) -> None:
    """Raises FrozenError, saying where, unless every part has the form that this format version gives it."""
    _object(document, "the file", _TOP)
    _one_of(document["kind"], "kind", KINDS)
    _one_of(document["holds"], "holds", ("student", "finalist"))
    lm = _mapping(document["lm"], "lm")
    _text(lm.get("model"), "lm.model")
    _mapping(lm.get("local", {}), "lm.local")
    for name in ("verdict", "evidence", "provenance"):
        _mapping(document[name], name)
    _one_of(document["verdict"].get("decision"), "verdict.decision", DECISIONS)
    _check_predictors(document["predictors"], document["goldens"], "")
    if document["kind"] == "predictor" and len(document["predictors"]) != 1:
        raise Refused("predictors: a program of kind 'predictor' has exactly one.")
    if document["kind"] == "pipeline":
        _check_pipeline(document["pipeline"], document["predictors"])
    elif document["pipeline"] is not None:
        raise Refused(f"pipeline: a program of kind {document['kind']!r} has none.")
    if document["finalist"] is not None:
        finalist = _object(document["finalist"], "finalist", {"predictors", "goldens"}, optional={"lm"})
        if "lm" in finalist:
            _text(_mapping(finalist["lm"], "finalist.lm").get("model"), "finalist.lm.model")
            _mapping(finalist["lm"].get("local", {}), "finalist.lm.local")
        _check_predictors(finalist["predictors"], finalist["goldens"], "finalist.")
        if set(finalist["predictors"]) != set(document["predictors"]):
            raise Refused("finalist.predictors: not the paths of 'predictors'.")


def _check_predictors(predictors: JSON, goldens: JSON, prefix: str) -> None:
    if not _mapping(predictors, f"{prefix}predictors"):
        raise Refused(f"{prefix}predictors: there is none.")
    _at_most(MOST_PREDICTORS, predictors, f"{prefix}predictors")
    _at_most(MOST_GOLDENS * len(predictors), _list(goldens, f"{prefix}goldens"), f"{prefix}goldens")
    for path, predictor in predictors.items():
        where = f"{prefix}predictors[{shown(path)}]"
        _object(predictor, where, _PREDICTOR)
        _check_template(predictor["template"], f"{where}.template")
        _check_grammar(predictor["grammar"], predictor["template"]["format"], f"{where}.grammar")
        _check_settings(predictor["settings"], f"{where}.settings")
        _check_source(predictor["source"], f"{where}.source")
    for index, golden in enumerate(goldens):
        where = f"{prefix}goldens[{index}]"
        _object(golden, where, {"predictor", "inputs", "request"}, optional={"vector"})
        _one_of(golden["predictor"], f"{where}.predictor", predictors)
        _mapping(golden["inputs"], f"{where}.inputs")
        _text(golden["request"], f"{where}.request")
        if "vector" in golden:
            _vector(golden["vector"], f"{where}.vector")
    rules = [predictor["template"]["rule"] or {} for predictor in predictors.values()]
    if len({rule["encoder"] for rule in rules if "encoder" in rule}) > 1:
        raise Refused(f"{prefix}predictors: their rules name more than one encoder.")
    for path in predictors:
        count = sum(golden["predictor"] == path for golden in goldens)
        if not GOLDENS <= count <= MOST_GOLDENS:
            told = f"fewer than {GOLDENS}" if count < GOLDENS else f"more than {MOST_GOLDENS}"
            raise Refused(f"{prefix}goldens: {told} for predictor {shown(path)}.")


def _check_template(template: JSON, where: str) -> None:
    _object(template, where, _TEMPLATE, optional={"demo_vectors"})
    _text(template["format"], f"{where}.format")
    inputs = _check_schema(template["schema"], f"{where}.schema")
    for index, message in enumerate(_list(template["head"], f"{where}.head")):
        _check_message(message, f"{where}.head[{index}]", slots=())
    for number, demo in enumerate(_list(template["demos"], f"{where}.demos")):
        for index, message in enumerate(_list(demo, f"{where}.demos[{number}]")):
            _check_message(message, f"{where}.demos[{number}][{index}]", slots=())
    if not template["tail"]:
        raise Refused(f"{where}.tail: there is no message that asks.")
    filled: list[str] = []
    for index, message in enumerate(_list(template["tail"], f"{where}.tail")):
        filled += _check_message(message, f"{where}.tail[{index}]", slots=inputs)
    for name, count in Counter([*inputs, *filled]).items():
        if count == 1:
            raise Refused(f"{where}.tail: no slot for the input {shown(name)}.")
        if count - 1 > MOST_SLOTS:
            raise Refused(f"{where}.tail: more than {MOST_SLOTS} slots for the input {shown(name)}.")
    _check_rule(template, where)
    if template["response_schema"] is not None:
        _mapping(template["response_schema"], f"{where}.response_schema")


def _check_schema(schema: JSON, where: str) -> list[str]:
    """The names of the inputs."""
    _object(schema, where, {"inputs", "outputs"})
    names: list[str] = []
    for side in ("inputs", "outputs"):
        _at_most(MOST_FIELDS, _list(schema[side], f"{where}.{side}"), f"{where}.{side}")
        for index, field in enumerate(schema[side]):
            place = f"{where}.{side}[{index}]"
            _object(field, place, _FIELD, optional={"default"})
            for name in ("name", "description", "type_name", "note"):
                _text(field[name], f"{place}.{name}")
            _one_of(field["required"], f"{place}.required", (True, False))
            if not field["name"].isidentifier():
                raise Refused(f"{place}.name: {shown(field['name'])} is not a field name.")
            try:
                check_supported(_mapping(field["json_schema"], f"{place}.json_schema"), field["name"])
            except MALFORMED as error:
                raise Refused(f"{place}.json_schema: {error}") from None
            names.append(field["name"])
    if not schema["outputs"]:
        raise Refused(f"{where}.outputs: there is none.")
    if len(set(names)) != len(names):
        raise Refused(f"{where}: a field name stands twice.")
    return names[: len(schema["inputs"])]


def _check_message(message: JSON, where: str, slots: Collection[str]) -> list[str]:
    """The names of the inputs that its slots show."""
    _object(message, where, {"role", "parts"})
    _one_of(message["role"], f"{where}.role", ("system", "user", "assistant"))
    shown: list[str] = []
    for index, part in enumerate(_list(message["parts"], f"{where}.parts")):
        place = f"{where}.parts[{index}]"
        if isinstance(part, str):
            continue
        _object(part, place, {"slot", "before", "after"})
        _text(part["before"], f"{place}.before")
        _text(part["after"], f"{place}.after")
        _one_of(part["slot"], f"{place}.slot", slots)
        shown.append(part["slot"])
    return shown


def _check_rule(template: Mapping[str, JSON], where: str) -> None:
    demo_inputs = _list(template["demo_inputs"], f"{where}.demo_inputs")
    if template["rule"] is not None:
        rule = _object(template["rule"], f"{where}.rule", {"selector", "k", "order"}, optional={"encoder"})
        _one_of(rule["selector"], f"{where}.rule.selector", SELECTORS)
        _one_of(rule["order"], f"{where}.rule.order", ORDERS)
        if ("encoder" in rule) != (rule["selector"] == "vectors"):
            raise Refused(f"{where}.rule.encoder: a rule that compares vectors names one, and no other does.")
        if "encoder" in rule and not _text(rule["encoder"], f"{where}.rule.encoder"):
            raise Refused(f"{where}.rule.encoder: no encoder is named.")
        if not isinstance(rule["k"], int) or isinstance(rule["k"], bool) or rule["k"] < 0:
            raise Refused(f"{where}.rule.k: {shown(rule['k'])} is not a number of demonstrations.")
    if len(demo_inputs) != (0 if template["rule"] is None else len(template["demos"])):
        raise Refused(f"{where}.demo_inputs: not one for each demonstration of the rule.")
    for index, text in enumerate(demo_inputs):
        place = f"{where}.demo_inputs[{index}]"
        try:
            _mapping(json.loads(_text(text, place)), place)
        except (ValueError, RecursionError):
            raise Refused(f"{place}: not a JSON object.") from None
    _check_vectors(template, where)


def _check_vectors(template: Mapping[str, JSON], where: str) -> None:
    vectors = _list(template.get("demo_vectors", []), f"{where}.demo_vectors")
    compares = template["rule"] is not None and template["rule"]["selector"] == "vectors"
    if len(vectors) != (len(template["demos"]) if compares else 0) or (not vectors and "demo_vectors" in template):
        raise Refused(f"{where}.demo_vectors: not one for each demonstration of a rule that compares vectors.")
    lengths = {_vector(vector, f"{where}.demo_vectors[{index}]") for index, vector in enumerate(vectors)}
    if len(lengths) > 1:
        raise Refused(f"{where}.demo_vectors: they are not all of one length.")


def _vector(value: JSON, where: str) -> int:
    """How many numbers a vector has."""
    try:
        return len(components(_text(value, where)))
    except ValueError:
        raise Refused(f"{where}: not the bytes of a vector in base64.") from None


def _check_grammar(grammar: JSON, format_name: str, where: str) -> None:
    _object(grammar, where, {"format", "version"})
    _one_of(grammar["format"], f"{where}.format", (format_name,))
    _one_of(format_name, f"{where}.format", FORMATS)
    if type(grammar["version"]) is not int or grammar["version"] != get_format(format_name).version:
        raise Refused(
            f"{where}.version is {shown(grammar['version'])}, and this version of burnish reads and writes version "
            f"{get_format(format_name).version} of the format {format_name!r}."
        )


def _check_settings(settings: JSON, where: str) -> None:
    _object(settings, where, {"role", "params", "reply_policy"})
    _text(settings["role"], f"{where}.role")
    _mapping(settings["params"], f"{where}.params")
    _one_of(settings["reply_policy"], f"{where}.reply_policy", ("none", "reask"))


def _check_source(source: JSON, where: str) -> None:
    _object(source, where, {"instruction", "position", "demos"})
    _text(source["instruction"], f"{where}.instruction")
    _one_of(source["position"], f"{where}.position", POSITIONS)
    for index, demo in enumerate(_list(source["demos"], f"{where}.demos")):
        place = f"{where}.demos[{index}]"
        _object(demo, place, {"values", "note", "kind"})
        _mapping(demo["values"], f"{place}.values")
        if demo["note"] is not None:
            _text(demo["note"], f"{place}.note")
        _one_of(demo["kind"], f"{place}.kind", ("worked", "contrastive"))


def _check_pipeline(spec: JSON, predictors: Mapping[str, JSON]) -> None:
    _object(spec, "pipeline", {"steps"})
    paths: list[str] = []
    for index, step in enumerate(_list(spec["steps"], "pipeline.steps")):
        where = f"pipeline.steps[{index}]"
        _object(step, where, {"name", "path", "inputs", "outputs"})
        _text(step["name"], f"{where}.name")
        path = _one_of(step["path"], f"{where}.path", predictors)
        schema = predictors[path]["template"]["schema"]
        for side in ("inputs", "outputs"):
            if step[side] != [field["name"] for field in schema[side]]:
                raise Refused(f"{where}.{side}: not the {side} of predictor {shown(path)}.")
        paths.append(path)
    if sorted(paths) != sorted(predictors):
        raise Refused("pipeline.steps: not each predictor once.")


def _at_most(most: int, value: Collection[JSON], where: str) -> None:
    if len(value) > most:
        raise Refused(f"{where}: {len(value)} of them, and {most} are the most that are read.")


def _object(value: JSON, where: str, names: Collection[str], optional: Collection[str] = ()) -> dict[str, JSON]:
    found = _mapping(value, where)
    missing = sorted(set(names) - set(found))
    if missing:
        raise Refused(f"{where}: {missing[0]!r} is missing.")
    unknown = sorted(set(found) - set(names) - set(optional))
    if unknown:
        raise Refused(f"{where}: {shown(unknown[0])} is unknown.")
    return found


def _mapping(value: JSON, where: str) -> dict[str, JSON]:
    if not isinstance(value, dict):
        raise Refused(f"{where}: {shown(value)} is not an object.")
    return value


def _list(value: JSON, where: str) -> list[JSON]:
    if not isinstance(value, list):
        raise Refused(f"{where}: {shown(value)} is not a list.")
    return value


def _text(value: JSON, where: str) -> str:
    if not isinstance(value, str):
        raise Refused(f"{where}: {shown(value)} is not a text.")
    return value


def _one_of(value: JSON, where: str, known: Collection[Any]) -> str:
    # Compared by type too: 1 is not True, and a list in place of a name must not be hashed.
    if not any(type(value) is type(item) and value == item for item in known):
        listed = ", ".join(shown(item) for item in islice(known, 20))
        raise Refused(f"{where}: {shown(value)} is unknown. Known: {listed}{', ...' if len(known) > 20 else '.'}")
    found: str = value
    return found


def shown(value: JSON) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else text[:77] + "..."
