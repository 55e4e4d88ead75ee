"""What users may rely on: compile() keeps its budget, resumes, repeats itself, and never hides an error in a score."""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading

import pytest

import burnish as b
from burnish.testing import ScriptedLM


@pytest.fixture
def compile_reviews(program, reviews, reviewer):
    """compile() on 120 reviews with a model that is better with demonstrations; any argument can be exchanged."""

    def run(lm=None, rows=120, **changes):
        lm = lm or reviewer(lambda prompt: 0.9 if prompt.count("Review number") > 2 else 0.6)
        arguments = {"trainset": reviews(rows), "metric": b.exact_match("label"), "lm": lm, "progress": False}
        arguments["budget"] = b.Budget(calls=500)
        return b.compile(changes.pop("program", program), **{**arguments, **changes})

    return run


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def saved(compiled, path):
    compiled.save(path)
    return sha256(path)


def test_a_gain_that_is_there_is_found_proved_and_shipped(compile_reviews, tmp_path):
    compiled = compile_reviews(rows=300, budget=b.Budget(calls=2000))
    assert compiled.verdict.decision == "ship"
    assert 0.15 < compiled.verdict.gain < 0.6
    assert compiled.verdict.p_value <= 0.05
    assert compiled.verdict.interval[0] > 0
    compiled.save(tmp_path / "out.json")
    assert b.load(tmp_path / "out.json").inputs == ("review",)


@pytest.mark.parametrize("limit", [1, 7, 50, 300])
def test_no_call_is_made_beyond_the_budget_and_a_program_always_comes_back(compile_reviews, reviewer, limit):
    lm = reviewer(lambda prompt: 0.7)
    compiled = compile_reviews(lm, budget=b.Budget(calls=limit))
    assert len(lm.calls) <= limit
    assert compiled.verdict.decision in ("ship", "keep", "inconclusive")


@pytest.mark.parametrize("concurrency", [1, 8, 64])
@pytest.mark.parametrize("tokens", [500, 20_000])
def test_no_token_is_spent_beyond_the_budget(compile_reviews, reviewer, tokens, concurrency):
    lm = reviewer(lambda prompt: 0.7, max_tokens=20)
    compiled = compile_reviews(lm, budget=b.Budget(tokens=tokens), concurrency=concurrency)
    spent = compiled.document["evidence"]["spent"]
    assert spent["search"]["tokens"] + spent["final"]["tokens"] <= tokens


def test_a_dollar_budget_without_a_price_is_refused_before_the_first_call(compile_reviews, reviewer):
    lm = reviewer(lambda prompt: 0.7)
    with pytest.raises(b.BudgetError, match=r"needs a price for 'scripted'"):
        compile_reviews(lm, budget=b.Budget(usd=2))
    assert not lm.calls
    compiled = compile_reviews(reviewer(lambda prompt: 0.7, price=b.Price(input=1, output=2)), budget=b.Budget(usd=0.5))
    assert 0 < compiled.document["evidence"]["spent"]["search"]["usd"] <= 0.5


def test_equal_runs_give_equal_files_whatever_the_cache_holds_and_whatever_the_concurrency(
    compile_reviews, reviewer, tmp_path, monkeypatch
):
    digests = set()
    for number, (cache, concurrency) in enumerate([("a", None), ("a", 1), ("b", 1), ("c", 64)]):
        monkeypatch.setenv("BURNISH_CACHE_DIR", str(tmp_path / cache))
        compiled = compile_reviews(run_dir=tmp_path / f"run{number}", concurrency=concurrency)
        digests.add(saved(compiled, tmp_path / f"{number}.json"))
    assert len(digests) == 1


def test_running_again_pays_nothing_and_gives_the_same_file(compile_reviews, reviewer, tmp_path):
    first = saved(compile_reviews(), tmp_path / "1.json")
    lm = reviewer(lambda prompt: 0.0)
    second = saved(compile_reviews(lm), tmp_path / "2.json")
    assert not lm.calls
    assert first == second


def test_a_run_stopped_by_a_dead_server_goes_on_where_it_was(compile_reviews, reviewer, tmp_path):
    from burnish.compiler.lm.failures import Permanent

    whole = compile_reviews(run_dir=tmp_path / "whole")
    lm = reviewer(lambda prompt: 0.9 if prompt.count("Review number") > 2 else 0.6)
    answer, left = lm.script._respond, [100]

    def dying(messages, body):
        left[0] -= 1
        return answer(messages, body) if left[0] >= 0 else Permanent("the key was revoked")

    monkey = reviewer(lambda prompt: 0.0)
    monkey.script._respond = dying
    import os

    os.environ["BURNISH_CACHE_DIR"] = str(tmp_path / "other")
    with pytest.raises(b.LMError):
        compile_reviews(monkey, run_dir=tmp_path / "run")
    paid = 100
    again = compile_reviews(lm, run_dir=tmp_path / "run")
    assert (
        len(lm.calls)
        == whole.document["evidence"]["spent"]["search"]["calls"]
        + whole.document["evidence"]["spent"]["final"]["calls"]
        - paid
    )
    assert again.document == whole.document


