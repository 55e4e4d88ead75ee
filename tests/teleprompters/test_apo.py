from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace

import pytest

from burnish.signatures.candidate import Candidate, Part
from burnish.signatures.errors import BudgetSpent
from burnish.signatures.example import Example
from burnish.signatures.prompt import Prompt
from burnish.signatures.schema import Field, Schema
from burnish.teleprompters.apo import APO
from burnish.teleprompters.apo_expand import APOMetaPrompts, Expansion, hardness_of, minibatches
from burnish.teleprompters.asking import Writing
from burnish.teleprompters.bandits import UCB, UCBE, Filtering, Standings, SuccessiveHalving, SuccessiveRejects, Uniform
from burnish.teleprompters.base import Origin, Sizes
from burnish.teleprompters.demonstrations.difficulty import Judge, LabelLogProbability, SuccessRate
from burnish.teleprompters.demonstrations.pacing import BabyStep, Geometric, Linear, OnePass
from burnish.teleprompters.token_cost import TokenCost
from burnish.testing import check_teleprompter
from burnish.testing.conformance_world import fraction, instruct

WORDS = ("order", "tone", "date", "amount", "sender", "clue", "rule", "label", "wording", "tie", "case", "form")
SMALL = Expansion(minibatch=6, groups=2, errors=2, paraphrases=1, successors=3)
SELECTORS = (
    Uniform(),
    UCB(),
    UCBE(),
    SuccessiveRejects(),
    SuccessiveHalving(),
    Filtering(subset=3),
)


def quality(candidate, path="self"):
    """The number in an instruction "Do 42." in hundredths; the student's has none."""
    found = re.search(r"Do (\d+)", candidate.prompt(path).instruction)
    return int(found[1]) / 100 if found else 0.0


def number(candidate):
    return round(100 * quality(candidate))


def numbers(candidates):
    return [number(candidate) for candidate in candidates]


def score(candidate, example):
    return quality(candidate)


def on_pool(example):
    return "row 1" not in example.place or len(example.place) < len("row 1000")  # dev starts at 1000


def number_of(example):
    return int(example.values["review"].split()[1])


def reason(prompt, draw):
    """Something else every time."""
    return f"Reason {draw}: " + " ".join(WORDS[int(fraction(prompt, draw, n) * len(WORDS))] for n in range(20))


def writing(*qualities):
    """Replies: a reason when asked for one, and "Do 42." with the next of these numbers for every instruction."""
    left = iter(qualities or range(1, 99))

    def reply(prompt, draw):
        if "<reason>" in prompt:
            return f"<reason>{reason(prompt, draw)}</reason>"
        return f"<instruction>Do {next(left, 99)}.</instruction>"

    return reply


def asked(world, purpose):
    return [text for what, text in world.asked if what == f"APO {purpose}"]


def purposes(world):
    return [purpose.removeprefix("APO ") for purpose, _ in world.asked]


def shown_rows(text):
    return [int(n) for n in re.findall(r"Input: review (\d+)", text)]


def current(text):
    return re.search(r"<(?:current|original)>\n(.*)\n</(?:current|original)>", text)[1]


def watched(world):
    """What is scored on a part of dev, call by call: the candidates and the rows. These are the selector's pulls."""
    seen, plain = [], world.score

    def scored(candidates, examples=None, **options):
        if examples is not None:
            seen.append((list(candidates), [example.place for example in examples]))
        return plain(candidates, examples, **options)

    world.score = scored
    return seen


def told(world, more):
    """The world with more in each outcome: `more` of the candidate and the row."""
    plain = world.predict

    def predict(candidate, examples):
        found = zip(examples, plain(candidate, examples), strict=True)
        return [replace(outcome, **more(candidate, example)) for example, outcome in found]

    world.predict = predict
    return world


# expand and select as in the paper


