from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from optuna.samplers import RandomSampler

from burnish.signatures.canonical import canonical
from burnish.teleprompters import APE, Demonstrations, Halving, Hyperband, Joint, RandomDemos, Sizes
from burnish.teleprompters.demonstrations.select.bm25 import BM25
from burnish.teleprompters.joint.objectives import PromptTokens


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"batch": 0}, "batch=0"),
        ({"batch": 2.5}, "batch=2.5"),
        ({"proposers": APE()}, "proposers=APE"),
        ({"proposers": ("ape",)}, "'ape'"),
        ({"selectors": (RandomDemos,)}, "RandomDemos"),
        ({"selectors": [RandomDemos()]}, "selectors="),
        ({"formats": "plain"}, "formats='plain'"),
        ({"formats": ()}, r"formats=\(\)"),
        ({"formats": ("nope",)}, "nope"),
        ({"positions": ("above",)}, "above"),
        ({"positions": "system"}, "system"),
        ({"temperatures": (3.5,)}, "3.5"),
        ({"temperatures": (-0.1,)}, "-0.1"),
        ({"temperatures": 0.5}, "0.5"),
        ({"temperatures": ("hot",)}, "hot"),
        ({"objectives": PromptTokens()}, "objectives=PromptTokens"),
        ({"objectives": (PromptTokens,)}, "PromptTokens"),
        ({"race": "paired"}, "race='paired'"),
        ({"rule": "cheapest"}, "cheapest"),
        ({"sampler": "tpe"}, "tpe"),
    ],
    ids=str,
)
def test_settings_that_mean_nothing_are_refused_and_named(wrong, named):
    with pytest.raises(ValueError, match=named):
        Joint(**wrong)


def test_what_one_of_its_searches_refuses_it_refuses(make_student):
    wrong = RandomDemos(formats=("nope",))
    assert "nope" in Joint(selectors=(wrong,)).refusal(make_student())
    assert Joint().refusal(make_student()) == ""


def test_what_one_of_its_searches_cannot_do_with_the_rows_it_refuses(make_student, make_rows):
    @dataclass(frozen=True)
    class Picky(RandomDemos):
        def unfit_rows(self, student, pool):
            return f"Picky cannot work with {len(pool)} rows."

    assert Joint(selectors=(Picky(),)).unfit_rows(make_student(), make_rows(3)) == "Picky cannot work with 3 rows."
    assert Joint().unfit_rows(make_student(), make_rows(3)) == ""


def test_settings_are_told_apart_in_any_process():
    joints = [
        Joint(),
        Joint(sampler=RandomSampler),
        Joint(rule=lambda points: points[0]),
        Joint(objectives=(PromptTokens(),)),
        Joint(race=Halving()),
        Joint(race=Hyperband()),
        Joint(selectors=(Demonstrations(BM25()),)),
    ]
    assert len({canonical(joint.settings()) for joint in joints}) == len(joints)
    assert canonical(replace(joints[0]).settings()) == canonical(Joint().settings())


@pytest.mark.parametrize("executions", [0, 50, 1000, 20_000])
def test_the_forecast_names_the_searches_and_stays_within_the_money(executions):
    forecast = Joint().forecast(Sizes(pool=60, dev=60, predictors=3, executions=executions))
    assert forecast.asks + forecast.executions == executions
    assert "RandomDemos" in forecast.summary


def test_a_search_that_embeds_makes_the_forecast_count_it():
    @dataclass(frozen=True)
    class Embedding(RandomDemos):
        def forecast(self, sizes):
            return replace(super().forecast(sizes), embeddings=9 if sizes.encoder else 0)

    sizes = Sizes(pool=60, dev=60, predictors=1, executions=1000, encoder=True)
    assert Joint(selectors=(Embedding(),)).forecast(sizes).embeddings >= 9


def test_what_any_of_its_searches_may_embed_counts():
    class Plain(RandomDemos):
        embeds_queries = False

    class Embedding(RandomDemos):
        embeds_queries = True

    assert not Joint(proposers=(Plain(),), selectors=(Plain(),)).embeds_queries
    assert Joint(proposers=(Plain(),), selectors=(Embedding(),)).embeds_queries
    assert Joint(proposers=(Embedding(),), selectors=(Plain(),)).embeds_queries


def test_formats_that_cannot_show_the_program_are_refused(make_student):
    student = make_student("Classify.\nReview: is read\nLabel: is said")
    assert "'plain'" in Joint(formats=("plain",)).refusal(student)
    assert Joint().refusal(student) == "", "where plain is tried only if it can be"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"selectors": (BM25(),)}, r"Joint\(selectors=...\) is a tuple of Teleprompters, such as \(Demonstrations"),
        ({"objectives": (PromptTokens,)}, r"such as \(PromptTokens\(\),\)"),
        ({"proposers": (Joint(),)}, "has a Joint in it"),
        ({"proposers": (), "selectors": ()}, "nothing to search with"),
    ],
)
def test_what_is_no_part_of_a_joint_search_is_said_with_what_would_be(settings, said):
    with pytest.raises(ValueError, match=said):
        Joint(**settings)


def test_with_too_little_to_share_random_sets_make_the_most_of_it():
    small, enough = (Joint().forecast(Sizes(100, 20, 1, executions)).summary for executions in (79, 80))
    assert "too little to share" in small
    assert "recombination" in enough
