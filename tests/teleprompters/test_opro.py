from __future__ import annotations

import random
import re

import pytest

from burnish.signatures.errors import BudgetSpent
from burnish.signatures.prompt import POSITIONS
from burnish.signatures.schema import Field, Schema
from burnish.teleprompters import OPRO, Sizes
from burnish.teleprompters.asking import Writing
from burnish.teleprompters.base import Origin, Score
from burnish.teleprompters.opro_trajectory import ExemplarChoice, Exemplars, Shown, Trajectory, exemplar, where
from burnish.teleprompters.token_cost import TokenCost
from burnish.testing import check_teleprompter
from burnish.testing.conformance_world import fraction

START = "Classify the review."


def quality(candidate, path="self"):
    """The number in an instruction "Do 42." in hundredths; the student's has none."""
    found = re.search(r"Do (\d+)", candidate.prompt(path).instruction)
    return int(found[1]) / 100 if found else 0.0


def number(candidate):
    return round(100 * quality(candidate))


def score(candidate, example):
    return quality(candidate)


def writing(*qualities):
    """Replies: "Do 42." with the next of these numbers."""
    left = iter(qualities or range(1, 10**6))
    return lambda prompt, draw: f"<instruction>Do {next(left)}.</instruction>"


@pytest.fixture
def bench(bench):
    """bench(...): one that also records what is scored on the rows of dev by name, and notes temperatures."""

    def build(score_of=score, **options):
        world = bench(score_of, **options)
        score, ask, world.temperatures = world.score, world.ask, []

        def recorded(candidates, examples=None, **named):
            return score(candidates, None if examples == world.dev else examples, **named)

        def noted(requests, n=1, *, temperature, **named):
            world.temperatures.append(temperature)
            return ask(requests, n, temperature=temperature, **named)

        world.score, world.ask = recorded, noted
        return world

    return build


def requests(world):
    """The meta-prompts, each once, in the order sent."""
    return list(dict.fromkeys(text for _, text in world.asked))


def shown(request):
    """Instructions and scores in a meta-prompt, as they stand."""
    return re.findall(r"instruction:\n(.*)\nscore:\n(.*)", request)


def exemplars(request):
    """Numbers of the pool rows in a meta-prompt, in the order shown."""
    return [int(n) for n in re.findall(r"Input: review (\d+)", request)]


def on_dev(world):
    return [(number(candidate), example.place) for candidate, example in world.executed if example in world.dev]


def numbers(candidates):
    return [number(candidate) for candidate in candidates]


# the search as in the paper


def test_two_steps_walk_as_in_the_paper_show_the_trajectory_ascending_write_score_and_add(bench):
    world = bench(dev=20, pool=9, reply_of=writing(40, 50, 45, 60, 30, 55))
    rounds = list(OPRO(steps=2, proposals=3).search(world))

    # All proposals of a step come from one meta-prompt.
    assert {purpose for purpose, _ in world.asked} == {"OPRO step"}
    first, second = requests(world)
    assert [text for _, text in world.asked] == [first] * 3 + [second] * 3
    assert shown(first) == [(START, "0")]
    assert shown(second) == [(START, "0"), ("Do 40.", "40"), ("Do 45.", "45"), ("Do 50.", "50")]
    assert "Scores are whole numbers from 0 to 100." in second

    # Three exemplars of the pool with their labels, the place of the instruction marked in each.
    for request in (first, second):
        pairs = re.findall(r"<INS>\nInput: review (\d+)\nOutput: (\w+)", request)
        assert len(pairs) == len(set(pairs)) == 3
        assert all(int(n) < 9 and label == ("positive" if int(n) % 2 else "negative") for n, label in pairs)

    # Every proposal is scored on the same rows, all of dev here.
    places = [f"row {n}" for n in range(1000, 1020)]
    assert on_dev(world) == [(n, place) for n in (0, 40, 50, 45, 60, 30, 55) for place in places]
    assert len(world.executed) == 7 * 20

    assert [done.name for done in rounds] == [
        "self: the start, on 20 rows",
        "self: step 1, 3 on 20 rows",
        "self: step 2, 3 on 20 rows",
        "self: 3 scored on all rows",
    ]
    assert [numbers(done.proposed) for done in rounds] == [[], [40, 50, 45], [60, 30, 55], [60, 55, 50]]
    assert [number(done.best.candidate) for done in rounds] == [0, 50, 60, 60]
    _, origin, parents = next(record for record in world.recorded if number(record[0].candidate) == 60)
    assert (origin.teleprompter, origin.move, origin.detail) == ("OPRO", "step 2", {"predictor": "self"})
    assert parents == (world.student,)


def test_the_best_twenty_are_shown_and_the_best_of_them_last(bench):
    order = [*range(60, 73), *range(20, 32), 90]
    world = bench(dev=4, reply_of=writing(*order, *range(1, 27)))
    list(OPRO(steps=2, proposals=26).search(world))
    assert [int(n) for _, n in shown(requests(world)[1])] == sorted(order)[-20:]


