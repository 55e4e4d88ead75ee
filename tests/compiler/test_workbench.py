"""What a teleprompter may rely on: draws that differ, paired scores, records, and an end that nothing swallows."""

from __future__ import annotations

import pytest

import burnish as b
from burnish.compiler.lm.failures import ContentRefused, ContextOverflow
from burnish.signatures.errors import BudgetSpent
from burnish.teleprompters.base import Forecast, Origin
from burnish.testing import ScriptedLM


@pytest.fixture
def on_bench(program, reviews, reviewer, tmp_path):
    """Runs a function of a real bench inside a compile, and returns the compiled program and what the function gave."""
    runs = iter(range(100))

    def run(search, lm=None, rows=90, budget=None, skill=lambda prompt: 0.7, **arguments):
        given = []

        class Searching(b.Teleprompter):
            def search(self, bench):
                given.append(search(bench))
                yield from ()

            def forecast(self, sizes):
                return Forecast(0, 0, "as the test says")

        compiled = b.compile(
            arguments.pop("program", program),
            trainset=arguments.pop("trainset", None) or reviews(rows),
            metric=arguments.pop("metric", b.exact_match("label")),
            lm=lm or reviewer(skill),
            teleprompter=Searching(),
            budget=budget or b.Budget(calls=600),
            run_dir=tmp_path / f"run{next(runs)}",
            progress=False,
            **arguments,
        )
        return compiled, (given[0] if given else None)

    return run


def numbered():
    """An LM that answers every request differently by its seed, and says how often it was asked."""
    return ScriptedLM(lambda messages, body: f"sample {body.get('seed')}", model="writer")


QUESTION = [{"role": "user", "content": "Write an instruction."}]


def test_eight_draws_of_one_request_are_eight_requests_and_eight_others_next_time(on_bench):
    writer = numbered()
    _, (first, second) = on_bench(
        lambda bench: (bench.ask([QUESTION] * 8, purpose="test"), bench.ask([QUESTION] * 8, purpose="test")),
        optimizer_lm=writer,
    )
    texts = [text for replies in (*first, *second) for text in replies]
    assert len(set(texts)) == 16
    assert len(writer.calls) == 16


def test_a_server_that_answers_n_is_asked_once_and_one_that_does_not_is_asked_n_times(on_bench):
    able = ScriptedLM(lambda messages, body: [f"{i}" for i in range(body.get("n") or 1)], model="able")
    _, (drawn,) = on_bench(lambda bench: bench.ask([QUESTION], n=5, purpose="test"), optimizer_lm=able)
    assert (drawn, len(able.calls)) == (["0", "1", "2", "3", "4"], 1)
    unable = ScriptedLM(lambda messages, body: [f"sample {body.get('seed')}"], model="unable")
    _, (drawn,) = on_bench(lambda bench: bench.ask([QUESTION], n=5, purpose="test"), optimizer_lm=unable)
    assert len(set(drawn)) == 5
    assert len(unable.calls) == 5, "one call found out, four more made up for it"


def test_a_refused_request_to_the_optimizer_gives_an_empty_text_and_not_an_end(on_bench):
    writer = ScriptedLM(lambda messages, body: ContentRefused("filtered"), model="writer")
    _, drawn = on_bench(lambda bench: bench.ask([QUESTION], purpose="test"), optimizer_lm=writer)
    assert drawn == [[""]]


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
