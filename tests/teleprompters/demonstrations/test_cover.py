from __future__ import annotations

import itertools
import json
import math

import pytest

from burnish.signatures.example import Example
from burnish.signatures.prompt import Demo
from burnish.signatures.schema import Field
from burnish.teleprompters.demonstrations.base import Shot, Supply
from burnish.teleprompters.demonstrations.select.cover import CoverLS, covering
from burnish.teleprompters.demonstrations.structures import (
    DEEPEST,
    is_plain,
    local_structures,
    named_values,
    template_of,
    tree_of,
)


def shown(node):
    """A tree as text: f(a b)."""
    inside = " ".join(map(shown, node.children))
    return f"{node.label}({inside})" if node.children else node.label


def content(value, **options):
    return " ".join(map(shown, tree_of(value, **options).children))


@pytest.mark.parametrize(
    ("value", "tree"),
    [
        ({"b": 2, "a": ["x", True, None]}, "a(<text> True None) b(<number>)"),
        ('{"b": 2, "a": ["x"]}', "a(<text>) b(<number>)"),
        ({"a": [{"b": 1}, {}, [2]]}, "a({}(b(<number>)) {} [](<number>))"),
        ("(select (state 'Texas') 3)", "select(state(<text>) <number>)"),
        ("answer(count(state(loc_2(countryid('usa')))))", "answer(count(state(loc_2(countryid(<text>)))))"),
        ("f(x)[0]", "f(x) [](<number>)"),
        ("(Yield :output (> a 2.5))", "yield(:output >(a <number>))"),
        ("(1 b)", "()(<number> b)"),
        ("f(a, b", "<text>"),
        ("```python\nx = f(1)\n```", "x = f(<number>)"),
        ("SELECT name FROM city WHERE size > 3", "select name from city where size > <number>"),
        ("I like it (very much)", "<text>"),
        ("With a heavy heart: no.", "<text>"),
        ("positive", "<text>"),
        (3.5, "<number>"),
        ("", "<text>"),
    ],
)
def test_outputs_are_read_as_trees_without_constants(value, tree):
    assert content(value) == tree


def test_texts_that_a_type_names_are_no_constants():
    schema = {
        "properties": {"act": {"enum": ["book", "cancel"]}, "to": {"type": "string"}},
        "$defs": {"V": {"const": "v"}},
    }
    names = named_values([Field("out", json.dumps(schema))])
    assert names == {"book", "cancel", "v"}
    assert content({"act": "book", "to": "Rome"}, names=names) == "act(book) to(<text>)"


def test_a_template_is_what_outputs_share_that_differ_in_constants():
    assert template_of(tree_of("f('a', 1)")) == template_of(tree_of("f( 'b',2 )"))
    assert template_of(tree_of("f('a', 1)")) != template_of(tree_of("f(1, 'a')"))
    assert template_of(tree_of({"a": 1, "b": 2})) == template_of(tree_of({"b": 3, "a": 4}))


def test_local_structures_are_chains_and_neighbours_under_a_parent():
    found = local_structures(tree_of("f(g(a), b, c)"), 3)
    chains = {one for one in found if "(" not in one}
    assert chains == {
        *{("f",), ("g",), ("a",), ("b",), ("c",)},
        *{("", "f"), ("f", "g"), ("g", "a"), ("f", "b"), ("f", "c")},
        *{("", "f", "g"), ("f", "g", "a"), ("", "f", "b"), ("", "f", "c")},
    }
    assert found - chains == {("f", "(", "g", "b", ")"), ("f", "(", "b", "c", ")")}
    assert ("f", "(", "g", "b", "c", ")") in local_structures(tree_of("f(g(a), b, c)"), 4)
    assert local_structures(tree_of("f(g(a))"), 1) == {("f",), ("g",), ("a",)}


@pytest.mark.parametrize(
    "text", ["(" * 5000 + ")" * 5000, "f(" * 5000 + ")" * 5000, "[" * 400 + "]" * 400, "(')(\"", "()"]
)
def test_no_output_is_too_deep_or_too_odd_to_be_read(text):
    tree = tree_of(text)
    assert template_of(tree)
    assert local_structures(tree, 4) is not None