def test_of_dev_a_part_is_enough_to_search_on_and_the_best_are_scored_on_all_of_it(bench):
    world = bench(dev=30, reply_of=writing(40, 50, 60, 55))
    rounds = list(OPRO(steps=2, proposals=2, rows=6, finalists=2).search(world))
    searched = on_dev(world)[30:]  # after the student's 30
    subset = {place for n, place in searched[:6]}
    assert len(subset) == 6
    assert [n for n, _ in searched] == [40] * 6 + [50] * 6 + [60] * 6 + [55] * 6 + [60] * 24 + [55] * 24
    assert all({place for n, place in searched[start : start + 6]} == subset for start in range(0, 24, 6))
    assert [(number(found.candidate), len(found.values)) for found, *_ in world.recorded[1:]] == [(60, 30), (55, 30)]
    assert [origin.move for _, origin, _ in world.recorded[1:]] == ["step 2"] * 2
    assert rounds[-1].name == "self: 2 scored on all rows"
    assert rounds[-1].best == world.known[0]


def test_the_incumbent_stays_when_no_proposal_beats_it(bench):
    world = bench(lambda candidate, example: float(candidate == world.student), reply_of=writing())
    assert list(OPRO(steps=2).search(world))[-1].best.candidate == world.student


# how the trajectory is shown


@pytest.fixture
def trajectory(make_student):
    """trajectory(shown, (text, mean), ...): instructions with their means, by which they are compared."""

    def build(shown, *scored, preference=lambda score: score.mean):
        built = Trajectory(shown, preference)
        built.extend([Score(make_student(text), (mean,) * 4, ("a", "b", "c", "d")) for text, mean in scored])
        return built

    return build


def means(trajectory):
    return [score.mean for score in trajectory.ascending()]


def test_scores_are_shown_as_whole_numbers_of_so_many_parts_or_with_three_digits(trajectory):
    scored = (("A.", 0.1234), ("B.", 0.5), ("C.", 0.8765))
    for buckets, expected in ((100, ["12", "50", "88"]), (20, ["2", "10", "18"]), (None, ["0.123", "0.5", "0.876"])):
        built = trajectory(Shown(buckets=buckets), *scored)
        assert shown(built.as_pairs("self")) == list(zip(["A.", "B.", "C."], expected, strict=True))
        assert re.findall(r"Precision: (\S+) <TEXT>(.*)</TEXT>", built.as_list("self")) == list(
            zip(expected, ["A.", "B.", "C."], strict=True)
        )
    assert "from 0 to 20" in trajectory(Shown(buckets=20), *scored).scale
    assert trajectory(Shown(buckets=None), *scored).scale == "A higher score is better."


def test_scores_that_are_no_shares_are_shown_as_they_are(trajectory):
    built = trajectory(Shown(), ("A.", -3.0), ("B.", 0.5), ("C.", 12.25))
    assert shown(built.as_pairs("self")) == [("A.", "-3"), ("B.", "0.5"), ("C.", "12.2")]
    assert built.scale == "A higher score is better."
    assert built.next_line == "Precision: 13 <TEXT>"  # more than any there is


def test_what_lies_below_the_threshold_is_left_out_of_the_best_and_nobody_takes_its_place(trajectory):
    scored = (("A.", 0.9), ("B.", 0.8), ("C.", 0.4), ("D.", 0.2))
    assert means(trajectory(Shown(threshold=0.3), *scored)) == [0.4, 0.8, 0.9]
    assert means(trajectory(Shown(instructions=2, threshold=0.3), *scored)) == [0.8, 0.9]
    # What is compared, with each other and with the threshold, is what they are worth.
    worth = {0.9: 0.1, 0.8: 0.7, 0.4: 0.6, 0.2: 0.2}
    short = trajectory(Shown(instructions=2, threshold=0.5), *scored, preference=lambda score: worth[score.mean])
    assert means(short) == [0.4, 0.8]


def test_a_threshold_above_all_scores_leaves_a_meta_prompt_without_instructions(bench):
    world = bench(dev=4, reply_of=writing(60, 70))
    list(OPRO(steps=1, proposals=2, shown=Shown(threshold=0.5)).search(world))
    assert shown(requests(world)[0]) == []
    assert "(none has been tried yet)" in requests(world)[0]


def test_of_equal_instructions_the_latest_are_shown_and_stand_last_and_the_first_is_the_best(trajectory):
    built = trajectory(Shown(instructions=2), ("A.", 0.5), ("B.", 0.5), ("C.", 0.5), ("D.", 0.1))
    assert [text for text, _ in shown(built.as_pairs("self"))] == ["B.", "C."]
    assert built.best.prompt("self").instruction == "A."


def test_an_empty_instruction_is_shown_as_none(bench, make_student):
    world = bench(dev=4, given=make_student(""), reply_of=writing(60))
    list(OPRO(steps=1, proposals=1).search(world))
    assert shown(requests(world)[0]) == [("(no instruction)", "0")]


# exemplars


def searched_with(bench, rule, steps=4):
    world = bench(dev=4, pool=60, reply_of=writing())
    list(OPRO(steps=steps, proposals=1, exemplars=Exemplars(rule)).search(world))
    return [exemplars(request) for request in requests(world)]