def test_a_run_folder_of_other_inputs_is_refused_and_the_difference_named(compile_reviews, tmp_path):
    compile_reviews(run_dir=tmp_path / "run", budget=b.Budget(calls=30))
    with pytest.raises(b.RunError, match=r"budget\.calls was 30, is now 31"):
        compile_reviews(run_dir=tmp_path / "run", budget=b.Budget(calls=31))


def test_a_run_folder_in_use_is_refused(compile_reviews, tmp_path):
    from burnish.compiler.run import Run

    compiled = compile_reviews(run_dir=tmp_path / "run", budget=b.Budget(calls=30))
    assert compiled
    held = Run({"other": 1}, tmp_path / "held")
    with pytest.raises(b.RunError, match="Another process"):
        compile_reviews(run_dir=tmp_path / "held", budget=b.Budget(calls=30))
    held.close()


def test_a_metric_that_raises_stops_the_run_and_shows_the_example(compile_reviews):
    def broken(example, prediction):
        raise KeyError("sentiment")

    with pytest.raises(b.MetricError, match="Review number"):
        compile_reviews(metric=broken)


def test_a_program_that_raises_on_its_first_rows_stops_the_run(compile_reviews, program):
    class Broken(b.Module):
        def __init__(self):
            super().__init__()
            self.classify = program

        def forward(self, review):
            raise ZeroDivisionError("division by zero")

    rows = [{"review": f"Review number {n}", "label": "positive"} for n in range(40)]
    with pytest.raises(b.ProgramError, match="ZeroDivisionError"):
        compile_reviews(program=Broken(), trainset=b.load_examples(rows, inputs=["review"]))


def test_a_reply_that_cannot_be_parsed_scores_zero_and_is_counted_as_such(compile_reviews, reviewer):

    compiled = compile_reviews(ScriptedLM(lambda messages, body: "what a film"), budget=b.Budget(calls=100))
    assert compiled.document["evidence"]["dev"]["student"] == 0.0
    assert compiled.document["evidence"]["failures"]["unparsed"] > 0


def test_the_program_of_the_user_is_never_changed(compile_reviews, program):
    before = (program.signature.instructions, list(program.demos), dict(program.config), program.lm)
    compile_reviews()
    assert before == (program.signature.instructions, list(program.demos), dict(program.config), program.lm)


def test_compile_works_inside_a_running_event_loop_and_in_threads(compile_reviews, tmp_path):
    async def notebook():
        return compile_reviews(budget=b.Budget(calls=40), run_dir=tmp_path / "notebook")

    results = [asyncio.run(notebook()).document]

    def work(number):
        results.append(compile_reviews(budget=b.Budget(calls=40), run_dir=tmp_path / str(number)).document)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert results[0] == results[1] == results[2]


def test_a_predictor_in_a_module_sends_the_same_requests_as_a_bare_one(compile_reviews, program, reviewer, tmp_path):
    class Wrapped(b.Module):
        def __init__(self):
            super().__init__()
            self.classify = program

        def forward(self, review):
            return self.classify(review=review)

    bodies = []
    for number, (one, calls) in enumerate([(program, None), (Wrapped(), 1)]):
        lm = reviewer(lambda prompt: 0.7)
        rows = b.load_examples([{"review": f"Review number {n}", "label": "positive"} for n in range(60)], ["review"])
        budget = b.Budget(calls=200, calls_per_example=calls)
        import os

        os.environ["BURNISH_CACHE_DIR"] = str(tmp_path / f"cache{number}")
        compile_reviews(lm, program=one, trainset=rows, budget=budget, run_dir=tmp_path / f"run{number}")
        bodies.append(sorted(map(str, lm.calls)))
    assert bodies[0] == bodies[1]


def test_calls_of_a_judge_inside_a_metric_are_counted_and_cached(compile_reviews, reviewer):

    judge = ScriptedLM(lambda messages, body: "yes", model="judge")

    def judged(example, prediction):
        return b.judge(f"Is {prediction.label} right for {example.review}?") == "yes"

    lm = reviewer(lambda prompt: 0.7)
    compile_reviews(lm, metric=judged, judge_lm=judge, budget=b.Budget(calls=120))
    assert len(judge.calls) > 0
    assert len(lm.calls) + len(judge.calls) <= 120


