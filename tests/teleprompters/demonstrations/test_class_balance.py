"""What the page on demonstrations says of class balance is what the selectors do."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from burnish.teleprompters import demonstrations
from burnish.teleprompters.demonstrations.supply import supply_of

PAGE = Path(__file__).resolve().parents[3] / "docs" / "demonstrations.md"


def named(beginning, end):
    """The selectors that stand in backticks between two passages of the paragraph on class balance."""
    paragraph = PAGE.read_text(encoding="utf-8").split("- **Class balance.**")[1].split("\n- **")[0]
    passage = " ".join(paragraph.split()).split(beginning)[1].split(end)[0]
    return sorted({name for name in re.findall(r"`(\w+)", passage) if hasattr(demonstrations, name)})


BALANCING = named("No class has more than its share", "and from `KMeans")
OTHERS = named("These do not look at classes", "`Misconfidence`")


def test_every_selector_is_named_on_one_side():
    from burnish.teleprompters.demonstrations.base import Selector

    everything = [getattr(demonstrations, name) for name in demonstrations.__all__]
    selectors = [c for c in everything if isinstance(c, type) and issubclass(c, Selector) and c is not Selector]
    with_by = {"Contrastive", "SelfInstruct", "SelfRefine"}
    assert not set(BALANCING) & set(OTHERS)
    assert {*BALANCING, *OTHERS, "Misconfidence"} | with_by == {selector.__name__ for selector in selectors}


def first_set(bench, selector):
    """Of a pool where one row in four is positive, and with these the rest has little in common."""
    world = bench(
        lambda candidate, example: float(sum(map(ord, example.digest + candidate.digest)) % 3 > 0),
        pool=40,
        dev=20,
        columns={
            "label": lambda n: "negative" if n % 4 else "positive",
            "review": lambda n: (
                f"review {n}" + (f" of words such as {' '.join(f'w{n}x{m}' for m in range(5))}" if n % 4 else "")
            ),
        },
        outputs_of=lambda candidate, example: {"label": example.values["label"]},
        reply_of=lambda prompt, draw: f"<input>\nreview: made up number {draw}\n</input>",
        text_logprob_of=lambda prompt, text: [-1.0 - sum(map(ord, prompt + text)) % 7],
    )
    chosen = next(iter(selector.select(supply_of(world, world.student, "self", k=4, money=20_000))))
    return Counter(shot.demo.values["label"] for shot in chosen.shots)


@pytest.mark.parametrize("name", [name for name in BALANCING if name != "SelfGenerated"])
def test_no_class_has_more_than_its_share(bench, name):
    assert first_set(bench, getattr(demonstrations, name)()) == {"negative": 2, "positive": 2}


def test_k_means_balances_when_it_is_told_to(bench):
    assert first_set(bench, demonstrations.KMeans(balanced=True)) == {"negative": 2, "positive": 2}


@pytest.mark.parametrize("name", ["DPP", "FacilityLocation", "VoteK"])
def test_a_selector_that_does_not_look_at_classes_may_give_one_nearly_alone(bench, name):
    assert name in OTHERS
    assert max(first_set(bench, getattr(demonstrations, name)()).values()) > 2