def test_random_exemplars_are_others_at_every_step_and_the_same_in_every_run(bench):
    drawn = searched_with(bench, "random")
    assert len({tuple(rows) for rows in drawn}) == 4
    assert drawn == searched_with(bench, "random")


def test_constant_exemplars_are_the_same_at_every_step(bench):
    drawn = searched_with(bench, "constant")
    assert len(drawn) == 4
    assert len({tuple(rows) for rows in drawn}) == 1


@pytest.fixture
def choice(bench, make_student):
    """choice(rule, wrong, ...): exemplars of a search in which the nth instruction got the rows wrong[n] of the pool.

    Instructions are as good as their number says. Gives the world, the choice, and the trajectory.
    """

    def build(rule, wrong, *, shown=20, count=2):
        def right(candidate, example):
            return float(int(example.place.split()[-1]) not in wrong.get(number(candidate), ()))

        world = bench(right, pool=8)
        tried = [make_student(f"Do {n}.") for n in wrong]
        choice = ExemplarChoice(world, Exemplars(rule, count=count, rows=8), world.pool, world.rng("test"))
        choice.count(tried)
        trajectory = Trajectory(Shown(instructions=shown), lambda score: score.mean)
        trajectory.extend([Score(one, (quality(one),), ("a",)) for one in tried])
        return world, choice, trajectory

    return build


def chosen(choice, trajectory, draws=50):
    """What is chosen in many steps: row numbers, in the order shown."""
    picked = [choice.choose(trajectory, random.Random(f"step {n}")) for n in range(draws)]
    return [[int(row.place.split()[-1]) for row in rows] for rows in picked]


def test_most_often_wrong_are_truly_those_that_most_instructions_ever_got_wrong(choice):
    wrong = {10: {1, 2, 3}, 20: {1, 2, 4}, 30: {1, 2, 5}, 90: {1, 6}}
    for shown in (1, 20):  # also those that are shown no more count
        _, picks, trajectory = choice("most_often_wrong", wrong, shown=shown)
        assert chosen(picks, trajectory) == [[1, 2]] * 50


def test_currently_wrong_are_those_that_most_instructions_shown_got_wrong(choice):
    wrong = {10: {1, 2, 3}, 20: {1, 2, 4}, 30: {1, 2, 5}, 80: {6}, 90: {6, 7}}
    _, picks, trajectory = choice("currently_wrong", wrong, shown=2)
    assert chosen(picks, trajectory) == [[6, 7]] * 50


def test_rows_that_equally_many_got_wrong_are_chosen_at_random(choice):
    _, picks, trajectory = choice("currently_wrong", {10: {1, 2, 3, 4}, 20: {1, 2, 3, 4, 5}})
    drawn = chosen(picks, trajectory)
    assert {row for rows in drawn for row in rows} == {1, 2, 3, 4}
    assert len({frozenset(rows) for rows in drawn}) == 6  # every pair of the four


@pytest.mark.parametrize("rule", ["most_often_wrong", "currently_wrong"])
def test_where_fewer_are_wrong_than_wanted_these_are_shown_and_where_none_is_random_ones(choice, rule):
    _, picks, trajectory = choice(rule, {10: set(), 20: {5}}, count=3)
    assert chosen(picks, trajectory) == [[5]] * 50
    _, picks, trajectory = choice(rule, {10: set(), 20: set()}, count=3)
    drawn = chosen(picks, trajectory)
    assert {len(set(rows)) for rows in drawn} == {3}
    assert {row for rows in drawn for row in rows} == set(range(8))


@pytest.mark.parametrize("rule", ["most_often_wrong", "currently_wrong"])
def test_what_is_wrong_is_found_on_the_same_rows_of_the_pool_and_never_on_dev(bench, rule):
    def wrong(candidate, example):
        return quality(candidate) if example.place.startswith("row 100") else float(example.place != "row 7")

    world = bench(wrong, dev=4, pool=20, reply_of=writing(40, 50, 60, 70))
    list(OPRO(steps=2, proposals=2, exemplars=Exemplars(rule, rows=20)).search(world))
    assert [exemplars(request) for request in requests(world)] == [[7], [7]]
    watched = [(number(candidate), example.place) for candidate, example in world.executed if example in world.pool]
    assert sorted(watched) == sorted((n, f"row {row}") for n in (0, 40, 50, 60, 70) for row in range(20))
    assert not set(world.pool) & set(world.dev)


def test_only_so_many_rows_are_watched_and_a_score_below_the_threshold_is_wrong(bench):
    for threshold, all_wrong in ((0.5, False), (1.0, True)):
        world = bench(lambda candidate, example: 0.6, dev=4, pool=200, reply_of=writing())
        rule = Exemplars("most_often_wrong", rows=5, threshold=threshold)
        list(OPRO(steps=1, proposals=2, exemplars=rule).search(world))
        watched = [example.place for _, example in world.executed if example in world.pool]
        assert len(watched) == 3 * 5
        assert len(set(watched)) == 5
        assert ({f"row {n}" for n in exemplars(requests(world)[0])} <= set(watched)) == all_wrong


