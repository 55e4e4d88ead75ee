"""probe(): from a frozen file and rows to how fragile it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...signatures.candidate import Candidate
from ...signatures.canonical import JSON
from ...signatures.errors import BudgetError, ExampleError, FrozenError, LMError
from ...signatures.prompt import Prompt
from ...signatures.values import to_json
from ...teleprompters.draws import shuffled
from ..budget import Budget
from ..evidence import compare
from . import PERTURBATIONS
from .base import Omitted, Subject, Variant
from .findings import Majority, findings, together
from .plan import Plan, calls_a_row, plan
from .report import ProbeReport
from .running import Answers, Runner, majority
from .wording import write

if TYPE_CHECKING:
    from ..lm import LM
    from ..metrics import Metric


def probe(
    path: str | os.PathLike[str],
    data: object,
    *,
    metric: Metric | Callable[..., Any] | None = None,
    lm: object = None,
    writer: object = None,
    encoder: object = None,
    program: object = None,
    predictor: str | None = None,
    rows: int | None = None,
    draws: int = 3,
    budget: Budget | None = None,
    seed: int = 0,
    concurrency: int = 8,
    progress: bool = True,
) -> ProbeReport:
    """Scores a frozen file as it is and with one thing changed at a time, on the same rows, and says what moves it.

    data: labelled rows, as `load_examples` returns or takes. metric: None: the built-in that the file was compiled
        with.
    lm: runs the program (None: the model that the file names). writer: paraphrases the instruction (None: the same).
    encoder: embeds queries, in files that compare vectors (None: the one that the file names).
    program: the user's own module, for files that do not hold its code.
    predictor: changes are made to this one only; None: to each in turn.
    rows: how many are drawn (None: as many as leave room for everything, at least 70). draws: how many orders, wordings
        and random labellings. budget: `Budget(calls=...)`, 2000 by default. It is a limit: what does not fit is left
        out, and the report says so. Replies that the cache holds are planned for and cost nothing.
    progress: prints the plan to stderr before the first call, and then how far it is.

    The same arguments and replies give the same report. Rows that stand in the prompt as a fixed demonstration are left
    out. Raises a BurnishError that says what to mend.
    """
    from ...signatures.examples import load_examples
    from ..frozen.compiled import CompiledProgram
    from ..frozen.scoring import default_metric, inputs_of
    from ..lm import LM, Client, ReplyCache, as_lm
    from ..lm.call_limit import CallLimit
    from ..metrics import as_metric
    from ..progress.replies import shown
    from ..runtime.answering import same_encoder
    from ..runtime.program import FrozenProgram

    name, budget = os.fspath(path), budget or Budget.default()
    compiled = CompiledProgram.load(name)
    document, candidate = compiled.document, compiled.candidate
    measured = default_metric(name) if metric is None else as_metric(metric)
    answering = LM(document["lm"]["model"]) if lm is None else as_lm(lm)
    writing = answering if writer is None else as_lm(writer)
    embedding = same_encoder(encoder, candidate.encoders[0]) if candidate.encoders else None
    frozen = FrozenProgram(document, lm=_unasked, program=program, encoder=_unasked)

    subject = Subject(candidate, (), frozen.input_fields, _named(candidate, predictor), seed, draws)
    examples, notes = _drawn(load_examples(data), subject, frozen.inputs)
    subject = replace(subject, inputs=tuple(inputs_of(row, frozen.inputs) for row in examples))
    planned = plan(subject, PERTURBATIONS, calls_a_row(document, candidate, budget), budget, rows)
    examples = examples[: planned.rows]
    limit = CallLimit(planned.limit, "run again: what was paid for is in the reply cache, and costs nothing")
    cache = ReplyCache()
    try:
        offline = bool(os.environ.get("BURNISH_OFFLINE"))
        with (
            Client(cache, limit, concurrency=concurrency, offline=offline) as client,
            shown(str(planned), planned.calls, not progress) as client.watch,
        ):
            runner = Runner(document, client, answering, embedding, program, measured, examples, concurrency)
            as_is = runner.run(candidate, planned.subject.inputs)
            variants, unwritten = _written(planned, runner, writing)
            ran, stopped = _run(variants, runner)
    finally:
        cache.close()

    label = majority(measured, frozen.outputs, examples)
    # Counted before any score is known: what a lost reply or a broken server leaves out makes no interval narrower.
    comparisons = len(variants) + (label is not None)
    always = None
    if label is not None:
        constant = runner.constant(label)
        score = compare(as_is.scores, constant, score_range=measured.range, level=together(comparisons))
        always = Majority(_shown(label), score)
    low, high = measured.range
    return ProbeReport(
        file=os.path.basename(name),
        model=answering.model,
        metric=measured.name,
        rows=planned.rows,
        seed=seed,
        as_is=(sum(as_is.scores) / planned.rows - low) / (high - low),
        as_is_unparsed=sum(as_is.failed) / planned.rows,
        comparisons=comparisons,
        findings=findings(as_is, ran, measured.range, comparisons),
        omitted=(*planned.omitted, *planned.unaffordable, *unwritten, *stopped),
        majority=always,
        given=_given(as_is, measured),
        calls=limit.paid,
        planned=planned.calls,
        notes=notes,
    )


# the subject and its rows


def _named(candidate: Candidate, predictor: str | None) -> tuple[str, ...]:
    if predictor is not None and predictor not in candidate.predictors:
        known = ", ".join(map(repr, candidate.predictors))
        raise FrozenError(f"The file has no predictor {predictor!r}. It has {known}. Nothing was spent.")
    return candidate.predictors if predictor is None else (predictor,)


def _drawn(data: Sequence[Any], subject: Subject, names: tuple[str, ...]) -> tuple[list[Any], tuple[str, ...]]:
    """The rows in random order, those left out that the prompt shows; and what to say of that."""
    from ..frozen.scoring import inputs_of

    fixed = [part.prompt for _, part in subject.candidate.parts if part.prompt.rule is None]
    kept = [row for row in data if not any(_shows(prompt, inputs_of(row, names)) for prompt in fixed)]
    if len(kept) < 2:
        raise ExampleError(
            f"A probe compares row by row, and {len(kept)} of {len(data)} rows can be used: rows that stand in the "
            "prompt as demonstrations cannot. Give at least two others. Nothing was spent."
        )
    left_out = len(data) - len(kept)
    what = "row stands" if left_out == 1 else "rows stand"
    notes = (f"{left_out} {what} in the prompt as a demonstration and left out.",) if left_out else ()
    return shuffled(kept, subject.rng("rows")), notes


def _shows(prompt: Prompt, inputs: Mapping[str, Any]) -> bool:
    """Whether one of the demonstrations has the inputs of this row."""
    names = [field.name for field in prompt.schema.inputs]
    asked = {name: to_json(inputs[name]) for name in names if name in inputs}
    shown = ({name: demo.values[name] for name in names if name in demo.values} for demo in prompt.demos)
    return bool(asked) and any(asked == values for values in shown)


def _unasked(*_: Any) -> Any:
    raise AssertionError("this program is looked at and not called")


# the run


def _written(planned: Plan, runner: Runner, writer: LM) -> tuple[list[Variant], list[Omitted]]:
    """The planned variants with what a model was to write for them."""
    made: list[Variant | Omitted] = [one for one in planned.variants if not one.is_unwritten]
    for path in planned.subject.predictors:
        unwritten = [one for one in planned.variants if one.is_unwritten and one.predictor == path]
        made += write(unwritten, runner.client, writer) if unwritten else []
    return [one for one in made if isinstance(one, Variant)], [one for one in made if isinstance(one, Omitted)]


def _run(variants: Sequence[Variant], runner: Runner) -> tuple[list[tuple[Variant, Answers]], list[Omitted]]:
    """What each variant gave; and those that could not be run to their end, with the reason."""
    ran: list[tuple[Variant, Answers]] = []
    stopped: list[Omitted] = []
    for variant in variants:
        try:
            ran.append((variant, runner.run(variant.candidate, variant.inputs)))
        except BudgetError as error:
            stopped.append(Omitted(variant.family, variant.name, variant.predictor, str(error)))
        except LMError as error:
            if variant.family != "format":  # a server may refuse the JSON Schema that a format sends along
                raise
            stopped.append(Omitted(variant.family, variant.name, variant.predictor, str(error)))
    return ran, stopped


def _given(as_is: Answers, metric: Metric) -> tuple[str, float] | None:
    """The value most given of the output that the metric reads, and on what share of the rows."""
    if metric.reads is None:
        return None
    found = as_is.most_given(metric.reads[0])
    return None if found is None else (_shown({metric.reads[0]: found[0]}), found[1] / len(as_is.scores))


def _shown(outputs: Mapping[str, JSON]) -> str:
    return ", ".join(map(repr, map(to_json, outputs.values())))
