from __future__ import annotations

from dataclasses import replace

import pytest

import burnish as b
from burnish.signatures.example import Example
from burnish.teleprompters.base import Step
from burnish.teleprompters.demonstrations.demonstrations import Demonstrations
from burnish.teleprompters.demonstrations.generate.auto_cot import AutoCoT
from burnish.teleprompters.demonstrations.generate.chains import ends_in, steps_in
from burnish.teleprompters.demonstrations.supply import supply_of
from burnish.testing import ScriptedLM

TOPICS = {"ships": "ships harbour sail anchor", "bread": "bread oven flour dough", "stars": "stars sky comet orbit"}
REASONER = {"self": (("review",), ("reasoning", "label"))}


def simple(label):
    return f"The words say something. So the label is {label}."


def topic_of(row):
    return next(topic for topic in TOPICS if topic in row.values["review"])


def question(topic, n):
    """The first of a topic is its plain core, later ones have more and more words of their own."""
    return " ".join([TOPICS[topic], *(f"{topic}{n}x{i}" for i in range(n))])


def row_of(topic, n, **labels):
    return Example.of({"review": question(topic, n), **labels}, ("review",), f"{topic} {n}")


@pytest.fixture
def world(bench, make_student):
    """Six questions on each of three topics; chain_of(row) is what the program says before its label."""

    def build(chain_of=lambda row: simple("positive"), score_of=lambda row: 1.0, labelled=True, **options):
        def trace(candidate, row):
            label = row.values.get("label", "positive")
            return (Step("self", row.input_values, {"reasoning": chain_of(row), "label": label}, ""),)

        made = bench(lambda candidate, row: score_of(row), given=make_student(**REASONER), trace_of=trace, **options)
        labels = {"label": "positive"} if labelled else {}
        made.pool = tuple(row_of(topic, n, **labels) for topic in TOPICS for n in range(6))
        return made

    return build


def chosen(world, selector, k=3, money=1000):
    supply = supply_of(world, world.student, "self", k=k, money=money)
    return next(selector.select(supply), None)


def places(found):
    return sorted(shot.row.place for shot in found.shots)


def test_one_chain_is_shown_of_every_group_of_like_questions_the_nearest_to_its_centre(world):
    found = chosen(world(), AutoCoT())
    assert sorted(topic_of(shot.row) for shot in found.shots) == ["bread", "ships", "stars"]
    assert {shot.demo.values["reasoning"] for shot in found.shots} == {simple("positive")}
    assert found.reasons[0] == "nearest to the centre of group 1 of 6 questions, a chain of 2 steps"


def test_the_nearest_whose_chain_is_simple_is_taken(world):
    long = " ".join(f"This is step number {n} of it." for n in range(7))
    taken = chosen(world(), AutoCoT())
    refused = {shot.row.place for shot in taken.shots}
    found = chosen(world(lambda row: long if row.place in refused else simple("positive")), AutoCoT())
    assert not refused & {shot.row.place for shot in found.shots}
    assert sorted(topic_of(shot.row) for shot in found.shots) == ["bread", "ships", "stars"]


def test_long_questions_are_passed_over(world):
    found = chosen(world(), AutoCoT(words=5))
    assert all(len(shot.row.values["review"].split()) <= 5 for shot in found.shots)


def test_an_answer_that_is_known_to_be_wrong_is_never_shown(world):
    made = world(score_of=lambda row: float(topic_of(row) != "bread"))
    found = chosen(made, AutoCoT())
    assert sorted(topic_of(shot.row) for shot in found.shots) == ["ships", "stars"]
    assert [event for event, _ in made.events].count("no chain of a group") == 1


def test_without_labels_the_answer_cannot_be_checked_and_is_taken_as_it_is(world):
    made = world(labelled=False)
    supply = supply_of(made, made.student, "self", k=3, money=1000)
    made._scores.clear()
    made.score_of = lambda candidate, row: 0.0
    assert len(next(AutoCoT().select(supply)).shots) == 3