def test_a_meta_prompt_may_say_that_exemplars_are_errors_only_where_they_are(bench):
    text = "{{trajectory}} {{exemplars}} <errors>{{errors}}</errors>"
    for rule, says in (("random", False), ("constant", False), ("most_often_wrong", True), ("currently_wrong", True)):
        world = bench(dev=4, reply_of=writing())
        list(OPRO(steps=1, proposals=1, exemplars=Exemplars(rule), metaprompt=text).search(world))
        assert ("<errors></errors>" not in requests(world)[0]) == says


def test_exemplars_show_the_instruction_where_it_truly_stands():
    one = Schema((Field("review"),), (Field("label"),))
    values = {"review": "Good: very.", "label": "yes"}
    assert {position: exemplar(one, values, position) for position in POSITIONS} == {
        "system": "<INS>\nInput: Good: very.\nOutput: yes",
        "before_question": "<INS>\nInput: Good: very.\nOutput: yes",
        "question_begin": "Input: <INS>\nGood: very.\nOutput: yes",
        "question_end": "Input: Good: very.\n<INS>\nOutput: yes",
        "answer_begin": "Input: Good: very.\nOutput: <INS> yes",
    }
    two = Schema((Field("review"), Field("stars")), (Field("why"), Field("label")))
    values = {"review": "Good.", "stars": 5, "why": "So it says.", "label": "yes"}
    assert {position: exemplar(two, values, position) for position in POSITIONS[2:]} == {
        "question_begin": "Input: <INS>\nreview: Good.\nstars: 5\nOutput:\nwhy: So it says.\nlabel: yes",
        "question_end": "Input:\nreview: Good.\nstars: 5\n<INS>\nOutput:\nwhy: So it says.\nlabel: yes",
        "answer_begin": "Input:\nreview: Good.\nstars: 5\nOutput: <INS> why: So it says.\nlabel: yes",
    }


@pytest.mark.parametrize("style", ["chat", "instruction_tuned", "pretrained"])
def test_the_meta_prompt_says_where_the_instruction_stands(bench, make_student, style):
    assert len({where(position) for position in POSITIONS}) == len(POSITIONS)
    for position in POSITIONS:
        given = make_student().with_prompt("self", position=position)
        world = bench(dev=4, given=given, reply_of=writing())
        list(OPRO(steps=1, proposals=1, style=style).search(world))
        assert where(position) in requests(world)[0]


# replies


@pytest.mark.parametrize(
    ("style", "reply", "expected"),
    [
        ("chat", "Sure.\n<instruction>Name the mood.</instruction>", "Name the mood."),
        ("chat", "<instruction><INS>Name the mood.</INS></instruction>", "Name the mood."),
        ("chat", "<INS>Name the mood.</INS>", "Name the mood."),
        ("chat", "<INS> Name the mood.", "Name the mood."),
        ("chat", "Name the mood.", "Name the mood."),
        ("chat", "<instruction></instruction>", None),
        ("chat", "<instruction><INS></INS></instruction>", None),
        ("instruction_tuned", "[Name the mood.]", "Name the mood."),
        ("instruction_tuned", "See [1]: here it is: [Name the mood.] [2]", "Name the mood."),
        ("instruction_tuned", "Name the mood.", "Name the mood."),
        ("instruction_tuned", "As in [1], name the mood.", "As in [1], name the mood."),
        ("instruction_tuned", "[Name the\nmood.]", "Name the\nmood."),
        ("instruction_tuned", "", None),
        ("pretrained", "Name the mood.</TEXT>", "Name the mood."),
        ("pretrained", "Name the mood.</TEXT>\nPrecision: 100 <TEXT>Guess.</TEXT>\nPrec", "Name the mood."),
        ("pretrained", "Name the mood.</text>\nPrecision: 100 <TEXT>Guess and", "Name the mood."),
        ("pretrained", "Precision: 99 <TEXT>Name the mood.</TEXT>", "Name the mood."),
        ("pretrained", "Name the mood.", "Name the mood."),
        ("pretrained", "</TEXT>\nPrecision: 100 <TEXT>Guess.</TEXT>", None),
    ],
)
def test_each_style_reads_its_own_kind_of_reply(bench, style, reply, expected):
    world = bench(dev=2, reply_of=lambda prompt, draw: reply)
    rounds = list(OPRO(steps=1, proposals=1, style=style).search(world))
    found = [candidate.prompt("self").instruction for candidate in rounds[1].proposed]
    assert found == ([] if expected is None else [expected])
    assert all(candidate.prompt("self").instruction for candidate, _ in world.executed)


@pytest.mark.parametrize("style", ["chat", "instruction_tuned", "pretrained"])
def test_an_unreadable_reply_is_asked_for_once_more_and_then_dropped_and_counted(bench, style):
    good = {"chat": "<instruction>{}</instruction>", "instruction_tuned": "[{}]", "pretrained": "{}</TEXT>"}[style]
    world = bench(dev=2, reply_of=lambda prompt, draw: good.format(f"Do {draw}.") if draw in (2, 5) else " ")
    rounds = list(OPRO(steps=1, proposals=3, style=style).search(world))
    assert [purpose for purpose, _ in world.asked] == ["OPRO step"] * 3 + ["OPRO step, once more"] * 2
    assert numbers(rounds[1].proposed) == [2, 5]
    assert [event for event, _ in world.events] == ["reply dropped"]
    assert world.events[0][1]["purpose"] == "OPRO step"


