from __future__ import annotations

import hashlib
import math
import re

import pytest

from burnish.signatures.errors import NoLogprobs
from burnish.teleprompters.demonstrations.demonstrations import Demonstrations
from burnish.teleprompters.demonstrations.select.misconfidence import Misconfidence
from burnish.teleprompters.demonstrations.supply import supply_of


def supply(world, k=4, money=10_000, predictor="self"):
    return supply_of(world, world.student, predictor, k=k, money=money)


def number(row):
    return int(row.values["review"].split()[1])


def numbers(chosen):
    return [number(shot.row) for shot in chosen.shots]


def fraction(*parts):
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16) / 16**8


def believing(beliefs, otherwise=0.95):
    """What the LM says: (p of the label that the row has; else `otherwise`), greedy or sampled."""

    def outputs(candidate, example):
        p = beliefs.get(number(example), otherwise)
        seed = candidate["self"].settings.params.get("seed")
        right = p > 0.5 if seed is None else fraction(number(example), seed) < p
        label = example.values["label"]
        return {"label": label if right else {"positive": "negative", "negative": "positive"}[label]}

    def logprob(prompt, text):
        query = int(re.findall(r"review (\d+)", prompt)[-1])
        own = ("positive" if query % 2 else "negative") in text
        p = beliefs.get(query, otherwise)
        return [math.log(p if own else 1 - p)]

    return {"outputs_of": outputs, "text_logprob_of": logprob}


# With 20 rows and k = 4, sixteen are looked at; which four are not depends on the seed, so beliefs are about many.
BELIEFS = {n: 0.4 - 0.03 * n for n in range(10)}


def test_the_most_misconfident_stand_in_front_and_the_first_of_the_random_set_give_way(bench):
    world = bench(lambda c, e: 0.5, **believing(BELIEFS))
    given = supply(world)
    reflected, start = Misconfidence().select(given)
    looked_at = [n for n in range(20) if n not in numbers(start)]
    psi = {n: (1 - p) / p for n, p in BELIEFS.items() if n in looked_at}
    wanted = sorted(psi, key=lambda n: -psi[n])[:2]
    assert numbers(reflected) == [*wanted, *numbers(start)[2:]]
    assert reflected.reasons[0] == f"misconfidence {psi[wanted[0]]:.3g}"
    assert reflected.reasons[2:] == ("drawn at random",) * 2
    # The screen alone is executed, with the random set shown.
    assert {number(row) for _, row in world.executed} == set(looked_at)
    assert {candidate for candidate, _ in world.executed} == {given.shown(start)}


def test_without_log_probabilities_only_wrong_answers_are_sampled(bench):
    world = bench(lambda c, e: 0.5, outputs_of=believing(BELIEFS)["outputs_of"])
    reflected, start = Misconfidence(samples=12).select(supply(world))
    wrong = [n for n in BELIEFS if n not in numbers(start)]
    assert len(world.executed) == 16 + 12 * len(wrong)
    assert set(numbers(reflected)[:2]) <= set(wrong)
    with pytest.raises(NoLogprobs):
        list(Misconfidence(source="logprobs").select(supply(world)))


def test_no_class_takes_more_than_its_cap_of_the_new_places(bench):
    world = bench(lambda c, e: 0.5, **believing(dict.fromkeys(range(0, 20, 2), 0.02) | {1: 0.3, 3: 0.3, 5: 0.3}))
    for cap, most in ((1, 1), (None, 3), (2, 2)):
        reflected = next(Misconfidence(replaced=4, cap=cap).select(supply(world, k=6)))
        new = [n for n, why in zip(numbers(reflected), reflected.reasons, strict=True) if "misconfidence" in why]
        assert sum(n % 2 == 0 for n in new) == most