def test_report_metrics_are_measured_on_the_holdout_and_decide_nothing(compile_reviews):
    compiled = compile_reviews(
        rows=300, budget=b.Budget(calls=2000), report_metrics=[b.normalized_match("label"), b.token_f1("label")]
    )
    report = compiled.verdict.report
    assert len(report) == 2
    assert all(comparison.n == compiled.verdict.pairs for comparison in report.values())


def test_too_small_a_budget_for_a_comparison_is_said_by_plan_and_by_the_verdict(program, reviews, reviewer):
    lm = reviewer(lambda prompt: 0.9 if prompt.count("Review number") > 2 else 0.5)
    arguments = {"trainset": reviews(60), "metric": b.exact_match("label"), "lm": lm, "budget": b.Budget(calls=50)}
    plan = str(b.plan(program, **arguments))
    assert "too small for a comparison" in plan
    assert not lm.calls
    verdict = b.compile(program, progress=False, **arguments).verdict
    assert verdict.decision == "inconclusive" or verdict.gain == 0.0


@pytest.mark.parametrize("budget", [{"calls": 300}, {"calls": 2000}, {"tokens": 200_000}])
def test_what_a_run_costs_never_passes_the_upper_bound_of_its_plan(program, reviews, reviewer, budget):
    lm = reviewer(lambda prompt: 0.7)
    arguments = {
        "trainset": reviews(200),
        "metric": b.exact_match("label"),
        "lm": lm,
        "budget": b.Budget(**budget),
        "progress": False,
    }
    total = b.plan(program, **arguments).total
    spent = b.compile(program, **arguments).document["evidence"]["spent"]
    assert sum(part["tokens"] for part in spent.values()) <= total.tokens
    if total.calls is not None:
        assert sum(part["calls"] for part in spent.values()) <= total.calls


def test_control_c_keeps_everything_and_says_how_to_go_on(compile_reviews, reviewer, tmp_path):
    lm = reviewer(lambda prompt: 0.7)
    answer, left = lm.script._respond, [60]

    class Impatient(b.Teleprompter):
        def search(self, bench):
            raise KeyboardInterrupt
            yield

        def forecast(self, sizes):
            from burnish.teleprompters.base import Forecast

            return Forecast(0, 0, "nothing")

    assert answer, left
    with pytest.raises(KeyboardInterrupt, match=r"kept in .* To go on, run the same again"):
        compile_reviews(lm, teleprompter=Impatient(), run_dir=tmp_path / "run")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"teleprompter": "opro"}, "not a Burnish teleprompter"),
        ({"budget": 100}, "not a Budget"),
        ({"seed": "0"}, "seed='0'"),
        ({"concurrency": 0}, "concurrency=0"),
        ({"min_gain": -1}, "min_gain=-1"),
        ({"trainset": []}, "Nothing was spent"),
        ({"metric": 3}, "metric"),
        ({"metric": b.exact_match("sentiment")}, "sentiment"),
    ],
)
def test_a_wrong_argument_is_named_before_any_call(compile_reviews, reviewer, wrong, words):
    lm = reviewer(lambda prompt: 0.7)
    with pytest.raises(b.BurnishError, match=words):
        compile_reviews(lm, **wrong)
    assert not lm.calls


def test_every_scored_candidate_is_a_trial_that_optuna_opens_again(compile_reviews, tmp_path):
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    compiled = compile_reviews(run_dir=tmp_path / "run", storage=f"sqlite:///{tmp_path / 'study.db'}")
    again = compile_reviews(run_dir=tmp_path / "run")
    assert again.document == compiled.document
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for storage in (
        f"sqlite:///{tmp_path / 'study.db'}",
        JournalStorage(JournalFileBackend(str(tmp_path / "run" / "study.log"))),
    ):
        (summary,) = optuna.get_all_study_summaries(storage)
        trials = optuna.load_study(study_name=summary.study_name, storage=storage).trials
        assert len(trials) == compiled.evidence["candidates"]
        student = trials[0].user_attrs
        assert student["move"] == "as given"
        assert len(student["scores"]) == compiled.evidence["rows"]["dev"]
        assert trials[0].value == compiled.evidence["dev"]["student"]
        assert {"digest", "parents", "spent", "teleprompter"} <= set(student)


def test_a_search_that_cannot_work_for_the_program_is_refused_before_any_call(compile_reviews, reviewer, program):
    lm = reviewer(lambda prompt: 0.7)
    reasoned = program.signature.append("reason", b.OutputField(), str)
    search = b.RandomDemos(formats=("plain", "bare"))
    with pytest.raises(b.SchemaError, match=r"'self' in 'bare'.* here are 'review' and 'label', 'reason'.*Nothing was"):
        compile_reviews(lm, program=type(program)(reasoned), teleprompter=search)
    assert not lm.calls


