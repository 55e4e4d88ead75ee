"""burnish-runtime: a wheel of what a frozen program needs, in an environment where there is nothing else."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import burnish
from burnish.signatures.prompt import DemoRule

ROOT = Path(__file__).resolve().parents[3]
MOST_BYTES = 40 * 10**6
ABSENT = ("burnish", "dspy", "optuna", "numpy", "openai", "pydantic", "aiohttp", "diskcache")
# What only the extras bring.
EXTRA = {"cryptography", "fastapi", "opentelemetry", "prometheus_client", "pydantic", "starlette", "uvicorn"}


def script():
    spec = importlib.util.spec_from_file_location("runtime_wheel", ROOT / ".ci" / "runtime_wheel.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return script().build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def clean(wheel, tmp_path_factory):
    """Runs Python code in an environment that holds the wheel and nothing else; gives what it prints as JSON."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    install = ["-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    environment = {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([sys.executable, *install, str(wheel)], check=True, env=environment)

    def run(code, *arguments, command=None):
        program = [str(folder / "bin" / command)] if command else [str(python), "-c", code]
        given = [json.dumps(argument) if not isinstance(argument, str) else argument for argument in arguments]
        done = subprocess.run([*program, *given], capture_output=True, text=True, env=environment, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout if command else json.loads(done.stdout)

    run.folder, run.environment = folder, environment
    return run


@pytest.fixture
def files(compiled_program, compiled_pipeline, tmp_path):
    """A file of each kind that freezes whole."""
    made = {
        "predictor": compiled_program(format="plain"),
        "reask": compiled_program(format="plain", reply_policy="reask"),
        "rule": compiled_program(format="plain", demos=6, rule=DemoRule("bm25", 2)),
        "pipeline": compiled_pipeline(),
    }
    return {name: str(compiled.save(tmp_path / f"{name}.json")) for name, compiled in made.items()}


ANSWERS = """
import asyncio, importlib.util, json, sys
url, files, absent = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
assert [name for name in absent if importlib.util.find_spec(name)] == []
import burnish_runtime as b

def answer(messages, settings):
    return "[[ ## total ## ]]\\n3" if "Add them" in messages[0]["content"] else "[[ ## prices ## ]]\\n[1, 2]"

lm = b.LM("small", base_url=url)
given = {name: b.load(files[name], lm=lm)(review="Größe 3").to_dict() for name in ("predictor", "reask", "rule")}
given["pipeline"] = b.load(files["pipeline"], lm=answer)(text="One and two.").to_dict()
program = b.load(files["predictor"], lm=lm)
given["stream"] = [*program.stream(review="x")]
given["acall"] = asyncio.run(program.acall(review="x")).to_dict()
print(json.dumps(given))
"""


def test_a_program_answers_where_dspy_and_optuna_are_not_installed(clean, files, server, answers):
    server.answers = [answers.whole("negative"), answers.whole("perhaps"), answers.whole("negative")]
    server.answers += [answers.whole("negative"), answers.streamed("pos", "itive")]
    given = clean(ANSWERS, server.url, files, ABSENT)
    label = {"label": "negative"}
    assert given == {
        "predictor": label,
        "reask": label,
        "rule": label,
        "pipeline": {"prices": [1, 2], "total": 3},
        "stream": ["pos", "itive"],
        "acall": {"label": "positive"},
    }
    assert len(server.bodies[2]["messages"]) == len(server.bodies[1]["messages"]) + 2  # the re-ask


MESSAGES = """
import json, sys
import burnish_runtime as b
files, inputs = json.loads(sys.argv[1]), json.loads(sys.argv[2])
programs = {name: b.load(path) for name, path in files.items()}
shown = {name: [programs[name].to_messages(*step, **row) for step, row in rows] for name, rows in inputs.items()}
print(json.dumps(shown))
"""


def test_it_renders_the_messages_that_the_whole_package_renders(clean, files):
    texts = ["", "Fine.", "Größe 4 <b>", "[[ ## label ## ]]\n</review>", "é\u2028\x00" * 50]
    inputs = {name: [([], {"review": text, "hint": text[::-1]}) for text in texts] for name in files}
    inputs["pipeline"] = [(["extract"], {"text": text}) for text in texts]
    inputs["pipeline"] += [(["add"], {"text": text, "prices": [0.1, 2]}) for text in texts]
    here = {name: burnish.load(path) for name, path in files.items()}
    expected = {name: [here[name].to_messages(*step, **row) for step, row in rows] for name, rows in inputs.items()}
    assert clean(MESSAGES, files, inputs) == expected


IMPORTS = """
import importlib, json, sys
names, failed = json.loads(sys.argv[1]), {}
import burnish_runtime
errors = burnish_runtime.BurnishError
for name in names:
    try:
        importlib.import_module(f"burnish_runtime.{name}")
    except ModuleNotFoundError as error:
        failed[name] = error.name.split(".")[0]
    except errors as error:
        failed[name] = str(error)
print(json.dumps(failed))
"""


def test_every_module_in_it_can_be_imported_and_the_rest_says_what_to_install(clean):
    kept, left = script().contents()
    failed = clean(IMPORTS, [*kept, *left])
    assert {name: reason for name, reason in failed.items() if name in kept and reason not in EXTRA} == {}
    assert all("pip install " in failed[name] and "burnish" in failed[name] for name in left)
    assert not set(kept) & {"compiler.compile", "compiler.workbench", "compiler.budget", "teleprompters.base"}


REFUSES = """
import json, sys
from decimal import Decimal
import burnish_runtime as b
said = []
asks = (
    lambda: b.load(sys.argv[1], program=object()),
    lambda: b.LM("local/smollm2-135m-instruct"),
    lambda: b.load(sys.argv[1]).to_messages(review=Decimal("1.5")),
    lambda: b.Signature,
)
for ask in asks:
    try:
        ask()
    except (b.BurnishError, AttributeError) as error:
        said.append(str(error))
print(json.dumps(said))
"""


def test_what_needs_the_whole_package_is_refused_with_the_command_to_install_it(clean, files):
    said = clean(REFUSES, files["predictor"])
    assert [message.split("pip install ")[1].split()[0].rstrip("),") for message in said] == [
        *("burnish", "'burnish[local]'", "pydantic", "burnish"),
    ]


def test_its_command_runs_shows_and_verifies(clean, files, server):
    clean.environment["OPENAI_BASE_URL"] = server.url
    out = clean("", "run", files["predictor"], '{"review": "Fine."}', command="burnish-runtime")
    assert json.loads(out) == {"label": "positive"}
    assert "Classify the review." in clean("", "show", files["predictor"], command="burnish-runtime")
    clean("", "verify", files["predictor"], command="burnish-runtime")
    assert clean("", "--version", command="burnish-runtime").split() == ["burnish-runtime", burnish.__version__]


def test_it_needs_nothing_beside_python_and_is_small(clean, wheel):
    site = next(clean.folder.glob("lib/python*/site-packages"))
    held = sum(file.stat().st_size for file in site.rglob("*") if file.is_file())
    assert held < MOST_BYTES
    (metadata,) = site.glob("burnish_runtime-*.dist-info/METADATA")
    needed = [line for line in metadata.read_text("utf-8").splitlines() if line.startswith("Requires-Dist")]
    assert [line for line in needed if "extra ==" not in line] == []
    assert wheel.stat().st_size < 10**6


TOGETHER = """
import sys
sys.path.append(sys.argv[2])
import burnish, burnish_runtime
one, other = (module.load(sys.argv[1], lm=lambda *_: "positive") for module in (burnish, burnish_runtime))
assert one(review="x").label == other(review="x").label == "positive"
assert one.to_messages(review="x") == other.to_messages(review="x")
assert burnish.FrozenError is not burnish_runtime.FrozenError
assert not {"dspy", "optuna", "numpy"} & set(sys.modules)
"""


def test_both_distributions_work_in_one_process(clean, files):
    site = next(clean.folder.glob("lib/python*/site-packages"))
    environment = {**os.environ, "PYTHONPATH": str(Path(burnish.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", TOGETHER, files["predictor"], str(site)], check=True, env=environment)


SERVES = """
import sys
sys.path.append(sys.argv[2])
import burnish_runtime
program = burnish_runtime.load(sys.argv[1], lm=lambda *_: "positive")
app = burnish_runtime.asgi(program)
assert any(path.endswith("/run") for path in app.openapi()["paths"])
assert not {"burnish", "dspy", "optuna", "numpy"} & set(sys.modules)
"""


def test_it_serves_where_the_extra_is_installed(clean, files):
    pytest.importorskip("fastapi")
    site = next(clean.folder.glob("lib/python*/site-packages"))
    subprocess.run([sys.executable, "-c", SERVES, files["predictor"], str(site)], check=True)


def test_equal_trees_give_equal_wheels(tmp_path):
    first, second = (script().build(tmp_path / name).read_bytes() for name in ("one", "two"))
    assert first == second
