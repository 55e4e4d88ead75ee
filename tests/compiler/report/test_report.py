"""What users may rely on: a report says what a compile did, is one file that fetches nothing, and text stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest
from report_pages import Page
from report_synthetic import synthetic

import burnish as b
from burnish.compiler.cli import main
from burnish.compiler.report.columns import MOST_EXECUTIONS
from burnish.compiler.report.money_section import accounts, forecast, purposes
from burnish.compiler.report.page import page
from burnish.compiler.report.run_folder import read_run
from burnish.compiler.report.text import text
from burnish.compiler.run import RUNS
from burnish.signatures.errors import BurnishError, RunError

SECTIONS = ["verdict", "program", "search", "lineage", "examples", "money", "rejected", "reproduce"]
HOSTILE = "</script><img src=x onerror=alert(1)><b id=forged>"


def shown(page_: Page, string: int) -> str:
    return page_.data("texts")["strings"][string]


def test_a_report_is_well_formed_and_begins_with_the_verdict_and_its_evidence(compile_reviews, report_of, tmp_path):
    compiled = compile_reviews(teleprompter=b.RandomDemos())
    found = report_of(tmp_path / "run")
    sections = [attributes["id"] for name, attributes in found.elements if name == "section"]
    assert sections == SECTIONS
    assert len(found.ids) == len(set(found.ids))
    verdict = compiled.verdict
    text_ = found.text
    assert text_.index(verdict.decision) < text_.index("words, from the student")
    assert f"{100 * verdict.student_mean:.1f}" in text_
    assert f"mean on {verdict.pairs} held-out rows" in text_


def test_a_report_fetches_nothing_and_runs_no_script_but_its_own(compile_reviews, report_of, tmp_path):
    compile_reviews()
    found = report_of(tmp_path / "run")
    for name, attributes in found.elements:
        assert name not in ("img", "iframe", "link", "object", "embed", "base", "form"), name
        assert "src" not in attributes
        assert not any(key.startswith("on") for key in attributes)
        assert attributes.get("href", "#").startswith("#")
    (policy,) = [a["content"] for _, a in found.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    (script,) = re.findall(r"<script>(.*?)</script>", found.html, re.DOTALL)
    assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy


def test_text_of_a_run_stays_text_wherever_it_stands(program, reviews, reviewer, compile_reviews, report_of, tmp_path):
    rows = [{**row, "review": f"{row['review']} {HOSTILE}"} for row in reviews(120)]
    answers = reviewer(lambda prompt: 0.6).script._respond

    def respond(messages, body):
        answer = answers(messages, body)
        return f"{answer} {HOSTILE}" if "Judge the film" in str(answer) else answer

    compile_reviews(lm=b.testing.ScriptedLM(respond), trainset=rows, program=program)
    found = report_of(tmp_path / "run")
    assert "forged" not in found.ids
    assert HOSTILE not in found.html
    assert HOSTILE in " ".join(found.words)  # as an instruction
    assert any(HOSTILE in one for one in found.data("texts")["strings"])


def test_messages_and_replies_of_a_row_are_those_that_were_sent_and_came_back(
    compile_reviews, reviewer, report_of, tmp_path
):
    lm = reviewer(lambda prompt: 0.9 if prompt.count("Review number") > 2 else 0.6)
    compile_reviews(lm=lm, teleprompter=b.RandomDemos())
    found = report_of(tmp_path / "run")
    held = found.data("texts")
    sent = [body["messages"] for body in lm.calls]
    told = 0
    for runs in held["runs"].values():
        for run in runs:
            for _, messages, reply in [] if run is None else run[5]:
                as_sent = [{"role": held["strings"][role], "content": held["strings"][said]} for role, said in messages]
                assert as_sent in sent
                assert "label" in held["strings"][reply] or held["strings"][reply] in ("positive", "negative")
                told += 1
    assert told == sum(one is not None for runs in held["runs"].values() for one in runs) > 100


def test_every_candidate_has_its_scores_row_by_row(compile_reviews, report_of, tmp_path):
    compile_reviews()
    material, index = read_run(tmp_path / "run"), report_of(tmp_path / "run").data("index")
    assert len(index["candidates"]["number"]) == len(material.records) > 1
    strings = index["strings"]
    for place, record in enumerate(material.records):
        scores = zip(index["rows"]["split"], index["scores"][place], strict=True)
        on_dev = [score for split, score in scores if strings[split] == "dev" and score is not None]
        assert sum(on_dev) / len(on_dev) == pytest.approx(record.mean)
    assert index["candidates"]["number"][index["student"]] == 0


def test_what_the_search_was_spent_on_adds_up_to_what_it_spent(compile_reviews, tmp_path):
    compile_reviews()
    material = read_run(tmp_path / "run")
    assert sum(spend.calls for _, spend in purposes(material)) == accounts(material)["search"].calls
    assert sum(spend.tokens for _, spend in purposes(material)) == accounts(material)["search"].tokens
    assert {name for name, _ in purposes(material)} > {"running the student", "running candidates"}


def test_no_part_of_a_run_took_more_than_the_forecast_had_said_at_most(compile_reviews, report_of, tmp_path):
    compiled = compile_reviews()
    parts = forecast(read_run(tmp_path / "run"))
    assert all(spend.calls <= part["at_most"]["calls"] for part, spend in parts)
    spent = sum(account["calls"] for account in compiled.evidence["spent"].values())
    assert parts[-1][1].calls == spent
    assert "set aside for faults" in report_of(tmp_path / "run").text


def test_proposals_that_were_turned_down_are_listed_with_the_reason(compile_reviews, reviewer, report_of, tmp_path):
    lm = b.testing.ScriptedLM(
        lambda messages, body: "Say it again." if "nstruction" in str(messages[-1]) else "positive"
    )
    compile_reviews(lm=lm)
    found = report_of(tmp_path / "run")
    rejections = found.data("index")["rejections"]
    assert len(rejections["reason"]) > 0
    assert "duplicate" in found.text


def test_a_run_that_was_stopped_has_a_report_without_a_verdict(compile_reviews, report_of, tmp_path):
    class Stop(b.APE):
        def search(self, bench):
            for done in super().search(bench):
                yield done
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compile_reviews(teleprompter=Stop())
    found = report_of(tmp_path / "run")
    assert "no verdict" in found.text
    assert "stopped: KeyboardInterrupt" in found.text
    assert len(found.data("index")["candidates"]["number"]) >= 1


def test_a_run_that_was_killed_is_not_said_to_be_at_work(compile_reviews, report_of, tmp_path):
    compile_reviews()
    (tmp_path / "run" / "program.json").unlink()
    notes = tmp_path / "run" / "report" / "run.json"
    notes.write_text(json.dumps({**json.loads(notes.read_text()), "state": "running"}))
    assert "The run is stopped" in report_of(tmp_path / "run").text


def test_a_file_alone_gives_a_report_with_what_it_holds(compile_reviews, tmp_path, report_of):
    compiled = compile_reviews()
    path = compiled.save(tmp_path / "program.json")
    found = report_of(path)
    assert [attributes["id"] for name, attributes in found.elements if name == "section"] == SECTIONS
    assert compiled.digest in found.text
    assert str(compiled.verdict.pairs) in found.text


def test_a_report_says_whose_prompts_the_file_holds_wherever_it_speaks_of_it(
    compile_reviews, report_of, reviewer, tmp_path
):
    compiled = compile_reviews(
        lm=reviewer(lambda prompt: 0.62 if prompt.count("Review number") > 2 else 0.6), teleprompter=b.RandomDemos()
    )
    assert (compiled.verdict.decision, compiled.document["holds"]) == ("inconclusive", "student")
    for place in (tmp_path / "run", compiled.save(tmp_path / "program.json")):
        said = report_of(place).text
        assert "The file holds the student's prompts." in said
        assert "The file holds the text before the change." in said
    said = report_of(compiled.finalist().save(tmp_path / "finalist.json")).text
    assert "The file holds the finalist's prompts." in said
    assert "student's prompts" not in said
    (tmp_path / "run" / "program.json").unlink()
    said = report_of(tmp_path / "run").text
    assert "from the student to the finalist." in said
    assert "The file holds" not in said  # there is none


def test_a_report_of_a_file_names_the_run_that_has_more_where_it_is_at_hand(
    compile_reviews, tmp_path, report_of, capsys
):
    path = compile_reviews().save(tmp_path / "program.json")  # its run folder is elsewhere
    assert "of the file alone" not in report_of(path).text
    path = compile_reviews(run_dir=RUNS / "kept").save(path)
    assert "burnish report kept has its candidates, rows and replies as well." in report_of(path).text
    assert main(["report", "--text", str(path)]) == 0
    assert "burnish report --text kept has more" in capsys.readouterr().out
    assert "of the file alone" not in report_of(RUNS / "kept").text


def test_a_compiled_program_writes_the_report_of_its_own_run(compile_reviews, tmp_path):
    compiled = compile_reviews()
    path = compiled.report(tmp_path / "out.html")
    assert len(Page(path.read_text(encoding="utf-8")).data("texts")["runs"]) > 1
    loaded = b.CompiledProgram.load(compiled.save(tmp_path / "out.json"))
    alone = Page(loaded.report(tmp_path / "alone.html").read_text(encoding="utf-8"))
    assert alone.data("texts")["runs"] == {}
    again = loaded.report(tmp_path / "again.html", run_dir=tmp_path / "run")
    assert again.read_bytes() == path.read_bytes()


def test_the_records_of_another_run_are_refused(compile_reviews, tmp_path):
    first = compile_reviews()
    compile_reviews(seed=1, run_dir=tmp_path / "other")
    with pytest.raises(RunError, match="did not end with this program"):
        first.report(tmp_path / "out.html", run_dir=tmp_path / "other")
    assert not (tmp_path / "out.html").exists()


def test_a_report_goes_only_where_there_is_a_folder(compile_reviews, tmp_path):
    with pytest.raises(BurnishError, match="Create it first"):
        compile_reviews().report(tmp_path / "nowhere" / "out.html")


def test_equal_runs_have_equal_reports_but_for_the_time_that_they_took(compile_reviews, tmp_path):
    reports = []
    for name in ("one", "two"):
        compile_reviews(run_dir=tmp_path / name / "run")
        (tmp_path / name / "run" / "seconds").write_text("1.0\n")
        reports.append(page(read_run(tmp_path / name / "run")))
    assert reports[0] == reports[1]


def test_a_disk_that_takes_no_notes_costs_the_report_and_not_the_run(compile_reviews, report_of, tmp_path, caplog):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "report").write_text("in the way")
    compiled = compile_reviews()
    assert compiled.verdict.pairs > 0
    assert sum("Notes for the report" in record.getMessage() for record in caplog.records) == 1
    (tmp_path / "run" / "report").unlink()
    assert "has not noted" in report_of(tmp_path / "run").text


def test_the_command_writes_a_report_by_the_beginning_of_a_name(compile_reviews, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compile_reviews(run_dir=None)
    (run,) = (tmp_path / ".burnish" / "runs").iterdir()
    assert main(["report", run.name[:4], "-o", "out.html"]) == 0
    assert "wrote out.html" in capsys.readouterr().out
    assert len(Page((tmp_path / "out.html").read_text(encoding="utf-8")).elements) > 100
    assert main(["report", "zzzz"]) == 1
    assert run.name in capsys.readouterr().err


def test_the_text_form_says_the_same_in_a_terminal(compile_reviews, tmp_path, capsys):
    compiled = compile_reviews(teleprompter=b.RandomDemos())
    assert main(["report", "--text", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr().out
    assert str(compiled.verdict) in printed
    for title in ("program", "search", "lineage", "money", "reproduce"):
        assert f"\n{title}\n" in printed
    assert compiled.digest in printed


def test_the_text_form_does_not_let_a_run_steer_the_terminal(compile_reviews, reviewer, tmp_path):
    answers = reviewer(lambda prompt: 0.6).script._respond

    def respond(messages, body):
        answer = answers(messages, body)
        return f"\x1b[2J{answer}" if "Judge the film" in str(answer) else answer

    compile_reviews(lm=b.testing.ScriptedLM(respond))
    assert "\x1b" not in text(read_run(tmp_path / "run"))


def test_a_report_of_5000_candidates_and_100000_evaluations_is_smaller_than_20_mb():
    html = page(synthetic(5000, 20, rejections=2000))
    assert len(html.encode()) < 20_000_000
    found = Page(html)
    index, held = found.data("index"), found.data("texts")
    assert sum(score is not None for scores in index["scores"] for score in scores) == 100_000
    assert len(index["rejections"]["reason"]) == 2000
    assert sum(len(runs) for runs in held["runs"].values()) == MOST_EXECUTIONS
    best = max(range(5000), key=lambda place: index["candidates"]["mean"][place])
    assert str(best) in held["runs"]
    assert len(found.elements) < 5000  # lists are made when they are looked at


def test_what_the_run_noted_is_json_a_line(compile_reviews, tmp_path):
    compile_reviews()
    for name in ("rows.jsonl", "candidates.jsonl", "spent.jsonl"):
        lines = (tmp_path / "run" / "report" / name).read_text().splitlines()
        assert all(isinstance(json.loads(line), dict) for line in lines)
        assert lines