def test_two_rounds_walk_as_in_the_paper_expand_along_the_gradients_and_select_by_a_bandit(bench):
    def half_right_on_the_pool(candidate, example):
        return float(example.values["label"] == "positive") if on_pool(example) else quality(candidate)

    world = bench(half_right_on_the_pool, dev=20, pool=20, reply_of=writing(40, 50, 45, 60, 55, *range(70, 90)))
    pulls = watched(world)
    rounds = list(APO(rounds=2, beam=2, expansion=SMALL, predictions=64).search(world))

    # A minibatch of the pool for each round, none of whose rows comes again; the same for the whole beam.
    ran = [(number(candidate), int(example.place[4:])) for candidate, example in world.executed if on_pool(example)]
    first, second = ran[:6], ran[6:]
    batch, later = [row for _, row in first], [row for _, row in second[:6]]
    assert {arm for arm, _ in first} == {0}
    assert [row for _, row in second] == later * 2
    assert len({*batch, *later}) == 12

    # Gradients: two groups of two of the parent's errors; negative rows are wrong here.
    gradients, edits = asked(world, "gradient"), asked(world, "edit")
    assert [len(gradients), len(edits)] == [2 + 4, 2 + 4]
    for nth, text in enumerate(gradients):
        group = shown_rows(text)
        assert len(set(group)) == 2
        assert set(group) <= {row for row in (batch if nth < 2 else later) if row % 2 == 0}

    # Each edit is told one reason, and shown the group that the reason was found with.
    assert [shown_rows(text) for text in edits] == [shown_rows(text) for text in gradients]
    assert [current(text) for text in edits] == [current(text) for text in gradients]
    draws = [draw for draw, (purpose, _) in enumerate(world.asked, start=1) if purpose == "APO gradient"]
    for gradient, draw, edit in zip(gradients, draws, edits, strict=True):
        assert reason(gradient, draw) in edit

    # Paraphrases: of each edited instruction, then of the parents' own.
    paraphrased = [current(text) for text in asked(world, "paraphrase")]
    assert paraphrased[:3] == ["Do 40.", "Do 50.", "Classify the review."]
    assert purposes(world)[:7] == ["gradient"] * 2 + ["edit"] * 2 + ["paraphrase"] * 3

    # Three of the five successors stay; all of them and the parent are tried on the same 16 rows of dev.
    successors = numbers(rounds[0].proposed)
    assert len(successors) == 3
    assert set(successors) < {40, 50, 45, 60, 55}
    arms, places = pulls[0]
    assert numbers(arms) == [0, *successors]
    assert len(set(places)) == 64 // 4
    assert not any(place in {f"row {row}" for row in range(20)} for place in places)

    # The two best are the beam, and the first of them is scored on all of dev.
    beam = numbers(rounds[1].proposed)
    assert beam == sorted(successors)[:0:-1]
    assert numbers(found.candidate for found, *_ in world.recorded)[:2] == [0, beam[0]]
    assert len(world.recorded[1][0].values) == 20

    # The second round builds on both of them.
    assert [current(text) for text in gradients[2:]] == [f"Do {n}." for n in beam for _ in range(2)]
    assert paraphrased[3:] == ["Do 70.", "Do 71.", "Do 72.", "Do 73.", *(f"Do {n}." for n in beam)]
    children = numbers(rounds[2].proposed)
    assert len(children) == 6
    assert set(children) < set(range(70, 80))
    assert numbers(pulls[1][0]) == [*beam, *children]
    halved = {*sorted(children)[-4:]}
    assert [set(numbers(arms)) for arms, _ in pulls[2:]] == [halved]
    assert [len(places) for _, places in pulls[1:]] == [4, 8]
    assert not set(pulls[1][1]) & set(pulls[2][1])

    last = sorted(children)[:-3:-1]
    assert numbers(rounds[3].proposed) == last
    assert numbers(rounds[4].proposed) == last[1:]  # the first was scored in its round
    assert {number(found.candidate) for found, *_ in world.recorded} == {0, beam[0], *last}
    assert number(rounds[-1].best.candidate) == last[0]
    assert [done.name for done in rounds] == [
        "self: round 1, 3 successors",
        "self: round 1, 2 of 4 stay",
        "self: round 2, 6 successors",
        "self: round 2, 2 of 8 stay",
        "self: the beam scored on all rows",
    ]


def test_a_record_says_by_which_move_and_for_which_reason_a_candidate_was_made(bench):
    world = bench(score, dev=4, reply_of=writing(90, 10))
    list(APO(rounds=1, beam=1, expansion=Expansion(6, 1, 2, paraphrases=1, successors=3)).search(world))
    found, origin, parents = world.recorded[1]
    assert (number(found.candidate), origin.teleprompter, origin.move) == (90, "APO", "edit")
    assert origin.detail == {"predictor": "self", "reason": reason(asked(world, "gradient")[0], 1)}
    assert parents == (world.student,)
    world = bench(score, dev=4, reply_of=writing(10, 90))
    list(APO(rounds=1, beam=1, expansion=Expansion(6, 1, 2, paraphrases=1, successors=3)).search(world))
    assert [origin.move for found, origin, _ in world.recorded if number(found.candidate) == 90] == ["paraphrase"]


# expansion


def test_with_reject_on_errors_those_successors_stay_that_mend_most(bench):
    def better_on_errors(candidate, example):
        return 0.0 if candidate.prompt("self").instruction.startswith("Classify") else quality(candidate)

    expansion = replace(SMALL, minibatch=8, groups=3, successors=2, reject_on_errors=True)
    world = bench(better_on_errors, dev=4, reply_of=writing(40, 50, 45, 60, 55, 30, 20))
    rounds = list(APO(rounds=1, beam=1, expansion=expansion).search(world))
    assert sorted(numbers(rounds[0].proposed)) == [55, 60]
    ran = [example for candidate, example in world.executed if number(candidate) == 30]
    assert sorted(ran, key=lambda row: row.place) == sorted(
        [example for candidate, example in world.executed if candidate == world.student and on_pool(example)],
        key=lambda row: row.place,
    )


def test_rejection_looks_at_16_successors_and_16_errors_at_the_most(bench):
    expansion = Expansion(minibatch=40, groups=8, errors=2, paraphrases=2, successors=4, reject_on_errors=True)
    world = bench(score, pool=60, dev=4, reply_of=writing())
    rounds = list(APO(rounds=1, beam=1, expansion=expansion).search(world))
    ran = [(candidate, example) for candidate, example in world.executed if on_pool(example)]
    rejected = [pair for pair in ran if pair[0] != world.student]
    assert len(rejected) == 16 * 16
    assert len({candidate for candidate, _ in rejected}) == len({example for _, example in rejected}) == 16
    assert len(rounds[0].proposed) == 4
    asks = 8 + 8 + 9 * 2
    assert len(ran) + len(world.asked) == expansion.cost == 40 + asks + 256


def test_without_it_chance_decides_and_the_pool_is_not_asked(bench):
    world = bench(score, dev=4, reply_of=writing(40, 50, 45, 60, 55, 30, 20))
    rounds = list(APO(rounds=1, beam=1, expansion=replace(SMALL, groups=3, successors=2)).search(world))
    assert len(rounds[0].proposed) == 2
    assert not any(on_pool(example) for candidate, example in world.executed if candidate != world.student)


def test_with_as_few_successors_as_may_stay_all_stay_and_none_is_run_on_errors(bench):
    expansion = replace(SMALL, successors=9, reject_on_errors=True)
    world = bench(score, dev=4, reply_of=writing(40, 50, 45, 60, 55))
    rounds = list(APO(rounds=1, beam=1, expansion=expansion).search(world))
    assert numbers(rounds[0].proposed) == [40, 50, 45, 60, 55]
    assert sum(on_pool(example) for _, example in world.executed) == 6


