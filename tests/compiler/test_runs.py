"""What users may rely on: `burnish runs` says what run folders hold, whatever their state, and only reads them."""

from __future__ import annotations

import json
import os

import pytest

import burnish as b
from burnish.compiler.cli import main
from burnish.compiler.past_runs import named_run, past_runs
from burnish.compiler.report.files import FOLDER, RUN
from burnish.compiler.report.page import page
from burnish.compiler.report.run_folder import read_material
from burnish.compiler.run import RUNS, Run


@pytest.fixture
def compile_into(program, reviews, reviewer):
    """compile() into a run folder under .burnish/runs of this name."""

    def run(name, **changes):
        given = {
            "trainset": reviews(60),
            "metric": b.exact_match("label"),
            "lm": reviewer(lambda prompt: 0.9 if "care" in prompt else 0.5),
            "teleprompter": b.OPRO(steps=1, proposals=2),
            "budget": b.Budget(calls=200),
            "run_dir": RUNS / name,
            "progress": False,
        }
        return b.compile(program, **{**given, **changes})

    return run


def identity(**changes):
    """What a run is of, as far as `burnish runs` reads it."""
    return {
        "program": {"kind": "predictor", "schemas": {"self": "a"}, "spec": {}},
        "teleprompter": {"name": "OPRO"},
        "budget": {"calls": 100},
        "metric": "m",
        "data": {name: {"rows": 3, "digest": name} for name in ("pool", "dev", "holdout")},
        **changes,
    }


def a_run(name, *events, began=1000.0, **changes):
    """A run folder of a process that was killed, or is at work as long as the Run is open."""
    run = Run(identity(**changes), RUNS / name)
    lines = [json.dumps(event) for event in events]
    run.path("events.jsonl").write_text("\n".join([*lines, '{"event": "blo']), encoding="utf-8")
    os.utime(run.path("identity.json"), (began, began))
    return run


RECORDED = {"event": "recorded", "rows": 3, "mean": 0.25}
BLOCK = {"event": "block", "total": {"calls": 42, "tokens": 900, "usd": 0.0}}


