from __future__ import annotations

import pytest

import burnish
import burnish.teleprompters
import burnish.testing

NAMES = (
    "ABO",
    "APE",
    "APO",
    "Budget",
    "BudgetError",
    "BudgetSpent",
    "BurnishError",
    "CacheError",
    "Callback",
    "ChainOfThought",
    "CompiledProgram",
    "CurriculumICL",
    "Demonstrations",
    "ExampleError",
    "FactsStepByStep",
    "FrozenError",
    "InputField",
    "IterativeAPE",
    "Joint",
    "LM",
    "LMError",
    "MetricError",
    "Module",
    "OPRO",
    "OpenTelemetry",
    "OutputField",
    "Pipeline",
    "Predict",
    "Price",
    "ProgramError",
    "PromptAgent",
    "RandomDemos",
    "ReplyError",
    "RunError",
    "SchemaError",
    "SentenceTransformer",
    "Signature",
    "StepByStep",
    "Teleprompter",
    "__version__",
    "as_dspy",
    "asgi",
    "compile",
    "contains",
    "exact_match",
    "json_match",
    "judge",
    "load",
    "load_examples",
    "metric",
    "normalized_match",
    "numeric_match",
    "plan",
    "probe",
    "token_f1",
)


def test_the_public_names_are_these_and_change_only_on_purpose() -> None:
    assert sorted(burnish.__all__) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(burnish, name) is not None


def test_what_a_joint_search_is_set_up_with_is_among_the_teleprompters() -> None:
    names = {"Halving", "Hyperband", "Joint", "NoRace", "Paired", "Pocock", "PromptTokens", "Dollars", "Latency"}
    assert names <= set(burnish.teleprompters.__all__)
    assert [name for name in names if getattr(burnish.teleprompters, name).__name__ != name] == []


def test_the_names_for_tests_are_these() -> None:
    assert {"ScriptedLM", "check_teleprompter"} <= set(burnish.testing.__all__)


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="no attribute 'compil'"):
        burnish.compil  # noqa: B018


def test_names_complete_in_a_shell() -> None:
    assert set(dir(burnish)) == set(burnish.__all__)