def test_planted_wrong_labels_are_named_in_the_log_and_shown_all_the_same(bench):
    wrong = (3, 8, 11, 14, 20, 23)
    world = bench(lambda c, e: 0.5, pool=40, **believing(dict.fromkeys(wrong, 0.01)))
    reflected, start = Misconfidence().select(supply(world))
    flagged = {detail["place"] for event, detail in world.events if event == "label looks wrong, or the row is hard"}
    planted = {f"row {n}" for n in wrong if n not in numbers(start)}
    assert flagged == planted
    assert len(planted) >= 2
    assert {f"row {n}" for n in numbers(reflected)[:2]} <= planted


def test_where_nothing_is_wrong_the_random_set_stays(bench):
    world = bench(lambda c, e: 0.5, **believing({}))
    (start,) = Misconfidence().select(supply(world))
    assert start.reasons == ("drawn at random",) * 4


def test_without_the_screen_every_shot_is_measured(bench):
    world = bench(lambda c, e: 0.5, **believing({}))
    reflected, _ = Misconfidence(screened=False).select(supply(world))
    assert world.executed == []
    assert all("misconfidence 0.0526" in why for why in reflected.reasons[:2])


def test_the_teleprompter_keeps_the_random_set_where_reflection_is_worse(bench):
    def score(candidate, example):
        return float(not any(number_of(demo) in BELIEFS for demo in candidate.demos[:2]))

    def number_of(demo):
        return int(demo.values["review"].split()[1])

    world = bench(lambda c, e: score(c, e) if c.demos else 0.0, **believing(BELIEFS))
    best = list(Demonstrations(select=Misconfidence()).search(world))[-1].best
    origins = [origin for recorded, origin, _ in world.recorded if recorded.candidate == best.candidate]
    assert "misconfidence" not in str(origins[0].detail) or best.mean == 0.0


def test_it_spends_no_more_than_it_is_given(bench):
    for money in (0, 10, 60, 300):
        world = bench(lambda c, e: 0.5, outputs_of=believing(BELIEFS)["outputs_of"])
        assert list(Misconfidence().select(supply(world, money=money)))
        assert len(world.executed) <= money
    assert len(world.executed) > 60


def test_a_pool_that_is_one_set_is_given_back_for_nothing(bench):
    world = bench(lambda c, e: 0.5, pool=4)
    (chosen,) = Misconfidence().select(supply(world, k=8))
    assert len(chosen.shots) == 4
    assert world.executed == []


def test_on_free_text_and_one_class_alone_chance_decides_and_the_log_says_so(bench):
    for label in (lambda n: f"text {n}", lambda n: "positive"):
        world = bench(lambda c, e: 0.5, columns={"label": label})
        (chosen,) = Misconfidence().select(supply(world))
        assert set(chosen.reasons) == {"drawn at random"}
        assert world.budget == 10**6
        assert [event for event, _ in world.events] == ["needs classes: demonstrations drawn at random"]


def test_a_predictor_inside_is_judged_by_what_the_program_answers(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("review", "quote"), ("label",)))

    def outputs(candidate, example):
        wrong = number(example) in (2, 5, 9)
        return (
            {"label": {"positive": "negative", "negative": "positive"}[example.values["label"]]}
            if wrong
            else dict(example.labels)
        )

    world = bench(
        lambda c, e: 1.0,
        given=given,
        outputs_of=outputs,
        trace_of=lambda c, e: (step("find", e.input_values, {"quote": f"quote of {e.values['review']}"}, "r"),),
    )
    reflected, start = Misconfidence(samples=4).select(supply(world, k=2, predictor="find"))
    assert numbers(reflected)[0] in {2, 5, 9} - set(numbers(start))


@pytest.mark.parametrize(
    "wrong", [{"replaced": 0}, {"pool": 0}, {"cap": 0}, {"samples": 0}, {"source": "dice"}, {"suspect": 1.0}]
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Misconfidence(**wrong)


def test_the_cost_is_an_upper_bound():
    assert Misconfidence(samples=30).cost(100, 4, 50) == 96 * 31
