"""What the optimizer LM is shown of errors, and reasons that repeat each other."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from burnish.signatures.candidate import Candidate, Part
from burnish.signatures.example import Example
from burnish.signatures.prompt import Prompt
from burnish.signatures.schema import Field, Schema
from burnish.teleprompters.apo import APO
from burnish.teleprompters.apo_expand import Expansion
from burnish.teleprompters.asking import Writing

from .world import (
    SMALL,
    asked,
    number,
    on_pool,
    purposes,
    quality,
    score,
    shown_rows,
    told,
    writing,
)

# reasons that repeat each other


def repeating(prompt, draw):
    return "<reason>No rule for ties.</reason>" if "<reason>" in prompt else f"<instruction>Do {draw}.</instruction>"


def test_a_reason_that_repeats_an_earlier_one_is_counted_and_other_errors_are_shown_instead_of_paying_an_edit(bench):
    world = bench(score, dev=4, reply_of=repeating)
    list(APO(rounds=1, beam=1, expansion=replace(SMALL, minibatch=12, paraphrases=0)).search(world))
    assert purposes(world) == ["gradient", "gradient", "gradient, other cases", "edit"]
    first, second, other = (set(shown_rows(text)) for _, text in world.asked[:3])
    assert len(other) == 2
    assert not other & (first | second)
    assert [event for event, _ in world.events] == ["reflection repeated"] * 2


def test_where_there_are_no_other_errors_the_question_is_asked_again_warmer(bench):
    temperatures = []
    world = bench(score, dev=4, reply_of=repeating)
    plain = world.ask

    def ask(requests, n=1, **options):
        temperatures.append((options["purpose"], options["temperature"], options["max_tokens"]))
        return plain(requests, n, **options)

    world.ask = ask
    agent = APO(rounds=1, beam=1, expansion=Expansion(4, 2, 4, paraphrases=1), writing=Writing(0.5, max_tokens=77))
    list(agent.search(world))
    assert temperatures == [
        ("APO gradient", 0.5, 77),
        ("APO gradient, warmer", 0.8, 77),
        ("APO edit", 0.5, 77),
        ("APO paraphrase", 0.5, 77),
    ]
    assert len(asked(world, "edit")) == 1


def test_what_was_said_in_an_earlier_round_is_not_paid_for_again(bench):
    world = bench(score, dev=4, reply_of=repeating)
    list(APO(rounds=3, beam=1, expansion=replace(SMALL, groups=1)).search(world))
    assert purposes(world).count("edit") == 1
    assert purposes(world).count("gradient") == 3
    assert [event for event, _ in world.events].count("reflection repeated") == 4


# tasks other than yes and no


def classes(labels, **more):
    """One predictor from a text to a label, or to other outputs: name=(JSON schema, type)."""
    outputs = [Field("label", json.dumps({"enum": labels, "type": "string"}))] if labels else []
    outputs += [Field(name, schema, type_name=kind) for name, (schema, kind) in more.items()]
    return Candidate.of({"self": Part(Prompt(Schema((Field("text"),), tuple(outputs)), "Answer."))})


def errors_shown(world, given, pool, dev):
    world = replace(world, student=given, pool=pool, dev=dev)
    list(APO(rounds=1, beam=1, expansion=Expansion(len(pool), 1, len(pool), paraphrases=0)).search(world))
    return world, re.search(r"did badly:\n\n(.*)\n\nCompare", asked(world, "gradient")[0], re.DOTALL)[1]


def test_errors_of_a_task_with_many_classes_show_which_was_given_for_which(bench, step):
    names = ["billing", "delivery", "praise", "other"]
    pool = [Example.of({"text": f"Ticket {n}", "label": names[n % 4]}, ("text",), f"row {n}") for n in range(8)]
    dev = [Example.of({"text": f"Mail {n}", "label": names[n % 4]}, ("text",), f"row {n}") for n in range(1000, 1004)]

    def right(candidate, example):
        return float(example.values["label"] == "other") if on_pool(example) else quality(candidate)

    def trace(candidate, example):
        return (step("self", example.input_values, {"label": "other"}, "other"),)

    world = bench(right, reply_of=writing(40), trace_of=trace)
    world, shown = errors_shown(world, classes(names), tuple(pool), tuple(dev))
    assert set(re.findall(r"Input: Ticket (\d)\nAnswer: other\nExpected: (\w+)\nScore: 0", shown)) == {
        (str(n), names[n % 4]) for n in range(8) if n % 4 < 3
    }
    assert number(world.known[0].candidate) == 40


def test_with_a_graded_metric_the_threshold_says_what_is_an_error(bench):
    def graded(candidate, example):
        return 0.6 if on_pool(example) else quality(candidate)

    for threshold, gradients in ((0.5, 0), (0.6, 0), (0.7, 2), (1.0, 2)):
        world = bench(graded, dev=4, reply_of=writing())
        list(APO(rounds=1, beam=1, expansion=SMALL, threshold=threshold).search(world))
        assert len(asked(world, "gradient")) == gradients
    assert "\nScore: 0.6" in asked(world, "gradient")[0]


def test_errors_of_a_program_with_structured_outputs_show_every_field(bench, step):
    person = '{"properties":{"name":{"type":"string"}},"type":"object"}'
    given = classes(
        None, people=(f'{{"items":{person},"type":"array"}}', "list[Person]"), total=('{"type":"number"}',) * 2
    )
    columns = {"text": "Ann and Bé", "people": [{"name": "Ann"}, {"name": "Bé"}], "total": 2}
    row = Example.of(columns, ("text",), "row 0")
    dev = Example.of({**columns, "text": "Cy"}, ("text",), "row 1000")

    def trace(candidate, example):
        return (step("self", example.input_values, {"people": [{"name": "Ann"}], "total": 1}, "{}"),)

    _, shown = errors_shown(bench(score, reply_of=writing(40), trace_of=trace), given, (row,), (dev,))
    assert shown == (
        "Case 1\n"
        "Input: Ann and Bé\n"
        'Answer:\n  people: [{"name": "Ann"}]\n  total: 1\n'
        'Expected:\n  people: [{"name": "Ann"}, {"name": "Bé"}]\n  total: 2\n'
        "Score: 0"
    )


def test_the_words_of_the_metric_the_failure_and_the_reply_that_could_not_be_used_are_shown(bench, step):
    def more(candidate, example):
        if example.values["label"] == "positive":
            return {"feedback": "The irony was missed.\n"}
        trace = (step("self", example.input_values, {}, "Well, it depends."),)
        return {"failure": "unparsed", "reason": "The reply has no field 'label'.", "trace": trace}

    world = told(bench(score, dev=4, pool=4, reply_of=writing()), more)
    list(APO(rounds=1, beam=1, expansion=Expansion(4, 1, 4, paraphrases=0)).search(world))
    for text in (asked(world, "gradient")[0], asked(world, "edit")[0]):
        assert text.count("Score: 0\nFeedback: The irony was missed.\n") == 2
        assert (
            text.count(
                "\nReply, which could not be used: Well, it depends.\n"
                "Failure: unparsed. The reply has no field 'label'.\nExpected: negative\nScore: 0"
            )
            == 2
        )
