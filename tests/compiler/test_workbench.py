"""What a teleprompter may rely on: paired scores, records, and an end that nothing swallows."""

from __future__ import annotations

import json
import re

import pytest

import burnish as b
from burnish.compiler.lm.failures import ContextOverflow
from burnish.signatures.errors import BudgetSpent
from burnish.teleprompters.base import Origin, Step
from burnish.testing import ScriptedLM

QUESTION = [{"role": "user", "content": "Write an instruction."}]


def test_scores_of_two_candidates_are_paired_and_memoised(on_bench, reviewer):
    lm = reviewer(lambda prompt: 0.9 if "care" in prompt else 0.5)

    def search(bench):
        (better,) = bench.admit(bench.student, "self", ["Judge with care."])
        scores = bench.score([bench.student, better], origin=Origin("test", "instruction"))
        sent = len(lm.calls)
        again = bench.score([bench.student, better])
        return scores, again, len(lm.calls) - sent

    compiled, (scores, again, resent) = on_bench(search, lm)
    assert scores[0].examples == scores[1].examples
    assert [s.values for s in scores] == [s.values for s in again]
    assert resent == 0
    assert compiled.evidence["candidates"] == 2
    assert compiled.evidence["dev"]["best"] == max(score.mean for score in scores)


def test_a_candidate_that_renders_alike_is_the_same_candidate_and_costs_nothing(on_bench, reviewer):
    lm = reviewer(lambda prompt: 0.6)

    def search(bench):
        sent = len(lm.calls)
        twin = bench.student.with_prompt("self", instruction="\n  Classify the sentiment of a movie review.\n")
        bench.score([twin])
        return twin == bench.student, len(lm.calls) - sent

    assert on_bench(search, lm)[1] == (True, 0)


def test_every_rejected_proposal_is_counted_with_its_reason(on_bench):
    texts = ["Judge the film.", "Judge the film.", "   ", "x" * 9000, "Answer in [[ ## label ## ]] only."]
    compiled, admitted = on_bench(lambda bench: len(bench.admit(bench.student, "self", texts)))
    assert admitted == 1
    assert compiled.evidence["events"]["rejected"] == 4


def test_what_was_scored_whole_before_the_budget_ended_is_recorded_and_the_best_comes_back(on_bench, reviewer):
    lm = reviewer(lambda prompt: 0.95 if "care" in prompt else 0.4)

    def search(bench):
        candidates = bench.admit(bench.student, "self", ["Judge with care.", *(f"Judge {n}." for n in range(200))])
        bench.score(candidates)

    compiled, _ = on_bench(search, lm, budget=b.Budget(calls=400), rows=200)
    assert compiled.evidence["candidates"] > 2
    assert "care" in compiled.finalist().candidate.prompt("self").instruction or compiled.verdict.decision == "ship"


def test_the_end_of_the_budget_passes_through_code_that_catches_every_exception(on_bench):
    reached = []

    def search(bench):
        for number in range(10_000):
            try:
                bench.score(bench.admit(bench.student, "self", [f"Judge film {number}."]))
            except Exception:  # noqa: BLE001 - as careless programs do
                reached.append(number)

    on_bench(search, budget=b.Budget(calls=100))
    assert not reached
    assert not issubclass(BudgetSpent, Exception)


def test_a_candidate_whose_prompt_overflows_the_context_never_becomes_the_finalist(on_bench, review_replies):
    answer = review_replies(lambda prompt: 0.9)

    def respond(messages, body):
        return ContextOverflow("too long") if "long prompt" in str(messages) else answer(messages, body)

    lm = ScriptedLM(respond)
    compiled, _ = on_bench(
        lambda bench: bench.score(bench.admit(bench.student, "self", ["A long prompt, a long prompt."])), lm
    )
    assert compiled.verdict.gain == 0.0
    assert compiled.evidence["failures"]["overflow"] > 0


def test_random_numbers_depend_on_seed_and_purpose_alone(on_bench):
    def draw(bench):
        return [bench.rng("one").random(), bench.rng("one").random(), bench.rng("two").random()]

    first, second = on_bench(draw)[1], on_bench(draw)[1]
    assert first == second
    assert first[0] == first[1] != first[2]
    assert on_bench(draw, seed=1)[1] != first