def test_a_parent_without_errors_has_no_gradient_and_is_only_paraphrased(bench):
    world = bench(lambda candidate, example: float(on_pool(example)), dev=4, reply_of=writing(40, 50))
    rounds = list(APO(rounds=1, beam=1, expansion=replace(SMALL, paraphrases=2)).search(world))
    assert purposes(world) == ["paraphrase"] * 2
    assert numbers(rounds[0].proposed) == [40, 50]


def test_without_rows_to_learn_from_instructions_are_only_paraphrased(bench):
    world = bench(score, dev=4, pool=0, reply_of=writing())
    list(APO(rounds=2, beam=1, expansion=SMALL).search(world))
    assert purposes(world) == ["paraphrase"] * 2
    curriculum = bench(score, dev=4, pool=0, reply_of=writing())
    list(APO(rounds=2, beam=1, expansion=replace(SMALL, curriculum=True)).search(curriculum))
    assert purposes(curriculum) == ["paraphrase"] * 2


def test_without_paraphrases_there_are_only_edits(bench):
    world = bench(score, dev=4, reply_of=writing(40, 50))
    rounds = list(APO(rounds=1, beam=1, expansion=replace(SMALL, paraphrases=0)).search(world))
    assert purposes(world) == ["gradient"] * 2 + ["edit"] * 2
    assert numbers(rounds[0].proposed) == [40, 50]


def test_several_reasons_and_edits_stand_in_one_reply_no_more_than_asked_for_and_each_once(bench):
    edits = iter([(41, 42, 43), (51, 51), (41, 61)])

    def reply(prompt, draw):
        if "<reason>" in prompt:
            one = reason(prompt, draw)
            return "".join(f"<reason>{text}</reason>" for text in ("A third one.", one, one, reason(prompt, -draw)))
        if "<original>" in prompt:
            return ""
        return " or ".join(f"<instruction>Do {n}.</instruction>" for n in next(edits, (71,)))

    world = bench(score, dev=4, reply_of=reply)
    expansion = Expansion(minibatch=6, groups=2, errors=2, reasons=2, edits=2, paraphrases=0, successors=9)
    rounds = list(APO(rounds=1, beam=1, expansion=expansion).search(world))
    assert purposes(world) == ["gradient"] * 2 + ["edit"] * 4
    assert "Write down 2 different reasons, in two" in asked(world, "gradient")[0]
    assert "Write 2 different instructions in which" in asked(world, "edit")[0]
    assert numbers(rounds[0].proposed) == [42, 43, 51, 41, 61, 71]


def test_one_reason_and_one_edit_are_asked_for_in_the_singular(bench):
    world = bench(score, dev=4, reply_of=writing())
    list(APO(rounds=1, beam=1, expansion=SMALL).search(world))
    assert "Write down one reason, in two" in asked(world, "gradient")[0]
    assert "Write an instruction in which" in asked(world, "edit")[0]


def test_a_curriculum_goes_through_the_pool_from_short_rows_to_long_ones_and_never_at_random(bench):
    columns = {"review": lambda n: "word " * (7 * n % 12 + 1) + str(n)}
    expansion = replace(SMALL, minibatch=5, curriculum=True)
    world = bench(score, dev=4, pool=12, columns=columns, reply_of=writing())
    list(APO(rounds=3, beam=1, expansion=expansion).search(world))
    ran = [len(example.values["review"].split()) for _, example in world.executed if on_pool(example)]
    assert ran == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 2, 3, 4]  # then from the start again
    batches, turned = (minibatches(pool, expansion, rng=None) for pool in (world.pool, world.pool[::-1]))
    assert [next(batches) for _ in range(4)] == [next(turned) for _ in range(4)]


def test_a_curriculum_by_difficulty_goes_from_rows_that_are_easy_to_rows_that_are_hard(bench):
    def solved(candidate, example):
        seed = candidate["self"].settings.params.get("seed")
        return score(candidate, example) if seed is None else float(seed >= number_of(example) % 3)

    expansion = replace(SMALL, minibatch=4, curriculum=SuccessRate(3))
    world = bench(solved, dev=4, pool=12, reply_of=writing())
    list(APO(rounds=3, beam=1, expansion=expansion).search(world))
    ran = [(candidate, example) for candidate, example in world.executed if on_pool(example)]
    assert [candidate["self"].settings.params.get("seed") for candidate, _ in ran[:36]] == [0] * 12 + [1] * 12 + [
        2
    ] * 12
    assert [number_of(example) % 3 for _, example in ran[36:]] == [0] * 4 + [1] * 4 + [2] * 4


def test_rows_that_do_not_show_what_a_predictor_reads_are_measured_by_running_the_program(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("quote",), ("label",)))
    world = bench(lambda candidate, example: float(number_of(example) % 2), given=given, pool=4)
    hardness = hardness_of(world, given, "judge", LabelLogProbability(), 100)
    assert [hardness[row] for row in world.pool] == [1.0, 0.0, 1.0, 0.0]


def test_measuring_difficulty_takes_a_quarter_of_the_money_and_is_in_the_forecast(bench):
    expansion = replace(SMALL, minibatch=4, curriculum=SuccessRate(9))
    world = bench(score, dev=4, pool=12, budget=204, reply_of=writing())
    next(iter(APO(rounds=1, beam=1, expansion=expansion).search(world)))
    measured = [1 for candidate, _ in world.executed if candidate["self"].settings.params]
    assert len(measured) == 48  # four samples of each row: 200 / 4, without the student's score
    sizes = Sizes(pool=12, dev=4, predictors=1, executions=200)
    by_length, by_difficulty = (
        APO(rounds=1, beam=1, expansion=replace(expansion, curriculum=curriculum)).forecast(sizes)
        for curriculum in (True, SuccessRate(9))
    )
    assert by_difficulty.executions + by_difficulty.asks > by_length.executions + by_length.asks + 40
    judged = APO(rounds=1, beam=1, expansion=replace(expansion, curriculum=Judge())).forecast(sizes)
    assert judged.asks == by_length.asks + Judge().cost(12)


