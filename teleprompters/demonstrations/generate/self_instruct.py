"""SelfInstruct: new rows out of a few, written by the optimizer LM, kept where the program agrees with the answers."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ....signatures.candidate import Candidate
from ....signatures.canonical import JSON, canonical
from ....signatures.example import Example
from ....signatures.prompt import Demo
from ...asking import ask_for, check_kinds
from ...base import Outcome
from ...draws import draw, shuffled
from ...induction import as_text
from ...label_signals import sampled
from ...metaprompts import MetaPrompt, load, own
from ...pairs import from_row, from_trace
from ..base import Chosen, Selector, Shot, Signal, Supply
from ..select.random_sets import Random
from .new_rows import Known, Task, objects

TOGETHER = 4  # requests that are sent at once, before what they brought is shown in the next ones
FRUITLESS = 3  # rounds in a row without a new row, after which no more is asked for


@dataclass(frozen=True)
class SelfInstruct(Selector):
    """Generates rows like the pool's, and lets another selector choose from the pool's shots and the generated ones.

    1. The optimizer LM is shown `seeds` rows of the pool and `made` rows that it wrote itself, mixed, and writes up to
       `each` new ones. Output first where answers are classes: an answer is given, the rarest so far, and inputs are
       asked for, so that no class is forgotten. Input first otherwise: it writes inputs and answers.
    2. Left out, counted in the log by reason: what lacks a column or has a value of another type, an input of more
       than `words` words or without any, an answer that repeats the input, and inputs of which ROUGE-L with any row of
       the pool or of dev, or with a row kept before, is above `similar`.
    3. Answers are checked: the program is executed on the row, and its score must reach `threshold`. Where the rows
       have no labels, the program answers `votes` times at temperature 1, and more than half of the answers must be
       equal (self-consistency, Wang et al. 2022, arXiv 2203.11171); these are then the answer.

    by: chooses from all shots. rows: generated and kept at most. only_generated: leave the pool's own shots out.
    k: demonstrations in a set; None: the supply's, which a pool of few rows makes smaller.
    temperature, max_tokens: of the optimizer LM. input_first, output_first: your own meta-prompts, {{examples}} and
    {{count}} in them, and {{answer}} in the second.

    Cost: 2 * `rows` requests at most, each of which may be sent once more, and as many rows that get to step 3, at one
    execution (or `votes`) each; about half of the supply's money at most. What was generated is written to the run
    folder.
    Raises ValueError on sizes below 1, a similarity outside 0 to 1, and a meta-prompt without its slots.
    Source: Wang et al. 2022, arXiv 2212.10560, section 2: 8 rows shown, 6 of them seeds, ROUGE-L of at most 0.7,
    at most 150 words. Differs on purpose: it generates inputs of one task, not tasks, so whether answers are classes is
    read off the data and not asked; answers are checked, for about half of the published instances have some error.
    """

    by: Selector = Random()
    rows: int = 40
    seeds: int = 6
    made: int = 2
    each: int = 5
    words: int = 150
    similar: float = 0.7
    threshold: float = 1.0
    votes: int = 5
    only_generated: bool = False
    k: int | None = None
    temperature: float = 0.7
    max_tokens: int = 1024
    input_first: str | None = None
    output_first: str | None = None

    signals: ClassVar[tuple[Signal, ...]] = ("optimizer LM", "executions")

    def __post_init__(self) -> None:
        check_kinds("SelfInstruct", by=(self.by, Selector))
        for name in ("rows", "seeds", "each", "words", "votes", "k", "max_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"SelfInstruct({name}={value}) must be at least 1.")
        if self.made < 0 or self.temperature < 0 or not 0 <= self.similar <= 1:
            raise ValueError(f"{self}: made and temperature are at least 0, similar is from 0 to 1.")
        for name, slots in (
            ("input_first", {"examples", "count"}),
            ("output_first", {"examples", "count", "answer"}),
        ):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, own(getattr(self, name), slots))

    def refusal(self, candidate: Candidate) -> str:
        return self.by.refusal(candidate)

    def unfit_rows(self, candidate: Candidate, pool: Sequence[Example]) -> str:
        return self.by.unfit_rows(candidate, pool)

    def select(self, supply: Supply) -> Iterator[Chosen]:
        money = supply.money // 2
        generated = self.generate(supply, money)
        if not generated:
            supply.bench.log("nothing generated", predictor=supply.predictor)
        shots = (*(() if self.only_generated and generated else supply.shots), *generated)
        k = min(self.k or supply.k, len(shots))
        rows = (*supply.rows, *(shot.row for shot in generated))
        wider = replace(supply, shots=shots, rows=rows, k=k, money=supply.money - money)
        new = {shot.row for shot in generated}
        for chosen in self.by.select(wider):
            said = [
                f"{why}; generated" if shot.row in new else why
                for shot, why in zip(chosen.shots, chosen.reasons, strict=True)
            ]
            yield replace(chosen, reasons=tuple(said))

    def cost(self, shots: int, k: int, dev: int) -> int:
        # Each request may be sent once more.
        return 2 * self._requests + 2 * self.rows * self.votes + self.by.cost(shots + self.rows, k, dev)

    def asks(self, shots: int, k: int, dev: int) -> int:
        return 2 * self._requests + self.by.asks(shots + self.rows, k, dev)

    def embeddings(self, shots: int, k: int, dev: int) -> int:
        return self.by.embeddings(shots + self.rows, k, dev)

    @property
    def embeds_queries(self) -> bool:
        return self.by.embeds_queries

    @property
    def reply_tokens(self) -> int:
        return max(self.max_tokens, self.by.reply_tokens)

    @property
    def _requests(self) -> int:
        """How many are sent at most: half of what is written may fail, and one row a reply is enough."""
        return 2 * self.rows

    def generate(self, supply: Supply, money: int) -> tuple[Shot, ...]:
        """New shots, in the order in which they were made. money: requests and executions together."""
        if not supply.shots:
            return ()
        bench, task = supply.bench, Task.of(supply)
        rng = bench.rng(f"rows to generate from for {supply.predictor}")
        known = Known(self.similar, [task.question(row) for row in (*bench.pool, *bench.dev)])
        price = 1 if task.labels else self.votes  # executions a row
        requests, checks = self._requests, 2 * self.rows
        shots: list[Shot] = []
        fruitless = 0
        while len(shots) < self.rows and fruitless < FRUITLESS:
            count = min(TOGETHER, requests, money // (2 + self.each * price))  # a request may be sent once more
            if count < 1 or checks < 1:
                break
            answers = task.answers_due(shots, count)
            found = self._ask(supply, [self._request(task, shots, answer, rng) for answer in answers])
            new = [
                row
                for written, answer in zip(found, answers, strict=True)
                for row in self._usable(supply, task, known, written[: self.each], answer)
            ][:checks]
            checked = self._checked(supply, new) if task.labels else self._voted(supply, new)
            shots += checked
            fruitless = 0 if checked else fruitless + 1
            requests, checks, money = requests - count, checks - len(new), money - 2 * count - len(new) * price
        made = tuple(shots[: self.rows])
        document = [{"row": shot.row.values, "demonstration": shot.demo.values} for shot in made]
        bench.keep(f"generated_rows_{supply.predictor}", document)
        return made

    # step 1

    def _request(self, task: Task, shots: Sequence[Shot], answer: Mapping[str, JSON] | None, rng: random.Random) -> str:
        written = draw([shot.row for shot in shots], self.made, rng)
        rows = shuffled([*draw(task.rows, self.seeds, rng), *written], rng)
        shown = "\n".join(_json({name: row.values.get(name) for name in task.columns}) for row in rows)
        if answer is None:
            first = MetaPrompt(self.input_first) if self.input_first else load("self_instruct_input_first")
            return first.fill(examples=shown, count=str(self.each))
        first = MetaPrompt(self.output_first) if self.output_first else load("self_instruct_output_first")
        return first.fill(examples=shown, count=str(self.each), answer=_json(answer))

    def _ask(self, supply: Supply, requests: Sequence[str]) -> list[list[dict[str, JSON]]]:
        replies = ask_for(
            supply.bench,
            requests,
            objects,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            purpose="rows to demonstrate with",
        )
        return [reply[0] if reply else [] for reply in replies]

    # step 2

    def _usable(
        self,
        supply: Supply,
        task: Task,
        known: Known,
        written: Sequence[dict[str, JSON]],
        answer: Mapping[str, JSON] | None,
    ) -> Iterator[Example]:
        for values in written:
            row, reason = task.row({**values, **(answer or {})}, known.count)
            if row is not None:
                reason = self._objection(task, row) or known.objection(task.question(row))
            if row is None or reason:
                supply.bench.log("generated row left out", predictor=supply.predictor, reason=reason)
            else:
                yield row

    def _objection(self, task: Task, row: Example) -> str:
        question = task.question(row)
        if not 0 < len(question.split()) <= self.words:
            return "length"
        texts = {as_text(value).strip() for value in row.labels.values()}
        return "answer repeats the input" if question.strip() in texts else ""

    # step 3

    def _checked(self, supply: Supply, rows: Sequence[Example]) -> list[Shot]:
        kept = []
        for row, outcome in zip(rows, supply.bench.bootstrap(supply.candidate, rows), strict=True):
            is_right = outcome.failure is None and outcome.score >= self.threshold
            values = (from_row(row, supply.schema) or _traced(supply, outcome)) if is_right else None
            if values is None:
                supply.bench.log("generated row left out", predictor=supply.predictor, reason="answer not confirmed")
            else:
                kept.append(Shot(row, Demo.of(values)))
        return kept

    def _voted(self, supply: Supply, rows: Sequence[Example]) -> list[Shot]:
        """The program's own answers, where most of its samples give the same one (self-consistency)."""
        ballots = [supply.bench.bootstrap(sampled(supply.candidate, number), rows) for number in range(self.votes)]
        kept = []
        for row, *outcomes in zip(rows, *ballots, strict=True):
            values = [said for one in outcomes if not one.failure and (said := _traced(supply, one)) is not None]
            answers = Counter(_answer(supply, said) for said in values)
            (answer, count), *_ = answers.most_common(1) or [("", 0)]
            if 2 * count > self.votes:
                kept.append(Shot(row, Demo.of(next(said for said in values if _answer(supply, said) == answer))))
            else:
                supply.bench.log("generated row left out", predictor=supply.predictor, reason="answers differ")
        return kept


def _traced(supply: Supply, outcome: Outcome) -> dict[str, JSON] | None:
    return from_trace(outcome, supply.predictor, supply.schema)


def _answer(supply: Supply, values: Mapping[str, JSON]) -> str:
    outputs = supply.schema.outputs
    return canonical({outputs[-1].name: values.get(outputs[-1].name)})


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