def test_a_program_that_swallows_errors_does_not_swallow_a_dead_server(on_bench, program):
    from burnish.compiler.lm.failures import Permanent
    from burnish.signatures.dspy_bridge import Prediction

    class Forgiving(b.Module):
        def __init__(self):
            super().__init__()
            self.classify = program

        def forward(self, review):
            try:
                return self.classify(review=review)
            except Exception:  # noqa: BLE001 - as careless programs do
                return Prediction(label="positive")

    dead = ScriptedLM(lambda messages, body: Permanent("no such model"))
    rows = b.load_examples([{"review": f"Review number {n}", "label": "positive"} for n in range(60)], ["review"])
    with pytest.raises(b.LMError):
        on_bench(lambda bench: None, dead, program=Forgiving(), trainset=rows)


def test_the_search_never_sees_a_row_of_the_holdout(on_bench, reviews):

    _, (pool, dev) = on_bench(lambda bench: (bench.pool, bench.dev), rows=100)
    assert not {e.digest for e in pool} & {e.digest for e in dev}
    assert len(pool) + len(dev) < 100


# what a reflection needs to see


@pytest.fixture
def doubtful(review_replies):
    """An LM that cannot make up its mind on every tenth review, and doubts where it is asked for a doubt."""
    classify = review_replies(lambda prompt: 0.7)

    def respond(messages, body):
        asked = str(messages[-1]["content"])
        if "`[[ ## doubt ## ]]`" in asked:
            return "[[ ## doubt ## ]]\nsome\n\n[[ ## completed ## ]]"
        numbers = re.findall(r"number (\d+)", str(messages))
        return "Hard to say." if int(numbers[-1]) % 10 == 0 else classify(messages, body)

    return ScriptedLM(respond)


def on_a_tenth(bench):
    """The first pool row that the doubtful LM does not answer, and what came of it."""
    row = next(row for row in bench.pool if re.search(r"number \d*0 ", row.values["review"]))
    (outcome,) = bench.predict(bench.student, [row])
    return row, outcome


def test_a_reply_that_could_not_be_used_stands_in_the_trace(on_bench, doubtful):
    _, (row, outcome) = on_bench(on_a_tenth, doubtful)
    assert outcome.trace == (Step("self", row.input_values, {}, "Hard to say."),)
    assert (outcome.failure, outcome.score, dict(outcome.outputs)) == ("unparsed", 0.0, {})
    assert outcome.reason


def test_in_a_program_of_several_steps_the_reply_that_could_not_be_used_stands_behind_those_that_could(
    on_bench, doubtful, reviews
):
    class Careful(b.Module):
        def __init__(self):
            super().__init__()
            self.doubt = b.Predict("review -> doubt")
            self.classify = b.Predict("review, doubt -> label")

        def forward(self, review):
            return self.classify(review=review, doubt=self.doubt(review=review).doubt)

    pipeline = b.Pipeline(doubt="review -> doubt", classify="review, doubt -> label")
    for program in (pipeline, Careful()):
        rows = b.load_examples(reviews(90), inputs=["review"])
        _, (row, outcome) = on_bench(on_a_tenth, doubtful, program=program, trainset=rows)
        first, last = outcome.trace
        assert (first.path, dict(first.outputs)) == ("doubt", {"doubt": "some"})
        assert (last.path, dict(last.outputs), last.reply) == ("classify", {}, "Hard to say.")
        assert dict(last.inputs) == {**row.input_values, "doubt": "some"}
        assert outcome.failure == "unparsed"


def test_a_step_that_failed_stands_in_the_trace_of_a_program_that_goes_on_without_it(on_bench, doubtful, reviews):
    class Undaunted(b.Module):
        def __init__(self):
            super().__init__()
            self.classify = b.Predict("review -> label")

        def forward(self, review):
            from burnish.signatures.dspy_bridge import Prediction

            try:
                return self.classify(review=review)
            except b.ReplyError:
                return Prediction(label="positive")

    rows = b.load_examples(reviews(90), inputs=["review"])
    _, (row, outcome) = on_bench(on_a_tenth, doubtful, program=Undaunted(), trainset=rows)
    assert outcome.trace == (Step("classify", row.input_values, {}, "Hard to say."),)


# what is kept, and what is best


def test_a_document_that_is_kept_lies_in_the_run_folder_and_a_later_one_takes_its_place(on_bench, tmp_path):
    def search(bench):
        bench.keep("tree", {"nodes": [1]})
        bench.keep("tree", {"nodes": [1, "é", None]})
        bench.keep("other", [0.5])

    on_bench(search)
    assert json.loads((tmp_path / "run0" / "tree.json").read_text("utf-8")) == {"nodes": [1, "é", None]}
    assert json.loads((tmp_path / "run0" / "other.json").read_text("utf-8")) == [0.5]
    assert not list((tmp_path / "run0").glob("*.new"))