def test_a_finished_run_shows_what_its_file_says(compile_into, capsys):
    compiled = compile_into("first")
    (run,) = past_runs()
    assert (run.name, run.state, run.search, run.program) == ("first", "finished", "OPRO", "Sentiment: review -> label")
    assert run.verdict == compiled.verdict
    assert (run.student, run.best) == (compiled.evidence["dev"]["student"], compiled.evidence["dev"]["best"])
    spent = sum(account["calls"] for account in compiled.evidence["spent"].values())
    assert run.spent["calls"] == spent
    assert main(["runs"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["run", "began", "program", "search", "spent", "best", "verdict", "state"]
    assert f"{spent} of 200 calls" in line
    assert compiled.verdict.decision in line


class Choosy(b.RandomDemos):
    """A search to which a short prompt is worth more than any score."""

    def preference(self, score):
        return -len(score.candidate.demos)


def test_best_is_one_number_in_the_list_of_runs_the_report_and_the_file(compile_into, capsys):
    for name, search in (("plain", b.RandomDemos()), ("choosy", Choosy())):
        compiled = compile_into(name, teleprompter=search)
        (run,) = [run for run in past_runs() if run.name == name]
        assert run.best == compiled.evidence["dev"]["best"]
        assert main(["runs"]) == 0
        line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(name))
        assert f"calls  {100 * run.best:.1f} " in line
        assert f"has {100 * run.best:.1f}" in page(read_material(RUNS / name))
    assert "had more and" in page(read_material(RUNS / "choosy"))


def test_scores_of_a_metric_with_another_range_are_shown_as_points_of_100_everywhere(compile_into):
    grade = b.metric(lambda row, said, trace=None: 10.0 * (row.label == said.label), range=(0, 10), version="1")
    compiled = compile_into("grades", metric=grade)
    (run,) = past_runs()
    assert run.best == compiled.evidence["dev"]["best"] / 10
    assert f"{100 * run.best:.1f}" in page(read_material(RUNS / "grades"))


def test_runs_that_are_at_work_or_were_killed_show_how_far_they_came(capsys):
    better = {**RECORDED, "mean": 0.5}
    part = {**RECORDED, "rows": 1, "mean": 1.0}
    overflowed = {**RECORDED, "mean": 0.9, "rejected": "too long"}
    a_run("killed", RECORDED, BLOCK, better, part, overflowed, began=1000).close()
    working = a_run("working", RECORDED, BLOCK, began=2000)
    newest, oldest = past_runs()
    assert (newest.name, newest.state, newest.best) == ("working", "running", 0.25)
    assert (oldest.name, oldest.state, oldest.best, oldest.spent["calls"]) == ("killed", "stopped", 0.5, 42)
    assert oldest.budget == "42 of 100 calls"
    working.close()
    assert {run.state for run in past_runs()} == {"stopped"}
    assert main(["runs", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(run["run"], run["verdict"], run["began"]) for run in listed] == [
        ("working", None, "1970-01-01T00:33:20Z"),
        ("killed", None, "1970-01-01T00:16:40Z"),
    ]


def test_looking_does_not_touch_a_run_or_keep_it_from_working(compile_into):
    compile_into("first")
    before = {path: path.stat().st_mtime_ns for path in RUNS.rglob("*")}
    past_runs()
    assert {path: path.stat().st_mtime_ns for path in RUNS.rglob("*")} == before
    compile_into("first")


def test_folders_that_are_no_runs_are_left_out(capsys):
    assert main(["runs"]) == 0
    assert capsys.readouterr().out == "no runs in .burnish/runs\n"
    a_run("one").close()
    for name, text in (("notes", None), ("damaged", "{"), ("strange", "[]"), ("old", "{}")):
        (RUNS / name).mkdir()
        if text is not None:
            (RUNS / name / "identity.json").write_text(text)
    (RUNS / "file").write_text("")
    assert [run.name for run in past_runs()] == ["one"]


@pytest.mark.parametrize("damaged", [[1, 0], [0], "ab", None, 3])
def test_a_run_with_a_damaged_note_of_its_range_is_listed_with_the_others(damaged, capsys):
    a_run("good", RECORDED).close()
    run = a_run("damaged", RECORDED)
    run.path(FOLDER).mkdir()
    (run.path(FOLDER) / RUN).write_text(json.dumps({"program": "A title", "range": damaged}))
    run.close()
    assert {run.name: (run.best, run.title) for run in past_runs()} == {
        "good": (0.25, ""),
        "damaged": (0.25, "A title"),
    }
    assert main(["runs"]) == 0


def test_a_run_without_events_is_shown_as_one_that_did_nothing():
    a_run("one", budget={"usd": 2.0}).close()
    (RUNS / "one" / "events.jsonl").unlink()
    (run,) = past_runs()
    assert (run.best, run.budget) == (None, "0.0000 of 2 dollars")


def test_comparing_two_runs_says_what_differs_and_sets_their_scores_side_by_side(compile_into, capsys):
    one, other = compile_into("one"), compile_into("other", seed=1, budget=b.Budget(calls=220))
    assert main(["runs", "compare", "one", "other"]) == 0
    said = capsys.readouterr().out
    assert "budget.calls was 200, is now 220" in said
    assert "seed was 0, is now 1" in said
    line = next(line for line in said.splitlines() if line.startswith("dev, best"))
    assert line.split()[2:] == [f"{100 * run.evidence['dev']['best']:.1f}" for run in (one, other)]
    assert "not to be compared: dev and held out" in said  # another seed splits the rows differently
    assert main(["runs", "compare", "one", "other", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [run["run"] for run in found["runs"]] == ["one", "other"]
    assert found["not_comparable"] == ["dev", "held out"]


def test_comparing_names_the_task_lm_first_and_ten_differences_at_most(capsys):
    for name, model in (("one", "small"), ("other", "large")):
        settings = dict.fromkeys("abcdefghijkl", model)
        a_run(name, lms={"judge": {"model": model}, "task": {"model": model}}, settings=settings).close()
    assert main(["runs", "compare", "one", "other"]) == 0
    said = capsys.readouterr().out
    lines = said[said.index("what differs:") :].splitlines()
    assert lines[1:3] == [
        '  lms.task.model was "small", is now "large"',
        '  settings.a was "small", is now "large"',
    ]
    assert (len(lines), lines[-1]) == (12, "  and 3 more")
    assert main(["runs", "compare", "one", "other", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["differences"]) == 13


def test_runs_of_the_same_inputs_are_said_to_be_so(capsys):
    a_run("one").close()
    a_run("other").close()
    assert main(["runs", "compare", "one", "other"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("the same inputs")


def test_a_run_is_found_by_the_beginning_of_its_name_or_by_its_folder(capsys, tmp_path):
    a_run("abc").close()
    a_run("abd").close()
    a_run("ab").close()
    assert named_run("ab").name == "ab"
    assert named_run("abc").name == "abc"
    assert named_run(str(tmp_path / RUNS / "abd")).name == "abd"
    assert main(["runs", "compare", "a", "xyz"]) == 1
    assert "Several runs begin with 'a' in '.burnish/runs'; it has: ab, abc, abd." in capsys.readouterr().err
    with pytest.raises(b.RunError, match="There is no run 'xyz'"):
        named_run("xyz")


def test_another_folder_of_runs_can_be_named_before_or_after_compare(tmp_path, capsys):
    for name in ("one", "other"):
        Run(identity(), tmp_path / "elsewhere" / name).close()
    for arguments in (
        ["--in", "elsewhere", "compare", "one", "other"],
        ["compare", "one", "other", "--in", "elsewhere"],
    ):
        assert main(["runs", *arguments]) == 0
    assert main(["runs", "--in", "elsewhere"]) == 0
    assert "other" in capsys.readouterr().out