def test_demonstrations_in_bare_messages_can_win(compile_reviews, reviewer):
    lm = reviewer(lambda prompt: 0.6 if "Review:" in prompt or "[[ ##" in prompt else 0.95)
    search = b.RandomDemos(formats=("plain", "bare"), sets=2)
    compiled = compile_reviews(lm, rows=200, teleprompter=search, budget=b.Budget(calls=1500))
    assert compiled.verdict.decision == "ship"
    assert compiled.document["predictors"]["self"]["grammar"]["format"] == "bare"


def test_where_no_candidate_was_scored_nothing_is_said_to_be_kept(compile_reviews):
    silent = ScriptedLM(lambda messages, body: "", model="silent")
    ran = compile_reviews(teleprompter=b.OPRO(steps=1, proposals=2), optimizer_lm=silent)
    assert str(ran.verdict).startswith("inconclusive: nothing was compared: 2 replies of the optimizer LM held nothing")
    poor = compile_reviews(teleprompter=b.APO(), optimizer_lm=silent, budget=b.Budget(calls=60), rows=100)
    assert "the budget does not pay for a step of this search" in str(poor.verdict)


def test_a_plan_says_when_the_budget_pays_for_no_search(program, reviews, reviewer):
    arguments = {"trainset": reviews(100), "metric": b.exact_match("label"), "lm": reviewer(lambda prompt: 0.7)}
    for calls, says in ((60, True), (600, False)):
        plan = b.plan(program, teleprompter=b.APO(), budget=b.Budget(calls=calls), **arguments)
        assert ("pays for no step of the search" in str(plan)) is says


def test_the_file_and_its_report_hold_the_front_of_accuracy_against_tokens(compile_reviews, reviewer):
    lm = reviewer(lambda prompt: 0.5 + 0.1 * min(4, prompt.count("with care")))
    written = [f"<instruction>Judge {'with care ' * n}now.</instruction>" for n in range(1, 5)]
    writer = ScriptedLM(lambda messages, body: written[: body.get("n") or 1], model="writer")
    ran = compile_reviews(
        lm, teleprompter=b.OPRO(steps=1, proposals=4), optimizer_lm=writer, rows=300, budget=b.Budget(calls=900)
    )
    front = ran.evidence["front"]
    assert len(front) > 1
    for measure in ("tokens", "dev"):
        values = [point[measure] for point in front]
        assert values == sorted(values)
        assert len(set(values)) == len(values)
    assert front[-1]["role"] == "finalist"
    assert front[-1]["instructions"]["self"].startswith("Judge with care")
    shown = ran.show()
    assert "accuracy against length" in shown
    assert any(line.split()[:1] == ["finalist"] for line in shown.splitlines())


def test_a_threshold_that_no_score_of_the_metric_reaches_is_refused_before_any_call(program, reviews, reviewer):
    lm = reviewer(lambda prompt: 0.5)
    arguments = {"trainset": reviews(60), "lm": lm, "teleprompter": b.APO(threshold=80)}
    with pytest.raises(b.MetricError, match=r"APO\(threshold=80\).*exact_match.* from 0 to 1.*Nothing was spent"):
        b.plan(program, metric=b.exact_match("label"), **arguments)
    percent = b.metric(lambda example, prediction, trace=None: 100.0, range=(0, 100))
    assert b.plan(program, metric=percent, **arguments)
    assert lm.calls == []


def test_scores_of_any_range_are_shown_in_points_of_100_everywhere(program, reviews, reviewer, capsys):
    graded = b.metric(lambda example, prediction, trace=None: 8.0 * (prediction.label == example.label), range=(-2, 8))
    lm, search = reviewer(lambda prompt: 0.5), b.RandomDemos(formats=("chat",))
    found = b.compile(
        program, trainset=reviews(60), metric=graded, lm=lm, teleprompter=search, budget=b.Budget(calls=400)
    )
    listed = re.findall(r"^  (?:student|demonstrations) +([\d.]+)", found.show(), re.MULTILINE)
    best = re.findall(r"best ([\d.]+)", capsys.readouterr().err)
    assert listed
    assert best
    assert all(20 <= float(score) <= 100 for score in (*listed, *best))  # 0.0 lies at 20 of 100, 8.0 at 100


def test_a_program_that_is_right_on_all_of_dev_is_told_so_and_asked_for_no_more_calls(program, reviews, reviewer):
    lm = reviewer(lambda prompt: 1.0)
    found = b.compile(program, trainset=reviews(60), metric=b.exact_match("label"), lm=lm, budget=b.Budget(calls=1000))
    assert "the student is right on all of dev" in str(found.verdict)
    assert "more calls" not in str(found.verdict)
