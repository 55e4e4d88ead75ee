"""Which searches a joint search begins with, where it is not told: what the budget, the rows and the program allow."""

from __future__ import annotations

from ..abo import ABO
from ..ape import APE
from ..apo import APO
from ..base import Sizes, Teleprompter
from ..demonstrations.demonstrations import Demonstrations
from ..demonstrations.select.bm25 import BM25
from ..demonstrations.select.kmeans import KMeans
from ..demonstrations.select.knn import Nearest
from ..demonstrations.select.random_sets import Random
from ..iterative_ape import IterativeAPE
from ..opro import OPRO
from ..prompt_agent import PromptAgent
from ..random_demos import RandomDemos

LOOK = 16  # executions: about what it takes to see whether a candidate is worth more of them


def selectors_for(sizes: Sizes, formats: tuple[str, ...] | None) -> tuple[Teleprompter, ...]:
    """Random sets in all formats; with more money also sets by content, and a rule that picks them per query."""
    looks = _looks(sizes)
    return (
        RandomDemos(formats=formats),
        *((Demonstrations(BM25()),) if looks >= 20 else ()),
        *((Demonstrations(Nearest("encoder")),) if looks >= 20 and sizes.encoder else ()),
        *((Demonstrations(Random(sets=64)),) if looks >= 40 else ()),
        *((Demonstrations(KMeans()),) if looks >= 80 else ()),
        *((Demonstrations(Random(sets=64), k=8),) if looks >= 160 else ()),
    )


def proposers_for(sizes: Sizes) -> tuple[Teleprompter, ...]:
    """Induction from examples first, which needs no trajectory; then searches that learn from scores and errors."""
    looks = _looks(sizes)
    return (
        *((APE(),) if looks >= 10 else ()),
        *((OPRO(),) if looks >= 60 else ()),
        *((APO(),) if looks >= 120 else ()),
        *((IterativeAPE(),) if looks >= 240 else ()),
        *((PromptAgent(), ABO()) if looks >= 480 else ()),
    )


def _looks(sizes: Sizes) -> int:
    """At candidates, for each predictor: a search takes them in turn."""
    return sizes.executions // (LOOK * max(1, sizes.predictors))
