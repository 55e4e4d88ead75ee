"""What `burnish recheck` and `eval --fail-if-worse` promise: sound comparisons, counted calls, an exit code."""

from __future__ import annotations

import json
import math
import random
import re

import pytest

from burnish import BurnishError, FrozenError, exact_match
from burnish.compiler.cli import main
from burnish.compiler.evidence import compare, decide
from burnish.compiler.gate import gate
from burnish.compiler.lm.failures import MaybeBilled, Unbilled
from burnish.compiler.recheck import affordable, calls_a_row, judge, recheck, score_then
from burnish.compiler.unpaired_test import compare_shares
from burnish.signatures.examples import load_examples
from burnish.testing import ScriptedLM, ScriptedServer


def verdict(right=80, pairs=100):
    """A finalist that is right on so many of the held-out rows, against a student that is on half of them."""
    student, finalist = [1] * (pairs // 2) + [0] * (pairs - pairs // 2), [1] * right + [0] * (pairs - right)
    return decide(compare(student, finalist)).to_json()


def rows(n, first=0):
    return [
        {"review": f"Review number {i} of a film", "label": ("positive", "negative")[i % 2]} for i in range(first, n)
    ]


def answers(right_in_ten):
    """A model that is right on so many rows of ten."""

    def respond(messages, body):
        number = int(str(messages[-1]["content"]).split("Review number ")[-1].split()[0])
        right = (number // 2) % 10 < right_in_ten
        label = ("positive", "negative")[(number + (not right)) % 2]
        return f"[[ ## label ## ]]\n{label}\n\n[[ ## completed ## ]]"

    return respond


@pytest.fixture
def document(compiled_program):
    made = compiled_program().document
    made["verdict"] = verdict()
    made["evidence"]["unusable"] = {"the finalist, held out": {"reply": 1}, "the student, held out": {}}
    return made


def checked(document, respond, n=100, **options):
    return recheck(
        document, load_examples(rows(n), ["review"]), exact_match("label"), lm=ScriptedLM(respond), **options
    )


# the decision


def test_a_model_that_got_worse_has_drifted_and_one_that_did_not_is_steady(document):
    worse = checked(document, answers(5))
    assert (worse.outlook, worse.drifted) == ("drifted", True)
    assert worse.score.then == 0.8
    assert worse.score.now == 0.5
    assert "A recompile is due" in str(worse)
    better = checked(document, answers(10))
    assert better.outlook == "steady"
    assert "No recompile is due" in str(better)
    assert "1 of 100 then, 0 of 100 now" in str(better)


def test_a_reply_that_a_filter_stopped_is_a_failure_as_it_is_in_a_compile(document):
    def filtered(messages, body):
        message = {"role": "assistant", "content": answers(10)(messages, body)}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "content_filter"}], "usage": usage}

    found = checked(document, filtered)
    assert found.score.now == 0
    assert found.unusable.now == 1


def test_too_few_rows_are_said_to_be_too_few(document):
    same = checked(document, answers(8), n=40)
    assert same.outlook == "unclear"
    assert "40 rows neither show a drop nor rule out one of 5 points, but one of" in str(same)


def test_what_is_unclear_says_what_would_tell():
    _, few = judge(compare_shares(8000, 10_000, 32, 40))
    assert re.search(
        r"About \d+ more rows would rule it out, if the model is as it was; or allow a wider --margin", few
    )
    _, few_then = judge(compare_shares(16, 20, 800, 1000))
    assert (
        "More rows now would not help, as the score then is of 20 rows: recheck on the compile's held-out" in few_then
    )
    _, paired = judge(compare_shares(80, 100, 80, 100), paired=True)
    assert "There are no more held-out rows to ask: allow a wider --margin" in paired
    wide = float(few_then.split("but one of ")[1].split(". ")[0]) / 100
    assert judge(compare_shares(16, 20, 800, 1000), wide + 0.001)[0] == "steady"  # what it says is ruled out


def test_replies_that_cannot_be_used_are_counted_then_and_now(document):
    found = checked(document, lambda messages, body: "I cannot help with that.")
    assert (found.unusable.then, found.unusable.now) == (0.01, 1.0)
    assert found.unusable.interval[0] > 0.8
    assert found.drifted


def test_the_outlook_rests_on_the_interval_alone():
    assert judge(compare_shares(80, 100, 60, 100))[0] == "drifted"
    assert judge(compare_shares(80, 100, 80, 100))[0] == "unclear"
    assert judge(compare_shares(80, 100, 95, 100))[0] == "steady"
    outlook, reason = judge(compare_shares(80_000, 100_000, 78_000, 100_000))
    assert outlook == "steady"
    assert "there is a smaller one" in reason


