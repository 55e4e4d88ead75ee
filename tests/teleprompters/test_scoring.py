"""How an answer is read out: each function scores what its paper scores, and says what to use where it cannot."""

from __future__ import annotations

import math

import pytest

from burnish.signatures.errors import NoLogprobs, ProgramError
from burnish.signatures.prompt import Demo, DemoRule
from burnish.teleprompters.label_statistics import softmax
from burnish.teleprompters.scoring import PPL, Calibrated, Channel, Direct, best, reverse

LABELS = ["negative", "positive"]
DEMOS = (
    Demo.of({"review": "Fine film.", "label": "positive"}),
    Demo.of({"review": "Poor film.", "label": "negative"}),
)


@pytest.fixture
def world(bench, make_student):
    """world(text_logprob_of): a bench whose student shows two demonstrations in bare turns."""

    def build(text_logprob_of=None, **options):
        given = make_student().with_prompt("self", format="bare", demos=DEMOS)
        return bench(lambda *_: 0.0, given=given, text_logprob_of=text_logprob_of, **options)

    return build


def biased(prompt, text):
    """Leans to positive by 2 whatever is asked; a review with an odd number adds 1 more, an even one takes 1 away."""
    asked = prompt.splitlines()[-1]
    lean = 2.0 + ((1.0 if int(asked.split()[-1]) % 2 else -1.0) if asked.startswith("review") else 0.0)
    return [lean if text == "positive" else 0.0]


def test_direct_is_the_log_probability_of_each_label_over_the_labels(world):
    bench = world(biased)
    scores = Direct().scores(bench, bench.student, bench.pool[:2], LABELS)
    for row, lean in zip(scores, (1.0, 3.0), strict=True):
        assert row == pytest.approx([math.log(p) for p in softmax([0.0, lean])])
    assert best(scores) == [1, 1]


def test_direct_samples_an_lm_that_tells_nothing(world):
    bench = world(outputs_of=lambda candidate, example: {"label": "negative"})
    (row,) = Direct(n=4).scores(bench, bench.student, bench.pool[:1], LABELS)
    assert row == pytest.approx([math.log(4.5 / 5), math.log(0.5 / 5)])


def test_calibration_takes_out_what_the_prompt_leans_to_and_changes_the_answer(world):
    bench = world(biased)
    rows = bench.pool[:4]
    assert best(Direct().scores(bench, bench.student, rows, LABELS)) == [1, 1, 1, 1]
    calls = bench.budget
    scores = Calibrated(Direct()).scores(bench, bench.student, rows, LABELS)
    assert best(scores) == [0, 1, 0, 1]
    assert calls - bench.budget == 3 * 2, "three content-free inputs; the rows were known"
    lean = softmax([0.0, 2.0])
    expected = [math.log(p) - math.log(q) for p, q in zip(softmax([0.0, 1.0]), lean, strict=True)]
    assert scores[0] == pytest.approx(expected)


def test_batch_calibration_takes_the_rows_themselves_and_asks_nothing_more(world):
    bench = world(biased)
    rows = bench.pool[:4]
    Direct().scores(bench, bench.student, rows, LABELS)
    calls = bench.budget
    assert best(Calibrated(Direct(), content_free=()).scores(bench, bench.student, rows, LABELS)) == [0, 1, 0, 1]
    assert calls == bench.budget
    assert Calibrated(Direct()).scores(bench, bench.student, [], LABELS) == []


def test_ppl_of_the_answer_is_its_mean_log_probability_and_may_be_told_apart_from_a_neutral_text(world):
    def text_logprob_of(prompt, text):
        return {"positive": [-1.0, -2.0], "negative": [-1.2]}[text] if prompt != "So:" else [-1.4]

    bench = world(text_logprob_of)
    rows = bench.pool[:1]
    assert PPL().scores(bench, bench.student, rows, LABELS) == [[pytest.approx(-1.2), pytest.approx(-1.5)]]
    neutral = PPL(neutral="So:").scores(bench, bench.student, rows, LABELS)
    assert neutral == [[pytest.approx(0.2), pytest.approx(-0.1)]]


