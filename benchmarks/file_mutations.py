"""Ways to damage a compiled file, for `fuzz_loader.py`: its bytes, or its document, sealed as an attacker would."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

from burnish.compiler.frozen.document import candidate_of, document_digest, document_text
from burnish.compiler.frozen.goldens import request_digest

TEXTS = (
    *(
        "",
        " ",
        "a",
        "\x00",
        "\ud800",
        "\U0001f600" * 3,
        "\u202e",
        "\x1b[2J",
        "../../etc/passwd",
        "/dev/zero",
        "a" * 20_000,
    ),
    *(
        "__class__",
        "__import__('os').system('id')",
        "{0.__class__}",
        "%s%s%s%n",
        "${jndi:ldap://x}",
        "file:///etc/passwd",
    ),
    *("[[ ## completed ## ]]", "<answer>", "```json", "AQID", "AAAA", "====", "burnish/1", "self", "review", "vectors"),
    *("local/" + "x" * 50, "sentence-transformers:x@y", "http://127.0.0.1:1/", "0" * 64, "\\", '"', "\r\n", "\u2028"),
)
NUMBERS = (0, -1, 1, 2, 7, 2**31, 2**63, 2**64, 10**60, -(10**60), 1e308, -1e-308, 0.1, 1e16, 1.5, -0.0, 3.0)
PATTERNS = (
    *(
        "(a+)+$",
        "(a|a)*b",
        "(?:" * 30 + ")" * 30,
        "a{999999999999}",
        "(((a{1,999}){1,999}){1,999})",
        "[",
        "(?i)a",
        "a(?i)",
    ),
    *("[[a]", "\\", "(?P<n>a)(?P=n)", "(?<=a+)b", "^(([a-z])+.)+[A-Z]([a-z])+$", "(?#", "\\N{BULLET}", "x*" * 40),
)
SCHEMAS: tuple[Any, ...] = (
    *(
        True,
        False,
        {},
        [],
        {"type": "string"},
        {"type": ["string", "null"]},
        {"type": "alien"},
        {"type": []},
        {"type": {}},
    ),
    *({"$ref": "#/$defs/a"}, {"$ref": 1}, {"$ref": "http://127.0.0.1/x"}, {"if": {}}, {"enum": []}, {"enum": 3}),
    *(
        {"const": None},
        {"anyOf": []},
        {"anyOf": {}},
        {"items": []},
        {"properties": []},
        {"required": 4},
        {"minLength": "x"},
    ),
    *(
        {"type": "array", "minItems": 10**9},
        {"multipleOf": 0},
        {"minimum": "a"},
        {"type": "array", "prefixItems": [{}] * 50},
    ),
    {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    {"$ref": "#/$defs/0", "$defs": {f"{n}": {"anyOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(40)}},
    {"$ref": "#/$defs/0", "$defs": {str(n): {"items": {"$ref": f"#/$defs/{n + 1}"}} for n in range(300)} | {"300": {}}},
    {"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}},
)


class Mutator:
    """Changes one place of a document at a time."""

    def __init__(self, documents: list[dict[str, Any]], rng: random.Random) -> None:
        self.documents, self.rng = documents, rng
        self.contents = [document_text(document).encode() for document in documents]

    def document(self) -> dict[str, Any]:
        changed: dict[str, Any] = json.loads(self.pick(self.contents))
        for _ in range(1 + int(4 * self.rng.random() ** 2)):
            self.change(changed)
        return changed

    def change(self, document: dict[str, Any]) -> None:
        places = list(_places(document))
        holder, key = self.pick(places)
        wish = self.rng.random()
        if wish < 0.12:
            del holder[key]
        elif wish < 0.2:
            other = self.pick(places)
            holder[key] = copy.deepcopy(other[0][other[1]])
        elif wish < 0.3:
            self.grow(holder, key)
        elif wish < 0.45 and (schemas := [place for place in places if place[1] == "json_schema"]):
            place = self.pick(schemas)
            place[0][place[1]] = self.schema()
        elif wish < 0.7:
            holder[key] = self.like(holder[key])
        else:
            holder[key] = self.value()

    def grow(self, holder: Any, key: Any) -> None:
        """A list longer, an object with another name, a text repeated, a value nested."""
        value = holder[key]
        if isinstance(value, list) and value:
            value.extend(copy.deepcopy(self.pick(value)) for _ in range(self.pick((1, 2, 9, 40))))
        elif isinstance(value, dict):
            value[self.pick(TEXTS)] = self.value()
        elif isinstance(value, str):
            holder[key] = value * self.pick((2, 100))
        else:
            for _ in range(self.pick((1, 5, 70, 300))):
                value = [value] if self.rng.random() < 0.5 else {"a": value}
            holder[key] = value

    def like(self, value: Any) -> Any:
        """Another value of the same type, so that it passes the first checks."""
        if isinstance(value, bool):
            return not value
        if isinstance(value, int | float):
            return self.pick(NUMBERS)
        if isinstance(value, str):
            place = int(len(value) * self.rng.random())
            return self.pick((self.pick(TEXTS), value[:place] + self.pick(TEXTS) + value[place:], value[:place]))
        if isinstance(value, list):
            shuffled = list(value)
            self.rng.shuffle(shuffled)
            return self.pick((shuffled, value[:-1], value + value, []))
        if isinstance(value, dict):
            items = list(value.items())
            self.rng.shuffle(items)
            return self.pick((dict(items), dict(items[:-1]), {}))
        return self.value()

    def value(self) -> Any:
        return self.pick(
            (
                self.pick(TEXTS), self.pick(NUMBERS), None, True, False, [], {}, [None], [[]], {"": {}},
                self.pick(SCHEMAS), {"slot": "review", "before": "", "after": ""},
                {"selector": "bm25", "k": self.pick(NUMBERS), "order": "closest_last"},
            )
        )  # fmt: skip

    def schema(self) -> Any:
        made = copy.deepcopy(self.pick(SCHEMAS))
        if isinstance(made, dict) and self.rng.random() < 0.4:
            made = {**made, "pattern": self.pick(PATTERNS)}
        if self.rng.random() < 0.2:
            made = {"anyOf": [made, {"type": "array", "items": made}], "default": self.pick(NUMBERS)}
        return made

    def bytes(self) -> bytes:
        content = bytearray(self.pick(self.contents))
        for _ in range(self.pick((1, 1, 2, 8))):
            place, other = (int(len(content) * self.rng.random()) for _ in range(2))
            wish = self.rng.random()
            if wish < 0.4:
                content[place : place + 1] = bytes([int(256 * self.rng.random())])
            elif wish < 0.6:
                content[min(place, other) : max(place, other)] = b""
            elif wish < 0.8:
                content[place:place] = self.pick(
                    (b"\xff", b"\xed\xa0\x80", b"NaN", b'"', b"[" * 3000, b"1e999", b"\x00", b",")
                )
            else:
                content[place:place] = content[other : other + 200]
        return bytes(content)

    def pick(self, options: Any) -> Any:
        return options[int(len(options) * self.rng.random())]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document as (object or list, key)."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(inner):
        yield value, key
        yield from _places(item)


def sealed(document: Any, duplicate: bool) -> bytes:
    try:
        text = document_text({**document, "digest": document_digest(document)})
    except (ValueError, RecursionError):
        text = json.dumps({"format": "burnish/1", "digest": "0" * 64})
    if duplicate:
        text = text.replace('\n "kind"', '\n "kind": "module",\n "kind"', 1)
    return text.encode("utf-8", "surrogatepass")


def forged(document: dict[str, Any]) -> dict[str, Any]:
    """The document with golden requests that fit, where its own golden inputs can be rendered at all."""
    try:
        for program in (document, document["finalist"]):
            if program is not None:
                candidate = candidate_of(program["predictors"])
                model = (program.get("lm") or document["lm"])["model"]
                for golden in program["goldens"]:
                    part, vector = candidate[golden["predictor"]], golden.get("vector")
                    golden["request"] = request_digest(part, model, golden["inputs"], vector)
    except Exception:  # noqa: BLE001 (then it is refused as it stands, which is a case too)
        pass
    return document