def test_the_style_for_pretrained_models_ends_where_the_next_instruction_begins(bench):
    world = bench(dev=2, reply_of=lambda prompt, draw: f"Do {40 + draw}.</TEXT>")
    list(OPRO(steps=2, proposals=2, style="pretrained").search(world))
    assert requests(world)[1].endswith(
        f"Precision: 0 <TEXT>{START}</TEXT>\nPrecision: 41 <TEXT>Do 41.</TEXT>\nPrecision: 42 <TEXT>Do 42.</TEXT>\n\n"
        "Precision: 100 <TEXT>"
    )


# what may be proposed


def test_proposals_that_differ_in_white_space_alone_are_one_and_are_not_proposed_again(bench):
    same = ["Do 40.", " Do  40.", "Do\n40.", "Do 50.", "Do 40.", "Classify  the review."]
    world = bench(dev=2, reply_of=lambda prompt, draw: f"<instruction>{same[draw - 1]}</instruction>")
    rounds = list(OPRO(steps=2, proposals=3).search(world))
    assert [numbers(done.proposed) for done in rounds[1:3]] == [[40], [50]]
    assert [event for event, *_ in world.events].count("rejected") == 4
    assert {code for event, code in world.events} == {"duplicate"}


def test_seeds_are_scored_shown_and_never_proposed_again(bench):
    world = bench(dev=4, reply_of=writing(30, 40))
    rounds = list(OPRO(seeds=("Do 30.", "Do 20."), steps=1, proposals=2).search(world))
    assert numbers(rounds[0].proposed) == [30, 20]
    assert shown(requests(world)[0]) == [(START, "0"), ("Do 20.", "20"), ("Do 30.", "30")]
    assert numbers(rounds[1].proposed) == [40]
    assert world.events == [("rejected", "duplicate")]
    moves = {number(found.candidate): origin.move for found, origin, _ in world.recorded[1:]}
    assert moves == {40: "step 1", 30: "seed", 20: "seed"}


def test_a_seed_can_be_what_comes_out(bench):
    world = bench(dev=30, reply_of=writing(30, 40))
    rounds = list(OPRO(seeds=("Do 80.",), steps=1, proposals=2, rows=5, finalists=1).search(world))
    assert number(rounds[-1].best.candidate) == 80


def test_an_instruction_that_is_too_long_is_rejected(bench):
    world = bench(dev=2, reply_of=writing(7, 1234, 8))
    rounds = list(OPRO(steps=1, proposals=3, writing=Writing(max_length=5)).search(world))
    assert numbers(rounds[1].proposed) == [7, 8]
    assert world.events == [("rejected", "too long")]


# positions


def test_the_best_place_is_found_with_the_first_instruction_and_again_with_the_best(bench):
    """At the start the question's end is better, and with the instruction that is found the beginning is."""

    def placed(candidate, example):
        better = "question_begin" if number(candidate) == 60 else "question_end"
        return quality(candidate) + 0.05 * (candidate.prompt("self").position == better)

    world = bench(placed, dev=30, reply_of=writing(50, 60))
    search = OPRO(positions=("question_begin", "question_end"), steps=1, proposals=2, rows=6, finalists=1)
    rounds = list(search.search(world))
    tried = [(number(c), c.prompt("self").position) for c, example in world.executed if example in world.dev]
    assert tried == [
        *[(0, "system")] * 30,
        *[(0, "question_begin")] * 6,
        *[(0, "question_end")] * 6,
        *[(50, "question_end")] * 6,
        *[(60, "question_end")] * 6,
        *[(60, "question_end")] * 24,
        *[(60, "question_begin")] * 30,
    ]
    (request,) = requests(world)
    assert where("question_end") in request
    assert re.search(r"Input: review \d+\n<INS>\nOutput:", request)
    assert shown(request) == [(START, "5")]
    assert [candidate.prompt("self").position for candidate in rounds[0].proposed] == ["question_end"]
    best = rounds[-1].best.candidate
    assert (number(best), best.prompt("self").position) == (60, "question_begin")
    _, origin, parents = world.recorded[-1]
    assert (origin.teleprompter, origin.move) == ("OPRO", "position")
    assert [(number(parent), parent.prompt("self").position) for parent in parents] == [(60, "question_end")]


def test_an_instruction_that_is_best_where_it_was_moved_to_gets_a_full_score(bench, make_student):
    moved = make_student().with_prompt("self", position="question_end")

    def best_moved(candidate, example):
        return 0.9 if candidate == moved else quality(candidate)

    world = bench(best_moved, dev=30, reply_of=writing())
    rounds = list(OPRO(positions=("question_end",), steps=1, proposals=2, rows=6, finalists=1).search(world))
    assert rounds[-1].best.candidate == moved
    assert len(rounds[-1].best.values) == 30


def test_where_no_other_place_is_better_the_instruction_stays(bench):
    world = bench(dev=4, reply_of=writing())
    best = list(OPRO(positions=POSITIONS, steps=1, proposals=2).search(world))[-1].best.candidate
    assert best.prompt("self").position == "system"


