"""Rules that compare vectors: bytes that keep the angles, picks that do not depend on the machine."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.signatures.canonical import canonical
from burnish.signatures.errors import SchemaError
from burnish.signatures.prompt import Demo, DemoRule, Prompt, Template
from burnish.signatures.rules import pick
from burnish.signatures.rules.vectors import components, quantised
from burnish.signatures.schema import Field, Schema

SCHEMA = Schema((Field("review"),), (Field("label"),))
ENCODER = "some-encoder"
numbers = st.floats(-1e300, 1e300, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-300)


def angle(degrees: float) -> list[float]:
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


def template(degrees: tuple[float, ...] = (0, 10, 20, 90), **rule: object) -> Template:
    demos = tuple(
        Demo.of({"review": f"at {there:g}", "label": str(i)}).with_vector(angle(there))
        for i, there in enumerate(degrees)
    )
    chosen = DemoRule("vectors", encoder=ENCODER, **rule)  # type: ignore[arg-type]
    return Prompt(SCHEMA, "Judge.", demos, "plain", rule=chosen).template


def picked(made: Template, degrees: float, text: str = "asked") -> list[int]:
    return pick(made, canonical({"review": text}), quantised(angle(degrees)))


def test_the_demonstrations_at_the_smallest_angle_are_picked_and_the_closest_stands_where_the_order_says() -> None:
    assert picked(template(k=2), 12) == [2, 1]
    assert picked(template(k=2, order="closest_first"), 12) == [1, 2]
    assert picked(template(k=2, order="as_pooled"), 12) == [1, 2]
    assert picked(template(k=1), 85) == [3]


def test_a_demonstration_with_the_querys_own_inputs_is_never_picked() -> None:
    assert picked(template(k=1), 10, text="at 10") != [1]
    assert len(picked(template(k=9), 10, text="at 10")) == 3


def test_equally_close_demonstrations_are_told_apart_by_their_inputs_not_their_place() -> None:
    def texts(of: tuple[str, ...]) -> list[str]:
        demos = tuple(Demo.of({"review": text, "label": "1"}).with_vector([1.0, 0.0]) for text in of)
        made = Prompt(SCHEMA, "Judge.", demos, "plain", rule=DemoRule("vectors", 2, encoder=ENCODER)).template
        return [of[i] for i in picked(made, 45)]

    assert texts(("a", "b", "c")) == texts(("c", "b", "a"))


@settings(deadline=None)
@given(st.lists(numbers, min_size=1, max_size=20))
def test_a_vector_keeps_its_direction_in_bytes_whatever_its_length(vector: list[float]) -> None:
    kept = components(quantised(vector))
    largest = max(map(abs, vector))
    assert len(kept) == len(vector)
    for byte, value in zip(kept, vector, strict=True):
        assert abs(byte - (127 * (value / largest) if largest else 0)) <= 0.5
    assert quantised([2.0 * value for value in vector if abs(value) < 1e200] or [0.0])


def test_angles_change_by_little_in_bytes() -> None:
    found = [sum(a * b for a, b in zip(components(quantised(angle(d))), (127, 0), strict=True)) for d in range(90)]
    assert all(before >= after for before, after in pairwise(found))


def test_what_is_no_vector_is_refused() -> None:
    for wrong in ([], [math.nan], [math.inf, 1.0]):
        with pytest.raises(ValueError, match="finite number"):
            quantised(wrong)
    for text in ("", "x", "not base64!", "QUI", "QUJ=", "QUI=\n"):
        with pytest.raises(ValueError, match=r"no (vector|base64)"):
            components(text)
    assert components(quantised([0.0, 0.0])) == [0, 0]


def test_a_query_without_direction_is_answered_by_the_digests_alone() -> None:
    made = template(k=2)
    assert len(pick(made, canonical({"review": "x"}), quantised([0.0, 0.0]))) == 2


def test_rendering_without_the_querys_vector_or_with_one_of_another_encoder_says_what_is_wanted() -> None:
    made = template(k=1)
    assert made.encoder == ENCODER
    with pytest.raises(SchemaError, match=r"takes the vector of the query.*template\.question"):
        made.render({"review": "x"})
    with pytest.raises(SchemaError, match="3 numbers and those of the demonstrations have 2"):
        made.render({"review": "x"}, quantised([1.0, 2.0, 3.0]))
    with pytest.raises(SchemaError, match="input 'review' is missing"):
        made.question({})
    assert "at 10" in str(made.render({"review": "x"}, quantised(angle(10))))


def test_a_rule_without_demonstrations_needs_no_encoder() -> None:
    made = template(())
    assert made.encoder is None
    assert len(made.render({"review": "x"})) == len(
        Prompt(SCHEMA, "Judge.", (), "plain").template.render({"review": "x"})
    )


def test_a_prompt_whose_vectors_are_missing_or_differ_in_length_is_refused() -> None:
    bare = Demo.of({"review": "a", "label": "1"})
    rule = DemoRule("vectors", 1, encoder=ENCODER)
    with pytest.raises(SchemaError, match=r"demonstration 2 of 2 has no vector.*with_vector"):
        _ = Prompt(SCHEMA, "", (bare.with_vector([1.0]), bare), rule=rule).template
    with pytest.raises(SchemaError, match="not as long as that of the first"):
        _ = Prompt(SCHEMA, "", (bare.with_vector([1.0]), bare.with_vector([1.0, 2.0])), rule=rule).template
    with pytest.raises(SchemaError, match=r"names their encoder.*bench\.encoder"):
        _ = Prompt(SCHEMA, "", (bare,), rule=DemoRule("vectors")).template
    with pytest.raises(SchemaError, match="'bm25' compares words and takes no encoder"):
        _ = Prompt(SCHEMA, "", (bare,), rule=DemoRule(encoder=ENCODER)).template


def test_prompts_and_templates_with_vectors_come_back_from_json() -> None:
    demo = Demo.of({"review": "a", "label": "1"}).with_vector([1.0, -1.0])
    prompt = Prompt(SCHEMA, "Judge.", (demo,), rule=DemoRule("vectors", 1, encoder=ENCODER))
    assert Prompt.from_json(prompt.to_json()) == prompt
    assert Template.from_json(prompt.template.to_json()) == prompt.template
    other = prompt.with_(demos=(demo.with_vector([1.0, 1.0]),))
    assert other.digest != prompt.digest


def test_without_a_rule_that_compares_vectors_they_are_no_part_of_the_prompt() -> None:
    demo = Demo.of({"review": "a", "label": "1"})
    for rule in (None, DemoRule("tfidf")):
        with_, without = (Prompt(SCHEMA, "", (one,), rule=rule) for one in (demo.with_vector([1.0]), demo))
        assert with_.digest == without.digest
        assert "demo_vectors" not in with_.template.to_json()


def test_one_input_is_embedded_as_it_stands_and_several_by_name() -> None:
    several = Schema((Field("topic"), Field("facts", '{"type":"object"}'), Field("note", required=False)), ())
    asked = Prompt(several, "").question({"facts": {"b": 1.0, "a": "é"}, "topic": "tea", "answer": "x"})
    assert asked == 'topic: tea\nfacts: {"a": "é", "b": 1}'
    assert Prompt(SCHEMA, "").question({"review": "so\nso", "label": "x"}) == "so\nso"
