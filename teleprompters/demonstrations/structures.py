"""Structured outputs as trees without their constants, and the small patterns that such trees are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ...signatures.canonical import JSON, canonical
from ...signatures.loose_json import whole
from ...signatures.schema import Field

Structure: TypeAlias = tuple[str, ...]

DEEPEST = 50  # levels; what is nested deeper is not looked into
_TEXT, _NUMBER = "<text>", "<number>"
_BRACKETS = {"(": "()", "[": "[]", "{": "{}"}
_FENCED = re.compile(r"\A```[ \t]*\w*[ \t]*\n(.*?)\n?```\Z", re.DOTALL)
_CODE = re.compile(
    r"[\w.:$@-]*[(\[{].*[)\]}];?"
    r"|(?:select\s.+\sfrom|insert\s+into|delete\s+from|update\s.+\sset|with\s.+\sas\s*\()\s*\S.*",
    re.DOTALL | re.IGNORECASE,
)
_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[:?$@#]?[^\W\d][\w.:-]*)"
    r"|(?P<open>[(\[{])"
    r"|(?P<close>[)\]}])"
    r"""|(?P<sign>[^\s\w()\[\]{}'",;]+)""",
    re.DOTALL,
)


@dataclass(frozen=True)
class Node:
    """A name, a sign or a kind of bracket with what stands in it; or a constant, which tells only what it is."""

    label: str
    children: tuple[Node, ...] = ()


def tree_of(value: JSON, names: frozenset[str] = frozenset()) -> Node:
    """An output as a tree; its root has no name.

    Objects and lists are read as they are, and so is text that is JSON or looks like code: a bracket or a call, an
    S-expression, SQL, or what stands in a fence. Any other text is one constant, as are quoted texts and numbers.
    names: texts that are no constants (see `named_values`).
    """
    return Node("", _content(value, names, 0))


def is_plain(tree: Node) -> bool:
    """Whether the output has no structure: a label, a number, free text."""
    return not any(child.children for child in tree.children)


def template_of(tree: Node) -> str:
    """What outputs that differ in constants alone have in common."""

    def plain(node: Node) -> JSON:
        return [node.label, *map(plain, node.children)]

    return canonical(plain(tree))


def local_structures(tree: Node, size: int) -> frozenset[Structure]:
    """Its chains from parent to child, and its parents with neighbouring children, of at most `size` nodes."""
    found: set[Structure] = set()
    waiting: list[tuple[Node, Structure]] = [(tree, ())]
    while waiting:
        node, above = waiting.pop()
        chain = (*above, node.label)[-size:]
        found.update(chain[start:] for start in range(len(chain)))
        labels = [child.label for child in node.children]
        for length in range(2, size):
            # With a bracket, so that no chain is taken for it.
            runs = (labels[start : start + length] for start in range(len(labels) - length + 1))
            found.update((node.label, "(", *run, ")") for run in runs)
        waiting += [(child, chain) for child in node.children]
    return frozenset(found - {("",)})


def named_values(fields: Iterable[Field]) -> frozenset[str]:
    """Texts that the fields' types name (`Literal`, enumerations): part of the language, not constants."""
    found: set[str] = set()
    waiting: list[JSON] = [field.json_schema for field in fields]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            listed = part.get("enum")
            values = [*(listed if isinstance(listed, list) else []), part.get("const")]
            found.update(value for value in values if isinstance(value, str))
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return frozenset(found)


def _content(value: JSON, names: frozenset[str], depth: int) -> tuple[Node, ...]:
    """The nodes that a value consists of."""
    if isinstance(value, str) and value not in names:
        return _read(value, names, depth)
    if isinstance(value, Mapping | list) and depth == DEEPEST:
        return (Node("..."),)
    if isinstance(value, Mapping):
        return tuple(Node(key, _content(value[key], names, depth + 1)) for key in sorted(value))
    if isinstance(value, list):
        return tuple(_item(item, names, depth + 1) for item in value)
    return (Node(_NUMBER if isinstance(value, int | float) and not isinstance(value, bool) else str(value)),)


def _item(value: JSON, names: frozenset[str], depth: int) -> Node:
    """A value of a list: one node."""
    content = _content(value, names, depth)
    if isinstance(value, Mapping | list):
        return Node("{}" if isinstance(value, Mapping) else "[]", content)
    return content[0] if len(content) == 1 else Node("", content)


def _read(text: str, names: frozenset[str], depth: int) -> tuple[Node, ...]:
    """What stands in a text: JSON, code, or one constant."""
    stripped = text.strip()
    fenced = _FENCED.match(stripped)
    code = fenced[1].strip() if fenced else stripped
    try:
        value = whole(code) if code[:1] in ("{", "[") else None
    except ValueError:
        value = None
    if isinstance(value, dict | list):
        return _content(value, names, depth + 1)
    if fenced or _CODE.fullmatch(code):
        return _parsed(code)
    return (Node(_TEXT),)


def _parsed(code: str) -> tuple[Node, ...]:
    """Names, signs and constants in the order written, those in brackets below what the brackets belong to."""
    levels: list[tuple[str, list[Node]]] = [("", [])]  # of each open bracket: what it belongs to, what stands in it
    name_ended = -1
    for token in _TOKEN.finditer(code):
        kind, here = token.lastgroup, levels[-1][1]
        if kind == "open":
            called = here.pop().label if name_ended == token.start() else _BRACKETS[token[0]]
            levels.append((called, []))
            if len(levels) > DEEPEST:
                return (Node("..."),)
        elif kind == "close" and len(levels) > 1:
            _close(levels)
        elif kind in ("text", "number"):
            here.append(Node(_TEXT if kind == "text" else _NUMBER))
        elif kind in ("name", "sign"):
            here.append(Node(token[0].lower()))
            name_ended = token.end() if kind == "name" else -1
    while len(levels) > 1:
        _close(levels)
    return tuple(levels[0][1])


def _close(levels: list[tuple[str, list[Node]]]) -> None:
    called, inside = levels.pop()
    if called == "()" and inside and not inside[0].children and inside[0].label not in (_TEXT, _NUMBER):
        called, inside = inside[0].label, inside[1:]  # (f a b) is f of a and b
    levels[-1][1].append(Node(called, tuple(inside)))