def test_ppl_of_the_whole_prompt_favours_the_longer_label_as_its_docstring_warns(world):
    read = []

    def text_logprob_of(prompt, text):
        if text in LABELS:
            return [-1.0, -1.0, -1.0] if text == "positive" else [-2.0]
        read.append(text)
        return [-4.0] * 10

    bench = world(text_logprob_of)
    scores = PPL(span="prompt").scores(bench, bench.student, bench.pool[:1], LABELS)
    assert scores == [[pytest.approx(-42 / 11), pytest.approx(-43 / 13)]]
    assert read[0].splitlines()[-1] == "review 0"


def channel_world(prompt, text):
    """An input is likelier after the label that its number means; the more labels a prompt shows, the less likely."""
    label, shown = prompt.splitlines()[-1], sum(line in LABELS for line in prompt.splitlines())
    right = int(text.split()[-1]) % 2 == (label == "positive")
    return [-1.0 if right else -3.0, -0.1 * shown]


def test_channel_scores_the_input_after_each_label_with_the_demonstrations_reversed(world):
    asked = []

    def text_logprob_of(prompt, text):
        asked.append((prompt, text))
        return channel_world(prompt, text)

    bench = world(text_logprob_of)
    scores = Channel().scores(bench, bench.student, bench.pool[:2], LABELS)
    assert scores == [[pytest.approx(-1.3), pytest.approx(-3.3)], [pytest.approx(-3.3), pytest.approx(-1.3)]]
    assert best(scores) == [0, 1]
    prompt, text = asked[0]
    lines = prompt.splitlines()
    assert lines[1:] == ["positive", "Fine film.", "negative", "Poor film.", "negative"]
    assert text == "review 0"


def test_a_prior_and_one_demonstration_a_prompt_are_added_up(world):
    bench = world(channel_world)
    rows = bench.pool[:1]
    prior = Channel(prior=(0.25, 0.75)).scores(bench, bench.student, rows, LABELS)
    assert prior == [[pytest.approx(-1.3 + math.log(0.25)), pytest.approx(-3.3 + math.log(0.75))]]
    apart = Channel(ensemble=True).scores(bench, bench.student, rows, LABELS)
    assert apart == [[pytest.approx(2 * -1.2), pytest.approx(2 * -3.2)]]
    with pytest.raises(ProgramError, match="3 numbers for 2 labels"):
        Channel(prior=(0.2, 0.2, 0.6)).scores(bench, bench.student, rows, LABELS)


def test_a_reversed_prompt_asks_for_the_input_and_shows_the_same_demonstrations(make_student):
    prompt = make_student().with_prompt("self", demos=DEMOS).prompt("self")
    back = reverse(prompt, "Write a review.")
    assert [field.name for field in back.schema.inputs] == ["label"]
    messages = back.template.render({"label": "positive"})
    assert "Fine film." in messages[2]["content"]
    assert "positive" in messages[1]["content"]
    assert reverse(back, prompt.instruction).template == prompt.template


@pytest.mark.parametrize("function", [PPL(), PPL(span="prompt"), PPL(neutral="So:"), Channel(), Channel(ensemble=True)])
def test_what_an_lm_without_log_probabilities_cannot_do_names_its_substitute(world, function):
    bench = world()
    with pytest.raises(NoLogprobs, match=r"substitute for \w+ is Direct\(source='samples'\)"):
        function.scores(bench, bench.student, bench.pool[:1], LABELS)


@pytest.mark.parametrize("function", [PPL(), Channel()])
def test_programs_with_several_predictors_are_refused_by_what_reads_one_prompt(bench, make_student, function):
    student = make_student(note=(("review",), ("note",)), decide=(("review", "note"), ("label",)))
    world = bench(lambda *_: 0.0, given=student, text_logprob_of=biased)
    with pytest.raises(ProgramError, match="note, decide"):
        function.scores(world, student, world.pool[:1], LABELS)


def test_channel_refuses_a_rule_that_picks_by_the_input_it_would_score(world):
    bench = world(channel_world)
    ruled = bench.student.with_prompt("self", rule=DemoRule())
    with pytest.raises(ProgramError, match="rule"):
        Channel().scores(bench, ruled, bench.pool[:1], LABELS)
