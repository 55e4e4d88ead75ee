"""Formats: Prompt -> Template, reply -> values. Each is one file; this is the list of them."""

from __future__ import annotations

from ..errors import SchemaError
from .bare import BareFormat
from .base import Format
from .chat import ChatFormat
from .json_format import JsonFormat
from .plain import PlainFormat
from .xml import XmlFormat

_FORMATS: dict[str, Format] = {
    form.name: form for form in (BareFormat(), ChatFormat(), JsonFormat(), PlainFormat(), XmlFormat())
}
FORMATS: tuple[str, ...] = tuple(sorted(_FORMATS))

__all__ = ["FORMATS", "Format", "get_format"]


def get_format(name: str) -> Format:
    """The format of this name. Raises SchemaError naming the known ones."""
    if name not in _FORMATS:
        raise SchemaError(f"format {name!r} is unknown. Known: {', '.join(FORMATS)}.")
    return _FORMATS[name]
