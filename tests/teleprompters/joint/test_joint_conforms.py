"""The joint search in the conformance suite, as it comes and with its settings changed."""

from __future__ import annotations

import pytest

from burnish.teleprompters import APE, OPRO, Demonstrations, Halving, Hyperband, Joint, NoRace, RandomDemos
from burnish.teleprompters.demonstrations.select.bm25 import BM25
from burnish.teleprompters.joint.objectives import Latency, PromptTokens
from burnish.testing import check_teleprompter

LIMITS = (1, 7, 30, 70, 110, 150, 190, 230)


@pytest.mark.slow
@pytest.mark.parametrize(
    "joint",
    [
        Joint(),
        Joint(race=Halving(), positions=("question_end",), temperatures=(0.7,)),
        Joint(race=Hyperband(first=4), batch=2),
        Joint(race=NoRace(), formats=("chat", "xml")),
        Joint(
            proposers=(APE(candidates=4), OPRO(proposals=2)),
            selectors=(Demonstrations(BM25(), k=2), RandomDemos(sets=2)),
        ),
    ],
    ids=["as it comes", "halving and variations", "hyperband", "no race", "own searches"],
)
def test_it_passes_the_conformance_suite(joint):
    check_teleprompter(joint, limits=LIMITS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "objectives", [(PromptTokens(),), (PromptTokens(), Latency())], ids=["length", "length and time"]
)
def test_it_passes_the_conformance_suite_where_more_than_the_score_counts(objectives):
    check_teleprompter(Joint(objectives=objectives), limits=(30, 150, 230))
