from __future__ import annotations

import re

import pytest

from burnish.signatures.errors import BudgetSpent
from burnish.teleprompters import APE, IterativeAPE, Sizes
from burnish.teleprompters.bandits import UCB, Filtering


def quality(candidate, path="self"):
    """The number in an instruction "Do 42." in hundredths; the student's has none."""
    found = re.search(r"Do (\d+)", candidate.prompt(path).instruction)
    return int(found[1]) / 100 if found else 0.0


def numbered(prompt, draw):
    return f"<instruction>Do {draw}.</instruction>"


def number(candidate):
    return round(100 * quality(candidate))


def test_ape_walks_as_in_the_paper_induce_filter_on_fresh_subsets_score_the_few_in_full(bench):
    world = bench(lambda candidate, example: quality(candidate), dev=20, reply_of=numbered)
    ape = APE(candidates=12, each=4, examples=3, finalists=2, evaluation=Filtering(subset=4, keep=0.5))
    rounds = list(ape.search(world))

    # Three queries, each with its own three rows of the pool, four replies to each.
    queries = [text for purpose, text in world.asked if purpose == "induction"]
    assert len(queries) == 12
    assert len(set(queries)) == 3
    for query in set(queries):
        assert len(re.findall(r"Input: review \d+\nOutput: (?:positive|negative)", query)) == 3
    shown = re.findall(r"review (\d+)", "".join(queries))
    assert {int(n) for n in shown} <= set(range(20))  # the pool; dev starts at 1000

    # All twelve on four rows, six on four others, three on four others, then two are left.
    ran = [(number(candidate), example.place) for candidate, example in world.executed[20:]]  # after the student's 20
    first, second, third, final = ran[:48], ran[48:72], ran[72:84], ran[84:]
    subsets = [{place for _, place in part} for part in (first, second, third)]
    assert [len(subset) for subset in subsets] == [4, 4, 4]
    assert len(set.union(*subsets)) == 12
    assert {arm for arm, _ in first} == set(range(1, 13))
    assert {arm for arm, _ in second} == {7, 8, 9, 10, 11, 12}
    assert {arm for arm, _ in third} == {10, 11, 12}
    assert [arm for arm, _ in final] == [12] * 8 + [11] * 8  # the rows they had not seen, the best guess first

    assert [done.name for done in rounds] == [
        "self: 12 induced",
        "self: 6 in the running",
        "self: 3 in the running",
        "self: 2 in the running",
        "self: 2 scored on all rows",
    ]
    assert number(rounds[-1].best.candidate) == 12
    assert [number(score.candidate) for score, *_ in world.recorded[1:]] == [12, 11]
    _, origin, parents = world.recorded[1]
    assert (origin.teleprompter, origin.move) == ("APE", "induction")
    assert len(origin.detail["rows"]) == 3
    assert parents == (world.student,)


def test_with_ucb_the_finalists_are_the_arms_that_its_rounds_favour(bench):
    world = bench(lambda candidate, example: quality(candidate), dev=20, reply_of=numbered)
    ape = APE(candidates=8, each=8, finalists=1, evaluation=UCB(round_limit=8, arms_per_round=4, examples_per_pull=2))
    best = list(ape.search(world))[-1].best
    assert number(best.candidate) == 8
    assert len({example for candidate, example in world.executed[20:36]}) == 2 + 2  # two rounds, two rows each


def test_the_incumbent_stays_when_no_proposal_beats_it(bench):
    world = bench(lambda candidate, example: float(candidate == world.student), reply_of=numbered)
    assert list(APE(candidates=5).search(world))[-1].best.candidate == world.student


def test_reverse_mode_shows_a_gap_before_the_examples_and_both_take_turns(bench):
    world = bench(lambda candidate, example: 0.5, reply_of=numbered)
    list(APE(candidates=4, each=1, mode="reverse").search(world))
    assert all(text.index("[GAP]") < text.index("Input:") for _, text in world.asked)
    world = bench(lambda candidate, example: 0.5, reply_of=numbered)
    list(APE(candidates=4, each=1, mode="both").search(world))
    assert ["[GAP]" in text for _, text in world.asked] == [False, True, False, True]
    assert [origin.detail["mode"] for _, origin, _ in world.recorded[1:]] == ["forward", "reverse"] * 2


def test_an_unreadable_reply_is_asked_for_once_more_and_then_dropped_and_counted(bench):
    world = bench(
        lambda candidate, example: 0.5, reply_of=lambda prompt, draw: "" if draw < 5 else numbered(prompt, draw)
    )
    rounds = list(APE(candidates=3, each=3).search(world))
    assert [purpose for purpose, _ in world.asked] == ["induction"] * 3 + ["induction, once more"] * 3
    assert [number(candidate) for candidate in rounds[0].proposed] == [5, 6]
    assert [event for event, _ in world.events] == ["reply dropped"]
    assert all(candidate.prompt("self").instruction for candidate, _ in world.executed)


def test_equal_proposals_become_one_candidate(bench):
    world = bench(lambda candidate, example: 0.5, reply_of=lambda prompt, draw: ["Do 1.", " Do  1.", "Do 2."][draw % 3])
    assert len(next(iter(APE(candidates=9, each=3).search(world))).proposed) == 2


