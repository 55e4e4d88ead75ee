"""Task: the checked arguments of a compile. Everything that can be wrong with them is found here, before any call."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON
from ..signatures.errors import BudgetError, BurnishError, ExampleError, LMError, MetricError, SchemaError
from ..signatures.example import Example
from ..signatures.json_schema import fits
from ..teleprompters.base import Teleprompter
from ..teleprompters.demonstrations.supply import is_shown
from .budget import Budget
from .lm.endpoints import SENTENCE_TRANSFORMERS
from .metrics import Metric, as_metric, check_fields, unlabelled_note
from .splits import Splits, split
from .workbench import NO_RUNNERS, fingerprint

if TYPE_CHECKING:
    from ..signatures.dspy_bridge import Program
    from ..signatures.examples import CheckedExamples
    from .lm import LM


ROLES = ("task", *NO_RUNNERS)  # that are not names of the user's


@dataclass(frozen=True)
class Task:
    """What is compiled, on what, with what. lms: by role, "task", "optimizer", "judge", "encoder" if there is one, and
    by name the others that a search may let the program run on."""

    program: Program
    splits: Splits
    metric: Metric
    report_metrics: tuple[Metric, ...]
    lms: Mapping[str, LM]
    teleprompter: Teleprompter
    budget: Budget
    seed: int
    min_gain: float
    concurrency: int | None

    @cached_property  # as it was before the search, whatever a teleprompter keeps on itself meanwhile
    def identity(self) -> dict[str, JSON]:
        """Everything that decides where a run goes and what its outcomes are; never a key."""
        return {
            "program": self.program.identity,
            "student": {
                path: [p.prompt.template.digest, p.settings.to_json()] for path, p in self.program.student.parts
            },
            "data": self.data,
            "metric": self.metric.identity,
            "report_metrics": [metric.identity for metric in self.report_metrics],
            "lms": {role: {"endpoint": lm.endpoint, **lm.identity()} for role, lm in sorted(self.lms.items())},
            "teleprompter": self.teleprompter.settings(),
            "budget": self.budget.to_json(),
            "seed": self.seed,
            "min_gain": self.min_gain,
            "versions": self.versions,
        }

    @property
    def runners(self) -> list[LM]:
        """The LMs that a candidate can run on, the program's own first."""
        return [lm for role, lm in self.lms.items() if role not in NO_RUNNERS]

    @property
    def data(self) -> dict[str, JSON]:
        named = {"pool": self.splits.pool, "dev": self.splits.dev, "holdout": self.splits.holdout}
        return {name: {"rows": len(rows), "digest": fingerprint(rows)} for name, rows in named.items()}

    @property
    def versions(self) -> dict[str, JSON]:
        names = ["burnish", "dspy", "numpy", "optuna"]
        if any(lm.model.startswith(SENTENCE_TRANSFORMERS) for lm in self.lms.values()):
            names.append("sentence-transformers")
        return {name: _version(name) for name in names}


def prepare(
    program: object,
    *,
    trainset: object,
    metric: Metric | Callable[..., Any],
    valset: object,
    holdout: object,
    lm: object,
    optimizer_lm: object,
    judge_lm: object,
    encoder: object,
    teleprompter: Teleprompter | None,
    budget: Budget | None,
    seed: int,
    concurrency: int | None,
    report_metrics: Sequence[Metric | Callable[..., Any]],
    min_gain: float,
) -> Task:
    """Checks all arguments against each other. Raises a BurnishError that names the value and the remedy."""
    from ..signatures.dspy_bridge import read_program
    from ..signatures.examples import check_examples
    from ..teleprompters import Joint

    _check_numbers(seed, concurrency, min_gain)
    if teleprompter is not None and not isinstance(teleprompter, Teleprompter):
        raise BurnishError(
            f"teleprompter={teleprompter!r} is not a Burnish teleprompter. Pass an instance such as "
            "burnish.RandomDemos() or burnish.APE(), or leave it out for the default."
        )
    if budget is not None and not isinstance(budget, Budget):
        raise BudgetError(f"budget={budget!r} is not a Budget. Pass burnish.Budget(calls=1000), for example.")
    read = read_program(program)
    train = check_examples(trainset, read, role="trainset")
    val = None if valset is None else check_examples(valset, read, role="valset")
    held = None if holdout is None else check_examples(holdout, read, role="holdout")
    measured = as_metric(metric)
    reported = tuple(as_metric(one) for one in report_metrics)
    for one in (measured, *reported):
        _check_metric(one, read, (*train, *(val or ()), *(held or ())))
    lms = _lms(lm, optimizer_lm, judge_lm, encoder)
    search = teleprompter if teleprompter is not None else Joint()
    _check_threshold(search, measured)
    _check_choice(search, lms)
    if refusal := search.refusal(read.student):
        raise SchemaError(f"{refusal} Nothing was spent.")
    chosen = budget or Budget.default()
    _check_prices(chosen, search, lms)
    splits = split(train, val, held, seed=seed)
    if unfit := search.unfit_rows(read.student, splits.pool):
        raise ExampleError(f"{unfit} Nothing was spent.")
    shown = _shown_note(read.student, splits)
    given = {"trainset": train, "valset": val, "holdout": held}
    notes = _notes({title: rows for title, rows in given.items() if rows is not None}, (measured, *reported), read)
    return Task(
        program=read,
        splits=replace(splits, notes=(*notes, *shown, *splits.notes)),
        metric=measured,
        report_metrics=reported,
        lms=lms,
        teleprompter=search,
        budget=chosen,
        seed=seed,
        min_gain=min_gain,
        concurrency=concurrency,
    )


