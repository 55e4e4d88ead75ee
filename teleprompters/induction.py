"""Inducing instructions: examples shown to the optimizer LM, and the instruction that it says was behind them."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON
from ..signatures.example import Example
from ..signatures.schema import Field, Schema
from .asking import ask_for
from .base import Origin, Workbench
from .draws import draw
from .metaprompts import MetaPrompt
from .pairs import from_trace, labels_from_row
from .replies import instruction

Mode: TypeAlias = Literal["forward", "reverse", "both"]

TRACED_ROWS = 16  # executions that show what a predictor without labels does


@dataclass(frozen=True)
class Proposal:
    """An instruction, the candidate whose instruction it is to replace, and where it comes from."""

    text: str
    parent: Candidate
    origin: Origin


@dataclass(frozen=True)
class Query:
    """What is sent to the optimizer LM for new instructions, and what they will be the children of."""

    text: str
    parent: Candidate
    origin: Origin


def shown_pairs(bench: Workbench, candidate: Candidate, predictor: str) -> dict[Example, dict[str, JSON]]:
    """Pool rows with the field values to show for one predictor.

    From the rows' labels where they hold one of its outputs; else from executions of the candidate on some pool rows:
    the correct ones (score of 1 or more), or, when none is, all that went through.
    """
    schema = candidate.prompt(predictor).schema
    labelled = {row: values for row in bench.pool if (values := labels_from_row(row, schema)) is not None}
    if labelled:
        return labelled
    rows = draw(bench.pool, TRACED_ROWS, bench.rng(f"rows to trace for {predictor}"))
    outcomes = dict(zip(rows, bench.bootstrap(candidate, rows), strict=True))
    correct = {row for row, outcome in outcomes.items() if outcome.failure is None and outcome.score >= 1}
    traced = {row: from_trace(outcome, predictor, schema) for row, outcome in outcomes.items() if not outcome.failure}
    found = {row: values for row, values in traced.items() if values is not None}
    return {row: values for row, values in found.items() if row in correct} or found


def induce(
    bench: Workbench,
    candidate: Candidate,
    predictor: str,
    *,
    teleprompter: str,
    count: int,
    each: int,
    examples: int,
    metaprompts: Mapping[str, MetaPrompt],
    rng: random.Random,
    temperature: float,
    max_tokens: int,
) -> list[Proposal]:
    """About `count` instructions (rounded up to whole queries of `each` replies), none empty, possibly equal ones.

    Every query shows `examples` rows drawn afresh, inputs and outputs, in one of the meta-prompts, which take turns.
    A reply that holds no instruction is asked for once more, then dropped and counted in the log.
    """
    pairs = shown_pairs(bench, candidate, predictor)
    if not pairs:
        bench.log("nothing to induce from", predictor=predictor)
        return []
    schema = candidate.prompt(predictor).schema
    names = list(metaprompts)
    queries = []
    for number in range(math.ceil(count / each)):
        rows = draw(list(pairs), examples, rng)
        mode = names[number % len(names)]
        text = metaprompts[mode].fill(examples="\n\n".join(written(schema, pairs[row]) for row in rows))
        detail = {"predictor": predictor, "mode": mode, "rows": [row.digest for row in rows]}
        queries.append(Query(text, candidate, Origin(teleprompter, "induction", detail)))
    return proposals(bench, queries, each, temperature=temperature, max_tokens=max_tokens, purpose="induction")


def proposals(
    bench: Workbench, queries: Sequence[Query], each: int, *, temperature: float, max_tokens: int, purpose: str
) -> list[Proposal]:
    """The instructions in `each` replies to every query, in order. An unreadable reply is asked for once more."""
    texts = [query.text for query in queries]
    found = ask_for(bench, texts, instruction, n=each, temperature=temperature, max_tokens=max_tokens, purpose=purpose)
    return [
        Proposal(text, query.parent, query.origin)
        for drawn, query in zip(found, queries, strict=True)
        for text in drawn
    ]


def admitted(
    bench: Workbench, predictor: str, proposed: Sequence[Proposal], *, max_length: int | None = None
) -> dict[Candidate, Proposal]:
    """The candidates that passed the guard rails, in the order proposed, each with the proposal it was made from."""
    made: dict[Candidate, Proposal] = {}
    for parent, children in groupby(proposed, key=lambda proposal: proposal.parent):
        texts, by_text = [], dict[str, Proposal]()
        for proposal in children:
            texts.append(proposal.text)
            by_text.setdefault(proposal.text, proposal)
        for candidate in bench.admit(parent, predictor, texts, max_length=max_length):
            made.setdefault(candidate, by_text[candidate.prompt(predictor).instruction])
    return made


def written(schema: Schema, values: Mapping[str, JSON]) -> str:
    """One row as the optimizer LM sees it: "Input" and "Output", with the fields' names where there are several."""
    return f"{written_inputs(schema, values)}\n{written_outputs(schema, values)}"


def written_inputs(schema: Schema, values: Mapping[str, JSON]) -> str:
    return _titled("Input", schema.inputs, values)


def written_outputs(schema: Schema, values: Mapping[str, JSON]) -> str:
    return _titled("Output", schema.outputs, values)


def _titled(title: str, fields: Sequence[Field], values: Mapping[str, JSON]) -> str:
    shown = [(field.name, as_text(values[field.name])) for field in fields if field.name in values]
    lines = [text if len(fields) == 1 else f"{name}: {text}" for name, text in shown]
    return f"{title}: {lines[0]}" if len(lines) == 1 else "\n".join([f"{title}:", *lines])


def as_text(value: JSON) -> str:
    """A value as the optimizer LM sees it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
