"""Reflection: executions that went wrong as the optimizer LM sees them, and whether what it says of them is new."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON
from ..signatures.example import Example
from ..signatures.schema import Schema
from .asking import Writing, ask_for
from .base import Outcome, Step, Workbench
from .draws import draw
from .induction import as_text

LONGEST = 1500  # characters of one value that are shown
OVERLAP = 0.6  # share of word triples that two reflections have in common, from which one repeats the other
CASE = 6 * LONGEST  # characters of a case, about the most
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Case:
    """A row and what the program made of it."""

    example: Example
    outcome: Outcome


def cases(bench: Workbench, candidate: Candidate, rows: Sequence[Example]) -> list[Case]:
    return [Case(row, outcome) for row, outcome in zip(rows, bench.predict(candidate, rows), strict=True)]


def errors(found: Sequence[Case], threshold: float) -> list[Case]:
    """The cases that failed or scored below the threshold."""
    return [case for case in found if case.outcome.failure is not None or case.outcome.score < threshold]


# as the optimizer LM sees it


def shown(case: Case, candidate: Candidate, predictor: str) -> str:
    """A case in words: inputs, what was answered and what was expected, score, and what the metric says.

    Of a program that makes several calls every one is shown, with a mark at the predictor whose instruction is in
    question, so that a reader can tell which of them went wrong. A reply that could not be used is shown as it was.
    """
    outcome = case.outcome
    lines = _values("Input", case.example.input_values)
    if len(candidate.predictors) == 1 and len(outcome.trace) <= 1:
        lines += [line for step in outcome.trace for line in _answer(step, candidate.prompt(step.path).schema)]
    else:
        for number, step in enumerate(outcome.trace, start=1):
            mark = " (the predictor whose instruction is to be improved)" if step.path == predictor else ""
            lines.append(f"Call {number}, by predictor {step.path}{mark}")
            lines += [f"  {line}" for line in _values("Read", step.inputs)]
            lines += [f"  {line}" for line in _answer(step, candidate.prompt(step.path).schema)]
        if outcome.outputs:
            lines += _values("Result", outcome.outputs)
    if outcome.failure is not None:
        lines.append(f"Failure: {outcome.failure}. {_cut(outcome.reason)}")
    if labels := {name: value for name, value in case.example.labels.items() if value is not None}:
        lines += _values("Expected", labels)
    lines.append(f"Score: {outcome.score:g}")
    if outcome.feedback.strip():
        lines.append(f"Feedback: {_cut(outcome.feedback.strip())}")
    return "\n".join(lines)


def listed(found: Sequence[Case], candidate: Candidate, predictor: str) -> str:
    """Several cases, numbered."""
    return "\n\n".join(f"Case {n}\n{shown(case, candidate, predictor)}" for n, case in enumerate(found, start=1))


def _answer(step: Step, schema: Schema) -> list[str]:
    if not step.outputs:
        return _values("Reply, which could not be used", {"reply": step.reply}) if step.reply else []
    return _values("Answer", {f.name: step.outputs[f.name] for f in schema.outputs if f.name in step.outputs})


def _values(title: str, values: Mapping[str, JSON]) -> list[str]:
    if len(values) == 1:
        return [f"{title}: {_cut(as_text(value))}" for value in values.values()]
    return [f"{title}:", *(f"  {name}: {_cut(as_text(value))}" for name, value in values.items())]


def _cut(text: str) -> str:
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} [...] {text[-half:]}"


# what is said of it


@dataclass(frozen=True)
class Group:
    """Cases of one candidate that are to be reflected upon together."""

    candidate: Candidate
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Reflection:
    """What the optimizer LM says of some cases."""

    text: str
    about: Group


@dataclass
class Reflections:
    """The reflections of one search, to tell what has been said before.

    Optimizer LMs tend to say the same of any errors: a reflection that repeats an earlier one (equal words, or word
    triples in common from `OVERLAP` on) is not worth a paid edit.
    Source of the observation: Ma et al. 2024, arXiv 2402.02101, section 3.
    """

    _said: list[tuple[str, frozenset[tuple[str, ...]]]] = field(default_factory=list)

    def is_new(self, text: str) -> bool:
        """Whether nothing like it was said before. It counts as said from now on."""
        words = _WORD.findall(unicodedata.normalize("NFC", text).casefold())
        said = (" ".join(words), frozenset(zip(words, words[1:], words[2:], strict=False)))
        repeats = any(said[0] == text or _overlap(said[1], triples) >= OVERLAP for text, triples in self._said)
        if not repeats:
            self._said.append(said)
        return not repeats


def _overlap(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0


def reflect(
    bench: Workbench,
    groups: Sequence[Group],
    others: Mapping[Candidate, Sequence[Case]],
    *,
    request: Callable[[Group], str],
    read: Callable[[str], list[str] | None],
    said: Reflections,
    writing: Writing,
    rng: random.Random,
    purpose: str,
) -> list[Reflection]:
    """What the optimizer LM says of each group of cases, without what it has said before.

    request: the meta-prompt for a group. read: the reflections in a reply; None when there is none.
    others: each candidate's cases that may be taken instead. A group of which nothing new is said is asked about once
    more: with cases that no group holds, where there are any, else at a higher temperature. Repetitions are counted in
    the log.
    """

    def ask(groups: Sequence[Group], temperature: float, purpose: str) -> list[list[str]]:
        requests = [request(group) for group in groups]
        replies = ask_for(
            bench, requests, read, temperature=temperature, max_tokens=writing.max_tokens, purpose=purpose
        )
        return [[text for reply in drawn for text in reply] for drawn in replies]

    def new(groups: Sequence[Group], asked: Sequence[Sequence[str]]) -> list[list[Reflection]]:
        return [
            [Reflection(text, group) for text in texts if _is_new(bench, said, text)]
            for group, texts in zip(groups, asked, strict=True)
        ]

    asked = ask(groups, writing.warmth, purpose)
    found = new(groups, asked)
    stale = [group for group, texts, fresh in zip(groups, asked, found, strict=True) if texts and not fresh]
    other = [_with_others(group, groups, others.get(group.candidate, ()), rng) for group in stale]
    changed = [group for group in other if group is not None]
    same = [group for group, instead in zip(stale, other, strict=True) if instead is None]
    for again, temperature, how in (
        (changed, writing.warmth, "other cases"),
        (same, writing.warmer, "warmer"),
    ):
        if again:
            found += new(again, ask(again, temperature, f"{purpose}, {how}"))
    return [reflection for fresh in found for reflection in fresh]


def _with_others(group: Group, groups: Sequence[Group], others: Sequence[Case], rng: random.Random) -> Group | None:
    """The group with cases that none of the groups holds; None when there are no such cases."""
    held = {case.example for one in groups if one.candidate == group.candidate for case in one.cases}
    drawn = draw([case for case in others if case.example not in held], len(group.cases), rng)
    return Group(group.candidate, tuple(drawn)) if drawn else None


def _is_new(bench: Workbench, said: Reflections, text: str) -> bool:
    if said.is_new(text):
        return True
    bench.log("reflection repeated", text=text[:500])
    return False
