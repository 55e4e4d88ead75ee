from __future__ import annotations

import math
import re

import pytest

from burnish.signatures.errors import NoLogprobs
from burnish.teleprompters.demonstrations.select.perplexity import Perplexity
from burnish.teleprompters.demonstrations.supply import supply_of


def supply(world, k=4, money=10_000):
    return supply_of(world, world.student, "self", k=k, money=money)


def numbers(chosen):
    return [int(shot.row.values["review"].split()[1]) for shot in chosen.shots]


def by_number(prompt, text):
    """Two tokens; the larger the first number in the text, the likelier."""
    number = int(re.search(r"review (\d+)", text)[1])
    return [-2.0, -2.0 - 0.1 * (20 - number)]


def test_the_least_perplexing_shots_are_taken_within_the_classes_shares(bench):
    world = bench(lambda c, e: 0.5, text_logprob_of=by_number)
    (chosen,) = Perplexity().select(supply(world))
    assert numbers(chosen) == [19, 18, 17, 16]
    assert chosen.reasons[0] == f"perplexity {math.exp(2.05):.3g}"
    world = bench(
        lambda c, e: 0.5, text_logprob_of=by_number, columns={"label": lambda n: "positive" if n > 9 else "negative"}
    )
    (chosen,) = Perplexity().select(supply(world))
    assert numbers(chosen) == [19, 18, 9, 8]


def test_prompts_are_ranked_by_their_mean_perplexity_over_inputs(bench):
    texts = {}

    def measured(prompt, text):
        shown = list(map(int, re.findall(r"review (\d+)", text)))
        texts[text] = math.exp(1 + sum(shown) / 100)
        return [-(1 + sum(shown) / 100)] * 3

    world = bench(lambda c, e: 0.5, text_logprob_of=measured)
    sets = list(Perplexity(of="prompts", sets=6, inputs=3).select(supply(world)))
    assert len(sets) == 6
    assert len(texts) == 18
    found = [float(re.search(r"perplexity ([\d.]+)", chosen.reasons[0])[1]) for chosen in sets]
    assert found == sorted(found)
    for chosen, said in zip(sets, found, strict=True):
        names = {f"review {n}\n" for n in numbers(chosen)}
        own = [ppl for text, ppl in texts.items() if all(name in text for name in names)]
        assert any(said == pytest.approx(sum(three) / 3, rel=0.01) for three in [own[:3]])


def test_what_length_alone_does_can_be_taken_out(bench):
    # Perplexity falls with length, but for the shots 6 and 7, which are more familiar than their length tells.
    def measured(text):
        number = int(re.search(r"review (\d+)", text)[1])
        return math.exp(10 - math.log(len(text)) - (0.05 if number in (6, 7) else 0))

    columns = {"review": lambda n: f"review {n} " + "word " * (n + 1)}
    world = bench(lambda c, e: 0.5, columns=columns)
    (plain,) = Perplexity(surrogate=measured).select(supply(world, k=2))
    (matched,) = Perplexity(surrogate=measured, matched=True).select(supply(world, k=2))
    assert sorted(numbers(plain)) == [18, 19]
    assert sorted(numbers(matched)) == [6, 7]


def test_a_surrogate_costs_nothing_and_without_one_the_error_names_it(bench):
    world = bench(lambda c, e: 0.5)
    (chosen,) = Perplexity(surrogate=lambda text: 1 + int(re.search(r"review (\d+)", text)[1])).select(
        supply(world, money=0)
    )
    assert numbers(chosen) == [0, 1, 2, 3]
    assert world.budget == 10**6
    with pytest.raises(NoLogprobs, match=r"Perplexity\(surrogate=\.\.\.\)"):
        list(Perplexity().select(supply(world)))


def test_a_text_that_cannot_be_measured_comes_last(bench):
    world = bench(
        lambda c, e: 0.5,
        text_logprob_of=lambda p, t: [-math.inf] if "review 19" in t else by_number(p, t),
    )
    (chosen,) = Perplexity().select(supply(world))
    assert 19 not in numbers(chosen)


def test_with_little_money_fewer_shots_are_looked_at_and_with_none_chance_decides(bench):
    world = bench(lambda c, e: 0.5, text_logprob_of=by_number)
    (chosen,) = Perplexity().select(supply(world, money=12))
    assert len(chosen.shots) == 4
    assert 10**6 - world.budget == 9
    world = bench(lambda c, e: 0.5, text_logprob_of=by_number)
    for of in ("shots", "prompts"):
        (chosen,) = Perplexity(of=of).select(supply(world, money=2))
        assert set(chosen.reasons) == {"drawn at random"}
    assert world.budget == 10**6


def test_a_small_pool_free_text_and_one_class_are_no_trouble(bench):
    world = bench(lambda c, e: 0.5, pool=3, text_logprob_of=by_number)
    (chosen,) = Perplexity().select(supply(world, k=8))
    assert numbers(chosen) == [2, 1, 0]
    for label in (lambda n: f"text {n}", lambda n: "positive"):
        world = bench(lambda c, e: 0.5, columns={"label": label}, text_logprob_of=by_number)
        (chosen,) = Perplexity().select(supply(world))
        assert numbers(chosen) == [19, 18, 17, 16]


@pytest.mark.parametrize("wrong", [{"of": "words"}, {"sets": 0}, {"inputs": 0}])
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Perplexity(**wrong)


def test_the_cost_is_a_call_a_shot_or_a_filled_prompt():
    assert Perplexity().cost(100, 4, 50) == 100
    assert Perplexity(of="prompts", sets=5, inputs=8).cost(100, 4, 50) == 40
    assert Perplexity(surrogate=len).cost(100, 4, 50) == 0


def test_a_set_is_never_judged_on_an_input_that_it_shows(bench):
    read = []

    def measured(prompt, text):
        read.append(re.findall(r"review \d+", text))
        return [-1.0]

    world = bench(lambda c, e: 0.5, text_logprob_of=measured)
    sets = list(Perplexity(of="prompts", sets=10, inputs=20).select(supply(world, k=8)))
    assert len(sets) == 10
    assert all(len(set(names)) == 9 for names in read)
    world = bench(lambda c, e: 0.5, pool=3, text_logprob_of=measured)
    (chosen,) = Perplexity(of="prompts").select(supply(world, k=8))
    assert set(chosen.reasons) == {"one of all there are"}
