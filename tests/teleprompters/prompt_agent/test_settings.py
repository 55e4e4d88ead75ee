from __future__ import annotations

import json

import pytest

from burnish.teleprompters.prompt_agent import PromptAgent
from burnish.teleprompters.prompt_agent_transition import PromptAgentMetaPrompts
from burnish.teleprompters.prompt_agent_tree import Planning

from .world import asked, score, writing


def test_the_presets_have_the_published_sizes():
    paper, reference = PromptAgent.paper(), PromptAgent.reference()
    assert (paper.iterations, paper.depth, paper.width, paper.batch, paper.prompts) == (12, 8, 3, 5, 1)
    assert (paper.reward_rows, paper.planning, paper.beam) == (150, Planning(2.5, "sum", 2), 3)
    assert (reference.iterations, reference.depth, reference.reward_rows) == (10, 5, 50)
    assert reference.planning == paper.planning
    assert paper.writing.temperature == 1.0
    assert PromptAgent.paper(strategy="beam", depth=4).depth == 4


def test_meta_prompts_of_ones_own_are_texts_or_files_and_part_of_the_settings(bench, tmp_path):
    path = tmp_path / "mine.md"
    path.write_text("Why? {{instruction}} {{cases}}", encoding="utf-8")
    texts = PromptAgentMetaPrompts(
        feedback=str(path), rewrite="Mend: {{instruction}} {{cases}} {{feedback}} {{path}} <instruction>"
    )
    agent = PromptAgent(iterations=1, depth=1, width=1, metaprompts=texts)
    world = bench(score, dev=4, reply_of=writing())
    list(agent.search(world))
    assert asked(world, "feedback")[0].startswith("Why? Classify the review. Case 1")
    assert asked(world, "rewrite")[0].startswith("Mend: Classify the review. Case 1")
    assert "Why? {{instruction}}" in json.dumps(agent.settings())
    for wrong in ({"feedback": "Why? {{instruction}}"}, {"rewrite": "Mend {{cases}}"}, {"ascend_rewrite": "no.md"}):
        with pytest.raises(ValueError, match="cases"):
            PromptAgentMetaPrompts(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": "dfs"},
        {"iterations": 0},
        {"depth": 0},
        {"width": 0},
        {"reward_rows": 0},
        {"batch": 0},
        {"finalists": 0},
        {"redraws": -1},
        {"threshold": float("nan")},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="PromptAgent"):
        PromptAgent(**wrong)


@pytest.mark.parametrize("wrong", [{"returns": "max"}, {"exploration": -1.0}, {"min_depth": -1}])
def test_planning_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="Planning"):
        Planning(**wrong)
