"""Prompts that the tests of formats render and read replies with."""

from __future__ import annotations

from typing import Any

from burnish.signatures.canonical import canonical
from burnish.signatures.formats import FORMATS
from burnish.signatures.prompt import Demo, Prompt, Template
from burnish.signatures.schema import Field, Schema

LABEL = Field(
    "label",
    canonical({"enum": ["positive", "negative"], "type": "string"}),
    type_name="Literal['positive', 'negative']",
)
SENTIMENT = Schema((Field("review"),), (LABEL,))
REASONED = Schema((Field("review"),), (Field("reasoning"), LABEL))
DEMO = Demo.of({"review": "So good.", "label": "positive"})
NAMED = tuple(name for name in FORMATS if name != "bare")  # those that name fields, and so may show several


def template(schema: Schema, instruction: str = "Judge it.", *demos: Demo, **parts: Any) -> Template:
    return Prompt(schema, instruction, demos, **parts).template
