from __future__ import annotations

import json
from dataclasses import replace

import pytest

from burnish.teleprompters.apo import APO
from burnish.teleprompters.apo_expand import APOMetaPrompts, Expansion
from burnish.teleprompters.asking import Writing
from burnish.teleprompters.bandits import UCB
from burnish.teleprompters.token_cost import TokenCost

from .world import (
    SMALL,
    asked,
    score,
    writing,
)


def test_the_presets_have_the_published_sizes():
    paper, reference = APO.paper(), APO.reference()
    assert (paper.rounds, paper.beam, paper.predictions) == (6, 4, 2048)
    assert paper.expansion == Expansion(
        minibatch=64, groups=4, errors=4, reasons=1, edits=1, paraphrases=2, successors=8, reject_on_errors=False
    )
    assert paper.selector == UCB(round_limit=8, arms_per_round=8, examples_per_pull=32, exploration=1.0)
    assert (paper.writing.temperature, reference.writing.temperature) == (1.0, 0.7)
    assert replace(reference, writing=Writing()) == paper
    assert APO.paper(beam=2).beam == 2
    # 4 gradients, 4 edits, and 2 paraphrases of each edit and of the parent.
    assert paper.expansion.asks == 4 + 4 + 10


def test_meta_prompts_of_ones_own_are_texts_or_files_and_part_of_the_settings(bench, tmp_path):
    path = tmp_path / "mine.md"
    path.write_text("Why {{count}}? {{instruction}} {{errors}} <reason>", encoding="utf-8")
    texts = APOMetaPrompts(
        gradient=str(path),
        edit="Mend: {{instruction}} {{errors}} {{reason}} {{count}} {{cost}}",
        paraphrase="Again: {{instruction}}",
    )
    writer = Writing(token_cost=TokenCost(1.0))
    world = bench(score, dev=4, reply_of=writing())
    agent = APO(rounds=1, beam=1, expansion=SMALL, metaprompts=texts, writing=writer)
    list(agent.search(world))
    assert asked(world, "gradient")[0].startswith("Why one reason? Classify the review. Case 1")
    assert asked(world, "edit")[0].startswith("Mend: Classify the review. Case 1")
    assert "a prompt token costs" in asked(world, "edit")[0]
    assert asked(world, "paraphrase")[0] == "Again: Do 1."
    assert "Why {{count}}?" in json.dumps(agent.settings())
    APOMetaPrompts(edit="{{instruction}} {{errors}} {{reason}} {{count}}")  # the price may be left out
    for wrong in (
        {"gradient": "Why? {{instruction}}"},
        {"gradient": "{{instruction}} {{errors}} {{count}} {{cost}}"},
        {"edit": "{{instruction}} {{errors}} {{count}}"},
        {"paraphrase": "no-such-file.md"},
    ):
        with pytest.raises(ValueError, match="instruction"):
            APOMetaPrompts(**wrong)


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"beam": 0}, {"predictions": 0}, {"threshold": float("nan")}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="APO"):
        APO(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"minibatch": 0},
        {"groups": 0},
        {"errors": 0},
        {"reasons": 0},
        {"edits": 0},
        {"successors": 0},
        {"paraphrases": -1},
    ],
)
def test_an_expansion_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="at least"):
        Expansion(**wrong)