@pytest.mark.parametrize("pacing", [Linear(0.25), OnePass(4), BabyStep(4), Geometric(0.25)])
def test_a_pacing_opens_the_pool_by_and_by(bench, pacing):
    world = bench(score, pool=40)
    expansion = replace(SMALL, minibatch=5, curriculum=True, pacing=pacing)
    hardness = {row: float(number_of(row)) for row in world.pool}
    batches = minibatches(world.pool, expansion, world.rng("rows"), hardness, rounds=4)
    for number in range(1, 7):
        batch = [number_of(row) for row in next(batches)]
        opened = pacing.open(min(1.0, number / 4), 40)
        assert len(set(batch)) == 5
        assert all(row in opened for row in batch)
    assert list(itertools.islice(minibatches((), expansion, world.rng("rows")), 2)) == [[], []]
    with pytest.raises(ValueError, match="curriculum"):
        Expansion(pacing=pacing)


def test_a_minibatch_is_no_larger_than_the_pool(bench):
    world = bench(score, dev=4, pool=5, reply_of=writing())
    for curriculum in (False, True):
        batches = minibatches(world.pool, Expansion(curriculum=curriculum), world.rng("rows"))
        assert [sorted(row.place for row in next(batches)) for _ in range(2)] == [[f"row {n}" for n in range(5)]] * 2


def test_an_instruction_that_is_too_long_is_no_successor(bench):
    world = bench(score, dev=4, reply_of=writing(7, 1234, 8, 9))
    agent = APO(rounds=1, beam=1, expansion=replace(SMALL, successors=9), writing=Writing(max_length=5))
    assert numbers(next(iter(agent.search(world))).proposed) == [7, 8, 9]


def test_replies_without_an_instruction_are_asked_for_once_more_and_leave_the_beam_as_it_is(bench):
    def reply(prompt, draw):
        return f"<reason>{reason(prompt, draw)}</reason>" if "<reason>" in prompt else "<instruction></instruction>"

    world = bench(score, dev=4, reply_of=reply)
    rounds = list(APO(rounds=1, beam=1, expansion=SMALL).search(world))
    assert purposes(world)[2:] == [
        *["edit"] * 2,
        *["edit, once more"] * 2,
        "paraphrase",
        "paraphrase, once more",
    ]
    assert [event for event, _ in world.events] == ["reply dropped"] * 3
    assert rounds[0].proposed == ()
    assert rounds[1].proposed == (world.student,)


# gradients that repeat each other


def repeating(prompt, draw):
    return "<reason>No rule for ties.</reason>" if "<reason>" in prompt else f"<instruction>Do {draw}.</instruction>"


def test_a_reason_that_repeats_an_earlier_one_is_counted_and_other_errors_are_shown_instead_of_paying_an_edit(bench):
    world = bench(score, dev=4, reply_of=repeating)
    list(APO(rounds=1, beam=1, expansion=replace(SMALL, minibatch=12, paraphrases=0)).search(world))
    assert purposes(world) == ["gradient", "gradient", "gradient, other cases", "edit"]
    first, second, other = (set(shown_rows(text)) for _, text in world.asked[:3])
    assert len(other) == 2
    assert not other & (first | second)
    assert [event for event, _ in world.events] == ["reflection repeated"] * 2


def test_where_there_are_no_other_errors_the_question_is_asked_again_warmer(bench):
    temperatures = []
    world = bench(score, dev=4, reply_of=repeating)
    plain = world.ask

    def ask(requests, n=1, **options):
        temperatures.append((options["purpose"], options["temperature"], options["max_tokens"]))
        return plain(requests, n, **options)

    world.ask = ask
    agent = APO(rounds=1, beam=1, expansion=Expansion(4, 2, 4, paraphrases=1), writing=Writing(0.5, max_tokens=77))
    list(agent.search(world))
    assert temperatures == [
        ("APO gradient", 0.5, 77),
        ("APO gradient, warmer", 0.8, 77),
        ("APO edit", 0.5, 77),
        ("APO paraphrase", 0.5, 77),
    ]
    assert len(asked(world, "edit")) == 1


def test_what_was_said_in_an_earlier_round_is_not_paid_for_again(bench):
    world = bench(score, dev=4, reply_of=repeating)
    list(APO(rounds=3, beam=1, expansion=replace(SMALL, groups=1)).search(world))
    assert purposes(world).count("edit") == 1
    assert purposes(world).count("gradient") == 3
    assert [event for event, _ in world.events].count("reflection repeated") == 4


# selection


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda selector: type(selector).__name__)
def test_any_selector_finds_the_best_within_its_share(bench, selector):
    world = bench(score, dev=40, reply_of=writing(40, 50, 45, 60, 55, *range(61, 90)))
    pulls = watched(world)
    agent = APO(rounds=2, beam=2, expansion=replace(SMALL, successors=5), selector=selector, predictions=110)
    best, made = set(), set()
    for done in agent.search(world):
        if "successors" in done.name:
            best, made = {*numbers(done.proposed), *best}, {number(candidate) for candidate in done.proposed}
        elif "stay" in done.name:
            assert 0 < sum(len(arms) * len(places) for arms, places in pulls) <= 110
            assert len(done.proposed) == 2
            assert number(done.proposed[0]) == max(made)
            pulls.clear()
    assert number(world.known[0].candidate) == max(best)