@pytest.mark.parametrize("rows", [6, 20])
def test_money_for_the_places_is_kept_and_all_the_rest_goes_into_steps(bench, rows):
    search = OPRO(positions=("system", "question_end", "answer_begin"), proposals=1, rows=rows, finalists=1)
    world = bench(dev=20, reply_of=writing(), budget=20 + 400)
    list(search.search(world))
    best = number(world.known[0].candidate)
    places = {candidate.prompt("self").position for candidate, _ in world.executed if number(candidate) == best}
    assert places == {"system", "question_end", "answer_begin"}
    assert world.budget <= rows + 1


# steps


def test_the_temperature_goes_in_equal_steps_from_the_first_to_the_last(bench):
    for settings, expected in (
        ({"final_temperature": 1.5}, [0.5, 1.0, 1.5]),
        ({"final_temperature": 0.0}, [0.5, 0.25, 0.0]),
        ({}, [0.5] * 3),
    ):
        world = bench(dev=2, reply_of=writing())
        list(OPRO(steps=3, proposals=2, writing=Writing(temperature=0.5), **settings).search(world))
        assert world.temperatures == expected


def test_it_ends_when_so_many_steps_in_a_row_bring_nothing_better(bench):
    world = bench(dev=2, reply_of=writing(50, 40, 60, 60, 55, 60, 10, 90))
    rounds = list(OPRO(proposals=1, patience=3).search(world))
    assert [done.name for done in rounds][1:-1] == [
        "self: step 1, 1 on 2 rows",
        "self: step 2, 1 on 2 rows",
        "self: step 3, 1 on 2 rows",
        "self: step 4, 0 on 2 rows",
        "self: step 5, 1 on 2 rows",
        "self: step 6, 0 on 2 rows",
    ]
    assert world.events[-1] == ("stopped: the trajectory stagnates", {"predictor": "self"})


def test_without_patience_it_goes_on_to_the_last_step(bench):
    world = bench(lambda candidate, example: 0.5, dev=2, reply_of=writing())
    rounds = list(OPRO(steps=9, proposals=1, patience=None).search(world))
    assert len(rounds) == 1 + 9 + 1
    assert world.events == []


def test_what_repeated_proposals_leave_over_pays_for_more_steps_than_were_planned(bench):
    planned = OPRO(rows=10, proposals=2).forecast(Sizes(pool=20, dev=20, predictors=1, executions=300)).asks // 2

    def repeating(prompt, draw):
        return f"<instruction>Do {draw if draw % 4 == 0 else 1}.</instruction>"

    def steps(**settings):
        world = bench(dev=20, reply_of=repeating, budget=20 + 300)
        rounds = list(OPRO(rows=10, proposals=2, **settings).search(world))
        return sum(": step " in done.name for done in rounds), world

    made, world = steps(patience=None)
    assert made > 1.5 * planned
    # It ends when neither a step nor the full scores that money was kept for could be paid any more.
    assert world.budget < 2 * (1 + 10) + 10
    # Every second step brings something better, so patience does not end it sooner; and steps that are given are kept.
    assert steps(patience=3)[0] == made
    assert steps(patience=None, steps=planned)[0] == planned


def test_steps_beyond_those_planned_end_with_patience_and_keep_the_last_temperature(bench):
    world = bench(
        dev=20, reply_of=lambda prompt, draw: f"<instruction>Do {min(draw, 7)}.</instruction>", budget=20 + 60
    )
    opro = OPRO(rows=20, proposals=1, patience=5, final_temperature=0.0)
    assert opro.forecast(Sizes(pool=20, dev=20, predictors=1, executions=60)).asks == 2
    write = iter([7] * 99)
    world.reply_of = lambda prompt, draw: f"<instruction>Do {next(write)}.</instruction>"
    rounds = list(opro.search(world))
    assert sum(": step " in done.name for done in rounds) == 1 + 5
    assert world.events[-1] == ("stopped: the trajectory stagnates", {"predictor": "self"})
    assert world.temperatures == [1.0] + [0.0] * 5


# the price of tokens


def test_the_writer_is_told_the_price_and_long_prompts_lose_for_it(bench):
    long = "Do 50. " + "Mind every word of it. " * 20

    def reply(prompt, draw):
        return f"<instruction>{long if draw == 1 else f'Do {draw + 40}.'}</instruction>"

    for penalty, order in ((0.0, [START, "Do 42.", long.strip()]), (0.1, [START, long.strip(), "Do 42."])):
        cost = TokenCost(usd_per_million=0.5, penalty=penalty)
        world = bench(dev=30, reply_of=reply)
        search = OPRO(steps=2, proposals=2, rows=5, finalists=1, writing=Writing(token_cost=cost))
        list(search.search(world))
        assert all("a prompt token costs $0.00000050" in request for request in requests(world))
        texts, numbers = zip(*shown(requests(world)[1]), strict=True)
        assert list(texts) == order
        assert sorted(numbers, key=int) == list(numbers)  # what is shown is what is compared
        assert number(world.recorded[-1][0].candidate) == (44 if penalty else 50)  # the second step brings 43 and 44


