"""What each perturbation changes, and what it leaves alone."""

from __future__ import annotations

import json

from burnish.compiler.probe.base import Omitted, Subject
from burnish.compiler.probe.formats import OtherFormats
from burnish.compiler.probe.inputs import RemovedInputs
from burnish.compiler.probe.labels import FlippedLabels, RandomLabels, labels_of
from burnish.compiler.probe.order import OtherOrders
from burnish.signatures.candidate import Candidate, Part
from burnish.signatures.prompt import Demo, DemoRule, Prompt
from burnish.signatures.schema import Field, Schema

COLOURS = Field("colour", json.dumps({"enum": ["red", "green", "blue"], "type": "string"}))


def prompt(output, values, **changes):
    demos = tuple(Demo.of({"text": f"text {n}", output.name: value}) for n, value in enumerate(values))
    return Prompt(Schema((Field("text"),), (output,)), "Say it.", demos, **changes)


def subject(made, inputs=(), fields=(), draws=3, seed=0):
    candidate = Candidate.of({"self": Part(made)})
    return Subject(candidate, tuple(inputs), {field.name: field for field in fields}, ("self",), seed, draws)


def shown(variant, name):
    return [demo.values[name] for demo in variant.candidate.prompt("self").demos]


def test_flipping_gives_every_label_another_one_and_always_the_same():
    (flipped,) = FlippedLabels().variants(subject(prompt(COLOURS, ["red", "blue", "green", "red"])))
    assert shown(flipped, "colour") == ["green", "red", "blue", "green"]
    truth = Field("truth", '{"type":"boolean"}')
    (flipped,) = FlippedLabels().variants(subject(prompt(truth, [True, False])))
    assert shown(flipped, "truth") == [False, True]


def test_a_text_output_has_labels_where_each_stands_twice_in_the_demonstrations():
    answer = Field("answer")
    assert labels_of(prompt(answer, ["yes", "no", "no", "yes"])) == {"answer": ["no", "yes"]}
    for values in (["yes", "no", "never"], ["yes", "yes"], []):
        assert labels_of(prompt(answer, values)) == {}
    (omitted,) = FlippedLabels().variants(subject(prompt(answer, ["a", "b", "c"])))
    assert (omitted.name, omitted.reason) == ("flipped", "no output takes one of a few values")


def test_demonstrations_marked_as_wrong_keep_their_label():
    wrong = Demo.of({"text": "x", "colour": "blue"}, note="This is wrong.", kind="contrastive")
    made = prompt(COLOURS, ["red"])
    (flipped,) = FlippedLabels().variants(subject(made.with_(demos=(*made.demos, wrong))))
    assert shown(flipped, "colour") == ["green", "blue"]


def test_random_labels_differ_from_those_shown_and_among_each_other_and_follow_the_seed():
    made = prompt(COLOURS, ["red", "blue", "green", "red"])
    drawn = [shown(variant, "colour") for variant in RandomLabels().variants(subject(made))]
    assert len({tuple(labels) for labels in drawn} | {("red", "blue", "green", "red")}) == 4
    assert drawn == [shown(variant, "colour") for variant in RandomLabels().variants(subject(made))]
    assert drawn != [shown(variant, "colour") for variant in RandomLabels().variants(subject(made, seed=1))]


def test_vectors_of_a_pool_stay_with_their_demonstrations_when_labels_are_flipped():
    made = prompt(COLOURS, ["red", "blue"])
    demos = tuple(demo.with_vector([1.0, float(n)]) for n, demo in enumerate(made.demos))
    rule = DemoRule("vectors", k=1, encoder="words")
    (flipped,) = FlippedLabels().variants(subject(made.with_(demos=demos, rule=rule)))
    template = flipped.candidate.prompt("self").template
    assert template.demo_vectors == tuple(demo.vector for demo in demos)
    assert shown(flipped, "colour") == ["green", "red"]


def test_orders_are_different_from_each_other_and_no_more_than_there_are():
    found = list(OtherOrders().variants(subject(prompt(COLOURS, ["red", "blue"]))))
    assert [shown(variant, "colour") for variant in found] == [["blue", "red"]]
    (omitted,) = OtherOrders().variants(subject(prompt(COLOURS, ["red"])))
    assert isinstance(omitted, Omitted)
    found = list(OtherOrders().variants(subject(prompt(COLOURS, ["red"] * 4))))
    assert len({variant.candidate.digest for variant in found}) == 3


def test_a_rule_picks_the_same_demonstrations_in_the_order_of_the_shuffled_pool():
    made = prompt(COLOURS, ["red", "blue", "green", "red"], rule=DemoRule("bm25", k=2))
    before = made.template.render({"text": "text 3 text 1"})
    for variant in OtherOrders().variants(subject(made)):
        after = variant.candidate.prompt("self").template.render({"text": "text 3 text 1"})
        assert sorted(map(str, before)) == sorted(map(str, after))


def test_other_formats_leave_out_the_one_that_the_prompt_has():
    found = OtherFormats().variants(subject(prompt(COLOURS, ["red"], format="xml")))
    assert [variant.candidate.prompt("self").format for variant in found] == ["chat", "json", "plain"]


def test_an_instruction_that_a_format_reads_as_its_marker_is_left_out_with_the_reason():
    made = prompt(COLOURS, ["red"], format="plain").with_(instruction="Answer in [[ ## colour ## ]].")
    found = {one.name: one for one in OtherFormats().variants(subject(made))}
    assert "reserved marker" in found["chat"].reason


def test_a_text_is_blank_an_optional_input_left_out_and_any_other_one_of_another_row():
    fields = (Field("text"), Field("hint", required=False), Field("size", '{"type":"integer"}'))
    rows = [{"text": f"t{n}", "hint": "h", "size": n} for n in range(5)]
    found = {one.name: one for one in RemovedInputs().variants(subject(prompt(COLOURS, []), rows, fields))}
    assert list(found) == ["text blank", "hint left out", "size of another row"]
    assert [row["text"] for row in found["text blank"].inputs] == [""] * 5
    assert "hint" not in found["hint left out"].inputs[0]
    sizes = [row["size"] for row in found["size of another row"].inputs]
    assert sorted(sizes) == list(range(5))
    assert all(size != n for n, size in enumerate(sizes))
