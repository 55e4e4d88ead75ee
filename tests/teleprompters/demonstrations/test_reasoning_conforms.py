"""Searches that need a program that reasons, in the conformance suite with such a program in the place of its own."""

from __future__ import annotations

from typing import Literal

import pytest

import burnish as b
from burnish.teleprompters.demonstrations.demonstrations import Demonstrations
from burnish.teleprompters.demonstrations.generate.auto_cot import AutoCoT
from burnish.teleprompters.demonstrations.generate.contrastive import Contrastive
from burnish.teleprompters.demonstrations.generate.self_refine import SelfRefine
from burnish.teleprompters.step_by_step import StepByStep
from burnish.testing import check_teleprompter, conformance_world


class Urgency(b.Signature):
    """Say whether the ticket is urgent."""

    ticket: str = b.InputField()
    urgent: Literal["yes", "no"] = b.OutputField()


class Note(b.Signature):
    """Write a note on the ticket."""

    ticket: str = b.InputField()
    note: str = b.OutputField()


class Decision(b.Signature):
    """Say whether the ticket is urgent."""

    ticket: str = b.InputField()
    note: str = b.InputField()
    urgent: Literal["yes", "no"] = b.OutputField()


def program(kind):
    if kind == "one predictor":
        return b.ChainOfThought(Urgency)
    return b.Pipeline(remember=Note, decide=b.ChainOfThought(Decision))


def work(messages, body):
    said = plain_work(messages, body)
    if "[[ ## urgent ## ]]" not in said:
        return said
    label = said.split("\n")[1]
    return f"[[ ## reasoning ## ]]\nThe ticket says 3 of 4 things. So the answer is {label}.\n\n{said}"


plain_work = conformance_world.work


def polish(prompt, draw):
    if "Judge it by" in prompt:
        return f"<feedback>Say more.</feedback><score>{draw % 9}</score>"
    return f"<reasoning>Attempt {draw}: it is so.</reasoning><answer>{'yes' if draw % 2 else 'no'}</answer>"


@pytest.mark.parametrize(
    "teleprompter",
    [
        Demonstrations(select=Contrastive(by=SelfRefine(by=AutoCoT(tries=3), rounds=1), rows=6), k=2),
        StepByStep(),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_search_about_reasoning_conforms(teleprompter, monkeypatch):
    monkeypatch.setattr(conformance_world, "program", program)
    monkeypatch.setattr(conformance_world, "work", work)
    check_teleprompter(teleprompter, writer=polish, limits=(1, 30, 70))
