"""Which of many arms are worth a full score, for a share of the pulls: elimination in phases, and confidence bounds.

An arm is a candidate, a pull its score on one example. Every selector shows all arms of a round the same examples, so
that they are compared in pairs, and never asks for more pulls than its share.
"""

from __future__ import annotations

from .bounds import UCB, UCBE
from .contest import Contest, Pull, Selector, Standings
from .filtering import Filtering
from .phases import Phase, Phased, SuccessiveHalving, SuccessiveRejects, Uniform

__all__ = [
    "UCB",
    "UCBE",
    "Contest",
    "Filtering",
    "Phase",
    "Phased",
    "Pull",
    "Selector",
    "Standings",
    "SuccessiveHalving",
    "SuccessiveRejects",
    "Uniform",
]
