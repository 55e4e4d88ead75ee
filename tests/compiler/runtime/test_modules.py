"""A loaded module: its own code runs on the frozen prompts, and it must still be the one that was compiled."""

from __future__ import annotations

from typing import Literal

import pytest

import burnish
from burnish import FrozenError
from burnish.testing import ScriptedLM


@pytest.fixture
def voting(tmp_path):
    import dspy

    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.dspy_bridge import read_program

    def module(kind=Literal["positive", "negative"], name="label", step="classify", extra=False):
        class Voting(dspy.Module):
            def __init__(self):
                super().__init__()
                fields = {"review": (str, dspy.InputField()), name: (kind, dspy.OutputField())}
                setattr(self, step, dspy.Predict(dspy.Signature(fields, "Classify.")))
                if extra:
                    self.more = dspy.Predict("a -> b")

            def forward(self, review):
                votes = [self.classify(review=review + "!" * n).label for n in range(3)]
                return dspy.Prediction(label=max(votes, key=votes.count), votes=votes)

        return Voting()

    read = read_program(module())
    verdict = {"decision": "keep"}
    compiled = freeze(read, read.student, lm={"model": "small"}, verdict=verdict, evidence={}, provenance={})
    return compiled.save(tmp_path / "voting.json"), module


def test_a_module_runs_its_own_code_on_the_frozen_prompts(voting):
    path, module = voting
    lm = ScriptedLM([f"[[ ## label ## ]]\n{label}" for label in ("negative", "positive", "negative")], model="small")
    result = burnish.load(path, lm=lm, program=module())(review="Well")
    assert (result.label, result.votes) == ("negative", ["negative", "positive", "negative"])
    assert len(lm.calls) == 3


def test_a_module_that_asks_the_same_again_gets_another_sample_as_at_compile_time(voting):
    path, module = voting

    class Thrice(type(module())):
        def forward(self, review):
            votes = [self.classify(review=review) for _ in range(3)]
            return votes[-1]

    lm = ScriptedLM(lambda messages, body: "[[ ## label ## ]]\npositive", model="small")
    program = burnish.load(path, lm=lm, program=Thrice())
    program(review="x")
    program(review="x")
    seeds = [body.get("seed") for body in lm.calls]
    assert seeds[0] is None
    assert len(set(seeds)) == 3
    assert seeds[:3] == seeds[3:]


def test_messages_of_a_module_need_no_program(voting):
    assert "Classify." in burnish.CompiledProgram.load(voting[0]).to_messages(review="x")[0]["content"]


def test_a_module_without_its_program_says_what_to_pass(voting):
    with pytest.raises(FrozenError, match=r"'classify' of a module.*load\(path, program=YourModule\(\)\)"):
        burnish.load(voting[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": str}, "The output 'label' of predictor 'classify' was .* and is str now"),
        ({"name": "verdict"}, "Predictor 'classify' no longer has the output 'label'"),
        ({"step": "decide"}, "has a predictor 'decide' that the compiled one had not"),
        ({"extra": True}, "has a predictor 'more' that the compiled one had not"),
    ],
)
def test_a_program_that_drifted_from_its_file_is_refused_naming_path_and_field(voting, changes, message):
    path, module = voting
    with pytest.raises(FrozenError, match=message):
        burnish.load(path, program=module(**changes))
