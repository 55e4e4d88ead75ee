"""Between dspy and Burnish: compiled programs as dspy modules, and our searches as dspy teleprompters."""

from __future__ import annotations

import copy
import datetime
from typing import Literal, Optional

import dspy
import pytest
from pydantic import create_model

import burnish
from burnish import CompiledProgram, FrozenError, ProgramError
from burnish.compiler.frozen.compiled import freeze
from burnish.compiler.to_dspy import signature_of
from burnish.signatures.dspy_bridge import read_program, schema_of
from burnish.testing import ScriptedLM


def compiled(program, **changes):
    """The compiled program that says what the program says, but for some changes of every prompt."""
    read = read_program(program)
    candidate = read.student
    for path in candidate.predictors:
        candidate = candidate.with_prompt(path, **changes)
    verdict = {"decision": "keep"}
    lm = {"model": "small", "params": {"temperature": 0.0, "max_tokens": 50}}
    return freeze(read, candidate, lm=lm, verdict=verdict, evidence={}, provenance={})


def reloaded(program, tmp_path, **changes):
    return CompiledProgram.load(compiled(program, **changes).save(tmp_path / "program.json"))


class Positive(dspy.BaseLM):
    """A dspy LM that says "positive" to everything and remembers what it was asked."""

    def __init__(self):
        super().__init__(model="positive", cache=False)
        self.asked = []

    def __call__(self, prompt=None, messages=None, **params):
        self.asked.append((messages, params))
        return ["[[ ## label ## ]]\npositive\n\n[[ ## completed ## ]]"]


def sentiment():
    fields = {"review": (str, burnish.InputField()), "label": (Literal["positive", "negative"], burnish.OutputField())}
    return dspy.Predict(dspy.Signature(fields, "Classify."))


def test_a_chat_prompt_becomes_a_plain_predict_with_its_instruction_and_settings():
    module = compiled(sentiment(), instruction="Judge the film.").to_dspy()
    assert type(module) is dspy.Predict
    assert module.signature.instructions == "Judge the film."
    assert module.config == {"temperature": 0, "max_tokens": 50}


def test_a_loaded_file_becomes_a_plain_predict_that_dspy_renders_as_the_file_does(tmp_path):
    loaded = reloaded(sentiment(), tmp_path, instruction="Judge\nthe film.")
    module = loaded.to_dspy()
    assert type(module) is dspy.Predict
    shown = dspy.ChatAdapter().format(module.signature, module.demos, {"review": "Größe [x]"})
    assert shown == loaded.to_messages(review="Größe [x]")


def test_a_prompt_that_dspy_cannot_render_asks_from_its_template(tmp_path):
    loaded = reloaded(sentiment(), tmp_path, format="plain")
    lm = ScriptedLM(["Positive"], model="small")
    module = loaded.to_dspy(lm=lm)
    assert module(review="Fine.").label == "positive"
    assert lm.calls[0]["messages"] == loaded.to_messages(review="Fine.")


def test_a_loaded_pipeline_becomes_a_pipeline_again(tmp_path):
    class_ = dspy.ChainOfThought("text -> topic")
    program = burnish.Pipeline(find=class_, tell=dspy.Signature("topic -> length: int"))
    loaded = reloaded(program, tmp_path, format="plain")
    lm = ScriptedLM(["Reasoning: So.\nTopic: tea", "3"], model="small")
    result = loaded.to_dspy(lm=lm)(text="Tea.")
    assert (result.reasoning, result.topic, result.length) == ("So.", "tea", 3)


def test_a_module_comes_back_as_itself_when_it_is_passed(tmp_path):
    class Twice(dspy.Module):
        def __init__(self):
            super().__init__()
            self.classify = sentiment()

        def forward(self, review):
            return self.classify(review=review * 2)

    loaded = reloaded(Twice(), tmp_path, instruction="Judge.")
    with pytest.raises(FrozenError, match=r"to_dspy\(YourModule\(\)\)"):
        loaded.to_dspy()
    module = loaded.to_dspy(Twice())
    assert isinstance(module, Twice)
    assert module.classify.signature.instructions == "Judge."


