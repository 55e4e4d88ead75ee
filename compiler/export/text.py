"""Text that is safe to look at and to paste: JSON without invisible or steering characters."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable

from ...signatures.canonical import JSON

# Controls, line separators, joiners and marks of direction, byte order marks and what no YAML file may hold.
_UNSEEN = re.compile(r"[\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff0-\uffff]")


def json_text(value: JSON, indent: int | None = None) -> str:
    """JSON in which everything but visible characters is written as \\uXXXX."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)  # such characters stand in JSON strings only


def comment(lines: Iterable[str]) -> str:
    """Lines as a comment of a script or a YAML file; list items that are long are broken."""
    broken = [part for line in lines for part in (_broken(line) if line.startswith("- ") else [line])]
    return "".join(f"# {line}".rstrip() + "\n" for line in broken)


def _broken(line: str) -> list[str]:
    return textwrap.wrap(line, 110, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
