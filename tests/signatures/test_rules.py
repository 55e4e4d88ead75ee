"""Rules: which demonstrations are picked for a query."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.signatures.canonical import canonical
from burnish.signatures.errors import SchemaError
from burnish.signatures.formats import FORMATS
from burnish.signatures.prompt import Demo, DemoRule, Prompt, Template
from burnish.signatures.rules import BM25, TfIdf, pick
from burnish.signatures.schema import Field, Schema

SCHEMA = Schema((Field("review"),), (Field("label"),))
TEXTS = ("a quiet film about rain", "rain, rain and more rain", "the cake was dry", "a film with cake")


def template(texts: tuple[str, ...] = TEXTS, **rule: object) -> Template:
    demos = tuple(Demo.of({"review": text, "label": str(i)}) for i, text in enumerate(texts))
    return Prompt(SCHEMA, "Judge.", demos, "plain", rule=DemoRule(**rule)).template  # type: ignore[arg-type]


def query(text: str) -> str:
    return canonical({"review": text})


def test_the_closest_demonstration_stands_next_to_the_query_or_on_top() -> None:
    assert pick(template(k=2), query("so much RAIN")) == [0, 1]
    assert pick(template(k=2, order="closest_first"), query("so much RAIN")) == [1, 0]
    assert pick(template(k=1), query("dry cake")) == [2]


def test_as_pooled_leaves_those_picked_in_the_order_of_the_pool() -> None:
    for text in ("so much RAIN", "dry cake", "a film"):
        nearest = pick(template(k=3), query(text))
        assert pick(template(k=3, order="as_pooled"), query(text)) == sorted(nearest)


def test_a_demonstration_with_the_querys_own_inputs_is_never_picked() -> None:
    assert 2 not in pick(template(k=4), query("the cake was dry"))


def test_equally_close_demonstrations_are_told_apart_by_their_inputs_not_their_place() -> None:
    there = [TEXTS[i] for i in pick(template(TEXTS, k=3), query("nothing in common"))]
    back = [TEXTS[::-1][i] for i in pick(template(TEXTS[::-1], k=3), query("nothing in common"))]
    assert there == back


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text("ab ", max_size=6), min_size=1, max_size=8), st.text("ab ", max_size=6), st.integers(1, 9))
def test_a_rule_picks_k_different_demonstrations_or_all_there_are(texts: list[str], asked: str, k: int) -> None:
    picked = pick(template(tuple(texts), k=k), query(asked))
    assert len(set(picked)) == len(picked) == min(k, sum(text != asked for text in texts))


def test_scores_are_those_of_okapi_bm25() -> None:
    index = BM25(tuple(query(text) for text in ("a b b", "a c")))
    # "b" is in one of two documents: rarity ln 2; twice in 3 words where 2.5 is the mean.
    assert index.nearest(query("b"), 1) == [0]
    assert index._weights["b"][0][1] == pytest.approx(
        0.6931471805599453 * 2 * 2.5 / (2 + 1.5 * (0.25 + 0.75 * 3 / 2.5))
    )


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "bare"])
def test_incomplete_demonstrations_are_picked_with_their_own_inputs(name: str) -> None:
    schema = Schema((Field("review"), Field("topic")), (Field("label"),))
    demos = (
        Demo.of({"review": "about cake", "topic": "food", "label": "1"}),
        Demo.of({"review": "about rain", "label": "2"}),
    )
    made = Prompt(schema, "Judge.", demos, name, rule=DemoRule(k=1)).template
    shown = json.dumps(made.render({"review": "rain", "topic": "weather"}))
    assert "about rain" in shown
    assert "about cake" not in shown


def test_a_rule_that_cannot_pick_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"selector 'knn' is unknown\. Known: bm25"):
        template(selector="knn")
    with pytest.raises(SchemaError, match="k=0 picks no demonstration"):
        template(k=0)
    with pytest.raises(SchemaError, match="order 'random' is unknown"):
        template(order="random")
    with pytest.raises(SchemaError, match="no rule"):
        pick(Prompt(SCHEMA, "Judge.").template, query("x"))


def test_tfidf_picks_by_the_cosine_of_smoothed_weights() -> None:
    index = TfIdf(tuple(query(text) for text in ("a b b", "A c, c", "d")))
    # "a" is in two of three documents: ln(4 / 3) + 1; "b" in one: ln(4 / 2) + 1, and it stands twice.
    a, b = math.log(4 / 3) + 1, math.log(4 / 2) + 1
    norm = math.sqrt(a**2 + (2 * b) ** 2)
    assert index.weights(["a", "b", "b", "unknown"]) == pytest.approx({"a": a / norm, "b": 2 * b / norm})
    assert index.nearest(query("b b"), 1) == [0]
    assert index.nearest(query("c"), 1) == [1]


def test_tfidf_does_not_mind_how_long_a_demonstration_is() -> None:
    texts = ("rain", "rain rain rain", "rain and a cake and a film and a song")
    assert sorted(pick(template(texts, selector="tfidf", k=2), query("rain again"))) == [0, 1]


@pytest.mark.parametrize("selector", ["bm25", "tfidf"])
def test_words_decide_the_same_way_for_every_selector_that_compares_them(selector: str) -> None:
    assert pick(template(k=2, selector=selector, order="closest_first"), query("so much RAIN")) == [1, 0]
    assert 2 not in pick(template(k=4, selector=selector), query("the cake was dry"))
    there = [TEXTS[i] for i in pick(template(TEXTS, k=3, selector=selector), query("nothing in common"))]
    back = [TEXTS[::-1][i] for i in pick(template(TEXTS[::-1], k=3, selector=selector), query("nothing in common"))]
    assert there == back
    assert pick(template(("", "."), k=2, selector=selector), query("?!")) != []


def test_the_longest_prompt_of_a_rule_is_at_least_as_long_as_any_that_it_makes() -> None:
    made = template((*TEXTS, "x" * 90, "y" * 80), k=2)
    most = sum(len(message["content"]) for message in made.longest({"review": "rain"}))
    for text in TEXTS:
        assert sum(len(message["content"]) for message in made.render({"review": "rain"})) <= most, text
    fixed = Prompt(SCHEMA, "Judge.", (Demo.of({"review": "a", "label": "1"}),), "plain").template
    assert fixed.longest({"review": "b"}) == fixed.render({"review": "b"})


def test_a_rule_is_no_part_of_what_looks_demonstrations_up() -> None:
    from burnish.signatures import rules

    assert not hasattr(rules, "DemoRule")