@pytest.mark.slow
def test_a_model_that_has_not_changed_is_said_to_have_drifted_in_one_recheck_of_forty():
    rng, drifted, steady, n = random.Random(0), 0, 0, 4000
    known = {}
    for _ in range(n):
        counts = tuple(sum(rng.random() < 0.8 for _ in range(size)) for size in (100, 80))
        if counts not in known:
            known[counts] = judge(compare_shares(counts[0], 100, counts[1], 80))[0]
        drifted += known[counts] == "drifted"
    assert drifted / n <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / n)
    for _ in range(n):  # a drop of exactly the margin is taken for none as seldom
        counts = sum(rng.random() < 0.8 for _ in range(100)), sum(rng.random() < 0.75 for _ in range(80))
        if counts not in known:
            known[counts] = judge(compare_shares(counts[0], 100, counts[1], 80))[0]
        steady += known[counts] == "steady"
    assert steady / n <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / n)


# then


def test_the_score_then_is_the_one_of_the_prompts_that_the_file_holds(compiled_program):
    held = compiled_program(decision="keep", finalist="Judge.").document
    held["verdict"] = {**verdict(), "decision": "inconclusive"}
    assert score_then(held).mean == 0.5
    assert score_then({**held, "holds": "finalist"}).mean == 0.8


def test_a_student_that_nothing_beat_is_compared_with_its_score_on_dev(compiled_program):
    from burnish.compiler.evidence import same_program

    document = compiled_program(decision="keep").document
    document["verdict"] = same_program().to_json()
    document["evidence"] |= {"dev": {"student": 0.7, "best": 0.7}, "rows": {"dev": 60}}
    then = score_then(document)
    assert (then.mean, then.rows, then.failed) == (0.7, 60, None)
    document["holds"] = "finalist"
    with pytest.raises(FrozenError, match="holds no score to compare with"):
        score_then(document)


# calls


def test_a_budget_cuts_the_rows_and_is_never_passed(document):
    found = checked(document, answers(8), calls=30)
    assert found.score.rows_now == found.calls == 30
    assert found.rows_left_out == 70


def test_attempts_that_have_to_be_repeated_count_too(document):
    failures = iter([MaybeBilled("the connection was lost")])

    def respond(messages, body):
        return next(failures, None) or answers(8)(messages, body)

    lm = ScriptedLM(respond)
    with pytest.raises(BurnishError, match="The 20 calls of the budget are spent before all rows are answered"):
        recheck(document, load_examples(rows(20), ["review"]), exact_match("label"), lm=lm, calls=20)
    assert len(lm.calls) == 20


def test_attempts_that_a_busy_server_refuses_are_no_calls(document):
    refusals = iter([Unbilled("busy", status=429)] * 3)

    def respond(messages, body):
        return next(refusals, None) or answers(8)(messages, body)

    found = checked(document, respond, n=20, calls=20)
    assert (found.calls, found.score.rows_now) == (20, 20)


def test_which_rows_a_budget_pays_for_does_not_depend_on_their_order():
    given = load_examples(rows(50), ["review"])
    turned = load_examples(rows(50)[::-1], ["review"])
    one, other = ({row["review"] for row in affordable(some, 1, 20)} for some in (given, turned))
    assert one == other
    assert len(one) == 20


def test_calls_are_counted_with_reasks_and_every_predictor(compiled_program, compiled_pipeline):
    assert calls_a_row(compiled_program().document) == 1
    assert calls_a_row(compiled_program(reply_policy="reask").document) == 2
    assert calls_a_row(compiled_pipeline().document) == 2


@pytest.mark.parametrize(("n", "calls", "message"), [(5, None, "at least 12"), (100, 11, "Give calls=12 or more")])
def test_too_few_rows_or_calls_are_refused_before_any_call(document, n, calls, message):
    asked = []
    with pytest.raises(BurnishError, match=message):
        checked(document, lambda messages, body: asked.append(1) or "", n=n, calls=calls)
    assert asked == []


def test_replies_are_asked_anew_every_time_unless_they_are_kept(document, tmp_path):
    lm = ScriptedLM(answers(8))
    given, metric = load_examples(rows(20), ["review"]), exact_match("label")
    for _ in range(2):
        recheck(document, given, metric, lm=lm)
    assert len(lm.calls) == 40
    for _ in range(2):
        recheck(document, given, metric, lm=lm, keep=tmp_path / "kept")
    assert len(lm.calls) == 60


