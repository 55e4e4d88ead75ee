"""What users may rely on: a report lists the LMs that the run asked, and settings as they would be typed."""

from __future__ import annotations

import burnish as b
from burnish.compiler.report.material import Material, Words
from burnish.compiler.report.provenance_section import reproduction
from burnish.compiler.report.run_folder import read_material
from burnish.compiler.report.settings import call, model, models_used
from burnish.testing import ScriptedLM


def used(named) -> dict[str, str]:
    return {roles: told["model"] for roles, told in models_used(read_material(named)).items()}


def test_an_optimizer_and_a_judge_that_nobody_asked_are_not_listed(compile_reviews, tmp_path):
    others = {"optimizer_lm": ScriptedLM(lambda messages, body: "Say.", model="writer")}
    others["judge_lm"] = ScriptedLM(lambda messages, body: "1", model="judge")
    compiled = compile_reviews(teleprompter=b.RandomDemos(), **others)
    assert list(used(tmp_path / "run")) == ["task"]
    assert set(compiled.provenance["models"]) == {"task", "optimizer", "judge"}
    compile_reviews(teleprompter=b.APE(), run_dir=tmp_path / "other", **others)
    assert used(tmp_path / "other")["optimizer"] == "writer"
    assert "judge" not in used(tmp_path / "other")


def test_a_judge_that_the_metric_asks_is_listed(compile_reviews, tmp_path):
    def liked(row, said, trace=None):
        return float(b.judge(f"Is {said.label} {row.label}?") == "1")

    judge = ScriptedLM(lambda messages, body: "1", model="judge")
    compile_reviews(metric=b.metric(liked, version="1"), judge_lm=judge, teleprompter=b.RandomDemos())
    assert used(tmp_path / "run")["judge"] == "judge"


def test_one_model_in_two_roles_is_listed_once(compile_reviews, tmp_path):
    compiled = compile_reviews(teleprompter=b.APE())
    assert list(used(tmp_path / "run")) == ["task, optimizer"]
    assert list(used(compiled.save(tmp_path / "program.json"))) == ["task, optimizer"]


def test_of_an_lm_beside_the_tasks_it_counts_whether_a_candidate_runs_on_it():
    models = {name: {"model": name} for name in ("task", "small", "large", "optimizer", "judge")}
    words = Words("Answer.", (), "chat", "system", None, {"role": "large"})
    run = {"outcomes": "a", "judges": False}
    found = Material("run", None, run, {"lms": models}, candidates={"a": {"self": words}}, has_asked=False)
    assert list(models_used(found)) == ["task", "large"]


def test_settings_are_written_as_python_would_and_those_left_to_themselves_are_left_out():
    told = {"name": "OPRO", "finalists": 3, "steps": None, "seeds": [], "style": "chat", "rule": "a" * 64}
    told |= {"shown": ["Shown", {"buckets": 100, "threshold": None}], "texts": ["Texts", {"one": None}]}
    assert call({**told, "pick": ["Halving", {}]}) == (
        f"OPRO(finalists=3, style='chat', rule={'a' * 16}…, shown=Shown(buckets=100), pick=Halving())"
    )
    local = {"cache_prompt": True, "context": 4096, "sha256": "b" * 64}
    said = model({"model": "local/tiny", "params": {"max_tokens": 16, "temperature": 0}, "local": local})
    assert said == f"local/tiny, file {'b' * 16}, max_tokens 16, temperature 0, context 4096"


def test_what_reproduces_a_run_is_named_in_a_reading_order(compile_reviews, tmp_path):
    compile_reviews(teleprompter=b.RandomDemos())
    names = [name for name, _ in reproduction(read_material(tmp_path / "run"))]
    assert names[:3] == ["file", "run", "program"]
    assert names.index("rows, pool") < names.index("rows, dev") < names.index("rows, holdout") < names.index("search")