def test_a_limit_of_ones_own_on_the_length_is_kept_and_cannot_be_wider_than_the_benchs(on_bench):
    texts = ["Judge it.", "Judge the film with care.", "x y " * 2000]

    def search(bench):
        narrow = bench.admit(bench.student, "self", texts, max_length=9)
        wide = bench.admit(bench.student, "self", [f"Now {text}" for text in texts], max_length=10**6)
        return [[made.prompt("self").instruction for made in admitted] for admitted in (narrow, wide)]

    compiled, (narrow, wide) = on_bench(search)
    assert narrow == ["Judge it."]
    assert wide == ["Now Judge it.", "Now Judge the film with care."]
    assert compiled.evidence["events"]["rejected: too long"] == 3


def test_the_preference_of_the_search_decides_what_is_best_and_becomes_the_finalist(on_bench, reviewer):
    def skill(prompt):
        return 0.95 if "thoroughly" in prompt else 0.8 if "briefly" in prompt else 0.3

    def search(bench):
        candidates = bench.admit(bench.student, "self", ["Judge it thoroughly.", "Judge it briefly."])
        bench.score(candidates, origin=Origin("test", "instruction"))
        return [score.candidate for score in bench.known]

    def cheap(score):
        return score.mean - ("thoroughly" in score.candidate.prompt("self").instruction)

    for preference, best, worst in ((None, "thoroughly", "Classify"), (cheap, "briefly", "thoroughly")):
        compiled, known = on_bench(search, reviewer(skill), preference=preference)
        assert best in known[0].prompt("self").instruction
        assert worst in known[-1].prompt("self").instruction
        assert compiled.evidence["lineage"][-1]["candidate"] == known[0].digest
        assert best in compiled.finalist().candidate.prompt("self").instruction


def test_a_search_may_choose_what_becomes_the_finalist_and_its_last_choice_holds(on_bench, reviewer):
    def skill(prompt):
        return 0.95 if "thoroughly" in prompt else 0.8 if "briefly" in prompt else 0.3

    def search(bench):
        candidates = bench.admit(bench.student, "self", ["Judge it thoroughly.", "Judge it briefly.", "Judge it."])
        bench.score(candidates, origin=Origin("test", "instruction"))
        for candidate in candidates[::-1][:2]:
            bench.choose(candidate)
        return candidates[1]

    compiled, chosen = on_bench(search, reviewer(skill))
    assert compiled.evidence["lineage"][-1]["candidate"] == chosen.digest
    assert "briefly" in compiled.finalist().candidate.prompt("self").instruction


def test_only_what_was_recorded_on_all_of_dev_can_be_chosen(on_bench):
    def search(bench):
        some, never = bench.admit(bench.student, "self", ["Judge some.", "Judge never."])
        (score,) = bench.score([some], bench.dev[:4])
        bench.record(some, score, origin=Origin("test", "a part of dev"))
        for candidate in (some, never):
            with pytest.raises(ValueError, match=f"{candidate.digest[:12]} has no score on all of dev"):
                bench.choose(candidate)
        bench.score([bench.student])
        bench.choose(bench.student)
        return True

    compiled, went_on = on_bench(search)
    assert went_on
    assert compiled.verdict.decision != "ship"


def test_a_candidate_that_was_rejected_cannot_be_chosen(on_bench, review_replies):
    answer = review_replies(lambda prompt: 0.7)

    def overflowing(messages, body):
        return ContextOverflow("too long") if "Judge at length." in str(messages) else answer(messages, body)

    def search(bench):
        (longer,) = bench.admit(bench.student, "self", ["Judge at length."])
        bench.score([bench.student, longer], origin=Origin("test", "instruction"))
        with pytest.raises(ValueError, match="cannot be chosen"):
            bench.choose(longer)
        return True

    assert on_bench(search, ScriptedLM(overflowing))[1]


# what is left


@pytest.mark.parametrize("budget", [{"calls": 400}, {"tokens": 300_000}, {"calls": 400, "tokens": 10**9}], ids=str)
def test_what_is_likely_to_fit_is_at_least_what_is_sure_to_and_the_same_where_calls_are_limited(on_bench, budget):
    def search(bench):
        bench.score([bench.student])
        bench.ask([QUESTION], purpose="test")
        return bench.remaining

    _, left = on_bench(search, budget=b.Budget(**budget))
    if "calls" in budget:
        assert left.expected == left.evaluations == left.calls
    else:
        # Replies are reserved at 1000 tokens each and have a few.
        assert left.expected > 3 * left.evaluations > 0
        assert left.expected * 50 < left.tokens
