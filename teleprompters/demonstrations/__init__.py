"""Demonstrations: which, in what order, written how. Names only; each is imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "AsGiven": "order.simple",
    "AutoCoT": "generate.auto_cot",
    "BM25": "select.bm25",
    "BabyStep": "pacing",
    "BySimilarity": "order.similarity",
    "Chosen": "base",
    "Composite": "select.composite",
    "Contrastive": "generate.contrastive",
    "CoverLS": "select.cover",
    "DPP": "select.dpp",
    "Demonstrations": "demonstrations",
    "Difficulty": "difficulty",
    "EasyToHard": "order.curriculum",
    "FacilityLocation": "select.facility",
    "Geometric": "pacing",
    "GlobalE": "order.entropy",
    "Influence": "select.influence",
    "InfoScore": "select.info_score",
    "Judge": "difficulty",
    "KMeans": "select.kmeans",
    "LLMScheduler": "pacing",
    "LabelLogProbability": "difficulty",
    "LabelNoise": "label_noise",
    "Length": "difficulty",
    "Linear": "pacing",
    "LocalE": "order.entropy",
    "Misconfidence": "select.misconfidence",
    "MutualInformation": "select.mutual_information",
    "Nearest": "select.knn",
    "OnePass": "pacing",
    "OrderSearch": "order.halving",
    "Orderer": "base",
    "Pacing": "pacing",
    "Perplexity": "select.perplexity",
    "Random": "select.random_sets",
    "RandomOrder": "order.simple",
    "Reversed": "order.simple",
    "Root": "pacing",
    "Selector": "base",
    "SelfGenerated": "select.self_generated",
    "SelfInstruct": "generate.self_instruct",
    "SelfRefine": "generate.self_refine",
    "Shot": "base",
    "SuccessRate": "difficulty",
    "Supply": "base",
    "Uncertainty": "select.uncertainty",
    "VoteK": "select.vote_k",
    "Weights": "select.composite",
}

__all__ = sorted(_HOMES)

if TYPE_CHECKING:
    from .base import Chosen as Chosen
    from .base import Orderer as Orderer
    from .base import Selector as Selector
    from .base import Shot as Shot
    from .base import Supply as Supply
    from .demonstrations import Demonstrations as Demonstrations
    from .difficulty import Difficulty as Difficulty
    from .difficulty import Judge as Judge
    from .difficulty import LabelLogProbability as LabelLogProbability
    from .difficulty import Length as Length
    from .difficulty import SuccessRate as SuccessRate
    from .generate.auto_cot import AutoCoT as AutoCoT
    from .generate.contrastive import Contrastive as Contrastive
    from .generate.self_instruct import SelfInstruct as SelfInstruct
    from .generate.self_refine import SelfRefine as SelfRefine
    from .label_noise import LabelNoise as LabelNoise
    from .order.curriculum import EasyToHard as EasyToHard
    from .order.entropy import GlobalE as GlobalE
    from .order.entropy import LocalE as LocalE
    from .order.halving import OrderSearch as OrderSearch
    from .order.similarity import BySimilarity as BySimilarity
    from .order.simple import AsGiven as AsGiven
    from .order.simple import RandomOrder as RandomOrder
    from .order.simple import Reversed as Reversed
    from .pacing import BabyStep as BabyStep
    from .pacing import Geometric as Geometric
    from .pacing import Linear as Linear
    from .pacing import LLMScheduler as LLMScheduler
    from .pacing import OnePass as OnePass
    from .pacing import Pacing as Pacing
    from .pacing import Root as Root
    from .select.bm25 import BM25 as BM25
    from .select.composite import Composite as Composite
    from .select.composite import Weights as Weights
    from .select.cover import CoverLS as CoverLS
    from .select.dpp import DPP as DPP
    from .select.facility import FacilityLocation as FacilityLocation
    from .select.influence import Influence as Influence
    from .select.info_score import InfoScore as InfoScore
    from .select.kmeans import KMeans as KMeans
    from .select.knn import Nearest as Nearest
    from .select.misconfidence import Misconfidence as Misconfidence
    from .select.mutual_information import MutualInformation as MutualInformation
    from .select.perplexity import Perplexity as Perplexity
    from .select.random_sets import Random as Random
    from .select.self_generated import SelfGenerated as SelfGenerated
    from .select.uncertainty import Uncertainty as Uncertainty
    from .select.vote_k import VoteK as VoteK


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'burnish.teleprompters.demonstrations' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
