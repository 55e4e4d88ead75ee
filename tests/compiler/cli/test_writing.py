"""What -o may overwrite: never what the command reads, and another kind of file only with --force."""

from __future__ import annotations

import json
import os
import sys
from types import ModuleType

import pytest

from burnish.compiler.cli.writing import FROZEN, check_output, source_of
from burnish.signatures.errors import BurnishError

APP = """
import burnish as b
program = b.Predict("review -> label")
def score(example, prediction, trace=None): return float(example.label == prediction.label)
"""


@pytest.fixture(name="inputs")
def _inputs(shell, reviews_):
    """app.py, metrics.py and rows of three roles; what is in each file, by its name."""
    for name in ("app.py", "metrics.py"):
        (shell.folder / name).write_text(APP)
    for first, name in enumerate(("train.jsonl", "val.jsonl", "test.jsonl")):
        shell.rows(name, reviews_(60, 60 * first))
    yield {path.name: path.read_bytes() for path in shell.folder.iterdir() if path.is_file()}
    for name in ("app", "metrics"):
        sys.modules.pop(name, None)
    sys.path[:] = [entry for entry in sys.path if entry != str(shell.folder)]


@pytest.fixture(name="compile_to")
def _compile_to(shell, inputs):
    def run(output, *more):
        rows = ("--train", "train.jsonl", "--val", "val.jsonl", "--holdout", "test.jsonl")
        words = ("compile", "app:program", *rows, "--metric", "metrics.py:score", "--budget", "calls=30", "--quiet")
        return shell(*words, "-o", str(output), *more, model="small")

    return run


@pytest.mark.parametrize("force", [(), ("--force",)])
@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("train.jsonl", "--train"),
        ("val.jsonl", "--val"),
        ("test.jsonl", "--holdout"),
        ("app.py", "PROGRAM"),
        ("metrics.py", "--metric"),
    ],
)
def test_a_compile_never_overwrites_what_it_reads_and_says_so_before_the_first_call(
    compile_to, shell, inputs, name, role, force
):
    ended = compile_to(name, *force)
    assert ended.code == 1
    assert ended.err.startswith(f"burnish: -o {name} would overwrite what the command reads as {role}.")
    assert shell.server.requests == 0
    assert (shell.folder / name).read_bytes() == inputs[name]


def test_a_link_to_an_input_is_that_input(compile_to, shell, inputs):
    (shell.folder / "linked.json").symlink_to(shell.folder / "train.jsonl")
    assert "reads as --train" in compile_to("linked.json").err
    assert (shell.folder / "train.jsonl").read_bytes() == inputs["train.jsonl"]


def test_a_compile_overwrites_a_frozen_file_and_an_empty_one_and_others_only_with_force(compile_to, shell):
    out = shell.folder / "out.json"
    out.touch()
    assert compile_to("out.json").code == 0
    assert json.loads(out.read_text())["format"].startswith("burnish/")
    assert compile_to("out.json").code == 0
    out.write_text('{"format": "another tool"}')
    asked = shell.server.requests
    refused = compile_to("out.json")
    assert refused.code == 1
    assert "is no frozen file of Burnish" in refused.err
    assert "--force" in refused.err
    assert out.read_text() == '{"format": "another tool"}'
    assert shell.server.requests == asked
    assert compile_to("out.json", "--force").code == 0
    assert json.loads(out.read_text())["format"].startswith("burnish/")


def test_a_folder_is_no_place_for_a_file_even_with_force(compile_to, shell):
    (shell.folder / "out").mkdir()
    ended = compile_to("out", "--force")
    assert ended.code == 1
    assert "is there already and is no file" in ended.err
    assert shell.server.requests == 0


@pytest.fixture(name="frozen")
def _frozen(shell, compiled_program):
    return str(compiled_program().save(shell.folder / "frozen.json"))


