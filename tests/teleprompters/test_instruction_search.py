from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from burnish.signatures.errors import BudgetSpent
from burnish.teleprompters import ABO, APE, APO, OPRO, CurriculumICL, IterativeAPE, PromptAgent
from burnish.teleprompters.asking import Writing
from burnish.teleprompters.base import Forecast, Origin
from burnish.teleprompters.instruction_search import SIZE_CUT, InstructionSearch, Purse, round_of, wordings
from burnish.teleprompters.token_cost import TokenCost, prompt_tokens

MOVE = Origin("Spending", "move")


@dataclass(frozen=True)
class Spending(InstructionSearch):
    """Writes down what each predictor may spend, and spends a part of it on calls to the optimizer LM."""

    part: float = 1.0
    writing: Writing = Writing()
    seen: list = field(default_factory=list)

    def improve(self, bench, predictor, purse):
        self.seen.append((predictor, purse.left, bench.known[0].candidate))
        bench.ask([[{"role": "user", "content": predictor}]] * int(purse.left * self.part), purpose="spend")
        yield round_of(bench, predictor)

    def forecast(self, sizes):
        return Forecast(0, 0, "as the test says")


@pytest.fixture
def three(bench, make_student):
    """A world with three predictors and 300 calls after the student's first score."""

    def build(budget=300):
        given = make_student(**dict.fromkeys(("one", "two", "three"), (("review",), ("label",))))
        return bench(lambda candidate, example: 0.5, dev=10, given=given, budget=10 + budget)

    return build


@pytest.mark.parametrize(("part", "lefts"), [(1.0, [100, 100, 100]), (0.5, [100, 125, 188]), (0.0, [100, 150, 300])])
def test_each_predictor_may_spend_an_equal_share_of_what_is_left(three, part, lefts):
    search = Spending(part)
    list(search.search(three()))
    assert [left for _, left, _ in search.seen] == lefts
    assert [path for path, *_ in search.seen] == ["one", "two", "three"]


def test_the_last_of_them_may_spend_all_that_is_left_when_shares_do_not_come_out_even(three):
    search, world = Spending(), three(301)
    list(search.search(world))
    assert [left for _, left, _ in search.seen] == [100, 100, 101]
    assert world.budget == 0


def test_a_purse_never_holds_less_than_nothing(three):
    assert Purse(three(0), kept=50).left == 0
    assert Purse(three(40), kept=20).left == 10 + 40 - 20


def test_the_student_is_scored_first_and_each_turn_starts_from_the_best_that_is_known(three):
    world, search = three(), Spending()
    better = world.student.with_prompt("two", instruction="Better.")
    world.score_of = lambda candidate, example: float(candidate == better)
    turns = search.search(world)
    next(turns)
    assert [score.candidate for score in world.known] == [world.student]
    world.budget += 10
    world.score([better], origin=MOVE)  # by another search, while this one stands still
    list(turns)
    assert [start for *_, start in search.seen] == [world.student, better, better]


def test_wordings_are_what_is_known_to_differ_in_this_instruction_alone_best_first(three):
    world = three()

    def with_(**instructions):
        made = world.student
        for path, text in instructions.items():
            made = made.with_prompt(path, instruction=text)
        return made

    quality = {with_(two="Good."): 0.9, with_(two="Bad."): 0.1, with_(one="Other."): 0.8, with_(one="A", two="B"): 1.0}
    world.score_of = lambda candidate, example: quality.get(candidate, 0.5)
    world.score([world.student, *quality], origin=MOVE)
    found = [score.candidate for score in wordings(world, world.student, "two")]
    assert found == [with_(two="Good."), world.student, with_(two="Bad.")]
    assert [score.candidate for score in wordings(world, with_(two="Bad."), "two")] == found
    assert [score.candidate for score in wordings(world, with_(one="A", two="B"), "one")] == [with_(one="A", two="B")]


def test_a_round_names_the_best_that_is_known_or_none(three):
    world = three()
    assert round_of(world, "start").best is None
    world.score([world.student])
    done = round_of(world, "then", [world.student])
    assert (done.name, done.proposed, done.best) == ("then", (world.student,), world.known[0])


def test_without_a_price_candidates_are_preferred_by_their_mean_and_nothing_is_told(three):
    world, search = three(), Spending()
    (score,) = world.score([world.student])
    assert search.preference(score) == score.mean == 0.5
    assert search.told_cost(world.student) == ""


def test_with_a_price_the_length_counts_and_the_writer_is_told(three):
    world = three()
    search = Spending(writing=Writing(token_cost=TokenCost(usd_per_million=0.5, penalty=0.01)))
    (score,) = world.score([world.student])
    assert search.preference(score) == pytest.approx(0.5 - 0.01 * prompt_tokens(world.student) / 100)
    told = search.told_cost(world.student)
    assert told.startswith("\n\n")  # a paragraph of its own
    assert f"about {prompt_tokens(world.student)} tokens now" in told


@pytest.mark.parametrize(
    ("search", "size"),
    [
        (OPRO(steps=200, proposals=2), "steps"),
        (OPRO.paper(), "steps"),
        (APO(rounds=30), "rounds"),
        (PromptAgent(iterations=40), "iterations"),
        (PromptAgent(strategy="monte_carlo", iterations=40), "iterations"),
        (ABO(refinements=30, candidates=1), "refinements"),
        (APE(candidates=4, finalists=40), "finalists"),
        (IterativeAPE(finalists=40), "finalists"),
        (CurriculumICL(sets=9), "sets"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_size_of_the_users_that_the_budget_does_not_pay_for_is_said(bench, search, size):
    world = bench(lambda candidate, example: 0.5, budget=150, reply_of=rewritten)
    with suppress(BudgetSpent):
        list(search.search(world))
    cuts = [detail for event, detail in world.events if event == SIZE_CUT]
    assert [detail["size"] for detail in cuts] == [size]
    assert 0 <= cuts[0]["affordable"] < cuts[0]["wanted"] == getattr(search, size)


@pytest.mark.parametrize(
    "search", [OPRO(), APO(), PromptAgent(), ABO(), APE(), IterativeAPE(), CurriculumICL()], ids=str
)
def test_sizes_that_are_left_to_the_budget_are_no_cut(bench, search):
    world = bench(lambda candidate, example: 0.5, budget=150, reply_of=rewritten)
    with suppress(BudgetSpent):
        list(search.search(world))
    assert not [event for event, _ in world.events if event == SIZE_CUT]


def rewritten(prompt, draw):
    return f"<instruction>Judge the review in manner {draw}.</instruction> <reason>Reason {draw}.</reason>"
