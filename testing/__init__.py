"""Public helpers for tests of programs, teleprompters and servers: no key, no network, no clock."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "Faults": "servers",
    "ScriptedLM": "scripted",
    "ScriptedServer": "servers",
    "ScriptedStatus": "servers",
    "check_teleprompter": "conformance",
}

__all__ = sorted(_HOMES)

if TYPE_CHECKING:
    from .conformance import check_teleprompter as check_teleprompter
    from .scripted import ScriptedLM as ScriptedLM
    from .servers import Faults as Faults
    from .servers import ScriptedServer as ScriptedServer
    from .servers import ScriptedStatus as ScriptedStatus


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
