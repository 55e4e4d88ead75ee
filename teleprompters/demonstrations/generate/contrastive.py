"""Contrastive: beside a worked demonstration the answer that is easily taken for the right one, marked as wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from ....signatures.candidate import Candidate
from ....signatures.canonical import JSON, canonical
from ....signatures.example import Example
from ....signatures.json_schema import Mismatch, coerce
from ....signatures.prompt import Demo
from ...asking import check_kinds
from ...draws import shuffled
from ...induction import as_text
from ...metaprompts import MetaPrompt, own
from ...pairs import from_trace
from ..base import Chosen, Selector, Shot, Signal, Supply
from ..select.random_sets import Random
from .chains import reasoning_field
from .objects import shuffled_objects

NOTE = "The answer below is wrong; it is shown so that it is not given. {{right}} would be right."


@dataclass(frozen=True)
class Contrastive(Selector):
    """The sets of another selector, with a wrong answer beside each demonstration that has a telling one.

    The wrong answer to a question is, in this order: what the program itself said when it was wrong on that row; where
    answers are classes, the class that the program most often says instead of the right one; where the predictor
    reasons, its own chain with numbers, dates and names in each other's place, and the answer that follows from that.
    A demonstration with none of these stands alone. Nothing is contrasted where the right answer is no column of the
    data (an inner predictor without labels), nor in sets from which a rule picks per query: each is logged.

    by: chooses the worked demonstrations. negatives: "mined": as above; "shuffled": only the last of the three, for
    which nothing is executed. rows: pool rows that are executed to mine, at most half of the supply's money.
    place: before or after its demonstration; after the last demonstration no wrong answer stands in any case.
    note: what stands with the question of a wrong answer, with {{right}}, and {{wrong}} where it is wanted.
    threshold: the score below which an execution is wrong.

    Cost: `rows` executions and what `by` costs; prompts are about twice as long. Raises ValueError on rows below 1, an
    unknown choice, and a note without its slot.
    Source: Chia et al. 2023, arXiv 2311.09277. Differs on purpose: there every demonstration ends on its wrong answer,
    also the last one, which stands nearest to the question; here it comes first by default, for the reply is one right
    answer and not two; wrong answers that the program really gave go before shuffled ones.
    """

    by: Selector = Random()
    negatives: Literal["mined", "shuffled"] = "mined"
    rows: int = 64
    place: Literal["before", "after"] = "before"
    note: str = NOTE
    threshold: float = 1.0

    signals: ClassVar[tuple[Signal, ...]] = ("executions",)

    def __post_init__(self) -> None:
        check_kinds("Contrastive", by=(self.by, Selector))
        if self.rows < 1:
            raise ValueError(f"Contrastive(rows={self.rows}) mines nothing. Give at least 1.")
        if self.negatives not in ("mined", "shuffled"):
            raise ValueError(f"Contrastive(negatives={self.negatives!r}): known are 'mined' and 'shuffled'.")
        if self.place not in ("before", "after"):
            raise ValueError(f"Contrastive(place={self.place!r}): known are 'before' and 'after'.")
        object.__setattr__(self, "note", own(self.note, {"right"}, {"wrong"}))

    def refusal(self, candidate: Candidate) -> str:
        return self.by.refusal(candidate)

    def unfit_rows(self, candidate: Candidate, pool: Sequence[Example]) -> str:
        return self.by.unfit_rows(candidate, pool)

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if not any(_is_labelled(supply, shot.row) for shot in supply.shots):
            supply.bench.log("no contrast: the right answers are not known", predictor=supply.predictor)
            yield from self.by.select(supply)
            return
        rows = min(self.rows, supply.money // 2) if self.negatives == "mined" else 0
        mistakes = self._mistakes(supply, rows)
        for chosen in self.by.select(replace(supply, money=supply.money - rows)):
            if chosen.rule is not None:
                supply.bench.log("no contrast: a rule picks per query", predictor=supply.predictor)
                yield chosen
                continue
            pairs = [self._contrasted(supply, shot, mistakes) for shot in chosen.shots]
            said = [f"{why}; {how}" if how else why for why, (_, how) in zip(chosen.reasons, pairs, strict=True)]
            yield Chosen(tuple(shot for shot, _ in pairs), tuple(said))

    def cost(self, shots: int, k: int, dev: int) -> int:
        return (self.rows if self.negatives == "mined" else 0) + self.by.cost(shots, k, dev)

    def asks(self, shots: int, k: int, dev: int) -> int:
        return self.by.asks(shots, k, dev)

    def embeddings(self, shots: int, k: int, dev: int) -> int:
        return self.by.embeddings(shots, k, dev)

    @property
    def embeds_queries(self) -> bool:
        return self.by.embeds_queries

    @property
    def reply_tokens(self) -> int:
        return self.by.reply_tokens

    def _mistakes(self, supply: Supply, rows: int) -> _Mistakes:
        """What the program says where it is wrong: rows with a shot first, since it may be these that are shown."""
        mixed = shuffled(
            [row for row in supply.rows or tuple(shot.row for shot in supply.shots) if _is_labelled(supply, row)],
            supply.bench.rng(f"rows to mine for wrong answers of {supply.predictor}"),
        )
        shown = {shot.row for shot in supply.shots}
        tried = sorted(dict.fromkeys(mixed), key=lambda row: row not in shown)[:rows]
        on_row: dict[Example, dict[str, JSON]] = {}
        confused: dict[str, Counter[str]] = {}
        for row, outcome in zip(tried, supply.bench.bootstrap(supply.candidate, tried), strict=True):
            is_wrong = outcome.failure is None and outcome.score < self.threshold
            values = from_trace(outcome, supply.predictor, supply.schema) if is_wrong else None
            if values is not None and (wrong := _answer(supply, values)) != (right := _answer(supply, row.values)):
                on_row[row] = values
                confused.setdefault(right, Counter())[wrong] += 1
        return _Mistakes(on_row, confused)

    def _contrasted(self, supply: Supply, shot: Shot, mistakes: _Mistakes) -> tuple[Shot, str]:
        """The shot with its wrong answer and where that comes from; the shot alone and "" where there is none."""
        if not _is_labelled(supply, shot.row):
            return shot, ""
        right = {name: shot.demo.values[name] for name in supply.answered if name in shot.demo.values}
        wrong: Mapping[str, JSON] | None = mistakes.on_row.get(shot.row)
        how = "contrasted with what the program said"
        if wrong is None:
            wrong, how = self._confused(supply, shot, mistakes), "contrasted with what is most often mistaken for it"
        if wrong is None:
            wrong, how = self._shuffled(supply, shot), "contrasted with its own reasoning, objects exchanged"
        if wrong is None:
            return shot, ""
        said = {name: wrong[name] for name in right if name in wrong}
        note = MetaPrompt(self.note).fill(right=_told(right), wrong=_told(said))
        demo = Demo.of({**shot.demo.values, **wrong}, note, "contrastive")
        return replace(shot, contrast=demo, contrast_first=self.place == "before"), how

    def _confused(self, supply: Supply, shot: Shot, mistakes: _Mistakes) -> Mapping[str, JSON] | None:
        if reasoning_field(supply.schema):  # a class without the reasoning that led to it shows no mistake
            return None
        wrong = mistakes.instead_of(supply.answer(shot)) if supply.classes else ""
        values: dict[str, JSON] | None = json.loads(wrong) if wrong else None
        return values

    def _shuffled(self, supply: Supply, shot: Shot) -> Mapping[str, JSON] | None:
        field, answer = reasoning_field(supply.schema), supply.schema.outputs[-1]
        if field is None or field.name not in shot.demo.values or answer.name not in shot.demo.values:
            return None
        rng = supply.bench.rng(f"objects exchanged in {shot.row.digest} for {supply.predictor}")
        made = shuffled_objects(str(shot.demo.values[field.name]), rng)
        if made is None:
            return None
        chain, instead = made
        right = shot.demo.values[answer.name]
        return _with_answer(supply, {field.name: chain}, right, instead, rng.random())


def _with_answer(
    supply: Supply, made: dict[str, JSON], right: JSON, instead: Mapping[str, str], chance: float
) -> Mapping[str, JSON] | None:
    """The wrong chain with an answer that is wrong: what stands in its place now, or another class; else None."""
    answer = supply.schema.outputs[-1]
    classes = [label[answer.name] for label in supply.labels() if answer.name in label]
    others = [label for label in classes if label != right]
    if others:
        return {**made, answer.name: others[int(chance * len(others))]}
    wrong = instead.get(as_text(right))
    if wrong is None:
        return None
    try:
        value = coerce(answer.json_schema, wrong, answer.name)
    except Mismatch:
        return None
    return {**made, answer.name: value} if value != right else None


@dataclass(frozen=True)
class _Mistakes:
    """on_row: the values of the predictor's fields in the program's wrong execution on a row.

    confused: for a right answer, how often which other one was given instead.
    """

    on_row: Mapping[Example, dict[str, JSON]]
    confused: Mapping[str, Counter[str]]

    def instead_of(self, right: str) -> str:
        """The answer most often given instead, or ""."""
        counts = self.confused.get(right, Counter())
        return min(counts, key=lambda wrong: (-counts[wrong], wrong), default="")


def _is_labelled(supply: Supply, row: Example) -> bool:
    """Whether the row knows what this predictor should have said."""
    return all(row.labels.get(name) is not None for name in supply.answered)


def _answer(supply: Supply, values: Mapping[str, JSON]) -> str:
    return canonical({name: values[name] for name in supply.answered if name in values})


def _told(values: Mapping[str, JSON]) -> str:
    """Answers in a sentence: the value alone where there is one."""
    texts: Sequence[str] = [as_text(value) for value in values.values()]
    return texts[0] if len(texts) == 1 else ", ".join(f"{name}: {as_text(value)}" for name, value in values.items())
