"""Compiled programs that a test can build in one line, without dspy and without a search; and a real bench."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Declared:
    """What `freeze` needs of a program: its kind and its wiring."""

    kind: str = "predictor"
    spec: dict = field(default_factory=dict)
    module: object = None


def review_schema():
    from burnish.signatures.schema import Field, Schema

    label = Field(
        "label", '{"enum":["positive","negative"],"type":"string"}', type_name="Literal['positive', 'negative']"
    )
    return Schema((Field("review"), Field("hint", required=False)), (label,))


def turned(step):
    """A vector for each demonstration of `compiled_program`, each turned a little further than the one before."""
    return [math.cos(step / 4), math.sin(step / 4), 0.25]


def a_verdict(decision="ship"):
    from burnish.compiler.evidence import compare, decide

    better, same = ([0] * 20 + [1] * 20, [1] * 40), ([0, 1] * 20, [0, 1] * 20)
    return decide(compare(*(better if decision == "ship" else same))).to_json()


def compiled_program(
    instruction="Classify the review.",
    demos=2,
    format="chat",
    position="system",
    rule=None,
    reply_policy="none",
    finalist=None,
    decision="ship",
    live_lm=None,
    live_encoder=None,
    lm=None,
    provenance=None,
    **params,
):
    """A compiled sentiment program."""
    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.candidate import Candidate, Part, Settings
    from burnish.signatures.prompt import Demo, Prompt

    shown = tuple(Demo.of({"review": f"Größe {n} <b>", "label": ("positive", "negative")[n % 2]}) for n in range(demos))
    if rule is not None and rule.encoder is not None:
        shown = tuple(demo.with_vector(turned(n)) for n, demo in enumerate(shown))
    prompt = Prompt(review_schema(), instruction, shown, format=format, position=position, rule=rule)
    candidate = Candidate.of({"self": Part(prompt, Settings.of(reply_policy=reply_policy, **params))})
    return freeze(
        Declared(),
        candidate,
        lm=lm or {"model": "small", "params": {"temperature": 0.0, "max_tokens": 100}},
        verdict=a_verdict(decision),
        evidence={
            "parts": [{"part": "student", "dev": 0.5}, {"part": "format", "dev": 0.625}],
            "spent": {"search": {"calls": 12, "tokens": 345, "usd": 0.25}},
        },
        provenance=provenance or {"seed": 0, "metric": "exact_match('label')"},
        finalist=None if finalist is None else candidate.with_prompt("self", instruction=finalist),
        live_lm=live_lm,
        live_encoder=live_encoder,
    )


def compiled_pipeline(**options):
    """Two steps: the first gives a price list, the second adds it up."""
    from burnish.compiler.frozen.compiled import freeze
    from burnish.signatures.candidate import Candidate, Part
    from burnish.signatures.prompt import Prompt
    from burnish.signatures.schema import Field, Schema

    items = '{"items":{"type":"number"},"type":"array"}'
    first = Schema((Field("text"),), (Field("prices", items, type_name="list[float]"),))
    second = Schema(
        (Field("prices", items, type_name="list[float]"), Field("text")),
        (Field("total", '{"type":"number"}', type_name="float"),),
    )
    steps = [
        {"name": "extract", "path": "extract", "inputs": ["text"], "outputs": ["prices"]},
        {"name": "add", "path": "add", "inputs": ["prices", "text"], "outputs": ["total"]},
    ]
    return freeze(
        Declared("pipeline", {"steps": steps}),
        Candidate.of({"extract": Part(Prompt(first, "List the prices.")), "add": Part(Prompt(second, "Add them up."))}),
        lm={"model": "small"},
        verdict=a_verdict("keep"),
        evidence={},
        provenance={},
        **options,
    )


@dataclass
class Ran:
    """A compile that came back. file: the digest of the compiled file. calls, tokens: what its empty reply cache holds
    in the end, counted apart from any budget."""

    compiled: Any
    file: str
    calls: int
    tokens: int

    @property
    def evidence(self):
        return self.compiled.document["evidence"]


@pytest.fixture
def compile_apart(tmp_path, monkeypatch, reviews):
    """compile() with a reply cache and a run folder of its own for each name; the same name again resumes the run."""

    def run(name, program, lm, rows=60, trainset=None, **arguments):
        import burnish as b
        from burnish.compiler.lm import ReplyCache

        monkeypatch.setenv("BURNISH_CACHE_DIR", str(tmp_path / f"cache {name}"))
        compiled = b.compile(
            program,
            trainset=trainset or b.load_examples(reviews(rows), inputs=["review"]),
            lm=lm,
            run_dir=tmp_path / f"run {name}",
            progress=False,
            **{"metric": b.exact_match("label"), **arguments},
        )
        cache = ReplyCache()
        models = cache.stats().models
        cache.close()
        tokens = sum(model.prompt_tokens + model.completion_tokens for model in models)
        file = Path(tmp_path / f"{name}.json")
        compiled.save(file)
        calls = sum(model.calls for model in models)
        return Ran(compiled, hashlib.sha256(file.read_bytes()).hexdigest(), calls, tokens)

    return run


@pytest.fixture(name="compiled_program")
def _compiled_program():
    return compiled_program


@pytest.fixture(name="turned")
def _turned():
    return turned


@pytest.fixture(name="compiled_pipeline")
def _compiled_pipeline():
    return compiled_pipeline


@pytest.fixture
def resealed():
    """The bytes of a document that somebody changed, with a digest that fits the change."""
    from burnish.compiler.frozen.document import document_digest, document_text

    def bytes_of(document):
        sealed = {**document, "digest": document_digest(document)}
        return document_text(sealed).encode("utf-8", "surrogatepass")

    return bytes_of


@pytest.fixture
def on_bench(program, reviews, reviewer, tmp_path):
    """Runs a function of a real bench inside a compile, and returns the compiled program and what the function gave."""
    import burnish as b
    from burnish.teleprompters.base import Forecast

    runs = iter(range(100))

    def run(search, lm=None, rows=90, budget=None, skill=lambda prompt: 0.7, preference=None, **arguments):
        given = []

        class Searching(b.Teleprompter):
            def preference(self, score):
                return preference(score) if preference else super().preference(score)

            def search(self, bench):
                given.append(search(bench))
                yield from ()

            def forecast(self, sizes):
                return Forecast(0, 0, "as the test says")

        compiled = b.compile(
            arguments.pop("program", program),
            trainset=arguments.pop("trainset", None) or reviews(rows),
            metric=arguments.pop("metric", b.exact_match("label")),
            lm=lm or reviewer(skill),
            teleprompter=Searching(),
            budget=budget or b.Budget(calls=600),
            run_dir=tmp_path / f"run{next(runs)}",
            progress=False,
            **arguments,
        )
        return compiled, (given[0] if given else None)

    return run
