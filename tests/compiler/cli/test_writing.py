"""What -o may overwrite: never what the command reads, and another kind of file only with --force."""

from __future__ import annotations

import json
import sys

import pytest

from burnish.compiler.cli.writing import source_of

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


def test_the_source_of_a_name_is_its_file_or_the_module_beside_it():
    assert source_of("lib/app.py:program") == "lib/app.py"
    assert source_of("lib.app:program.step") is not None
    assert source_of("lib.app:program.step").replace("\\", "/") == "lib/app.py"
    assert source_of(None) is None
