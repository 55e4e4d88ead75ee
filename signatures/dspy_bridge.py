"""All that Burnish knows of dspy, in one place to import it from. Importing this module imports dspy."""

from __future__ import annotations

from dspy import ChainOfThought, InputField, Module, OutputField, Predict, Signature

from .dspy_schema import schema_of

__all__ = [
    "ChainOfThought",
    "InputField",
    "Module",
    "OutputField",
    "Predict",
    "Signature",
    "schema_of",
]
