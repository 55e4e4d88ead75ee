"""What all exports have in common, and `burnish export`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from burnish import CompiledProgram, FrozenError
from burnish.compiler.cli import main
from burnish.compiler.cli.exporting import TARGETS as NAMED
from burnish.compiler.export import TARGETS
from burnish.signatures.prompt import DemoRule
from burnish.signatures.schema import Field

ONE_EACH = sorted(name for name, target in TARGETS.items() if not target.whole)


@pytest.fixture
def saved(awkward, tmp_path):
    def save(**options):
        return str(awkward(**options).save(tmp_path / "program.json"))

    return save


def test_the_command_knows_every_target():
    assert tuple(TARGETS) == NAMED


@pytest.mark.parametrize("to", TARGETS)
def test_an_export_goes_to_the_terminal_or_to_a_file(saved, tmp_path, capsys, to):
    file = saved()
    assert main(["export", file, "--to", to]) == 0
    printed = capsys.readouterr().out
    assert printed == CompiledProgram.load(file).export(to)
    assert main(["export", file, "--to", to, "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_text("utf-8") == printed


@pytest.mark.parametrize("to", TARGETS)
def test_an_export_does_not_change_from_run_to_run(saved, to):
    file = saved()
    assert CompiledProgram.load(file).export(to) == CompiledProgram.load(file).export(to)


@pytest.mark.parametrize("to", ONE_EACH)
def test_several_predictors_are_exported_by_name_or_into_a_folder(saved, tmp_path, capsys, to):
    file = saved(paths=("find.predict", "tell[0]", "tell.0"))
    assert main(["export", file, "--to", to]) == 1
    assert "'find.predict', 'tell[0]', 'tell.0'" in (said := capsys.readouterr().err)
    assert "--predictor" in said
    assert "FOLDER/" in said
    assert main(["export", file, "--to", to, "--predictor", "tell[0]"]) == 0
    assert "tell[0]" in capsys.readouterr().out
    assert main(["export", file, "--to", to, "-o", f"{tmp_path / 'new'}/"]) == 0
    suffix = TARGETS[to].suffix
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == sorted(f"{stem}{suffix}" for stem in ("find_predict", "tell_0", "tell_0_"))


@pytest.mark.parametrize("to", ONE_EACH)
def test_demonstrations_that_are_picked_per_query_are_refused_with_the_reason(saved, to):
    program = CompiledProgram.load(saved(rule=DemoRule("bm25", 1)))
    with pytest.raises(FrozenError, match=r"(?s)'self'.*'bm25' picks 1 demonstrations anew.*burnish\.load\(\)"):
        program.export(to)


@pytest.mark.parametrize(("name", "reason"), [("review", "every call has to give it"), ("x", "takes no such input")])
def test_only_optional_inputs_can_be_left_out(saved, capsys, name, reason):
    file = saved(inputs=(Field("hint", required=False),))
    assert main(["export", file, "--to", "openai", "--leave-out", name]) == 1
    assert reason in (said := capsys.readouterr().err)
    assert "Optional inputs here: 'hint'" in said


@pytest.mark.parametrize("to", ONE_EACH)
def test_a_default_stands_in_for_an_input_that_is_left_out(awkward, to):
    with_default = Field("tone", required=False, default_json='"kindly"')
    assert "kindly" not in awkward(inputs=(with_default,)).export(to)
    assert "kindly" in awkward(inputs=(with_default,)).export(to, leave_out=["tone"])


def test_unknown_targets_and_predictors_are_named_with_the_known_ones(awkward):
    with pytest.raises(FrozenError, match=r"'word'.*openai, markdown"):
        awkward().export("word")
    with pytest.raises(FrozenError, match=r"no predictor 'x'.*'self'"):
        awkward().export("openai", predictor="x")


def test_a_file_that_cannot_be_written_is_named(saved, tmp_path, capsys):
    assert main(["export", saved(), "--to", "curl", "-o", str(tmp_path / "no" / "file.sh")]) == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("to", [name for name in TARGETS if name != "dspy"])
def test_exports_need_no_dspy(saved, to):
    code = (
        f"import sys; from burnish.compiler.cli import main; "
        f"assert main(['export', {saved()!r}, '--to', {to!r}]) == 0; "
        "assert not {'dspy', 'optuna', 'openai', 'langchain_core'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("to", TARGETS)
def test_no_export_holds_a_key_or_a_server_of_the_one_who_exports(saved, monkeypatch, to):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://intranet.example/v1")
    text = CompiledProgram.load(saved()).export(to)
    assert "secret" not in text
    assert "intranet" not in text