def test_a_report_overwrites_a_report_alone(shell, frozen):
    notes = shell.folder / "notes.html"
    notes.write_text("<!doctype html><title>My own page</title>")
    refused = shell("report", frozen, "-o", "notes.html")
    assert refused.code == 1
    assert "is no report of Burnish" in refused.err
    assert "My own page" in notes.read_text()
    before = (shell.folder / "frozen.json").read_bytes()
    assert "reads as RUN" in shell("report", frozen, "-o", "frozen.json", "--force").err
    assert (shell.folder / "frozen.json").read_bytes() == before
    assert shell("report", frozen, "-o", "notes.html", "--force").code == 0
    assert shell("report", frozen, "-o", "notes.html").code == 0


def test_an_export_overwrites_nothing_but_the_same_text_without_force(shell, frozen):
    out = shell.folder / "out.json"
    assert shell("export", frozen, "--to", "openai", "-o", "out.json").code == 0
    written = out.read_bytes()
    assert shell("export", frozen, "--to", "openai", "-o", "out.json").code == 0
    refused = shell("export", frozen, "--to", "markdown", "-o", "out.json")
    assert refused.code == 1
    assert "-o out.json is there already" in refused.err
    assert out.read_bytes() == written
    assert shell("export", frozen, "--to", "markdown", "-o", "out.json", "--force").code == 0
    assert out.read_bytes() != written
    assert "reads as FILE" in shell("export", frozen, "--to", "openai", "-o", "frozen.json", "--force").err


def test_an_export_into_a_folder_overwrites_none_of_its_files(shell, frozen):
    assert shell("export", frozen, "--to", "markdown", "-o", "prompts/").code == 0
    (made,) = (shell.folder / "prompts").iterdir()
    made.write_text("mended by hand")
    assert shell("export", frozen, "--to", "markdown", "-o", "prompts/").code == 1
    assert made.read_text() == "mended by hand"
    assert shell("export", frozen, "--to", "markdown", "-o", "prompts/", "--force").code == 0
    assert made.read_text() != "mended by hand"


def test_a_signature_overwrites_neither_the_file_nor_the_key(shell, frozen):
    pytest.importorskip("cryptography")
    assert shell("keygen", "team.pem").code == 0
    key = (shell.folder / "team.pem").read_bytes()
    assert "reads as FILE" in shell("sign", frozen, "--key", "team.pem", "-o", "frozen.json", "--force").err
    assert "reads as --key" in shell("sign", frozen, "--key", "team.pem", "-o", "team.pem", "--force").err
    assert (shell.folder / "team.pem").read_bytes() == key
    assert "is no signature of Burnish" in shell("sign", frozen, "--key", "team.pem", "-o", "team.pub.pem").err
    for _ in range(2):
        assert shell("sign", frozen, "--key", "team.pem").code == 0


has_devices = pytest.mark.skipif(not os.path.exists("/proc/self/fd/1"), reason="a system without /dev and /proc")


@has_devices
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/null", "/proc/self/fd/1"])
def test_a_device_is_refused_before_the_first_call_whatever_it_leads_to(compile_to, shell, frozen, name):
    before = os.lstat(name).st_mode
    refusal = f"-o {name} is no place for a file"
    assert refusal in compile_to(name, "--force").err
    assert refusal in shell("report", frozen, "-o", name, "--force").err
    assert refusal in shell("export", frozen, "--to", "openai", "-o", name, "--force").err
    assert shell.server.requests == 0
    assert os.lstat(name).st_mode == before


@has_devices
def test_a_folder_of_devices_reached_by_dots_is_refused_and_shared_memory_is_not():
    with pytest.raises(BurnishError, match="no place for a file"):
        check_output("/tmp/../dev/stdout", FROZEN, {}, force=True)
    if os.access("/dev/shm", os.W_OK | os.X_OK):
        check_output(f"/dev/shm/burnish-{os.getpid()}.json", FROZEN, {}, force=False)


def test_a_link_stays_a_link_and_the_file_it_leads_to_is_written(compile_to, shell, frozen):
    for name, target, command in (
        ("latest.json", "v3.json", lambda: compile_to("latest.json")),
        ("latest.html", "v3.html", lambda: shell("report", frozen, "-o", "latest.html")),
    ):
        (shell.folder / "versions").mkdir(exist_ok=True)
        link = shell.folder / name
        link.symlink_to(f"versions/{target}")
        for _ in range(2):  # the target is not there yet; it is
            assert command().code == 0
            assert link.is_symlink()
            assert (shell.folder / "versions" / target).is_file()
        assert [path.name for path in shell.folder.rglob("*.draft")] == []


