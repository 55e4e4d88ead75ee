"""What a user may rely on in a probe's report."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

import burnish as b
from burnish.compiler.cli import main
from burnish.compiler.evidence import compare
from burnish.compiler.lm.failures import Permanent
from burnish.compiler.probe.plan import calls_a_row
from burnish.signatures.errors import BudgetError, ExampleError, FrozenError
from burnish.signatures.prompt import DemoRule
from burnish.testing import ScriptedLM, ScriptedServer

ROOT = Path(__file__).resolve().parents[3]


def by_title(report):
    return {f"{one.family}: {one.title}": one for one in report.findings}


def test_a_model_that_follows_its_demonstrations_is_said_to_follow_their_labels(probed, model, ways):
    report = probed(model(ways["follows_the_mapping"]))
    assert report.as_is == 1
    flipped = by_title(report)["labels: flipped"]
    assert (flipped.score.finalist_mean, flipped.state) == (0, "worse")
    assert by_title(report)["demonstrations: none"].state == "worse"
    assert "It follows the labels of its demonstrations" in report.verdict[1]
    assert "better than always answering" in report.verdict[0]


def test_a_model_that_ignores_its_demonstrations_is_said_to_ignore_them_and_to_need_its_question(probed, model, ways):
    report = probed(model(ways["knows_the_task"]))
    states = {title: one.state for title, one in by_title(report).items()}
    assert states.pop("inputs: review blank") == "worse"
    assert set(states.values()) == {"held"}
    assert report.verdict[1].startswith("It does not follow the labels of its demonstrations: +0.0")
    assert "hardly uses them" in report.verdict[1]
    assert report.verdict[2].startswith("It needs its question: -50.0")
    assert [line.split(":")[0] for line in report.verdict[3:]] == [
        "Not fragile to the order of its demonstrations",
        "Not fragile to format",
        "Not fragile to wording",
    ]


def test_a_model_that_always_says_the_same_is_no_better_than_the_majority_and_answers_without_its_question(
    probed, model, ways
):
    report = probed(model(ways["says_positive"]), count=101)
    assert report.majority.score.gain == 0
    assert "not shown to be better than always answering" in report.verdict[0]
    assert "it answers 'positive' on 100.0 % of the rows" in report.verdict[0]
    assert "Its answer comes from the prompt alone" in report.verdict[2]


def test_a_drop_in_one_format_is_named_with_its_interval_and_the_replies_that_do_not_parse(probed, ways):
    def respond(messages, body):
        is_chat = any("[[ ## " in str(message["content"]) for message in messages)
        label = ways["knows_the_task"](messages)
        return f"[[ ## label ## ]]\n{label}\n\n[[ ## completed ## ]]" if is_chat else "I would rather not"

    report = probed(ScriptedLM(respond, max_tokens=50))
    (sentence,) = [line for line in report.verdict if "format" in line]
    assert sentence.startswith("Fragile to format: -100.0 (-100..-8")
    assert "in xml" in sentence
    assert "replies that do not parse: 100.0 % in json" in sentence
    xml = by_title(report)["format: xml"]
    assert xml.unparsed.finalist_mean == 1
    assert xml.reason


def test_replies_that_end_at_max_tokens_are_said_to_be_cut(probed, compiled_program, model, ways):
    report = probed(model(ways["knows_the_task"]), file=compiled_program(demos=4, max_tokens=3))
    assert "cut at max_tokens" not in str(report)  # chat itself needs more than three words: nothing changes
    short = probed(model(ways["knows_the_task"]), file=compiled_program(demos=4, format="plain", max_tokens=1))
    assert "most of them cut at max_tokens" in str(short)


def test_intervals_are_those_that_hold_for_all_comparisons_together(probed, model, ways):
    report = probed(model(ways["knows_the_task"]), count=61, draws=1)
    assert report.comparisons == len(report.findings) + 1 == 10
    truth, positive = [1.0] * 61, [1.0] * 31 + [0.0] * 30
    together, alone = compare(truth, positive, level=1 - 0.05 / 10).interval, compare(truth, positive).interval
    assert together[0] < alone[0] < alone[1] < together[1]
    assert report.majority.score.interval == together
    assert by_title(report)["inputs: review blank"].score.interval == together


def test_graded_scores_are_compared_at_the_same_level():
    before, after = [n / 40 for n in range(40)], [n / 50 for n in range(40)]
    wide, narrow = compare(before, after, level=0.999).interval, compare(before, after).interval
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_the_same_probe_again_gives_the_same_report_and_pays_nothing(probed, model, ways):
    first = probed(model(ways["follows_the_mapping"]), count=40)
    silent = ScriptedLM([])
    again = probed(silent, count=40)
    assert silent.calls == []
    assert {**again.to_json(), "calls": first.calls} == first.to_json()
    assert first.calls > 0
    other = probed(model(ways["follows_the_mapping"]), count=40, seed=1)
    assert other.seed == 1


def test_the_plan_is_printed_before_the_first_call_and_nothing_beyond_it_is_sent(
    compiled_program, tmp_path, rows, model, ways, capsys
):
    compiled_program(demos=4).save(tmp_path / "p.json")
    lm = model(ways["knows_the_task"])
    printed = []
    lm.script._respond = lambda messages, body, plain=lm.script._respond: (
        printed.append(capsys.readouterr().err) or plain(messages, body)
    )
    report = b.probe(
        tmp_path / "p.json", rows(100), metric=b.exact_match("label"), lm=lm, budget=b.Budget(calls=360), concurrency=1
    )
    assert "350 of 360 calls, 70 rows" in printed[0]
    assert "left out" in printed[0]
    assert len(lm.calls) <= 350
    assert len(report.findings) == 4
    assert {one.family for one in report.omitted} == {"format", "order", "wording", "labels"}
    assert "the budget has no room for 70 calls" in str(report)


def test_rows_are_as_many_as_leave_room_for_every_change(probed, model, ways):
    report = probed(model(ways["knows_the_task"]), count=100, budget=b.Budget(calls=1300))
    assert report.rows == (1300 - 6) // 16
    assert report.omitted == ()


def test_a_budget_without_room_for_the_program_as_it_is_is_refused_before_any_call(probed, model, ways):
    lm = model(ways["knows_the_task"])
    with pytest.raises(BudgetError, match="takes 70 calls on 70 rows"):
        probed(lm, budget=b.Budget(calls=69))
    with pytest.raises(BudgetError, match="limited in calls"):
        probed(lm, budget=b.Budget(tokens=1000))
    assert lm.calls == []


def test_rows_that_stand_in_the_prompt_are_left_out(compiled_program, tmp_path, rows, model, ways):
    compiled_program(demos=4).save(tmp_path / "p.json")
    shown = [{"review": f"Größe {n} <b>", "label": "positive"} for n in range(4)]
    lm = model(ways["knows_the_task"])
    run = {"metric": b.exact_match("label"), "lm": lm, "progress": False}
    report = b.probe(tmp_path / "p.json", shown + rows(41), **run)
    assert report.rows == 41
    assert report.notes == ("4 rows stand in the prompt as a demonstration and left out.",)
    with pytest.raises(ExampleError, match="0 of 4 rows can be used"):
        b.probe(tmp_path / "p.json", shown, **run)


def test_wordings_that_say_nothing_new_are_not_scored(probed, model, ways):
    writer = ScriptedLM(lambda messages, body: "Classify the review." if body.get("seed") else "")
    report = probed(model(ways["knows_the_task"]), count=40, writer=writer)
    assert report.of("wording") == ()
    assert len(writer.calls) == 6
    reasons = [one.reason for one in report.omitted]
    assert len(reasons) == 3
    assert "was proposed or used before" in reasons[0]


def test_another_model_may_write_the_wordings_and_they_are_shown(probed, model, ways):
    writer = ScriptedLM(lambda messages, body: f"Judge it, {body.get('seed', 'first')}.")
    report = probed(model(ways["knows_the_task"]), count=40, writer=writer, draws=2)
    assert len(writer.calls) == 2
    assert report.of("wording")[0].instruction == "Judge it, first."
    assert "paraphrase 1: Judge it, first." in str(report)


def test_a_server_that_refuses_one_format_does_not_end_the_probe(probed, ways):
    def respond(messages, body):
        if "response_format" in body:
            return Permanent("this server knows no response_format", status=400)
        if "in other words" in str(messages[-1]["content"]):
            return f"Judge it, {body.get('seed', 'first')}."
        return f"[[ ## label ## ]]\n{ways['knows_the_task'](messages)}\n\n[[ ## completed ## ]]"

    report = probed(ScriptedLM(respond), count=40)
    assert "format: json" not in by_title(report)
    (left,) = report.omitted
    assert (left.name, "response_format" in left.reason) == ("json", True)


def test_demonstrations_picked_by_a_rule_are_probed_too(probed, compiled_program, model, ways):
    file = compiled_program(demos=6, rule=DemoRule("bm25", k=4))
    report = probed(model(ways["follows_the_mapping"]), count=40, file=file)
    assert by_title(report)["labels: flipped"].state == "worse"
    assert len(report.of("order")) == 3


def test_each_predictor_of_a_pipeline_is_changed_in_turn_or_one_that_is_named(compiled_pipeline, tmp_path):
    compiled_pipeline().save(tmp_path / "p.json")

    def respond(messages, body):
        text = "\n".join(str(message["content"]) for message in messages)
        if "in other words" in text:
            return f"Do it, {body.get('seed', 'first')}."
        field, value = ("total", "3.0") if "Add them" in text or "otal" in text else ("prices", "[1.0, 2.0]")
        if "response_format" in body:
            return f'{{"{field}": {value}}}'
        if "[[ ## " in text:
            return f"[[ ## {field} ## ]]\n{value}\n\n[[ ## completed ## ]]"
        return f"<{field}>\n{value}\n</{field}>" if f"<{field}>" in text else value

    rows = [{"text": f"one and two, {n}", "total": 3.0} for n in range(40)]
    run = {"metric": b.exact_match("total"), "progress": False, "draws": 1}
    report = b.probe(tmp_path / "p.json", rows, lm=ScriptedLM(respond), budget=b.Budget(calls=2000), **run)
    assert {one.predictor for one in report.of("format")} == {"extract", "add"}
    assert report.planned == 2 * 40 * (1 + len(report.findings)) + 4
    one = b.probe(tmp_path / "p.json", rows, lm=ScriptedLM(respond), predictor="add", **run)
    assert {found.predictor for found in one.findings} == {"add", None}
    with pytest.raises(FrozenError, match=r"no predictor 'sub'\. It has 'extract', 'add'"):
        b.probe(tmp_path / "p.json", rows, lm=ScriptedLM(respond), predictor="sub", **run)


def test_a_module_says_how_many_calls_it_makes_on_a_row(compiled_program):
    candidate = compiled_program().candidate
    with pytest.raises(BudgetError, match="calls_per_example"):
        calls_a_row({"kind": "module"}, candidate, b.Budget(calls=100))
    assert calls_a_row({"kind": "module"}, candidate, b.Budget(calls=100, calls_per_example=3)) == 3
    reasking = compiled_program(reply_policy="reask")
    assert calls_a_row({"kind": "predictor"}, reasking.candidate, b.Budget(calls=100)) == 2


def test_the_command_prints_a_table_and_a_verdict_or_json(
    compiled_program, tmp_path, rows, model, ways, capsys, monkeypatch
):
    compiled_program(demos=4).save(tmp_path / "p.json")
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(40)))
    asked = model(ways["knows_the_task"])
    with ScriptedServer(lambda messages, body: asked.script._respond(messages, body)) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
        to_server = ["--lm", "small", "--base-url", server.base_url]
        arguments = ["probe", "p.json", "test.jsonl", "--metric", "exact_match:label", "--draws", "1", *to_server]
        assert main(arguments) == 0
        shown = capsys.readouterr()
        assert main([*arguments, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
    assert "402 of 2000 calls, 40 rows, 1 a row" in shown.err
    assert "inputs: review blank" in shown.out
    assert "It needs its question" in shown.out
    assert found["calls"] == 0
    assert len(found["findings"]) == 9
    assert found["findings"][0]["family"] == "labels"
    assert found["verdict"][0].startswith("As it is the program scores 100.0")


@pytest.mark.model
def test_a_real_small_model_is_probed_on_reviews(compiled_program, tmp_path):
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("needs the extra [local]")
    lines = (ROOT / "examples/data/reviews.jsonl").read_text("utf-8").splitlines()
    compiled_program(demos=4, format="plain", max_tokens=8).save(tmp_path / "p.json")
    report = b.probe(
        tmp_path / "p.json",
        [json.loads(line) for line in lines[:8]],
        metric=b.exact_match("label"),
        lm=b.LM("local/smollm2-135m-instruct", timeout=1200),
        budget=b.Budget(calls=90),
        draws=1,
        progress=False,
    )
    assert report.rows == 8
    assert report.calls <= report.planned <= 90
    assert {"labels", "inputs", "demonstrations", "format", "order"} <= {one.family for one in report.findings}
    assert all(-1 <= one.score.interval[0] <= one.score.gain <= one.score.interval[1] <= 1 for one in report.findings)
