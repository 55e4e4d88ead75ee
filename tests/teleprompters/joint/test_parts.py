from __future__ import annotations

import hashlib
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.signatures.candidate import Candidate, Part, Settings
from burnish.signatures.prompt import POSITIONS, Demo, DemoRule, Prompt
from burnish.signatures.schema import Field, Schema
from burnish.teleprompters.joint.parts import WHOLE, Kind, Pools, Slot, changed, parts_of, renders, with_parts
from burnish.teleprompters.joint.parts import Part as Exchangeable

SCHEMA = Schema((Field("review"),), (Field("label"),))
PATHS = ("find", "judge", "steps[0]")

demos = st.builds(
    lambda review, label, note: Demo.of({"review": review, "label": label}, note),
    st.sampled_from(["Good.", "Bad.", "é"]),
    st.sampled_from(["yes", "no"]),
    st.sampled_from([None, "This is wrong."]),
)
prompts = st.builds(
    Prompt,
    st.just(SCHEMA),
    st.sampled_from(["", "Classify.", "Do it\nwell.", "Sag, ob es gut ist — ja?"]),
    st.lists(demos, max_size=3).map(tuple),
    st.sampled_from(["chat", "plain", "xml", "json"]),
    st.sampled_from(POSITIONS),
    st.sampled_from([None, DemoRule("bm25", 2), DemoRule("tfidf", 2, "as_pooled")]),
)
samplings = st.sampled_from([{}, {"temperature": 0.5}, {"temperature": 0.5, "top_p": 1}])
policies = st.sampled_from(["none", "reask"])


@st.composite
def candidates(draw, count):
    """Candidates of one program with so many predictors, all run by one LM."""
    role = draw(st.sampled_from(["task", "small"]))
    return Candidate.of(
        {path: Part(draw(prompts), Settings.of(role, draw(policies), **draw(samplings))) for path in PATHS[:count]}
    )


pairs = st.integers(1, 3).flatmap(lambda count: st.tuples(candidates(count), candidates(count)))


@given(pairs)
def test_any_candidate_can_be_put_together_from_its_parts(pair):
    one, other = pair
    assert with_parts(other, parts_of(one)).to_json() == one.to_json()


@given(pairs)
def test_what_has_changed_is_all_that_makes_the_difference(pair):
    before, after = pair
    assert with_parts(before, changed(before, after)).to_json() == after.to_json()
    assert changed(after, after) == {}
    old, new = parts_of(before), parts_of(after)
    assert set(changed(before, after)) == {slot for slot in new if new[slot].value != old[slot].value}


@given(pairs)
def test_equal_contents_have_equal_names_and_others_have_others(pair):
    one, other = (parts_of(candidate) for candidate in pair)
    for slot in one:
        assert (one[slot].name == other[slot].name) == (one[slot].value == other[slot].value)


def test_a_name_is_of_the_content_alone_so_it_is_the_same_in_every_process():
    named = hashlib.sha256(b'["instruction","Classify."]').hexdigest()
    assert named.startswith(Exchangeable.of("instruction", "Classify.").name)
    assert Exchangeable.of("settings", ('{"temperature":1}', "none")) != Exchangeable.of("settings", ("{}", "none"))


def test_each_predictor_has_its_own_parts_and_the_lm_is_one_choice_for_all(three):
    parts = parts_of(three)
    own = [Slot(path, kind) for path in three.predictors for kind in get_args(Kind) if kind != "lm"]
    assert set(parts) == {Slot(WHOLE, "lm"), *own}
    small = with_parts(three, {Slot(WHOLE, "lm"): Exchangeable.of("lm", "small")})
    assert [part.settings.role for _, part in small.parts] == ["small"] * 3
    assert list(changed(three, small)) == [Slot(WHOLE, "lm")]


def test_a_set_its_order_and_its_rule_are_one_part(make_student):
    student = make_student()
    shown = student.with_prompt("self", demos=(Demo.of({"review": "a"}), Demo.of({"review": "b"})))
    turned = shown.with_prompt("self", demos=shown.prompt("self").demos[::-1])
    ruled = shown.with_prompt("self", rule=DemoRule("bm25", 1))
    assert list(changed(student, shown)) == list(changed(shown, turned)) == list(changed(shown, ruled))
    assert [slot.kind for slot in changed(student, ruled)] == ["demonstrations"]
    assert str(Slot("self", "demonstrations")) == "self.demonstrations"


def test_a_candidate_that_cannot_be_written_says_why(make_student):
    marked = make_student("Write [[ ## label ## ]] first.")
    assert "reserved marker" in renders(marked)
    assert renders(marked.with_prompt("self", format="plain")) == ""


# pools


@pytest.fixture
def student(make_student):
    return make_student()


def told(student, *texts):
    return [parts_of(student.with_prompt("self", instruction=text)) for text in texts]


def test_pools_begin_with_the_students_parts_and_offer_no_choice(student):
    pools = Pools(student)
    assert list(pools.open()) == []
    assert len(pools) == len(parts_of(student))
    assert set(pools.sizes().values()) == {1}
    assert pools.source(Slot("self", "format"), parts_of(student)[Slot("self", "format")]) == "student"


def test_pools_grow_by_what_is_new_and_say_whether_anything_was(student):
    pools, (first, second) = Pools(student), told(student, "A.", "B.")
    assert [pools.add(first, "x"), pools.add(first, "x"), pools.add(second, "x")] == [True, False, True]
    ((slot, parts),) = pools.open()
    assert (slot, [part.value for part in parts.values()]) == (
        Slot("self", "instruction"),
        ["Classify the review.", "A.", "B."],
    )
    assert list(parts) == [part.name for part in parts.values()]


def test_who_was_first_to_bring_a_part_is_named_for_it(student):
    pools, (made,) = Pools(student), told(student, "A.")
    pools.add(made, "first")
    pools.add(made, "second")
    slot = Slot("self", "instruction")
    assert pools.source(slot, made[slot]) == "first"
    assert pools.source(slot, Exchangeable.of("instruction", "never brought")) == ""


@given(st.lists(st.sampled_from(["A.", "B.", "C.", "D."]), max_size=12))
def test_what_pools_offer_depends_on_the_order_in_which_parts_came_and_on_nothing_else(texts):
    student = Candidate.of({"self": Part(Prompt(SCHEMA, "Start."))})
    pools = Pools(student)
    grown = [pools.add(parts, "x") for parts in told(student, *texts)]
    offered = [part.value for _, parts in pools.open() for part in parts.values()]
    assert offered == (["Start.", *dict.fromkeys(texts)] if texts else [])
    assert sum(grown) == len(set(texts))
    assert len(pools) == len(parts_of(student)) + len(set(texts))
