"""HOW to search: one file an algorithm, each reading like its paper. Names only; each is imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "ABO": "abo",
    "ABOMetaPrompts": "abo",
    "APE": "ape",
    "APO": "apo",
    "APOMetaPrompts": "apo_expand",
    "CurriculumICL": "curriculum",
    "Demonstrations": "demonstrations.demonstrations",
    "Dollars": "joint.objectives",
    "Exemplars": "opro_trajectory",
    "Expansion": "apo_expand",
    "Filtering": "bandits",
    "Forecast": "base",
    "Halving": "joint.race",
    "Hyperband": "joint.race",
    "InstructionSearch": "instruction_search",
    "IterativeAPE": "iterative_ape",
    "Joint": "joint.joint",
    "LabelNoise": "demonstrations.label_noise",
    "Latency": "joint.objectives",
    "NoRace": "joint.race",
    "OPRO": "opro",
    "Origin": "base",
    "Outcome": "base",
    "Paired": "joint.race",
    "Planning": "prompt_agent_tree",
    "Pocock": "joint.race",
    "PromptAgent": "prompt_agent",
    "PromptAgentMetaPrompts": "prompt_agent_transition",
    "PromptTokens": "joint.objectives",
    "RandomDemos": "random_demos",
    "Round": "base",
    "Score": "base",
    "Selector": "bandits",
    "Shown": "opro_trajectory",
    "Sizes": "base",
    "StepByStep": "step_by_step",
    "SuccessiveHalving": "bandits",
    "SuccessiveRejects": "bandits",
    "Teleprompter": "base",
    "TokenCost": "token_cost",
    "UCB": "bandits",
    "UCBE": "bandits",
    "Uniform": "bandits",
    "Workbench": "base",
    "Writing": "asking",
}

__all__ = sorted(_HOMES)

if TYPE_CHECKING:
    from .abo import ABO as ABO
    from .abo import ABOMetaPrompts as ABOMetaPrompts
    from .ape import APE as APE
    from .apo import APO as APO
    from .apo_expand import APOMetaPrompts as APOMetaPrompts
    from .apo_expand import Expansion as Expansion
    from .asking import Writing as Writing
    from .bandits import UCB as UCB
    from .bandits import UCBE as UCBE
    from .bandits import Filtering as Filtering
    from .bandits import Selector as Selector
    from .bandits import SuccessiveHalving as SuccessiveHalving
    from .bandits import SuccessiveRejects as SuccessiveRejects
    from .bandits import Uniform as Uniform
    from .base import Forecast as Forecast
    from .base import Origin as Origin
    from .base import Outcome as Outcome
    from .base import Round as Round
    from .base import Score as Score
    from .base import Sizes as Sizes
    from .base import Teleprompter as Teleprompter
    from .base import Workbench as Workbench
    from .curriculum import CurriculumICL as CurriculumICL
    from .demonstrations.demonstrations import Demonstrations as Demonstrations
    from .demonstrations.label_noise import LabelNoise as LabelNoise
    from .instruction_search import InstructionSearch as InstructionSearch
    from .iterative_ape import IterativeAPE as IterativeAPE
    from .joint.joint import Joint as Joint
    from .joint.objectives import Dollars as Dollars
    from .joint.objectives import Latency as Latency
    from .joint.objectives import PromptTokens as PromptTokens
    from .joint.race import Halving as Halving
    from .joint.race import Hyperband as Hyperband
    from .joint.race import NoRace as NoRace
    from .joint.race import Paired as Paired
    from .joint.race import Pocock as Pocock
    from .opro import OPRO as OPRO
    from .opro_trajectory import Exemplars as Exemplars
    from .opro_trajectory import Shown as Shown
    from .prompt_agent import PromptAgent as PromptAgent
    from .prompt_agent_transition import PromptAgentMetaPrompts as PromptAgentMetaPrompts
    from .prompt_agent_tree import Planning as Planning
    from .random_demos import RandomDemos as RandomDemos
    from .step_by_step import StepByStep as StepByStep
    from .token_cost import TokenCost as TokenCost


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'burnish.teleprompters' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