# the command, after a real compile


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """A compiled file, the rows it was compared on, other rows, and a server whose model can be changed."""
    import burnish as b

    monkeypatch.chdir(tmp_path)
    model = {"right": 10}

    def respond(messages, body):
        shown = any(message["role"] == "assistant" for message in messages)
        return answers(model["right"] if shown else 5)(messages, body)

    program = b.Predict(b.Signature("review -> label: Literal['positive', 'negative']"))
    (tmp_path / "held.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(360, 300)))
    (tmp_path / "fresh.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(560, 500)))
    with ScriptedServer(respond) as server:
        made = b.compile(
            program,
            trainset=load_examples(rows(100), ["review"]),
            holdout=load_examples("held.jsonl", ["review"]),
            metric=exact_match("label"),
            lm=b.LM("scripted", base_url=server.base_url),
            teleprompter=b.RandomDemos(demos=2, sets=2),
            budget=b.Budget(calls=600),
            progress=False,
        )
        assert made.verdict.decision == "ship", made.verdict
        made.save("program.json")
        yield model, server


def command(server, *arguments):
    return main([*arguments, "--lm", "scripted", "--base-url", server.base_url])


def test_the_command_says_how_many_calls_it_makes_and_exits_with_4_on_drift(compiled, capsys):
    model, server = compiled
    before = server.requests
    assert command(server, "recheck", "program.json", "fresh.jsonl", "--fail-if-drifted") == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("asking scripted anew: 60 of 60 rows, at most 60 calls before retries\n")
    assert "the same rows" not in captured.out
    assert server.requests == before + 60
    model["right"] = 6
    assert command(server, "recheck", "program.json", "fresh.jsonl", "--fail-if-drifted", "--json") == 4
    printed = json.loads(capsys.readouterr().out)
    assert printed["outlook"] == "drifted"
    assert printed["calls"] == 60
    assert command(server, "recheck", "program.json", "fresh.jsonl", "--budget", "usd=1") == 1
    assert "in calls alone" in capsys.readouterr().err


def test_on_the_held_out_rows_of_the_compile_the_comparison_is_paired(compiled, capsys, tmp_path, monkeypatch):
    model, server = compiled
    model["right"] = 8
    assert command(server, "recheck", "program.json", "held.jsonl") == 0
    assert "on 60 rows, the same rows" in capsys.readouterr().out
    monkeypatch.setenv("BURNISH_CACHE_DIR", str(tmp_path / "another machine"))
    assert command(server, "recheck", "program.json", "held.jsonl") == 0
    out = capsys.readouterr().out
    assert "the same rows" not in out
    assert "score then 100.0 on 60 held-out rows of the compile" in out


# the gate


@pytest.mark.parametrize(
    ("old", "new", "margin", "passed", "told"),
    [
        ([1] * 50, [0] * 20 + [1] * 30, None, False, "the new one is worse"),
        ([0, 1] * 50, [0, 1] * 50, None, True, "not shown to be worse; 100 rows notice a loss of"),
        (
            [0, 1] * 50,
            [0, 1] * 50,
            0.02,
            False,
            "do not rule out a loss of 2 points; if the two are equally",
        ),
        ([0, 1] * 50, [1, 1] * 50, 0.02, True, "a loss of 2 points or more is ruled out"),
        ([1] * 50, [0] * 20 + [1] * 30, 0.02, False, "the new one is worse"),
    ],
)
def test_the_gate_fails_the_worse_and_with_a_margin_those_that_might_be(old, new, margin, passed, told):
    found = gate(compare(old, new), margin)
    assert found.passed is passed
    assert told in found.reason


def test_the_gate_errs_in_one_build_of_forty_at_most():
    """Equal programs against "worse" as such; programs that lose exactly the margin against a margin."""
    rng, builds = random.Random(1), 1500
    failed = passed = 0
    for _ in range(builds):
        pairs = [(rng.random(), rng.random() < 0.2) for _ in range(60)]  # a fifth of the rows differ
        old = [float(u < 0.5) for u, _ in pairs]
        equal = [1 - score if differs else score for score, (_, differs) in zip(old, pairs, strict=True)]
        failed += not gate(compare(old, equal)).passed
        lost = [0.0 if score and rng.random() < 0.2 else score for score in old]  # ten points fewer, on average
        passed += gate(compare(old, lost), 0.1).passed
    limit = 0.025 + 3 * math.sqrt(0.025 * 0.975 / builds)
    assert failed / builds <= limit
    assert passed / builds <= limit


def test_eval_with_fail_if_worse_exits_with_4_and_says_why(compiled, capsys, compiled_program):
    _, server = compiled
    compiled_program(demos=0).save("plain.json")
    eval_ = ("eval", "plain.json", "held.jsonl", "--metric", "exact_match:label", "--against")
    assert command(server, *eval_, "program.json", "--fail-if-worse") == 4
    assert "fail: the new one is worse" in capsys.readouterr().out
    assert command(server, *eval_, "program.json") == 0
    capsys.readouterr()
    assert command(server, *eval_, "plain.json", "--fail-if-worse", "--margin", "0.01", "--json") == 0
    assert json.loads(capsys.readouterr().out)["gate"] == {"passed": True, "reason": "both ask the same model the same"}


@pytest.mark.parametrize(
    "arguments", [["--fail-if-worse"], ["--margin", "0.1", "--against", "x.json"], ["--margin", "2"]]
)
def test_a_gate_without_what_it_needs_is_a_wrong_command_line(arguments):
    with pytest.raises(SystemExit) as ended:
        main(["eval", "new.json", "rows.jsonl", *arguments])
    assert ended.value.code == 2
