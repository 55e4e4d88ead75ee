"""HOW to search: one file an algorithm, each reading like its paper. Names only; each is imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "ABO": "abo",
    "APE": "ape",
    "APO": "apo",
    "Forecast": "base",
    "IterativeAPE": "iterative_ape",
    "OPRO": "opro",
    "Origin": "base",
    "Outcome": "base",
    "PromptAgent": "prompt_agent",
    "RandomDemos": "random_demos",
    "Round": "base",
    "Score": "base",
    "Sizes": "base",
    "Teleprompter": "base",
    "Workbench": "base",
}

__all__ = sorted(_HOMES)

if TYPE_CHECKING:
    from .abo import ABO as ABO
    from .ape import APE as APE
    from .apo import APO as APO
    from .base import Forecast as Forecast
    from .base import Origin as Origin
    from .base import Outcome as Outcome
    from .base import Round as Round
    from .base import Score as Score
    from .base import Sizes as Sizes
    from .base import Teleprompter as Teleprompter
    from .base import Workbench as Workbench
    from .iterative_ape import IterativeAPE as IterativeAPE
    from .opro import OPRO as OPRO
    from .prompt_agent import PromptAgent as PromptAgent
    from .random_demos import RandomDemos as RandomDemos


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'burnish.teleprompters' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