def test_what_the_selection_may_spend_is_an_equal_part_of_what_is_left_after_full_scores(bench):
    world = bench(score, dev=40, reply_of=writing(), budget=40 + 300)
    pulls = watched(world)
    search = APO(rounds=2, beam=1, expansion=replace(SMALL, groups=1), selector=Uniform()).search(world)
    next(search)
    left = world.budget
    next(search)
    share = (left - 40) // 2
    assert sum(len(arms) * len(places) for arms, places in pulls) == share // 4 * 4


def test_the_best_of_all_rounds_comes_back_even_when_the_beam_has_lost_it(bench):
    lucky = set()

    def flattering(candidate, example):
        """Whatever comes after 70 does well on the first rows that it is tried on, and on no other."""
        if on_pool(example) or number(candidate) <= 70:
            return quality(candidate)
        lucky.add((number(candidate), example.place))
        return float(sum(one == number(candidate) for one, _ in lucky) <= 3)

    world = bench(flattering, dev=20, reply_of=writing(70, 10, 20, 71, 72, 73))
    agent = APO(rounds=2, beam=1, expansion=replace(SMALL, groups=1, successors=3), predictions=12, selector=Uniform())
    rounds = list(agent.search(world))
    assert numbers(rounds[1].proposed) == [70]
    assert numbers(rounds[3].proposed) == [71]
    assert number(rounds[-1].best.candidate) == 70
    assert rounds[-1].best.mean == pytest.approx(0.7)


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda selector: type(selector).__name__)
def test_of_equals_the_parents_stay_with_every_selector(bench, selector):
    world = bench(lambda candidate, example: 0.5, dev=20, reply_of=writing())
    agent = APO(rounds=3, beam=1, expansion=SMALL, selector=selector, predictions=40)
    beams = [done.proposed for done in agent.search(world) if "stay" in done.name]
    assert beams == [(world.student,)] * 3


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda selector: type(selector).__name__)
def test_with_equal_scores_a_beam_once_full_stays_as_it_is_and_the_student_is_in_it(bench, selector):
    world = bench(lambda candidate, example: 0.5, dev=20, reply_of=writing_many())
    rounds = list(APO(rounds=3, beam=2, expansion=SMALL, selector=selector, predictions=60).search(world))
    first, *later = [done.proposed for done in rounds if "stay" in done.name]
    assert first[0] == world.student
    assert [set(beam) for beam in later] == [set(first)] * 2
    assert rounds[-1].best.candidate == world.student


def test_an_instruction_that_is_in_the_beam_already_is_not_tried_twice(bench):
    def reply(prompt, draw):
        if "<reason>" in prompt:
            return f"<reason>{reason(prompt, draw)}</reason>"
        return "<instruction>Classify the review.</instruction>" if "Do 1." in prompt else "Do 1."

    world = bench(score, dev=4, reply_of=reply)
    rounds = list(APO(rounds=2, beam=2, expansion=replace(SMALL, paraphrases=0)).search(world))
    assert numbers(rounds[2].proposed) == [0]  # the student's own wording, which is still in the beam
    assert [done.name for done in rounds if "stay" in done.name] == [
        "self: round 1, 2 of 2 stay",
        "self: round 2, 2 of 2 stay",
    ]
    assert all(len(set(done.proposed)) == len(done.proposed) for done in rounds)


def test_a_penalty_for_length_counts_in_the_selection_and_only_the_edit_is_told_the_price(bench):
    cost = TokenCost(usd_per_million=0.5, penalty=0.1)
    long = "Do 50. " + "Mind every word of it. " * 20

    def reply(prompt, draw):
        if "<reason>" in prompt:
            return f"<reason>{reason(prompt, draw)}</reason>"
        return f"<instruction>{long if '<original>' in prompt else 'Do 45.'}</instruction>"

    expansion = Expansion(minibatch=6, groups=1, errors=2, paraphrases=1, successors=3)
    for settings, first in (({}, 50), ({"writing": Writing(token_cost=cost)}, 45)):
        world = bench(score, dev=20, reply_of=reply)
        rounds = list(APO(rounds=1, beam=1, expansion=expansion, predictions=30, **settings).search(world))
        assert numbers(rounds[1].proposed) == [first]
    assert "a prompt token costs $0.00000050" in asked(world, "edit")[0]
    assert not any("a prompt token costs" in text for text in asked(world, "gradient") + asked(world, "paraphrase"))


def test_the_best_by_preference_is_the_best_that_rounds_name(bench):
    long = "Do 50. " + "Mind every word of it. " * 20

    def reply(prompt, draw):
        if "<reason>" in prompt:
            return f"<reason>{reason(prompt, draw)}</reason>"
        return f"<instruction>{long if '<original>' in prompt else 'Do 45.'}</instruction>"

    expansion = Expansion(minibatch=6, groups=1, errors=2, paraphrases=1, successors=3)
    cost = TokenCost(usd_per_million=0.5, penalty=0.1)
    agent = APO(rounds=1, beam=2, expansion=expansion, predictions=30, writing=Writing(token_cost=cost))
    world = bench(score, dev=20, reply_of=reply, preference=agent.preference)
    rounds = list(agent.search(world))
    assert [number(done.best.candidate) for done in rounds] == [0, 45, 45]
    assert number(world.known[0].candidate) == 45
    assert max(score.mean for score in world.known) == pytest.approx(0.5)


def test_a_penalty_for_length_counts_where_successors_are_rejected(bench):
    def reply(prompt, draw):
        if "<reason>" in prompt:
            return f"<reason>{reason(prompt, draw)}</reason>"
        return f"<instruction>Do {50 + draw}. {'Mind every word of it. ' * 20 * (draw % 2)}</instruction>"

    expansion = Expansion(minibatch=6, groups=2, errors=2, paraphrases=1, successors=2, reject_on_errors=True)
    cost = TokenCost(usd_per_million=0.5, penalty=0.5)
    world = bench(score, dev=20, reply_of=reply)
    agent = APO(rounds=1, beam=1, expansion=expansion, writing=Writing(token_cost=cost))
    assert sorted(numbers(next(iter(agent.search(world))).proposed)) == [54, 56]  # 53, 55 and 57 are long


