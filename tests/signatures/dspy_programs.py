"""Programs as users write them in dspy, and a caller that answers their predictors."""

from __future__ import annotations

import datetime
import enum
from typing import Literal, Optional

import dspy
import pydantic

from burnish.signatures.dspy_bridge import (
    Called,
)


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Person(pydantic.BaseModel):
    """Somebody in the text."""

    title: str = pydantic.Field(description="how they are addressed")
    born: datetime.date
    friends: list[Person] = []


class Everything(dspy.Signature):
    """Read the text."""

    text: str = dspy.InputField(desc="what to read", max_length=100)
    limit: int = dspy.InputField(default=3)
    hint: Optional[str] = dspy.InputField()  # noqa: UP045
    label: Literal["positive", "negative"] = dspy.OutputField()
    mood: Mood = dspy.OutputField(desc="the writer's mood")
    people: list[Person] = dspy.OutputField()
    scores: dict[str, float] = dspy.OutputField()
    sure: bool = dspy.OutputField()
    when: datetime.datetime = dspy.OutputField()
    why: dspy.Reasoning = dspy.OutputField()


class Judge(dspy.Signature):
    """Judge the mood."""

    text: str = dspy.InputField()
    mood: Mood = dspy.OutputField()
    day: datetime.date = dspy.OutputField()


class Nested(dspy.Module):
    """Predictors wherever users put them."""

    def __init__(self):
        self.first = dspy.Predict("text -> topic")
        self.inner = Inner()
        self.rows = [[dspy.Predict("text -> a")], (dspy.ChainOfThought("text -> b"),)]
        self.named = {"x": dspy.Predict("text -> c"), "again": self.first}

    def forward(self, text):
        return self.first(text=text)


class Inner(dspy.Module):
    def __init__(self):
        self.judge = dspy.Predict(Judge)
        self._compiled = True

    def forward(self, text):
        return self.judge(text=text)


class TwoCalls(dspy.Module):
    def __init__(self):
        self.judge = dspy.Predict(Judge)
        self.reply = dspy.ChainOfThought("text, mood -> answer")

    def forward(self, text):
        mood = self.judge(text=text).mood
        return dspy.Prediction(answer=self.reply(text=text, mood=mood.value).answer, mood=mood)


class Holder(dspy.Module):
    def __init__(self, **members):
        self.step = dspy.Predict("text -> topic")
        vars(self).update(members)

    def forward(self, text):
        return self.step(text=text)


ANSWERS = {"topic": "dogs", "mood": "good", "day": "2024-02-29", "reasoning": "so", "answer": "yes"}


def answers(path, inputs):
    return Called(ANSWERS, "text of the reply")


def state(module):
    return repr(
        [
            (name, leaf.signature.instructions, leaf.demos, leaf.config, leaf.lm)
            for name, leaf in module.named_predictors()
        ]
    )
