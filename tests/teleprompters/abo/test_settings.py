from __future__ import annotations

import pytest

from burnish.teleprompters.abo import ABO, ABOMetaPrompts
from burnish.teleprompters.asking import Writing
from burnish.teleprompters.token_cost import TokenCost

from .world import by_count, kind, listed, obliging


def test_the_presets_say_what_was_published():
    paper = ABO.paper()
    assert (paper.refinements, paper.candidates) == (2, 1)
    assert ABO.reference() == paper
    assert ABO.paper(candidates=3).candidates == 3


def test_meta_prompts_of_ones_own_are_texts_or_files_and_part_of_the_settings(open_world, tmp_path):
    path = tmp_path / "mine.md"
    path.write_text("Find the first step. {{steps}} {{case}} {{task}}", encoding="utf-8")
    abo = ABO(refinements=1, candidates=1, metaprompts=ABOMetaPrompts(locate=str(path)))
    assert abo.settings()["metaprompts"][1]["locate"] == "Find the first step. {{steps}} {{case}} {{task}}"
    world = open_world(by_count(three=0.4), reply_of=obliging)
    list(abo.search(world))
    assert any(text.endswith("Classify the review.") for _, text in world.asked if kind(text) == "locate")
    for wrong in ({"steps": "Look: {{examples}}"}, {"update": "no such file.md"}, {"refine": "{{steps}} {{case}}"}):
        with pytest.raises(ValueError, match=r"needs|can be read"):
            ABOMetaPrompts(**wrong)


def test_what_tokens_cost_is_told_to_the_writer_of_steps_and_counts_in_the_gate(open_world):
    writing = Writing(token_cost=TokenCost(usd_per_million=2.5, penalty=1.0))
    world = open_world(by_count(three=0.4, four=0.41))
    rounds = list(ABO(refinements=1, candidates=1, writing=writing).search(world))
    for name in ("steps", "refine"):
        (text,) = (text for _, text in world.asked if kind(text) == name)
        assert "a prompt token costs $0.00000250" in text
    assert ": refused" in rounds[-1].name  # a point more is not worth the longer prompt


def test_the_best_by_preference_is_the_best_that_rounds_name(open_world):
    abo = ABO(refinements=1, candidates=1, writing=Writing(token_cost=TokenCost(usd_per_million=2.5, penalty=1.0)))
    world = open_world(by_count(three=0.4, four=0.41), preference=abo.preference)
    rounds = list(abo.search(world))
    # Steps and demonstration are longer than they are worth: the student stays the best, by preference.
    assert max(score.mean for score in world.known) == pytest.approx(0.41)
    assert [done.best.candidate for done in rounds] == [world.student] * 2
    assert world.known[0].candidate == world.student

    cheap = ABO(refinements=1, candidates=1, writing=Writing(token_cost=TokenCost(usd_per_million=2.5, penalty=0.05)))
    world = open_world(by_count(three=0.4, four=0.401), preference=cheap.preference)
    rounds = list(cheap.search(world))
    assert [len(listed(done.best.candidate)) for done in rounds] == [3, 3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": 0},
        {"batch": 0},
        {"failures": 0},
        {"patience": 0},
        {"examples": 0},
        {"longest_demonstration": 0},
        {"refinements": -1},
        {"threshold": float("inf")},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="ABO"):
        ABO(**wrong)