# other tasks than yes and no


def classes(labels, **more):
    """One predictor from a text to a label, or to other outputs: name=(JSON schema, type)."""
    outputs = [Field("label", json.dumps({"enum": labels, "type": "string"}))] if labels else []
    outputs += [Field(name, schema, type_name=kind) for name, (schema, kind) in more.items()]
    return Candidate.of({"self": Part(Prompt(Schema((Field("text"),), tuple(outputs)), "Answer."))})


def errors_shown(world, given, pool, dev):
    world = replace(world, student=given, pool=pool, dev=dev)
    list(APO(rounds=1, beam=1, expansion=Expansion(len(pool), 1, len(pool), paraphrases=0)).search(world))
    return world, re.search(r"did badly:\n\n(.*)\n\nCompare", asked(world, "gradient")[0], re.DOTALL)[1]


def test_errors_of_a_task_with_many_classes_show_which_was_given_for_which(bench, step):
    names = ["billing", "delivery", "praise", "other"]
    pool = [Example.of({"text": f"Ticket {n}", "label": names[n % 4]}, ("text",), f"row {n}") for n in range(8)]
    dev = [Example.of({"text": f"Mail {n}", "label": names[n % 4]}, ("text",), f"row {n}") for n in range(1000, 1004)]

    def right(candidate, example):
        return float(example.values["label"] == "other") if on_pool(example) else quality(candidate)

    def trace(candidate, example):
        return (step("self", example.input_values, {"label": "other"}, "other"),)

    world = bench(right, reply_of=writing(40), trace_of=trace)
    world, shown = errors_shown(world, classes(names), tuple(pool), tuple(dev))
    assert set(re.findall(r"Input: Ticket (\d)\nAnswer: other\nExpected: (\w+)\nScore: 0", shown)) == {
        (str(n), names[n % 4]) for n in range(8) if n % 4 < 3
    }
    assert number(world.known[0].candidate) == 40


def test_with_a_graded_metric_the_threshold_says_what_is_an_error(bench):
    def graded(candidate, example):
        return 0.6 if on_pool(example) else quality(candidate)

    for threshold, gradients in ((0.5, 0), (0.6, 0), (0.7, 2), (1.0, 2)):
        world = bench(graded, dev=4, reply_of=writing())
        list(APO(rounds=1, beam=1, expansion=SMALL, threshold=threshold).search(world))
        assert len(asked(world, "gradient")) == gradients
    assert "\nScore: 0.6" in asked(world, "gradient")[0]


def test_errors_of_a_program_with_structured_outputs_show_every_field(bench, step):
    person = '{"properties":{"name":{"type":"string"}},"type":"object"}'
    given = classes(
        None, people=(f'{{"items":{person},"type":"array"}}', "list[Person]"), total=('{"type":"number"}',) * 2
    )
    columns = {"text": "Ann and Bé", "people": [{"name": "Ann"}, {"name": "Bé"}], "total": 2}
    row = Example.of(columns, ("text",), "row 0")
    dev = Example.of({**columns, "text": "Cy"}, ("text",), "row 1000")

    def trace(candidate, example):
        return (step("self", example.input_values, {"people": [{"name": "Ann"}], "total": 1}, "{}"),)

    _, shown = errors_shown(bench(score, reply_of=writing(40), trace_of=trace), given, (row,), (dev,))
    assert shown == (
        "Case 1\n"
        "Input: Ann and Bé\n"
        'Answer:\n  people: [{"name": "Ann"}]\n  total: 1\n'
        'Expected:\n  people: [{"name": "Ann"}, {"name": "Bé"}]\n  total: 2\n'
        "Score: 0"
    )


def test_the_words_of_the_metric_the_failure_and_the_reply_that_could_not_be_used_are_shown(bench, step):
    def more(candidate, example):
        if example.values["label"] == "positive":
            return {"feedback": "The irony was missed.\n"}
        trace = (step("self", example.input_values, {}, "Well, it depends."),)
        return {"failure": "unparsed", "reason": "The reply has no field 'label'.", "trace": trace}

    world = told(bench(score, dev=4, pool=4, reply_of=writing()), more)
    list(APO(rounds=1, beam=1, expansion=Expansion(4, 1, 4, paraphrases=0)).search(world))
    for text in (asked(world, "gradient")[0], asked(world, "edit")[0]):
        assert text.count("Score: 0\nFeedback: The irony was missed.\n") == 2
        assert (
            text.count(
                "\nReply, which could not be used: Well, it depends.\n"
                "Failure: unparsed. The reply has no field 'label'.\nExpected: negative\nScore: 0"
            )
            == 2
        )


def test_predictors_are_taken_in_turn_and_errors_show_every_step_with_a_mark_at_the_one_in_question(
    bench, make_student, step
):
    given = make_student(find=(("review",), ("quote",)), judge=(("quote",), ("label",)))

    def trace(candidate, example):
        quote = f"quote of {example.values['review']}"
        return (
            step("find", example.input_values, {"quote": quote}, "r"),
            step("judge", {"quote": quote}, {"label": "positive"}, "r"),
        )

    world = bench(
        lambda candidate, example: (quality(candidate, "find") + quality(candidate, "judge")) / 2,
        dev=4,
        given=given,
        reply_of=writing(40, 30, 20, 60, 50, 10),
        trace_of=trace,
    )
    expansion = Expansion(minibatch=6, groups=1, errors=2, paraphrases=1, successors=3)
    best = list(APO(rounds=1, beam=1, expansion=expansion).search(world))[-1].best.candidate
    assert [best.prompt(path).instruction for path in ("find", "judge")] == ["Do 40.", "Do 60."]
    first, later = asked(world, "gradient")
    mark = " (the predictor whose instruction is to be improved)"
    for text, marks in ((first, (mark, "")), (later, ("", mark))):
        assert f"Call 1, by predictor find{marks[0]}\n  Read: review" in text
        assert f"Call 2, by predictor judge{marks[1]}\n  Read: quote of review" in text
    while_judging = [c for c, _ in world.executed if c.prompt("judge").instruction.startswith("Do")]
    assert {candidate.prompt("find").instruction for candidate in while_judging} == {"Do 40."}
    assert [origin.detail["predictor"] for _, origin, _ in world.recorded[1:]] == ["find"] * 3 + ["judge"] * 3


