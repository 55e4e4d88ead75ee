"""Calls to language models: one protocol, several ways to reach a model, one metered and cached client.

Names are imported from where they live when they are first used, so that `burnish.load()` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "CacheStats": "cache",
    "Client": "client",
    "ContentRefused": "failures",
    "ContextOverflow": "failures",
    "Encoder": "encoders",
    "Failure": "failures",
    "JSONStore": "store",
    "LM": "lm",
    "Meter": "meter",
    "Price": "prices",
    "Reply": "request",
    "ReplyCache": "cache",
    "Request": "request",
    "SentenceTransformer": "encoders",
    "as_encoder": "encoders",
    "as_lm": "from_user",
    "price_of": "prices",
}

__all__ = sorted(_HOMES)

if TYPE_CHECKING:
    from .cache import CacheStats as CacheStats
    from .cache import ReplyCache as ReplyCache
    from .client import Client as Client
    from .encoders import Encoder as Encoder
    from .encoders import SentenceTransformer as SentenceTransformer
    from .encoders import as_encoder as as_encoder
    from .failures import ContentRefused as ContentRefused
    from .failures import ContextOverflow as ContextOverflow
    from .failures import Failure as Failure
    from .from_user import as_lm as as_lm
    from .lm import LM as LM
    from .meter import Meter as Meter
    from .prices import Price as Price
    from .prices import price_of as price_of
    from .request import Reply as Reply
    from .request import Request as Request
    from .store import JSONStore as JSONStore


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
