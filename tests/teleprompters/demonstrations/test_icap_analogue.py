from __future__ import annotations

import json
import re

import pytest

import burnish as b
from burnish.signatures.dspy_bridge import Example, read_program
from burnish.signatures.dspy_facts import FactsStepByStep
from burnish.teleprompters.base import Outcome, Step
from burnish.teleprompters.demonstrations.demonstrations import Demonstrations
from burnish.teleprompters.demonstrations.select.bm25 import BM25
from burnish.teleprompters.pairs import each_from_trace
from burnish.testing import ScriptedLM

CAPITALS = {"France": "Paris", "Japan": "Tokyo", "Peru": "Lima", "Kenya": "Nairobi", "Norway": "Oslo", "Cuba": "Havana"}
CITY_OF = {f"person {n}": country for n, country in enumerate(list(CAPITALS) * 12)}


def field(name, text):
    """What a message in format chat has in a field."""
    found = re.search(rf"\[\[ ## {name} ## \]\]\n(.*?)(?=\n\n|\Z)", text, re.DOTALL)
    return found[1].strip() if found else ""


def said(**outputs):
    fields = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in outputs.items())
    return f"{fields}\n\n[[ ## completed ## ]]"


def recall(messages, body):
    """Knows where somebody lives and the capital of each country; finds the second fact once it has seen how."""
    asked = messages[-1]["content"]
    question, facts = field("question", asked), field("facts", asked)
    person = re.search(r"person \d+", question)[0]
    country = CITY_OF[person]
    if "single next fact" not in messages[0]["content"]:
        return said(answer=CAPITALS[country] if CAPITALS[country] in facts else "unknown")
    if country not in facts:
        return said(fact=f"{person} lives in {country}.")
    knows = int(person.split()[1]) % 3 == 0 or any("capital of" in one["content"] for one in messages[1:-1])
    is_known = CAPITALS[country] in facts
    return said(fact="STOP" if is_known or not knows else f"The capital of {country} is {CAPITALS[country]}.")


def rows(count=72):
    return [
        Example(
            question=f"In which capital does person {n} pay tax?", answer=CAPITALS[CITY_OF[f"person {n}"]]
        ).with_inputs("question")
        for n in range(count)
    ]


def program(steps=3, **config):
    return FactsStepByStep("question -> answer", steps=steps, **config)


def demo_inputs(compiled, path):
    return compiled.document["predictors"][path]["template"]["demo_inputs"]


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE_DIR", str(tmp_path / "cache"))
    return b.compile(
        program(),
        trainset=rows(),
        metric=b.exact_match("answer"),
        lm=ScriptedLM(recall),
        teleprompter=Demonstrations(select=BM25(), k=3, source="bootstrapped"),
        budget=b.Budget(calls=1500, calls_per_example=4),
        run_dir=tmp_path / "run",
        progress=False,
    )


def test_two_predictors_are_found_the_facts_are_an_input_of_both():
    read = read_program(program())
    fields = {
        path: ([f.name for f in schema.inputs], [f.name for f in schema.outputs])
        for path, schema in read.schemas.items()
    }
    assert fields == {
        "next_fact": (["question", "facts"], ["fact"]),
        "answer": (["question", "facts"], ["answer"]),
    }
    assert "from `question` to `answer`" in read.student.prompt("next_fact").instruction
    assert read.kind == "module"


def test_it_compiles_freezes_and_runs_from_its_file_with_the_program(compiled, tmp_path):
    assert str(compiled.verdict).startswith("ship")
    compiled.save(tmp_path / "facts.json")
    lm = ScriptedLM(recall)
    answer = b.load(tmp_path / "facts.json", lm=lm, program=program())
    result = answer(question="In which capital does person 1 pay tax?")
    assert result.answer == "Tokyo"
    assert result.facts == ["person 1 lives in Japan.", "The capital of Japan is Tokyo."]
    assert len(lm.calls) == 4
    with pytest.raises(b.BurnishError):
        b.load(tmp_path / "facts.json", lm=lm, program=FactsStepByStep("query -> answer"))


def test_demonstrations_are_picked_anew_at_every_step_by_the_question_and_the_facts_so_far(compiled, tmp_path):
    compiled.save(tmp_path / "facts.json")
    lm = ScriptedLM(recall)
    b.load(tmp_path / "facts.json", lm=lm, program=program())(question="In which capital does person 1 pay tax?")
    shown = [[field("facts", one["content"]) for one in call["messages"][1:-1:2]] for call in lm.calls[:3]]
    assert [[len(json.loads(facts)) for facts in one] for one in shown] == [[0, 0, 0], [1, 1, 1], [2, 2, 2]]


def test_every_step_of_a_right_execution_is_a_demonstration_of_its_own(compiled):
    facts = [demo["facts"] for demo in map(json.loads, demo_inputs(compiled, "next_fact"))]
    assert {len(one) for one in facts} == {0, 1, 2}


@pytest.mark.parametrize(
    ("facts", "kept"),
    [
        (["a fact", "STOP"], ["a fact"]),
        (["Stop."], []),
        (["**STOP**", "x"], []),
        (["_stop_", "x"], []),
        (["STOP: the facts suffice.", "x"], []),
        (["Stopping distance at 50 km/h is 25 m.", "STOP"], ["Stopping distance at 50 km/h is 25 m."]),
        (["Stoppard wrote Arcadia.", "STOPPARD DID.", "stop"], ["Stoppard wrote Arcadia.", "STOPPARD DID."]),
        (["a fact", "A FACT", "b"], ["a fact"]),
        (["", "b"], []),
        (["one", "two", "three", "four"], ["one", "two", "three"]),
    ],
)
def test_facts_are_gathered_until_stop_a_repetition_or_the_limit(facts, kept, tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE_DIR", str(tmp_path / "cache"))
    made, left = program(), list(facts)

    class Says:
        def __init__(self, reply):
            self.reply = reply

        def __call__(self, **inputs):
            return self.reply(inputs)

    class Fact:
        def __init__(self, fact):
            self.fact = fact

    object.__setattr__(made, "next_fact", Says(lambda inputs: Fact(left.pop(0))))
    object.__setattr__(made, "answer", Says(lambda inputs: {"answer": len(inputs["facts"])}))
    result = made.forward(question="?")
    assert result.facts == kept
    assert result.answer == len(kept)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="steps=0"):
        program(steps=0)
    with pytest.raises(b.SchemaError, match="'facts'"):
        FactsStepByStep("question, facts -> answer")


def test_each_different_input_of_a_predictor_is_shown_once_with_what_was_said_last():
    schema = read_program(program()).schemas["next_fact"]
    steps = [
        Step("next_fact", {"question": "q", "facts": []}, {"fact": "first"}, ""),
        Step("next_fact", {"question": "q", "facts": []}, {"fact": "again"}, ""),
        Step("answer", {"question": "q", "facts": []}, {"answer": "a"}, ""),
        Step("next_fact", {"question": "q", "facts": ["again"]}, {}, "not to be used"),
        Step("next_fact", {"question": "q", "facts": ["again"]}, {"fact": "STOP"}, ""),
    ]
    found = each_from_trace(Outcome(1.0, trace=tuple(steps)), "next_fact", schema)
    assert found == [
        {"question": "q", "facts": [], "fact": "again"},
        {"question": "q", "facts": ["again"], "fact": "STOP"},
    ]