# money


@pytest.mark.parametrize("budget", [1, 9, 12, 25, 34, 35, 40, 61, 77, 110, 150, 300, 1000])
@pytest.mark.parametrize("settings", [{}, {"beam": 2, "expansion": replace(SMALL, reject_on_errors=True)}], ids=str)
def test_at_every_cut_off_the_best_full_score_is_left_and_money_for_one_is_kept(bench, budget, settings):
    world = bench(score, dev=20, reply_of=writing(), budget=20 + budget)
    best = None
    for done in APO(**settings).search(world):  # never comes to the end of the budget by surprise
        best = done.best
    assert best is None or best == world.known[0]
    if world.asked:
        assert len(world.recorded) >= 2
        assert world.known[0].mean > 0
    assert bool(world.asked) == (budget >= (35 if not settings else 312))


def test_no_round_is_begun_whose_successors_could_not_be_tried(bench):
    world = bench(score, dev=20, reply_of=writing(), budget=20 + 34)  # 12 to expand, 20 for a full score, and 2
    assert [done.name for done in APO().search(world)] == ["self: the beam scored on all rows"]
    assert world.budget == 34


@pytest.mark.parametrize("budget", range(30, 130, 7))
def test_replies_asked_for_again_do_not_bring_the_search_to_an_end(bench, budget):
    write = writing()
    world = bench(
        score, dev=20, reply_of=lambda prompt, draw: "" if draw % 3 else write(prompt, draw), budget=20 + budget
    )
    rounds = list(APO().search(world))
    assert rounds[-1].best == world.known[0]


def test_all_of_the_last_beam_are_scored_on_all_rows_with_the_money_that_was_kept_for_it(bench):
    world = bench(score, dev=20, reply_of=writing(40, 50, 45, 60, 55), budget=20 + 80)
    rounds = list(APO(rounds=1, beam=2, expansion=SMALL, selector=Uniform()).search(world))
    first, second = rounds[1].proposed
    assert [found.candidate for found, *_ in world.recorded] == [world.student, first, second]
    assert rounds[2].proposed == (second,)


def test_a_budget_that_ends_in_the_middle_passes_on_and_what_was_scored_counts(bench):
    write = writing(40, 30, 20, 10, 5)

    def broke_in_the_second_round(prompt, draw):
        world.budget = world.budget if draw < 12 else min(world.budget, 3)
        return write(prompt, draw)

    world = bench(score, dev=20, reply_of=broke_in_the_second_round)
    with pytest.raises(BudgetSpent):
        list(APO(rounds=3, beam=2, expansion=SMALL).search(world))
    assert number(world.known[0].candidate) == 40


def test_it_can_be_closed_after_every_round(bench):
    for stop in (1, 2, 3, 4):
        world = bench(score, dev=10, reply_of=writing())
        search = APO(rounds=3, beam=2, expansion=SMALL).search(world)
        for _ in range(stop):
            done = next(search)
        calls = len(world.asked) + len(world.executed)
        search.close()
        assert len(world.asked) + len(world.executed) == calls
        assert done.best == world.known[0]


@pytest.mark.parametrize("dev", [20, 60])
@pytest.mark.parametrize("budget", [60, 100, 150, 300, 600, 1000, 3000])
def test_the_forecast_is_about_what_is_done_and_never_more_than_there_is(bench, dev, budget):
    def near(candidate, example):
        return float(fraction(candidate.digest, example.digest) < 0.2 + 0.6 * fraction(candidate.digest, "rate"))

    for settings in ({}, {"selector": SuccessiveRejects()}, {"selector": UCBE(), "predictions": 50}):
        world = bench(near, dev=dev, pool=200, reply_of=writing_many(), budget=budget + dev)
        forecast = APO(**settings).forecast(Sizes(pool=200, dev=dev, predictors=1, executions=budget))
        list(APO(**settings).search(world))
        assert forecast.asks + forecast.executions <= budget
        assert len(world.asked) == pytest.approx(forecast.asks, rel=0.4, abs=8)
        done = len(world.executed) - dev
        assert 0.6 * forecast.executions - 2 * dev <= done <= 1.1 * forecast.executions + dev


def writing_many():
    """Any number of instructions, all different."""

    def reply(prompt, draw):
        if "<reason>" in prompt:
            return f"<reason>{reason(prompt, draw)}</reason>"
        return f"<instruction>Do it in manner {draw}.</instruction>"

    return reply


def test_with_more_money_than_it_can_use_the_forecast_says_what_it_uses(bench):
    def better(candidate, example):
        found = re.search(r"manner (\d+)", candidate.prompt("self").instruction)
        return 1 - 1 / (2 + int(found[1])) if found else 0.0

    world = bench(better, dev=10, pool=100, reply_of=writing_many())
    forecast = APO().forecast(Sizes(pool=100, dev=10, predictors=1, executions=10**6))
    list(APO().search(world))
    assert len(world.asked) == forecast.asks
    assert len(world.executed) == pytest.approx(forecast.executions, rel=0.2)


