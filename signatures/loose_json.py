"""Lists and objects as LMs write them: JSON, in fences, in the midst of prose, or as Python would print them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .canonical import JSON


def loads(text: str) -> JSON:
    """JSON text -> value; raw line breaks inside texts are let through.

    Raises ValueError on text that is not JSON, also where it is nested too deeply or holds NaN.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error


def whole(text: str) -> JSON:
    """The value that a whole text is in JSON, or as Python prints it. Raises ValueError when it is neither."""
    try:
        return loads(text)
    except ValueError:
        return loads(_as_json(text))


def structures(text: str) -> Iterator[JSON]:
    """The lists and objects in a text, likeliest first: the whole of it, fenced blocks, then those in its midst."""
    for candidate in (text.strip(), *(block.strip() for block in _FENCE.findall(text))):
        if candidate[:1] in _OPENINGS:
            yield from _structure(candidate)
    at, failures = 0, 0
    while (opening := _OPENING.search(text, at)) and failures < 20:  # a bound, so that no reply takes long to read
        start, at = opening.start(), opening.end()
        try:
            value, at = _DECODER.raw_decode(text, start)
            found = [value]
        except (ValueError, RecursionError):
            end = _closing(text, start)
            found = list(_structure(text[start:end]))
            at = end if found else at
            failures += not found
        yield from found


def _no_constant(name: str) -> JSON:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(strict=False, parse_constant=_no_constant)
_FENCE = re.compile(r"```[ \t]*\w*[ \t]*\n?(.*?)```", re.DOTALL)
_OPENINGS = ("[", "{", "(")
_OPENING = re.compile(r"[\[{]")
_QUOTED = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
_BRACKETS = re.compile(rf"[\[\](){{}}]|{_QUOTED}", re.DOTALL)
_PYTHON = re.compile(rf"{_QUOTED}|\b(?:True|False|None)\b|[()]|,(?=\s*[\])}}])", re.DOTALL)
_WORDS = {"True": "true", "False": "false", "None": "null", "(": "[", ")": "]", ",": ""}
_ESCAPE = re.compile(r'\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U00[01][0-9a-fA-F]{5}|.)|"', re.DOTALL)
_LONGEST = 20_000  # characters of a value that is not plain JSON; a longer one is not looked at


def _structure(text: str) -> list[JSON]:
    try:
        value = whole(text)
    except ValueError:
        return []
    return [value] if isinstance(value, dict | list) else []


def _closing(text: str, start: int) -> int:
    """Where the bracket at `start` is closed again, quotes respected; `start` when it is not."""
    depth = 0
    for token in _BRACKETS.finditer(text, start, start + _LONGEST):
        if token[0] in "[({":
            depth += 1
        elif token[0] in "])}":
            depth -= 1
            if depth == 0:
                return token.end()
    return start


def _as_json(text: str) -> str:
    """A value as Python prints it, spelled as JSON: quotes, True, False, None, tuples, commas before a closing bracket.

    Python's own reader is not used: it warns about, and is slow on, much of what LMs write.
    """
    if len(text) > _LONGEST:
        raise ValueError("too long")
    return _PYTHON.sub(lambda token: _WORDS[token[0]] if token[0] in _WORDS else _requoted(token[0]), text)


def _requoted(quoted: str) -> str:
    return f'"{_ESCAPE.sub(_escape, quoted[1:-1])}"'


def _escape(found: re.Match[str]) -> str:
    code = found[1]
    if code is None:
        return '\\"'  # a double quote inside single ones
    if len(code) > 1:
        return json.dumps(chr(int(code[1:], 16)))[1:-1] if code[0] in "xU" else found[0]
    if code in '"\\/bfnrt':
        return found[0]
    return code if code == "'" else f"\\\\{code}"
