"""Canonical JSON and digests: the one way in which anything here is turned into bytes that identify it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

JSON: TypeAlias = Any  # None, bool, int, float, str, list[JSON] or dict[str, JSON]


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical(value: JSON) -> str:
    """The canonical JSON text of a value: sorted keys, no spaces, ASCII only, integral floats written as integers.

    Keys of a dict are written as text. Raises ValueError on NaN and infinities, TypeError on anything that is not JSON.
    """
    try:
        text = _ENCODER.encode(value)
    except TypeError:  # a mapping that is no dict, or no JSON at all
        return _ENCODER.encode(_integral(value))
    # Only here may a float stand that is an integer. A text that looks like one just takes the long way round.
    return _ENCODER.encode(_integral(value)) if ".0" in text or "e+" in text else text


def digest(value: JSON) -> str:
    """sha256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


def _integral(value: JSON) -> JSON:
    if type(value) is str:  # most of what is digested, and slow to tell from a sequence below
        return value
    # 0 and 0.0 ask a server for the same thing, so they must have the same digest.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"canonical JSON needs string keys, got {key!r}")
        return {key: _integral(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_integral(item) for item in value]
    return value
