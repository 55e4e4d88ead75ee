from __future__ import annotations

import math

import pytest

from burnish.teleprompters import ABO, APO, OPRO, CurriculumICL, Expansion, PromptAgent, SuccessiveRejects
from burnish.teleprompters.asking import Writing, ask_for
from burnish.teleprompters.demonstrations import (
    BM25,
    Contrastive,
    Demonstrations,
    EasyToHard,
    SelfInstruct,
    SelfRefine,
)
from burnish.teleprompters.token_cost import TokenCost


def digits(reply):
    """A number, or None."""
    return int(reply) if reply.isdecimal() else None


@pytest.fixture
def asking(bench):
    """asking(replies, requests, n): what was found, and the world it was asked in."""

    def run(reply_of, requests, n=1):
        world = bench(lambda candidate, example: 0.0, reply_of=reply_of)
        found = ask_for(world, requests, digits, n=n, temperature=0.7, max_tokens=55, purpose="count")
        return found, world

    return run


def test_each_request_gets_what_is_read_in_its_replies_in_order(asking):
    found, world = asking(lambda prompt, draw: str(draw), ["a", "b"], n=3)
    assert found == [[1, 2, 3], [4, 5, 6]]
    assert world.asked == [("count", "a")] * 3 + [("count", "b")] * 3


def test_unreadable_replies_are_asked_for_once_more_all_together_and_then_dropped_and_counted(asking):
    replies = {1: "1", 2: "?", 3: "!", 4: "4", 5: "5", 6: "x" * 600}
    found, world = asking(lambda prompt, draw: replies[draw], ["a", "b"], n=2)
    assert found == [[1, 5], [4]]
    assert world.asked[4:] == [("count, once more", "a"), ("count, once more", "b")]
    assert world.events == [("reply dropped", {"purpose": "count", "reply": "x" * 500})]


def test_several_unreadable_replies_to_one_request_are_each_asked_for_once_more(asking):
    found, world = asking(lambda prompt, draw: "?" if draw < 4 else str(draw), ["a"], n=3)
    assert found == [[4, 5, 6]]
    assert len(world.asked) == 6


def test_a_request_that_no_reply_answers_has_an_empty_list(asking):
    assert asking(lambda prompt, draw: "?" if prompt == "a" else "7", ["a", "b"])[0] == [[], [7]]


def test_what_can_be_read_as_nothing_is_still_an_answer(asking):
    assert asking(lambda prompt, draw: "0", ["a"])[0] == [[0]]


def test_without_requests_nothing_is_asked(asking):
    found, world = asking(lambda prompt, draw: "1", [])
    assert (found, world.asked) == ([], [])


def test_both_times_it_is_asked_alike(bench):
    sent = []
    world = bench(lambda candidate, example: 0.0)

    def ask(requests, n=1, **options):
        sent.append((requests, n, options))
        return [["?"] * n for _ in requests]

    world.ask = ask
    ask_for(world, ["a"], digits, n=2, temperature=0.7, max_tokens=55, purpose="count")
    message = [{"role": "user", "content": "a"}]
    assert sent == [
        ([message], 2, {"temperature": 0.7, "max_tokens": 55, "purpose": "count"}),
        ([message] * 2, 1, {"temperature": 0.7, "max_tokens": 55, "purpose": "count, once more"}),
    ]


def test_writing_has_defaults_that_any_search_can_use():
    assert Writing() == Writing(temperature=None, max_tokens=1024, max_length=None, token_cost=None)
    assert Writing().warmth == 1.0
    assert Writing(temperature=0.0, max_tokens=1, max_length=1, token_cost=TokenCost(0.0)).temperature == 0.0


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": -0.1}, {"temperature": 2.1}, {"temperature": math.nan}, {"max_tokens": 0}, {"max_length": 0}],
)
def test_writing_that_means_nothing_or_that_servers_refuse_is_refused(wrong):
    with pytest.raises(ValueError, match="Writing"):
        Writing(**wrong)


def test_another_answer_is_asked_for_warmer_but_never_warmer_than_servers_take():
    warmer = [Writing(temperature=temperature).warmer for temperature in (0.0, 0.7, 1.0, 1.8, 2.0)]
    assert warmer == pytest.approx([0.3, 1.0, 1.3, 2.0, 2.0])


@pytest.mark.parametrize(("search", "usual"), [(ABO, 0.7), (APO, 1.0), (OPRO, 1.0), (PromptAgent, 1.0)])
def test_other_settings_of_the_writing_leave_a_search_its_own_temperature(search, usual):
    priced = search(writing=Writing(token_cost=TokenCost(0.15)))
    assert search().writing.warmth == priced.writing.warmth == priced.writing.temperature == usual
    assert search(writing=Writing(temperature=0.2)).writing.warmth == 0.2
    assert search().settings() == search(writing=Writing(temperature=usual)).settings()


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: OPRO(exemplars="random"), r"OPRO\(exemplars='random'\) wants Exemplars"),
        (lambda: OPRO(shown=20), r"OPRO\(shown=20\) wants Shown"),
        (lambda: OPRO(seeds="Think."), r"OPRO\(seeds='Think.'\) wants tuple"),
        (lambda: OPRO(steps="3"), r"OPRO\(steps='3'\) must be a whole number"),
        (lambda: APO(selector="halving"), r"APO\(selector='halving'\) wants a selector, such as SuccessiveRejects\(\)"),
        (lambda: APO(selector=SuccessiveRejects), "wants a selector, such as"),
        (lambda: APO(metaprompts="mine.md"), "APO.*wants APOMetaPrompts"),
        (lambda: PromptAgent(batch=2.5), r"PromptAgent\(batch=2.5\) must be a whole number"),
        (lambda: PromptAgent(planning="sum"), "PromptAgent.*wants Planning"),
        (lambda: ABO(writing=0.7), "ABO.*wants Writing"),
        (lambda: Writing(token_cost=0.15), r"Writing\(token_cost=0.15\) wants TokenCost or None"),
        (lambda: APO(threshold="80"), r"APO\(threshold='80'\) wants int or float"),
        (lambda: Expansion(curriculum="length"), r"Expansion\(curriculum='length'\) wants bool or Difficulty"),
        (lambda: Expansion(curriculum=True, pacing="root"), "pacing='root'.*wants Pacing or None"),
        (lambda: CurriculumICL(difficulty="length"), r"CurriculumICL\(difficulty='length'\) wants Difficulty"),
        (lambda: CurriculumICL(scheduler="root"), "scheduler='root'.*wants Pacing or LLMScheduler or None"),
        (lambda: CurriculumICL(select="bm25"), r"CurriculumICL\(select='bm25'\) wants Selector or None"),
        (lambda: Demonstrations(select="bm25"), r"Demonstrations\(select='bm25'\) wants Selector"),
        (lambda: Demonstrations(select=BM25), "Demonstrations.*wants Selector"),
        (lambda: Demonstrations(order="random"), r"Demonstrations\(order='random'\) wants Orderer"),
        (lambda: Contrastive(by="bm25"), r"Contrastive\(by='bm25'\) wants Selector"),
        (lambda: SelfInstruct(by="bm25"), r"SelfInstruct\(by='bm25'\) wants Selector"),
        (lambda: SelfRefine(by="bm25"), r"SelfRefine\(by='bm25'\) wants Selector"),
        (lambda: EasyToHard(difficulty="length"), r"EasyToHard\(difficulty='length'\) wants Difficulty"),
    ],
)
def test_a_setting_of_another_kind_is_refused_by_name_when_the_search_is_built(build, says):
    with pytest.raises(ValueError, match=says):
        build()
