"""`burnish run` takes what a compile took in its rows, and tells what it does not take before anything is sent."""

from __future__ import annotations

import io
import json

import pytest

from burnish.compiler.frozen.compiled import freeze
from burnish.signatures.candidate import Candidate, Part
from burnish.signatures.prompt import Prompt
from burnish.signatures.schema import Field, Schema

MAYBE = '{"anyOf":[{"type":"string"},{"type":"null"}]}'
SCHEMA = Schema(
    (
        Field("review"),
        Field("stars", '{"type":"integer"}', type_name="int"),
        Field("price", '{"type":"number"}', type_name="float", required=False),
        Field("note", MAYBE, type_name="Optional[str]", required=False),
    ),
    (Field("label", '{"enum":["positive","negative"],"type":"string"}', type_name="Literal['positive', 'negative']"),),
)
ROW = {"review": "Fine.", "stars": 5}


@pytest.fixture
def typed(tmp_path, compiled_program):
    """The name of a file whose program takes more than text."""

    class Kind:
        kind, spec, module = "predictor", None, None

    candidate = Candidate.of({"self": Part(Prompt(SCHEMA, "Grade the review."))})
    verdict = compiled_program().verdict.to_json()
    freeze(Kind(), candidate, lm={"model": "small"}, verdict=verdict, evidence={}, provenance={}).save(
        tmp_path / "typed.json"
    )
    return "typed.json"


def asked(shell):
    """The user message of each request, in their order."""
    return [body["messages"][-1]["content"] for body in shell.server.bodies]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"review": 3}, "'review' must be text; got 3. The program takes review as str."),
        ({"review": None}, "'review' must be text; got null."),
        ({"stars": "five"}, "'stars' must be an integer; got 'five'. The program takes stars as int."),
        ({"stars": True}, "'stars' must be an integer; got true."),
        ({"price": [1]}, "'price' must be a number; got [1]."),
        ({"note": 3}, "'note' must be text; got 3."),
    ],
    ids=str,
)
def test_a_value_of_a_wrong_type_is_told_and_nothing_is_sent(shell, typed, wrong, said):
    done = shell("run", typed, json.dumps({**ROW, **wrong}), model="small")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"burnish: the argument: {said}")
    assert shell.server.requests == 0


def test_a_line_with_a_value_of_a_wrong_type_is_named_after_the_lines_before_it_are_answered(shell, typed, monkeypatch):
    lines = "".join(json.dumps(row) + "\n" for row in (ROW, {**ROW, "stars": 2.5}))
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    done = shell("run", typed, model="small")
    assert (done.code, done.out) == (1, '{"label": "positive"}\n')
    assert "line 2: 'stars' must be an integer; got 2.5." in done.err
    assert shell.server.requests == 1


@pytest.mark.parametrize(
    "right",
    [{"price": 3}, {"price": 2.5}, {"note": None}, {"note": "n"}, {"review": ["a", "b"]}, {"label": 3}],
    ids=str,
)
def test_whole_numbers_for_fractions_nothing_for_what_is_optional_and_passages_are_taken(
    shell, typed, right, monkeypatch
):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({**ROW, **right})))
    done = shell("run", typed, model="small")
    assert (done.code, done.out) == (0, '{"label": "positive"}\n'), done.err


def test_a_number_that_a_table_kept_as_text_is_asked_as_the_number(shell, typed):
    for stars in ("5.0", 5):
        assert shell("run", typed, json.dumps({**ROW, "stars": stars}), model="small").code == 0
    first, second = asked(shell)
    assert first == second