def test_the_best_by_preference_is_the_best_that_rounds_name_and_the_one_to_go_on_from(bench):
    long = "Do 50. " + "Mind every word of it. " * 20
    replies = iter([long, "Do 42.", "Do 43.", "Do 44."])
    opro = OPRO(steps=2, proposals=2, writing=Writing(token_cost=TokenCost(usd_per_million=0.5, penalty=0.1)))
    world = bench(
        dev=20,
        preference=opro.preference,
        reply_of=lambda prompt, draw: f"<instruction>{next(replies)}</instruction>",
    )
    rounds = list(opro.search(world))
    assert [number(done.best.candidate) for done in rounds] == [0, 42, 44, 44]
    assert number(world.known[0].candidate) == 44
    assert max(score.mean for score in world.known) == pytest.approx(0.5)


def test_nothing_is_said_of_the_price_where_there_is_none(bench):
    world = bench(dev=2, reply_of=writing())
    list(OPRO(steps=1, proposals=1).search(world))
    assert "token" not in requests(world)[0]


# beside others


def test_it_starts_from_the_best_that_is_known_and_shows_what_others_have_found(bench, make_student):
    world = bench(dev=4, reply_of=writing(60, 61, 62, 63))
    world.score([make_student(f"Do {n}.") for n in (40, 50)], origin=Origin("Other", "move"))
    search = OPRO(steps=2, proposals=2).search(world)
    next(search), next(search)
    assert shown(requests(world)[0]) == [(START, "0"), ("Do 40.", "40"), ("Do 50.", "50")]
    assert number(world.recorded[-1][2][0]) == 50  # what the proposals were made from

    # Between two rounds somebody else finds more.
    spent = len(world.executed)
    other = [make_student("Do 77.")]
    world.score(other, origin=Origin("Other", "move"))
    next(search)
    assert [mean for _, mean in shown(requests(world)[1])] == ["0", "40", "50", "60", "61", "77"]
    assert len(world.executed) == spent + 4 + 2 * 4
    assert next(search).best.candidate == other[0]


def test_it_can_be_closed_after_every_round(bench):
    for stop in (1, 2, 3):
        world = bench(dev=10, reply_of=writing())
        search = OPRO(steps=3, proposals=2).search(world)
        for _ in range(stop):
            done = next(search)
        calls = len(world.asked) + len(world.executed)
        search.close()
        assert len(world.asked) + len(world.executed) == calls
        assert done.best == world.known[0]


def test_predictors_are_taken_in_turn_with_the_others_held_at_their_best(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("review",), ("label",)))

    def trace(candidate, example):
        return (step("find", example.input_values, {"quote": f"quote of {example.values['review']}"}, "r"),)

    world = bench(
        lambda candidate, example: (quality(candidate, "find") + quality(candidate, "judge")) / 2,
        dev=4,
        given=given,
        reply_of=writing(),
        trace_of=trace,
    )
    rounds = list(OPRO(steps=2, proposals=2).search(world))
    best = rounds[-1].best.candidate
    assert [best.prompt(path).instruction for path in ("find", "judge")] == ["Do 4.", "Do 8."]
    assert [done.name.split(":")[0] for done in rounds] == ["find"] * 4 + ["judge"] * 4
    first, second, third, fourth = requests(world)
    assert re.search(r"<INS>\nInput: review \d+\nOutput: quote of review", first)  # by what the program did
    assert re.search(r"<INS>\nInput: review \d+\nOutput: (positive|negative)", third)
    # Each trajectory shows one predictor's instructions; what the other has by now counts in the scores.
    assert shown(second) == [(START, "0"), ("Do 1.", "0"), ("Do 2.", "1")]
    assert shown(fourth) == [(START, "2"), ("Do 5.", "4"), ("Do 6.", "5")]
    while_judging = [c for c, _ in world.executed if c.prompt("judge").instruction.startswith("Do")]
    assert {candidate.prompt("find").instruction for candidate in while_judging} == {"Do 4."}


def test_each_predictor_has_its_share_of_the_budget(bench, make_student):
    given = make_student(a=(("review",), ("label",)), b=(("review",), ("label",)))
    world = bench(
        lambda candidate, example: (quality(candidate, "a") + quality(candidate, "b")) / 2,
        dev=20,
        given=given,
        reply_of=writing(),
        budget=20 + 600,
    )
    spent = {"a": 0, "b": 0}
    for done in OPRO(patience=None).search(world):
        spent[done.name[0]] = 620 - world.budget
    assert spent["a"] == pytest.approx(20 + 300, abs=50)
    assert spent["b"] - spent["a"] == pytest.approx(300, abs=50)


# money


@pytest.mark.parametrize("settings", [{}, {"rows": 8}, {"exemplars": Exemplars("currently_wrong")}], ids=str)
@pytest.mark.parametrize("budget", [1, 9, 21, 40, 62, 77, 105, 150, 300, 1000])
def test_at_every_cut_off_the_best_full_score_is_left_and_money_for_one_is_kept(bench, settings, budget):
    world = bench(dev=20, reply_of=writing(), budget=20 + budget)
    best = None
    for done in OPRO(**settings).search(world):  # never comes to the end of the budget by surprise
        best = done.best
    assert best == world.known[0]
    if budget >= 77:
        assert len(world.recorded) >= 2
        assert world.known[0].mean > 0