def test_a_link_into_a_missing_folder_is_refused_before_the_first_call(compile_to, shell):
    (shell.folder / "latest.json").symlink_to("gone/v3.json")
    assert "there is no folder" in compile_to("latest.json").err
    assert shell.server.requests == 0


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_first_call(compile_to, shell, monkeypatch):
    (shell.folder / "closed").mkdir()
    may = os.access  # a real folder without permissions stays open to root
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "closed" and may(path, mode))
    ended = compile_to("closed/out.json")
    assert ended.code == 1
    assert "the folder 'closed' cannot be written to" in ended.err
    assert shell.server.requests == 0


@pytest.mark.parametrize("length", [300, 250])
def test_a_name_that_is_too_long_is_refused_before_the_first_call(compile_to, shell, frozen, length):
    """250: it would fit, and the name that the file is first written under would not."""
    name = "n" * length
    assert f"-o {name} cannot be written" in compile_to(name).err
    assert shell.server.requests == 0
    assert f"-o {name} cannot be written" in shell("report", frozen, "-o", name).err
    assert ("cannot be written" in shell("export", frozen, "--to", "openai", "-o", name).err) == (length > 255)


def test_a_program_in_a_package_or_elsewhere_on_the_path_is_never_overwritten(
    compile_to, shell, tmp_path_factory, monkeypatch
):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.syspath_prepend(str(elsewhere))
    rows = ("--train", "train.jsonl", "--metric", "exact_match:label", "--quiet", "--force")
    for place in (shell.folder / "boxed" / "__init__.py", elsewhere / "away.py"):
        place.parent.mkdir(exist_ok=True)
        place.write_text(APP)
        module = "away" if place.stem == "away" else "boxed"
        ended = shell("compile", f"{module}:program", *rows, "-o", str(place), model="small")
        assert f"-o {place} would overwrite what the command reads as PROGRAM" in ended.err
        assert place.read_text() == APP
    assert shell.server.requests == 0


def test_a_module_that_is_loaded_is_never_overwritten(tmp_path, monkeypatch):
    loaded = tmp_path / "loaded.py"
    loaded.touch()
    check_output(str(loaded), FROZEN, {}, force=True)
    module = ModuleType("loaded")
    module.__file__ = str(loaded)
    monkeypatch.setitem(sys.modules, "loaded", module)
    with pytest.raises(BurnishError, match="would overwrite the module loaded, which the command runs"):
        check_output(str(loaded), FROZEN, {}, force=True)


def test_a_report_is_never_put_into_the_run_that_it_tells_of(compile_to, shell):
    assert compile_to("out.json", "--run-dir", "run").code == 0
    (shell.folder / "short").symlink_to("run")
    before = (shell.folder / "run" / "program.json").read_bytes()
    for run, output in (("run", "run/program.json"), ("short", "run/report.html"), ("run", "short/events.jsonl")):
        ended = shell("report", run, "-o", output, "--force")
        assert ended.code == 1
        assert f"-o {output} lies in the folder that the command reads as RUN" in ended.err
    assert (shell.folder / "run" / "program.json").read_bytes() == before
    assert not (shell.folder / "run" / "report.html").exists()
    assert shell("report", "run", "-o", "report.html").code == 0


def test_the_source_of_a_name_is_the_file_that_an_import_would_find(shell, monkeypatch):
    for name in ("lib/deep/app.py", "boxed/__init__.py", "boxed/part.py"):
        (shell.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (shell.folder / name).write_text("raise RuntimeError('nothing is run')")
    assert source_of("lib/app.py:program") == "lib/app.py"
    assert source_of("lib.deep.app:program.step") == str(shell.folder / "lib" / "deep" / "app.py")
    assert source_of("boxed:program") == str(shell.folder / "boxed" / "__init__.py")
    assert source_of("boxed.part:program") == str(shell.folder / "boxed" / "part.py")
    assert source_of("json:loads") == json.__file__
    for nothing in (None, "joint", "exact_match:label", "boxed.other:program", "lib:program"):
        assert source_of(nothing) is None