def test_likelihood_ranks_the_proposals_and_the_metric_decides_at_the_end(bench):
    world = bench(
        lambda candidate, example: 1 - quality(candidate),
        dev=20,
        reply_of=numbered,
        logprob_of=lambda candidate, example: -10 + quality(candidate),
    )
    ape = APE(candidates=8, each=8, finalists=2, scoring="likelihood", evaluation=Filtering(subset=5))
    best = list(ape.search(world))[-1].best
    assert [number(score.candidate) for score, *_ in world.recorded[1:]] == [8, 7]
    assert best.candidate == world.student
    assert len(world.executed) == 3 * 20


def test_likelihood_is_refused_for_a_program_whose_inner_labels_nobody_knows(make_student):
    several = make_student(a=(("review",), ("quote",)), b=(("quote",), ("label",)))
    for search in (APE(scoring="likelihood"), IterativeAPE(start=APE(scoring="likelihood"))):
        assert "Use scoring='execution'" in search.refusal(several)
        assert search.refusal(make_student()) == ""
    assert APE().refusal(several) == ""


def test_predictors_are_taken_in_turn_with_the_others_held_at_their_best(bench, make_student, step):
    given = make_student(find=(("review",), ("quote",)), judge=(("review",), ("label",)))

    def trace(candidate, example):
        return (step("find", example.input_values, {"quote": f"quote of {example.values['review']}"}, "r"),)

    world = bench(
        lambda candidate, example: (quality(candidate, "find") + quality(candidate, "judge")) / 2 + 1.0,
        given=given,
        reply_of=numbered,
        trace_of=trace,
    )
    best = list(APE(candidates=4, each=4, finalists=1).search(world))[-1].best.candidate
    assert [best.prompt(path).instruction for path in ("find", "judge")] == ["Do 4.", "Do 8."]
    assert "quote of review" in world.asked[0][1]  # no column: shown by what the program did on rows it got right
    assert "quote of review" not in world.asked[4][1]
    while_judging = [
        candidate for candidate, _ in world.executed if candidate.prompt("judge").instruction.startswith("Do")
    ]
    assert {candidate.prompt("find").instruction for candidate in while_judging} == {"Do 4."}


@pytest.mark.parametrize("budget", [1, 5, 12, 40, 100, 333])
def test_a_cut_leaves_the_best_full_score_and_money_for_full_scores_is_kept(bench, budget):
    world = bench(lambda candidate, example: quality(candidate), dev=10, reply_of=numbered, budget=budget)
    try:
        list(APE().search(world))
    except BudgetSpent:
        assert world.budget == 0
    full = [score for score, *_ in world.recorded]
    if budget >= 40:
        assert len(full) >= 2  # the student and at least one proposal
        assert max(score.mean for score in full) > 0


def test_the_forecast_is_what_the_search_does(bench):
    for budget, settings in (
        (500, {}),
        (100, {}),
        (10**6, {"evaluation": UCB()}),
        (10**6, {"candidates": 7, "each": 7}),
    ):
        world = bench(lambda candidate, example: quality(candidate), dev=30, reply_of=numbered, budget=budget + 30)
        forecast = APE(**settings).forecast(Sizes(pool=20, dev=30, predictors=1, executions=budget))
        list(APE(**settings).search(world))
        assert len(world.asked) == pytest.approx(forecast.asks, abs=4)  # rounded up to whole queries
        assert len(world.executed) - 30 <= forecast.executions + 30


def test_the_presets_have_the_published_sizes():
    paper, reference = APE.paper(), APE.reference()
    assert (paper.candidates, paper.examples, paper.scoring) == (50, 5, "execution")
    assert isinstance(paper.evaluation, Filtering)
    assert (reference.candidates, reference.each, reference.examples, reference.scoring) == (50, 10, 5, "likelihood")
    assert reference.evaluation == UCB(round_limit=20, arms_per_round=1 / 3, examples_per_pull=5, exploration=1.0)
    assert APE.reference(scoring="execution").scoring == "execution"


def test_a_meta_prompt_of_ones_own_is_text_or_a_file_and_is_part_of_the_settings(bench, tmp_path):
    path = tmp_path / "mine.md"
    path.write_text("Look: {{examples}} And?", encoding="utf-8")
    ape = APE(candidates=1, metaprompt=str(path))
    assert ape == APE(candidates=1, metaprompt="Look: {{examples}} And?")
    assert ape.settings()["metaprompt"] == "Look: {{examples}} And?"
    world = bench(lambda candidate, example: 0.5, reply_of=numbered)
    list(ape.search(world))
    assert world.asked[0][1].startswith("Look: Input: review")
    for wrong in ("Look: {{rows}}", "no such file.md"):
        with pytest.raises(ValueError, match="examples"):
            APE(metaprompt=wrong)


def test_slots_in_the_data_are_left_alone(bench):
    world = bench(lambda candidate, example: 0.5, reply_of=numbered)
    world.pool = tuple(
        type(row).of({"review": "a {{examples}} b", "label": "positive"}, ("review",)) for row in world.pool[:1]
    )
    list(APE(candidates=1).search(world))
    assert "Input: a {{examples}} b" in world.asked[0][1]


@pytest.mark.parametrize("wrong", [{"candidates": 0}, {"each": 0}, {"mode": "sideways"}, {"scoring": "taste"}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="APE"):
        APE(**wrong)
