"""All that Burnish knows of dspy, in one place to import it from. Importing this module imports dspy."""

from __future__ import annotations

from dspy import ChainOfThought, Example, InputField, Module, OutputField, Predict, Prediction, Signature
from dspy import __version__ as dspy_version
from dspy.teleprompt import Teleprompter as DSPyTeleprompter

from .dspy_binding import (
    BoundPredict,
    Called,
    Caller,
    bind,
    carried,
    chat_messages,
    configured_lm,
    metric_context,
    metric_trace,
    prediction_to_json,
    run,
    to_dspy,
    to_dspy_example,
    to_prediction,
)
from .dspy_program import Program, forward_of, read_program
from .dspy_schema import schema_of

__all__ = [
    "BoundPredict",
    "Called",
    "Caller",
    "ChainOfThought",
    "DSPyTeleprompter",
    "Example",
    "InputField",
    "Module",
    "OutputField",
    "Predict",
    "Prediction",
    "Program",
    "Signature",
    "bind",
    "carried",
    "chat_messages",
    "configured_lm",
    "dspy_version",
    "forward_of",
    "metric_context",
    "metric_trace",
    "prediction_to_json",
    "read_program",
    "run",
    "schema_of",
    "to_dspy",
    "to_dspy_example",
    "to_prediction",
]