@pytest.mark.parametrize("budget", range(61, 161, 9))
def test_replies_asked_for_again_do_not_eat_the_money_for_a_full_score(bench, budget):
    def at_second_try(prompt, draw):
        return "" if draw % 2 else f"<instruction>Do {draw}.</instruction>"

    world = bench(dev=40, reply_of=at_second_try, budget=40 + budget)
    rounds = list(OPRO(proposals=1, rows=6).search(world))
    assert len(rounds) == 2 or len(world.recorded) >= 2
    assert len(rounds) > 2 or budget < 70


def test_seeds_that_cannot_be_scored_any_more_are_left_out(bench):
    world = bench(dev=20, reply_of=writing(), budget=20 + 45)
    rounds = list(OPRO(seeds=("Do 10.", "Do 20.", "Do 30."), rows=10).search(world))
    assert numbers(rounds[0].proposed) == [10, 20, 30]
    assert number(world.known[0].candidate) == 30
    world = bench(dev=20, reply_of=writing(), budget=20 + 25)
    rounds = list(OPRO(seeds=("Do 10.", "Do 20.", "Do 30."), rows=10).search(world))
    assert numbers(rounds[0].proposed) == [10]
    assert number(world.known[0].candidate) == 10


def test_a_budget_that_ends_in_the_middle_passes_on_and_what_was_scored_counts(bench):
    world = bench(dev=20, reply_of=writing(10, 20, 30, 40), budget=400)
    search = OPRO(steps=2, proposals=2, rows=6, finalists=2).search(world)
    next(search), next(search), next(search)
    world.budget = 20
    with pytest.raises(BudgetSpent):
        list(search)
    assert number(world.known[0].candidate) == 40


FORECASTS = {
    "as it comes": {},
    "rows": {"rows": 10},
    "wrong": {"exemplars": Exemplars("most_often_wrong", rows=8)},
    "seeds": {"seeds": ("Do it.", "Do it well.")},
    "positions": {"positions": ("question_begin", "question_end")},
}


@pytest.mark.parametrize("settings", FORECASTS.values(), ids=FORECASTS)
@pytest.mark.parametrize("dev", [20, 60])
def test_the_forecast_is_what_is_done(bench, settings, dev):
    def near(candidate, example):
        return float(fraction(candidate.digest, example.digest) < 0.3 + 0.5 * fraction(candidate.digest))

    for budget in (60, 150, 300, 1000, 3000):
        opro = OPRO(patience=None, **settings)
        world = bench(near, dev=dev, pool=40, reply_of=writing(), budget=budget + dev)
        forecast = opro.forecast(Sizes(pool=40, dev=dev, predictors=1, executions=budget))
        list(opro.search(world))
        assert len(world.asked) == pytest.approx(forecast.asks, rel=0.1, abs=2)
        assert len(world.executed) - dev <= forecast.executions
        assert len(world.executed) - dev == pytest.approx(forecast.executions, rel=0.1, abs=2 * dev)


def test_the_forecast_says_what_will_be_done():
    forecast = OPRO().forecast(Sizes(pool=50, dev=60, predictors=1, executions=300))
    assert forecast.summary == (
        "OPRO: for the predictor up to 5 steps of 2 instructions, each scored on 20 of 60 rows of dev, "
        "the best 2 on all of them."
    )
    assert forecast.reply_tokens == 2 * 1024
    assert OPRO().forecast(Sizes(50, 60, 1, 0)).executions == 0


def test_what_is_left_open_follows_from_the_budget():
    for executions, said in (
        (60, "up to 0 steps"),
        (150, "up to 5 steps of 1 instruction, each scored on 20 "),
        (1000, "up to 4 steps of 8 instructions, each scored on 31 "),
        (10_000, "up to 21 steps of 8 instructions, each scored on 60 "),
        (10**6, "up to 200 steps of 8 instructions, each scored on 60 "),
    ):
        assert said in OPRO().forecast(Sizes(pool=50, dev=60, predictors=1, executions=executions)).summary


# settings


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


@pytest.mark.slow
@pytest.mark.parametrize(
    "opro",
    [OPRO(), OPRO(positions=("system", "question_end"), exemplars=Exemplars("currently_wrong", rows=6), rows=8)],
    ids=["as it comes", "positions and errors"],
)
def test_it_passes_the_conformance_suite_at_many_cut_offs(opro):
    check_teleprompter(opro, limits=(1, 7, 20, 33, 47, 61, 75, 90, 110, 130, 150, 180, 210))


def test_the_trajectory_is_kept_for_people_to_read_after_every_step(bench):
    world = bench(dev=4, reply_of=writing(60, 70))
    list(OPRO(steps=1, proposals=2).search(world))
    kept = world.kept["opro_trajectory"]
    assert [(one["instruction"], one["score"]) for one in kept] == [(START, 0.0), ("Do 60.", 0.6), ("Do 70.", 0.7)]
    assert [one["move"] for one in kept][1:] == ["step 1", "step 1"]
