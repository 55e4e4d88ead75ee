"""Files that nobody vouches for: seeded slices of the fuzzer, what it has found before, and bounds on large files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from burnish import FrozenError
from burnish.compiler.frozen.document import parse_document

FUZZER = Path(__file__).parents[2] / "benchmarks" / "fuzz_loader.py"


def fuzz(*arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONWARN")}
    return subprocess.run(
        [sys.executable, str(FUZZER), *arguments], capture_output=True, text=True, env=environment, check=False
    )


def test_a_short_slice_of_fuzzed_files_loads_or_is_refused():
    ran = fuzz("--cases", "600", "--slice", "200", "--seed", "7")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "600 cases" in ran.stdout
    assert " loaded" in ran.stdout.splitlines()[-1]  # some pass all checks, so that what follows is fuzzed too


@pytest.mark.slow
def test_a_seeded_slice_of_fuzzed_files_loads_or_is_refused():
    """The slice is named by BURNISH_FUZZ_SLICE, so that a build can take another one each time."""
    ran = fuzz("--cases", "30000", "--first", os.environ.get("BURNISH_FUZZ_SLICE", "1000"))
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_fuzzer_notices_what_it_is_there_to_notice(tmp_path):
    """Against a loader with a hole: it opens a file, or raises what it must not."""
    for hole, told in (("open('/dev/null')", "touched what it must not: open"), ("{}['x']", "KeyError")):
        code = (
            f"import sys; sys.path.insert(0, {str(FUZZER.parent)!r}); sys.argv = ['fuzz', '--cases', '50']\n"
            "import fuzz_loader\n"
            "def holed(content, mutator):\n"
            f"    {hole}\n"
            "    return 'loaded'\n"
            "fuzz_loader._outcome = holed\n"
            "sys.exit(fuzz_loader.main())"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert ran.returncode == 1
        assert told in ran.stdout


# found by fuzzing, or looked for beside it


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": "x"},
        {"type": "number", "multipleOf": 0},
        {"type": "number", "minimum": "a"},
        {"enum": 3},
        {"anyOf": {"a": 1}},
        {"type": "object", "required": 4},
        {"type": [["string"]]},
        {"uniqueItems": "yes"},
        {"$ref": "#/$defs/a/b", "$defs": {"a/b": {"type": "string"}}},
        {"type": "string", "pattern": "a{99999999999999999999}"},
        {"$ref": "#/$defs/0", "$defs": {str(n): {"anyOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(40)}},
    ],
)
def test_a_json_schema_that_would_break_or_stall_a_call_is_refused(compiled_program, resealed, schema):
    document = compiled_program().document
    document["predictors"]["self"]["template"]["schema"]["outputs"][0]["json_schema"] = schema
    with pytest.raises(FrozenError, match="json_schema"):
        parse_document(resealed(document), "program.json")


def test_a_pattern_that_python_warns_of_is_no_crash_where_warnings_are_errors(compiled_program, resealed):
    document = compiled_program().document
    field = document["predictors"]["self"]["template"]["schema"]["outputs"][0]
    field["json_schema"] = {"type": "string", "pattern": "[[a]"}
    with pytest.raises(FrozenError, match="json_schema"):  # the test suite makes warnings errors
        parse_document(resealed(document), "program.json")


def _many_goldens(document):
    document["goldens"] *= 1000


def _many_slots(document):
    document["predictors"]["self"]["template"]["tail"][0]["parts"] += [
        {"slot": "review", "before": "", "after": ""}
    ] * 99


def _many_fields(document):
    fields = document["predictors"]["self"]["template"]["schema"]["inputs"]
    fields += [{**fields[0], "name": f"field_{n}"} for n in range(2000)]


def _many_predictors(document):
    document["predictors"] |= {f"p{n}": document["predictors"]["self"] for n in range(300)}


@pytest.mark.parametrize("change", [_many_goldens, _many_slots, _many_fields, _many_predictors])
def test_a_file_cannot_ask_for_work_that_grows_faster_than_itself(compiled_program, resealed, change):
    document = compiled_program().document
    change(document)
    with pytest.raises(FrozenError, match=r"more than|are the most"):
        parse_document(resealed(document), "program.json")


def test_a_key_that_stands_twice_among_very_many_is_found_in_one_pass():
    keys = ",".join(f'"k{n}":0' for n in range(200_000))
    with pytest.raises(FrozenError, match="the key 'k199999' stands twice"):
        parse_document(f'{{{keys},"k199999":1}}'.encode(), "program.json")


LARGE = {
    "empty lists": b'{"format": "burnish/1", "a": [' + b"[]," * 1_300_000 + b"[]]}",
    "small objects": b'{"format": "burnish/1", "a": [' + b'{"a":0},' * 800_000 + b"0]}",
    "small numbers": b'{"format": "burnish/1", "a": [' + b"0.5," * 1_900_000 + b"0]}",
    "one wide text": b'{"format": "burnish/1", "a": "' + "\U0001f600".encode() * 1_900_000 + b'"}',
    "escapes": b'{"format": "burnish/1", "a": "' + b"\\u0000" * 1_300_000 + b'"}',
}


@pytest.mark.parametrize("name", LARGE)
def test_eight_megabytes_of_anything_are_refused_within_bounded_memory(name, tmp_path):
    (tmp_path / "large.json").write_bytes(LARGE[name])
    code = (
        "import resource, sys\n"
        "from burnish import FrozenError, load\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    load(sys.argv[1])\n"
        "except FrozenError:\n"
        "    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "large.json")], capture_output=True, text=True, check=True
    )
    assert int(ran.stdout) < 250, f"{name}: {ran.stdout} MB"


def test_more_values_than_any_honest_file_has_are_refused_before_they_are_made():
    with pytest.raises(FrozenError, match="holds more than 4000000 values"):
        parse_document(b"[" + b"[]," * 2_100_000 + b"[]]", "program.json")