def test_values_nested_deeper_than_is_looked_into_end_in_dots():
    value = []
    for _ in range(3 * DEEPEST):
        value = [value]
    assert template_of(tree_of(value)).count('"..."') == 1


def test_labels_and_free_text_have_no_structure():
    assert all(is_plain(tree_of(value)) for value in ("positive", 3, None, "It is good. Really.", ["a", "b"]))
    assert not any(is_plain(tree_of(value)) for value in ({"a": 1}, "f(x)", [["a"]]))


# the cover


def test_each_step_takes_the_most_weight_and_no_template_twice():
    parts = [{"a"}, {"a", "b"}, {"c", "d"}, {"a", "b", "e"}, {"a"}]
    # Weights: a 4, b 2, and 1 each for c, d, e.
    assert list(covering(parts, ["p", "q", "r", "s", "t"], 2)) == [(3, 3), (2, 2)]


def test_rows_that_differ_in_constants_alone_are_not_shown_twice_while_others_add_anything():
    parts = [{"a", "b", "x"}, {"a", "b", "y"}, {"z"}]
    assert [number for number, _ in covering(parts, ["same", "same", "other"], 3)] == [0, 2, 1]


def test_when_all_is_covered_it_begins_again_with_what_is_left():
    parts = [{"a", "b"}, {"a"}, {"b"}, {"a", "b"}]
    assert list(covering(parts, list("pqrs"), 9)) == [(0, 2), (3, 2), (1, 1), (2, 1)]
    assert [number for number, _ in covering([set(), set()], ["p", "q"], 2)] == [0, 1]


def test_the_cover_is_close_to_the_best_one_that_there_is():
    parts = [frozenset(f"{(n * m) % 7}" for m in range(1, n % 4 + 2)) for n in range(1, 9)]

    def worth(some):
        held = frozenset().union(*(parts[number] for number in some))
        return sum(sum(part in one for one in parts) for part in held)

    best = max(map(worth, itertools.combinations(range(8), 3)))
    assert worth([number for number, _ in covering(parts, list("abcdefgh"), 3)]) >= (1 - 1 / math.e) * best


@pytest.fixture
def supply(bench):
    def build(outputs, k, reviews=None):
        world = bench(lambda candidate, example: 0.5)
        reviews = reviews or [f"ask {number}" for number in range(len(outputs))]
        rows = [
            Example.of({"review": review, "label": output}, ("review",))
            for review, output in zip(reviews, outputs, strict=True)
        ]
        return Supply(world, world.student, "self", tuple(Shot(row, Demo.of(row.values)) for row in rows), k, 10)

    return build


def test_programs_that_show_every_construction_are_chosen_over_many_of_one_kind(supply):
    outputs = [*(f"count(city('{n}'))" for n in range(6)), "max(river('1'))", "min(lake('1'), lake('2'))"]
    (chosen,) = CoverLS().select(supply(outputs, k=3))
    assert {shot.row.values["label"][:3] for shot in chosen.shots} == {"cou", "max", "min"}
    assert chosen.shots[0].row.values["label"].startswith("count")  # what most rows have comes first
    assert chosen.reasons[0].endswith("structures that those before it do not have")


def test_outputs_without_structure_are_covered_by_the_words_of_their_inputs_and_the_log_says_so(supply):
    given = supply(["positive", "negative", "positive"], 2, ["good wine", "good good wine", "bad sky"])
    (chosen,) = CoverLS().select(given)
    assert [shot.row.values["review"] for shot in chosen.shots] == ["good wine", "bad sky"]
    assert chosen.reasons == ("2 words that those before it do not have",) * 2
    assert "words of the inputs" in given.bench.events[0][0]


def test_a_reasoning_before_the_answer_does_not_count(bench, make_student):
    program = make_student(self=(("review",), ("why", "out")))
    world = bench(lambda candidate, example: 0.5, given=program)
    rows = [Example.of({"review": f"r {n}", "out": f"f({'g' * (n + 1)}(x))"}, ("review",)) for n in range(3)]
    shots = tuple(Shot(row, Demo.of({**row.values, "why": "h(i(j))"})) for row in rows)
    (chosen,) = CoverLS().select(Supply(world, program, "self", shots, 1, 10))
    assert chosen.reasons == (
        f"{len(local_structures(tree_of('f(g(x))'), 4))} structures that those before it do not have",
    )
