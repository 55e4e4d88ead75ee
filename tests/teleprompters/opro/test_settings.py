from __future__ import annotations

import pytest

from burnish.teleprompters import OPRO
from burnish.teleprompters.opro_trajectory import Exemplars, Shown

from .world import START, requests, writing


def test_the_presets_have_the_published_sizes():
    paper, reference = OPRO.paper(), OPRO.reference()
    assert (paper.steps, paper.proposals, paper.rows, paper.patience) == (200, 8, 50, None)
    assert (paper.shown, paper.exemplars) == (Shown(20, 100, None), Exemplars("random", 3))
    assert (paper.writing.temperature, paper.final_temperature, paper.seeds) == (1.0, None, ())
    assert (reference.steps, reference.proposals, reference.rows) == (200, 8, 50)
    assert reference.shown == Shown(threshold=0.3)
    assert reference.seeds == ("Let's solve the problem.",)
    assert (reference.writing.max_length, reference.writing.max_tokens) == (500, 512)
    assert OPRO.paper(steps=3).steps == 3
    assert OPRO.reference(seeds=()).seeds == ()


def test_a_meta_prompt_of_ones_own_is_a_text_or_a_file_and_part_of_the_settings(bench, tmp_path):
    text = "Tried:\n{{trajectory}}\nSeen:\n{{exemplars}}\n{{place}} <instruction>"
    (tmp_path / "mine.md").write_text(text, encoding="utf-8")
    for given in (text, str(tmp_path / "mine.md")):
        opro = OPRO(steps=1, proposals=1, metaprompt=given)
        world = bench(dev=2, reply_of=writing())
        list(opro.search(world))
        assert requests(world)[0].startswith(f"Tried:\ninstruction:\n{START}\nscore:\n0\nSeen:\n<INS>\nInput: review")
        assert opro.settings()["metaprompt"] == text
    for wrong in ("Tried: {{trajectory}}", "{{trajectory}} {{exemplars}} {{more}}", "absent.md"):
        with pytest.raises(ValueError, match="trajectory"):
            OPRO(metaprompt=wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"proposals": 0},
        {"rows": 0},
        {"patience": 0},
        {"finalists": 0},
        {"final_temperature": 2.1},
        {"final_temperature": -0.1},
        {"style": "poem"},
        {"positions": ("system", "middle")},
    ],
    ids=str,
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match=f"OPRO.{next(iter(wrong))}"):
        OPRO(**wrong)


def test_exemplars_and_ways_to_show_that_mean_nothing_are_refused():
    for wrong in ({"rule": "hardest"}, {"count": 0}, {"rows": 0}):
        with pytest.raises(ValueError, match="Exemplars"):
            Exemplars(**wrong)
    for wrong in ({"instructions": 0}, {"buckets": 0}):
        with pytest.raises(ValueError, match="Shown"):
            Shown(**wrong)