def test_types_rebuilt_from_the_file_have_the_same_schema():
    item = create_model("Item", name=(str, ...), price=(float, ...))
    kinds = {
        "a": str,
        "b": int,
        "c": float,
        "d": bool,
        "e": Literal["x", "y"],
        "f": list[str],
        "g": dict[str, int],
        "h": datetime.date,
        "i": datetime.datetime,
        "j": Optional[int],  # noqa: UP045 - how most users spell it
        "k": item,
        "l": list[item],
    }
    fields = {name: (kind, burnish.InputField(desc=f"what {name} is")) for name, kind in kinds.items()}
    schema = schema_of(dspy.Signature({**fields, "z": (str, burnish.OutputField())}))
    assert schema_of(signature_of(schema)) == schema


def test_a_compiled_program_can_be_copied_with_the_module_that_carries_it():
    program = compiled(sentiment())
    program.live_lm = ScriptedLM([], model="small")
    assert copy.deepcopy(program) is program


@pytest.fixture
def counted(monkeypatch):
    """In place of a compile: remembers its arguments and gives back the student in format plain."""
    seen = {}

    def compile(program, **arguments):
        seen.update(arguments, program=program)
        result = compiled(program, format=seen.get("asked_format", "chat"), instruction="Better.")
        return result

    monkeypatch.setattr("burnish.compiler.compile.compile", compile)
    return seen


def test_as_dspy_is_a_teleprompter_that_returns_a_module_with_its_verdict(counted):
    teleprompter = burnish.as_dspy(burnish.RandomDemos(), metric="metric", budget="budget", seed=3, min_gain=0.1)
    assert isinstance(teleprompter, dspy.teleprompt.Teleprompter)
    student = sentiment()
    module = teleprompter.compile(student, trainset=[1], valset=[2], holdout=[3])
    assert isinstance(module, dspy.Predict)
    assert module.signature.instructions == "Better."
    assert student.signature.instructions == "Classify."
    assert isinstance(module.burnish_compiled, CompiledProgram)
    known = {name: counted[name] for name in ("trainset", "valset", "holdout", "metric", "budget", "seed", "min_gain")}
    assert known == {
        "trainset": [1],
        "valset": [2],
        "holdout": [3],
        "metric": "metric",
        "budget": "budget",
        "seed": 3,
        "min_gain": 0.1,
    }
    with pytest.raises(ProgramError, match="takes no teacher"):
        teleprompter.compile(student, trainset=[1], teacher=student)


def test_a_dspy_optimizer_can_go_on_from_what_as_dspy_returned(counted):
    module = burnish.as_dspy(None, metric=None).compile(sentiment(), trainset=[])
    rows = [dspy.Example(review=f"Film {n}", label="positive").with_inputs("review") for n in range(4)]
    labelled = dspy.LabeledFewShot(k=2).compile(module, trainset=rows)
    assert len(labelled.demos) == 2
    assert labelled.signature.instructions == "Better."
    lm = Positive()
    with dspy.context(lm=lm):
        assert labelled(review="Bad.").label == "positive"
    messages, params = lm.asked[0]
    assert len(messages) == 6
    assert params["max_tokens"] == 50


def test_a_search_dropped_into_dspy_compiles_and_a_dspy_optimizer_goes_on(program, reviews, reviewer):
    lm = reviewer(lambda prompt: 0.95 if prompt.count("Review number") > 2 else 0.5)
    search = burnish.RandomDemos(demos=2, formats=("chat",))
    budget = burnish.Budget(calls=700)
    teleprompter = burnish.as_dspy(search, metric=burnish.exact_match("label"), lm=lm, budget=budget, progress=False)
    rows = [dspy.Example(**row).with_inputs("review") for row in reviews(160)]
    module = teleprompter.compile(program, trainset=rows)
    assert module.burnish_compiled.verdict.decision == "ship"
    assert len(module.demos) == 2
    assert program.demos == []
    bootstrap = dspy.BootstrapFewShot(metric=lambda *_: True, max_bootstrapped_demos=1, max_labeled_demos=3)

    with dspy.context(lm=Positive()):
        further = bootstrap.compile(module, trainset=rows[:8])
        assert further(review="Review number 1 of a film.").label == "positive"
    assert len(further.demos) == 3
