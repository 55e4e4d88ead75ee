"""The joint search in a whole compile: a program of three steps, scripted LMs, and what the file says of it."""

from __future__ import annotations

import re

import pytest

import burnish as b
from burnish.compiler.show import show
from burnish.teleprompters import Joint, RandomDemos
from burnish.teleprompters.joint.objectives import Dollars, PromptTokens
from burnish.testing import ScriptedLM
from burnish.testing.conformance_world import fraction

STEPS = ("gather", "weigh", "judge")


def label(number):
    return "yes" if fraction("label", number) < 0.5 else "no"


def tickets(count):
    return b.load_examples([{"ticket": f"Ticket {n}", "urgent": label(n)} for n in range(count)], inputs=["ticket"])


def pipeline():
    """Facts are gathered, weighed and judged; a step that works well leaves a mark that the next one passes on."""

    class Gather(b.Signature):
        """Gather the facts."""

        ticket: str = b.InputField()
        facts: str = b.OutputField()

    class Weigh(b.Signature):
        """Weigh the facts."""

        facts: str = b.InputField()
        weights: str = b.OutputField()

    class Judge(b.Signature):
        """Judge whether the ticket is urgent."""

        weights: str = b.InputField()
        urgent: str = b.OutputField()

    return b.Pipeline(gather=Gather, weigh=Weigh, judge=Judge)


def work(messages, body):
    """Each step that is told to work well makes the answer right on a quarter more of the rows."""
    told = "\n".join(str(message["content"]) for message in messages)
    asked = str(messages[-1]["content"])
    number = int(re.findall(r"Ticket (\d+)", asked)[-1])
    marks = asked.count("+") + ("thoroughly" in told.replace(asked, "") or "thoroughly" in asked)
    step = "facts" if "Ticket" in asked and "of Ticket" not in asked else "weights" if "Facts of" in asked else "urgent"
    if step == "urgent":
        right = fraction("answer", number) < 0.2 + 0.25 * min(3, marks)
        said = label(number) if right else {"yes": "no", "no": "yes"}[label(number)]
    else:
        said = f"{step.capitalize()} of Ticket {number} {'+' * marks}"
    return f"[[ ## {step} ## ]]\n{said}\n\n[[ ## completed ## ]]" if "[[ ## " in told else said


def write(messages, body):
    """Every other instruction says that the step be done thoroughly."""
    text = str(messages)
    draws = [(body.get("seed") or 0) * 8 + n for n in range(body.get("n") or 1)]
    numbers = [int(10**6 * fraction(text, draw)) for draw in draws]
    return [f"<instruction>Do it {'thoroughly' if n % 2 else 'fast'}, in manner {n}.</instruction>" for n in numbers]


@pytest.fixture
def compiled(tmp_path):
    """compiled(calls, ...): the pipeline compiled by a joint search; its LMs are in .calls."""
    runs = iter(range(100))

    def build(calls, teleprompter=None, rows=150, name=None, **arguments):
        task, optimizer = (
            ScriptedLM(work, model="task", price=arguments.pop("price", None)),
            ScriptedLM(write, model="writer"),
        )
        made = b.compile(
            pipeline(),
            trainset=tickets(rows),
            metric=b.exact_match("urgent"),
            lm=task,
            optimizer_lm=optimizer,
            teleprompter=teleprompter or Joint(),
            budget=b.Budget(calls=calls, calls_per_example=3),
            run_dir=tmp_path / (name or f"run{next(runs)}"),
            progress=False,
            **arguments,
        )
        return made, len(task.calls) + len(optimizer.calls)

    return build


def joint_findings(made):
    return made.document["evidence"]["findings"]["joint"]


def test_three_steps_are_improved_together_and_the_file_says_which_part_of_which_step_brought_what(compiled):
    made, calls = compiled(3000)
    assert calls <= 3000
    assert made.verdict.decision == "ship"
    found = made.document["predictors"]
    assert all("thoroughly" in str(found[step]) for step in STEPS)

    parts = joint_findings(made)["parts"]
    brought = {part["predictor"]: part["with"] - part["without"] for part in parts if part["kind"] == "instruction"}
    assert set(brought) == set(STEPS)
    assert all(0.1 < gain < 0.4 for gain in brought.values())
    assert {part["source"] for part in parts if part["kind"] == "instruction"} <= {
        "APE",
        "OPRO",
        "APO",
        "recombination",
    }

    said = show(made.document)
    assert "which part of which predictor brought what" in said
    for step in STEPS:
        assert re.search(rf"^ *{step}: instruction +[\d.]+ +\+\d+\.\d +by \w+", said, re.MULTILINE), said
    assert re.search(r"^ *recombination +[\d,]+ +\d+ +\+\d+\.\d$", said, re.MULTILINE)
    spent = made.document["evidence"]["spent"]["search"]["calls"]
    assert sum(arm["calls"] for arm in joint_findings(made)["portfolio"]) <= spent


@pytest.mark.parametrize("calls", [100, 300, 600, 1000])
def test_any_budget_is_kept_and_a_program_comes_back(compiled, calls):
    made, spent = compiled(calls)
    assert spent <= calls
    assert made.verdict.decision in ("ship", "keep", "inconclusive")
    assert set(made.document["predictors"]) == set(STEPS)


@pytest.mark.slow
def test_with_thousands_of_calls_the_budget_is_kept_and_used(compiled):
    made, spent = compiled(6000, rows=300)
    assert 4500 <= spent <= 6000
    assert made.verdict.decision == "ship"


def test_equal_runs_write_equal_bytes_at_any_concurrency(compiled, tmp_path, monkeypatch):
    files = []
    for number, concurrency in enumerate((1, 64)):
        monkeypatch.setenv("BURNISH_CACHE_DIR", str(tmp_path / f"cache {number}"))
        made, _ = compiled(700, concurrency=concurrency)
        files.append(made.save(tmp_path / f"{number}.json").read_bytes())
    assert files[0] == files[1]


def test_what_ships_with_objectives_is_what_the_rule_picks_and_the_file_holds_the_front(compiled):
    made, _ = compiled(1500, Joint(objectives=(PromptTokens(), Dollars())), price=b.Price(1.0, 2.0))
    front = joint_findings(made)["front"]
    assert joint_findings(made)["objectives"] == [
        {"name": "PromptTokens", "unit": "tokens"},
        {"name": "Dollars", "unit": "dollars a thousand"},
    ]
    assert all(set(point) == {"candidate", "dev", "costs"} and len(point["costs"]) == 2 for point in front)
    picked = made.document["evidence"]["lineage"][-1]["candidate"]
    assert picked in {point["candidate"] for point in front}
    assert [point["dev"] for point in front] == sorted((point["dev"] for point in front), reverse=True)
    tokens, dollars = front[0]["costs"]
    assert all(point["costs"][0] < tokens or point["costs"][1] < dollars for point in front[1:])
    if len(front) > 1:
        assert re.search(r"score against cost \(mean score on dev, [^)]*tokens[^)]*\):", show(made.document))


def test_with_searches_that_bring_nothing_the_student_stays(compiled):
    made, _ = compiled(700, Joint(proposers=(), selectors=(RandomDemos(sets=2, formats=("chat",)),)))
    assert made.verdict.decision != "ship"
    assert joint_findings(made)["parts"] == [] or all(
        part["with"] > part["without"] for part in joint_findings(made)["parts"]
    )
