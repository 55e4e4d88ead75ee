"""Burnish: a compiler for prompt programs.

The front door: names only. Each is imported from where it lives when it is first used, so `import burnish` is light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    # what a program says
    "Signature": "signatures.dspy_bridge",
    "InputField": "signatures.dspy_bridge",
    "OutputField": "signatures.dspy_bridge",
    "Predict": "signatures.dspy_bridge",
    "ChainOfThought": "signatures.dspy_bridge",
    "Module": "signatures.dspy_bridge",
    "Pipeline": "signatures.pipeline",
    "FactsStepByStep": "signatures.dspy_facts",
    "load_examples": "signatures.examples",
    # how to search
    "ABO": "teleprompters",
    "APE": "teleprompters",
    "APO": "teleprompters",
    "CurriculumICL": "teleprompters",
    "Demonstrations": "teleprompters",
    "IterativeAPE": "teleprompters",
    "Joint": "teleprompters",
    "OPRO": "teleprompters",
    "PromptAgent": "teleprompters",
    "RandomDemos": "teleprompters",
    "StepByStep": "teleprompters",
    "Teleprompter": "teleprompters",
    # running it
    "compile": "compiler.compile",
    "Callback": "compiler.callbacks",
    "OpenTelemetry": "compiler.otel",
    "plan": "compiler.compile",
    "probe": "compiler.probe.probe",
    "as_dspy": "compiler.as_dspy",
    "Budget": "compiler.budget",
    "LM": "compiler.lm",
    "Price": "compiler.lm",
    "SentenceTransformer": "compiler.lm",
    "judge": "compiler.judge",
    "metric": "compiler.metrics",
    "exact_match": "compiler.metrics",
    "normalized_match": "compiler.metrics",
    "token_f1": "compiler.metrics",
    "contains": "compiler.metrics",
    "numeric_match": "compiler.metrics",
    "json_match": "compiler.metrics",
    "CompiledProgram": "compiler.frozen.compiled",
    "load": "compiler.runtime.program",
    "asgi": "compiler.serve.app",
    # errors
    "BurnishError": "signatures.errors",
    "BudgetError": "signatures.errors",
    "BudgetSpent": "signatures.errors",
    "CacheError": "signatures.errors",
    "ExampleError": "signatures.errors",
    "FrozenError": "signatures.errors",
    "LMError": "signatures.errors",
    "MetricError": "signatures.errors",
    "ProgramError": "signatures.errors",
    "ReplyError": "signatures.errors",
    "RunError": "signatures.errors",
    "SchemaError": "signatures.errors",
}

__all__ = ["__version__", *sorted(_HOMES)]

if TYPE_CHECKING:
    from .compiler.as_dspy import as_dspy as as_dspy
    from .compiler.budget import Budget as Budget
    from .compiler.callbacks import Callback as Callback
    from .compiler.compile import compile as compile
    from .compiler.compile import plan as plan
    from .compiler.frozen.compiled import CompiledProgram as CompiledProgram
    from .compiler.judge import judge as judge
    from .compiler.lm import LM as LM
    from .compiler.lm import Price as Price
    from .compiler.lm import SentenceTransformer as SentenceTransformer
    from .compiler.metrics import contains as contains
    from .compiler.metrics import exact_match as exact_match
    from .compiler.metrics import json_match as json_match
    from .compiler.metrics import metric as metric
    from .compiler.metrics import normalized_match as normalized_match
    from .compiler.metrics import numeric_match as numeric_match
    from .compiler.metrics import token_f1 as token_f1
    from .compiler.otel import OpenTelemetry as OpenTelemetry
    from .compiler.probe.probe import probe as probe
    from .compiler.runtime.program import load as load
    from .compiler.serve.app import asgi as asgi
    from .signatures.dspy_bridge import ChainOfThought as ChainOfThought
    from .signatures.dspy_bridge import InputField as InputField
    from .signatures.dspy_bridge import Module as Module
    from .signatures.dspy_bridge import OutputField as OutputField
    from .signatures.dspy_bridge import Predict as Predict
    from .signatures.dspy_bridge import Signature as Signature
    from .signatures.dspy_facts import FactsStepByStep as FactsStepByStep
    from .signatures.errors import BudgetError as BudgetError
    from .signatures.errors import BudgetSpent as BudgetSpent
    from .signatures.errors import BurnishError as BurnishError
    from .signatures.errors import CacheError as CacheError
    from .signatures.errors import ExampleError as ExampleError
    from .signatures.errors import FrozenError as FrozenError
    from .signatures.errors import LMError as LMError
    from .signatures.errors import MetricError as MetricError
    from .signatures.errors import ProgramError as ProgramError
    from .signatures.errors import ReplyError as ReplyError
    from .signatures.errors import RunError as RunError
    from .signatures.errors import SchemaError as SchemaError
    from .signatures.examples import load_examples as load_examples
    from .signatures.pipeline import Pipeline as Pipeline
    from .teleprompters import ABO as ABO
    from .teleprompters import APE as APE
    from .teleprompters import APO as APO
    from .teleprompters import OPRO as OPRO
    from .teleprompters import CurriculumICL as CurriculumICL
    from .teleprompters import Demonstrations as Demonstrations
    from .teleprompters import IterativeAPE as IterativeAPE
    from .teleprompters import Joint as Joint
    from .teleprompters import PromptAgent as PromptAgent
    from .teleprompters import RandomDemos as RandomDemos
    from .teleprompters import StepByStep as StepByStep
    from .teleprompters import Teleprompter as Teleprompter


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'burnish' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