def test_a_group_without_a_simple_chain_shows_its_nearest_and_the_log_says_so(world):
    seven = " ".join(["One more step of it."] * 7)
    made = world(lambda row: seven)
    found = chosen(made, AutoCoT())
    assert len(found.shots) == 3
    assert all(reason.endswith("a chain of 7 steps, which is not simple") for reason in found.reasons)
    assert [event for event, _ in made.events].count("no simple chain: limits relaxed") == 3
    assert chosen(world(lambda row: seven), AutoCoT(relaxed_steps=6)) is None


def test_questions_far_from_the_centres_are_not_executed_and_money_is_kept_to(world):
    made = world(labelled=False)
    supply = supply_of(made, made.student, "self", k=3, money=100)
    made.executed.clear()
    made._scores.clear()
    next(AutoCoT().select(replace(supply, money=50)), None)
    assert len(made.executed) == 3
    assert AutoCoT(tries=4).cost(shots=100, k=3, dev=10) == 12
    made.executed.clear()
    made._scores.clear()
    assert len(next(AutoCoT().select(replace(supply, money=2))).shots) == 2
    assert len(made.executed) == 2


def test_more_groups_than_questions(world):
    made = world()
    made.pool = made.pool[:2]
    assert len(chosen(made, AutoCoT(), k=10).shots) == 2


def test_a_program_that_reasons_about_nothing_is_refused(make_student):
    assert "ChainOfThought" in AutoCoT().refusal(make_student())
    assert AutoCoT().refusal(make_student(**REASONER)) == ""
    with pytest.raises(ValueError, match=r"AutoCoT\(steps=0\)"):
        AutoCoT(steps=0)


@pytest.mark.parametrize(
    ("chain", "steps"),
    [
        ("", 0),
        ("One step.", 1),
        ("First this. Then that! Is it so? Yes.", 4),
        ("1. Add 3.5 and 4.\n2. Take 1,000.\n\n3. The answer is 6.5.", 3),
        ("- one\n- two\n\n\n", 2),
        ("3 + 4 = 7. So 7 is the answer", 2),
    ],
)
def test_steps_are_sentences_or_lines_that_say_something(chain, steps):
    assert steps_in(chain) == steps


def test_a_chain_ends_in_its_answer():
    assert ends_in("We add. The total is 1,234 dollars.", 1234)
    assert not ends_in("The total is 12345.", 1234)
    assert not ends_in("It is positive at first. " + "Then many other things are said about it here. " * 2, "positive")
    assert ends_in("All in all it is Positive.", "positive")
    assert ends_in("No end", ["a list"])
    assert not ends_in("Nothing", "")


def test_a_compile_shows_the_programs_own_chains(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE_DIR", str(tmp_path / "cache"))

    def say(messages, body):
        total = sum(int(word) for word in messages[-1]["content"].split() if word.isdigit())
        shown = len(messages) > 2
        reasoning = f"Adding them gives {total}."
        answer = total if shown or total % 3 else 0
        return f"[[ ## reasoning ## ]]\n{reasoning}\n\n[[ ## answer ## ]]\n{answer}\n\n[[ ## completed ## ]]"

    rows = [{"question": f"How much is {n} and {2 * n + 1} of thing {n}", "answer": 4 * n + 1} for n in range(60)]
    compiled = b.compile(
        b.ChainOfThought("question -> answer: int"),
        trainset=rows,
        metric=b.exact_match("answer"),
        lm=ScriptedLM(say),
        teleprompter=Demonstrations(select=AutoCoT(), k=3),
        budget=b.Budget(calls=400),
        run_dir=tmp_path / "run",
        progress=False,
    )
    (move,) = [one for one in compiled.document["evidence"]["lineage"] if one["move"] == "demonstrations"]
    assert move["detail"]["select"] == "AutoCoT"
    assert 1 <= len(move["detail"]["rows"]) <= 3  # a group of wrong answers alone shows nothing
    assert "Adding them gives" in (tmp_path / "run" / "program.json").read_text()