def test_the_forecast_says_what_will_be_done():
    forecast = APO().forecast(Sizes(pool=100, dev=20, predictors=1, executions=300))
    assert forecast.summary == (
        "APO: for the predictor up to 3 rounds with a beam of 1, expanded on 12 rows of the pool, "
        "3 successors each, selected on dev."
    )
    assert APO().forecast(Sizes(100, 20, 1, 0)).executions == 0
    assert APO().forecast(Sizes(100, 20, 1, 30)).executions == 0  # it pays for no round
    two = APO().forecast(Sizes(100, 20, 2, 600))
    assert (two.asks, two.executions) == (2 * forecast.asks, 2 * forecast.executions)


def test_the_forecast_knows_that_the_paraphrases_of_a_text_may_come_in_one_reply():
    sizes = Sizes(pool=100, dev=20, predictors=1, executions=10**5)
    assert APO.paper(writing=Writing(max_tokens=300)).forecast(sizes).reply_tokens == 600
    short = APO(expansion=Expansion(paraphrases=0), writing=Writing(max_tokens=300))
    assert short.forecast(sizes).reply_tokens == 300


def test_sizes_come_from_the_budget_and_what_is_given_stays():
    for executions, beam, minibatch in ((100, 1, 8), (300, 1, 12), (900, 2, 16), (3000, 4, 64)):
        summary = APO().forecast(Sizes(pool=100, dev=20, predictors=1, executions=executions)).summary
        assert f"beam of {beam}, expanded on {minibatch} rows" in summary
    summary = APO(beam=3, expansion=SMALL).forecast(Sizes(pool=100, dev=20, predictors=1, executions=900)).summary
    assert "beam of 3, expanded on 6 rows of the pool, 3 successors" in summary


# beside others


def test_it_starts_from_the_best_that_is_known_and_other_wordings_are_the_first_beam(bench, make_student):
    world = bench(score, dev=4, reply_of=writing(60, 61, 70, 71, 72, 73))
    found = [make_student(f"Do {n}.") for n in (40, 50, 30)]
    world.score(found, origin=Origin("Other", "move"))
    list(APO(rounds=1, beam=3, expansion=replace(SMALL, groups=1)).search(world))
    assert [current(text) for text in asked(world, "gradient")] == ["Do 50.", "Do 40.", "Do 30."]
    assert [current(text) for text in asked(world, "paraphrase")][3:] == ["Do 50.", "Do 40.", "Do 30."]
    reexecuted = [candidate for candidate, example in world.executed[16:] if not on_pool(example)]
    assert not set(reexecuted) & {world.student, *found}


class LatestFirst(Standings):
    """Of equals the latest is ranked first."""

    @property
    def ranking(self):
        return sorted(range(len(self.counts)), key=lambda arm: (-self.mean(arm), -arm))


class LatestOfEquals:
    """Shows all arms the same four rows and prefers the latest of equals."""

    def rounds(self, contest, pull, rng):
        arms = range(contest.arms)
        yield LatestFirst.of(contest.arms).after(arms, pull(arms, range(4)))


def test_what_others_find_between_two_rounds_is_the_next_beam_where_it_is_the_best(bench, make_student):
    world = bench(score, dev=20, reply_of=writing())
    search = APO(rounds=2, beam=2, expansion=SMALL, predictions=80).search(world)
    next(search), next(search)
    found = make_student("Do 90.")
    world.score([found], origin=Origin("Other", "move"))
    executed = len(world.executed)
    next(search)
    assert next(search).proposed[0] == found
    ran = [candidate for candidate, _ in world.executed[executed:]]
    assert found not in ran  # it was scored before, so it costs nothing
    assert list(search)[-1].best.candidate == found


@pytest.mark.parametrize("at", ["before its successors", "after its successors"])
def test_what_others_find_is_as_good_as_a_parent_among_equals_and_successors_are_not(bench, make_student, at):
    world = bench(lambda candidate, example: 0.5, dev=20, reply_of=writing())
    search = APO(rounds=2, beam=1, expansion=SMALL, selector=LatestOfEquals()).search(world)
    next(search)
    assert next(search).proposed == (world.student,)  # the parent, not the latest of its successors
    found = make_student("Do 90.")
    if at == "before its successors":
        world.score([found], origin=Origin("Other", "move"))
    next(search)
    if at == "after its successors":
        world.score([found], origin=Origin("Other", "move"))
    assert next(search).proposed == (found,)  # later than the parent, and no worse


# settings


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


def answering(prompt, draw):
    return f"<reason>{reason(prompt, draw)}</reason>" if "<reason>" in prompt else instruct(prompt, draw)


@pytest.mark.slow
@pytest.mark.parametrize(
    "agent",
    [
        APO(),
        APO(
            beam=2,
            expansion=Expansion(6, 1, 2, paraphrases=1, successors=2, reject_on_errors=True, curriculum=True),
            selector=SuccessiveRejects(),
        ),
        APO(expansion=Expansion(4, 1, 2, paraphrases=1, successors=2, curriculum=SuccessRate(2), pacing=Linear())),
    ],
    ids=("as it comes", "small", "by difficulty"),
)
def test_it_passes_the_conformance_suite_at_many_cut_offs(agent):
    limits = (1, 7, 20, 33, 47, 61, 75, 90, 110, 130, 150, 180, 210)
    check_teleprompter(agent, writer=answering, limits=limits)


def test_what_was_tried_and_why_is_kept_for_people_to_read_after_every_round(bench):
    world = bench(score, dev=4, reply_of=writing())
    list(APO(rounds=2, beam=1, expansion=SMALL).search(world))
    first, second = world.kept["apo_rounds"]
    assert first["expanded"] == [world.student.prompt("self").instruction]
    assert {one["move"] for one in first["successors"]} == {"edit", "paraphrase"}
    assert all(one["reason"] for one in first["successors"] if one["move"] == "edit")
    assert first["beam"] == second["expanded"]