def _lms(lm: object, optimizer_lm: object, judge_lm: object, encoder: object) -> dict[str, LM]:
    from ..signatures.dspy_bridge import configured_lm
    from .lm import as_encoder, as_lm

    task = lm if lm is not None else configured_lm()
    if task is None:
        raise LMError(
            "No LM to compile for: pass compile(..., lm=burnish.LM('model-name')), or configure one with "
            "dspy.configure(lm=...). Nothing was spent."
        )
    runners = _runners(task)
    resolved = runners["task"]
    return {
        **runners,
        "optimizer": resolved if optimizer_lm is None else as_lm(optimizer_lm),
        "judge": resolved if judge_lm is None else as_lm(judge_lm),
        **({} if encoder is None else {"encoder": as_encoder(encoder)}),
    }


def _check_choice(search: Teleprompter, lms: Mapping[str, LM]) -> None:
    others = [role for role in lms if role not in (*NO_RUNNERS, "task")]
    if others and not search.chooses_lm:
        raise LMError(
            f"lm= names several LMs, and {type(search).__name__} runs the program on one: {', '.join(others)} would "
            "never be asked. Pass one LM, or Joint(), which chooses among them. Nothing was spent."
        )


def _runners(lm: object) -> dict[str, LM]:
    """The LMs that can run the program, by role: "task" for the one that the student runs on, the others by name."""
    from .lm import as_lm

    if not isinstance(lm, Mapping):
        return {"task": as_lm(lm)}
    if not lm:
        raise LMError("lm={} names no LM. Pass one, or several by name, the program's own first. Nothing was spent.")
    for name in lm:
        if not isinstance(name, str) or not name.isidentifier() or name in ROLES:
            raise LMError(
                f"lm={{{name!r}: ...}}: LMs are named by words of your own, but not {', '.join(map(repr, ROLES))}. "
                "Use one such as 'small'. Nothing was spent."
            )
    first, *others = lm
    return {"task": as_lm(lm[first]), **{name: as_lm(lm[name]) for name in others}}


def _check_numbers(seed: object, concurrency: object, min_gain: object) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise BurnishError(f"seed={seed!r} is not a whole number. Give one, or leave it out for seed=0.")
    if concurrency is not None and (
        isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1
    ):
        raise BurnishError(f"concurrency={concurrency!r} is not a positive whole number. Leave it out for the default.")
    if isinstance(min_gain, bool) or not isinstance(min_gain, int | float) or not 0 <= min_gain <= 1:
        raise BurnishError(
            f"min_gain={min_gain!r} is not a fraction of the metric's range from 0 to 1. Give 0.02 for two points of "
            "100."
        )


def _check_prices(budget: Budget, search: Teleprompter, lms: Mapping[str, LM]) -> None:
    if budget.usd is not None:
        asks, instead = f"Budget(usd={budget.usd:g})", "give a budget in calls or tokens"
        asked = list(lms.values())
    elif search.needs_prices:
        asks, instead = f"{type(search).__name__}, which counts dollars,", "let it count something else"
        asked = [lm for role, lm in lms.items() if role not in NO_RUNNERS]
    else:
        return
    for lm in asked:
        if not lm.has_price:
            raise BudgetError(
                f"{asks} needs a price for {lm.model!r}, and none is known.\n"
                f"Pass LM({lm.model!r}, price=Price(input=0.15, output=0.60)) in dollars per million tokens, or "
                f"{instead}. Nothing was spent."
            )


def _check_threshold(search: Teleprompter, metric: Metric) -> None:
    """Many searches have a score from which an execution counts as right; above the metric's range nothing ever is."""
    threshold = getattr(search, "threshold", None)
    low, high = metric.range
    if isinstance(threshold, int | float) and not low <= threshold <= high:
        raise MetricError(
            f"{type(search).__name__}(threshold={threshold:g}): the metric {metric.name} gives scores from {low:g} to "
            f"{high:g}, and from the threshold on an execution counts as right. Give a number in that range, or "
            "state the metric's with burnish.metric(fn, range=(0, 100)). Nothing was spent."
        )


def _check_metric(metric: Metric, program: Program, rows: Sequence[Example]) -> None:
    if program.outputs:
        check_fields(metric, rows, program.outputs)


def _notes(given: Mapping[str, CheckedExamples], metrics: Sequence[Metric], program: Program) -> list[str]:
    """What the rows as given have that a user would not expect: duplicates, and labels that are missing."""
    notes = [
        f"{rows.duplicates} duplicate rows of {title} were dropped." for title, rows in given.items() if rows.duplicates
    ]
    for metric in metrics:
        if metric.reads is not None and not _may_be_none(program, metric.reads[0]):
            notes += [unlabelled_note(metric, rows, title) for title, rows in given.items()]
    return [note for note in dict.fromkeys(notes) if note]


def _may_be_none(program: Program, output: str) -> bool:
    """Whether None is an answer that the program declares, and so a label like any other."""
    field = program.fields.get(output)
    return field is not None and fits(field.json_schema, None, field.json_schema.get("$defs", {}))


def _shown_note(student: Candidate, splits: Splits) -> list[str]:
    """That the program already shows rows which it is to be judged by, as one does that was compiled on them before."""
    dev, held = (sum(is_shown(student, row) for row in rows) for rows in (splits.dev, splits.holdout))
    if not dev and not held:
        return []
    return [
        f"The program's own demonstrations are rows that it is judged by: {dev} of dev and {held} held out, whose "
        "scores flatter it. Pass other rows as valset= and holdout=."
    ]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unpackaged"
