"""SelfGenerated: demonstrations whose inputs the LM wrote itself, for given labels."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ....signatures.canonical import JSON
from ....signatures.example import Example
from ....signatures.prompt import Demo
from ...asking import ask_for
from ...draws import dealt
from ...induction import as_text
from ...label_signals import place_of
from ...metaprompts import MetaPrompt, load, own
from ...pairs import from_row, from_trace
from ...replies import tagged
from ..base import Chosen, Selector, Shot, Signal, Supply
from ..difficulty import told
from .signals import CHOOSING, at_random, program_labels, without_classes

COPIED = 0.8  # the share of an input's words in common with another from which it is a copy
PRICE = 3  # an input is written, perhaps asked for once more, and answered by the program
SPARE = 2  # inputs that are written for each that is wanted, since some are not what was asked for

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Written:
    """A new row, the label it was written for, and the row in whose manner."""

    row: Example
    label: Mapping[str, JSON]
    manner: Example


@dataclass(frozen=True)
class SelfGenerated(Selector):
    """SG-ICL, once for the whole task: the optimizer LM writes inputs that each label would be right for.

    1. For every label, an equal number of times: it sees the instruction, one input of the pool, and the label, and
       writes a new input of that kind. The optimizer LM is the task LM where a compile is given no other.
    2. Dropped, and counted in the log: copies ("copied": more than 0.8 of the words of a row of pool or dev, or of an
       earlier one), and inputs to which the program itself gives another answer than the label ("not confirmed").
    3. What is left, an equal share of each label, is shown as if it were a row of the pool; the reasons say that it was
       generated. Where a predictor is no column of the data, what it did on the new input is shown.

    sets: of k shots, no shot in two of them. temperature, max_tokens: of the writing.
    metaprompt: your own, a text or the name of a file, with {{instruction}}, {{input}}, {{label}} and {{form}}.

    Needs labels that are few: on free text a set of the pool is drawn at random, and the log says so. Costs up to 3
    calls (writing, once more, checking) for each of 2 x k x sets inputs, fewer sets where the money does not reach.
    Nothing is yielded when nothing is left.
    Raises ValueError on sizes below 1, a negative temperature and a meta-prompt without its slots.
    Source: Kim et al. 2022, arXiv 2206.08082. Differs on purpose: one set for all queries; the checks.
    """

    signals: ClassVar[tuple[Signal, ...]] = ("optimizer LM", "executions")

    sets: int = 3
    temperature: float = 0.7
    max_tokens: int = 512
    metaprompt: str | None = None

    def __post_init__(self) -> None:
        if min(self.sets, self.max_tokens) < 1 or self.temperature < 0:
            raise ValueError(
                f"SelfGenerated(sets={self.sets}, max_tokens={self.max_tokens}, temperature={self.temperature}): sizes "
                "are at least 1, the temperature at least 0."
            )
        if self.metaprompt is not None:
            slots = {"instruction", "input", "label", "form"}
            object.__setattr__(self, "metaprompt", own(self.metaprompt, slots))

    def select(self, supply: Supply) -> Iterator[Chosen]:
        if not supply.shots:
            return
        labels = program_labels(supply)  # one alone will do: there is nothing that it could be confused with
        if not labels:
            yield from without_classes(supply, "SelfGenerated")
            return
        wanted = SPARE * math.ceil(supply.k / len(labels)) * self.sets
        each = min(wanted, int(CHOOSING * supply.money) // (PRICE * len(labels)))
        if not each:
            yield from at_random(supply, "SelfGenerated", PRICE * len(labels))
            return
        new = self._without_copies(supply, self._written(supply, labels, each))
        left = self._confirmed(supply, new)
        for number in range(self.sets):
            chosen = supply.balanced(list(left))
            if not chosen or (number and len(chosen) < supply.k):
                return
            yield Chosen(tuple(chosen), tuple(left.pop(shot) for shot in chosen))

    def cost(self, shots: int, k: int, dev: int) -> int:
        return PRICE * SPARE * self.sets * 2 * k

    def asks(self, shots: int, k: int, dev: int) -> int:
        return (PRICE - 1) * SPARE * self.sets * 2 * k  # the program answers each

    @property
    def reply_tokens(self) -> int:
        return self.max_tokens

    def _written(self, supply: Supply, labels: Sequence[dict[str, JSON]], each: int) -> list[Written]:
        """Inputs that could be read, the labels taking turns."""
        manners = dealt(supply.bench.pool, 1, supply.bench.rng(f"inputs to write like, for {supply.predictor}"))
        plans = [(label, next(manners)[0]) for _ in range(each) for label in labels]
        names = supply.bench.pool[0].inputs
        metaprompt = MetaPrompt(self.metaprompt) if self.metaprompt else load("self_generated")
        requests = [
            metaprompt.fill(
                instruction=told(supply),
                input=_in_tags({name: as_text(manner.values.get(name)) for name in names}),
                label=label_text(label),
                form=_in_tags(dict.fromkeys(names, "...")),
            )
            for label, manner in plans
        ]
        replies = ask_for(
            supply.bench,
            requests,
            lambda reply: _read(reply, names),
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            purpose="demonstrations",
        )
        written = []
        for (label, manner), texts in zip(plans, replies, strict=True):
            for inputs in filter(None, (_typed(one, manner) for one in texts)):
                # Other columns stay those of the row in whose manner it is: a metric may read them.
                row = Example.of({**manner.values, **inputs, **label}, manner.inputs, "a generated row")
                written.append(Written(row, label, manner))
        return written

    def _without_copies(self, supply: Supply, new: Sequence[Written]) -> list[Written]:
        seen = [_words(row) for row in (*supply.bench.pool, *supply.bench.dev)]
        kept = []
        for one in new:
            words = _words(one.row)
            if any(overlap(words, other) > COPIED for other in seen):
                _drop(supply, one, "copied")
            else:
                seen.append(words)
                kept.append(one)
        return kept

    def _confirmed(self, supply: Supply, new: Sequence[Written]) -> dict[Shot, str]:
        """The shots whose label the program gives too, each with the reason that stands beside it."""
        shots: dict[Shot, str] = {}
        for one, outcome in zip(new, supply.bench.predict(supply.candidate, [one.row for one in new]), strict=True):
            agrees = outcome.failure is None and place_of(Example.of(outcome.outputs, ()), [one.label]) is not None
            values = from_row(one.row, supply.schema) or from_trace(outcome, supply.predictor, supply.schema)
            if agrees and values is not None:
                where = one.manner.place or "a row of the pool"
                reason = f"generated for {label_text(one.label)!r} in the manner of {where}; the program answers it so"
                shots[Shot(one.row, Demo.of(values))] = reason
            else:
                _drop(supply, one, "not confirmed")
        return shots


def overlap(one: Counter[str], other: Counter[str]) -> float:
    """Words in common, as a share of the words of both: 0 to 1, each as often as it occurs."""
    words = one.total() + other.total()
    return 2 * (one & other).total() / words if words else 1.0


def label_text(label: Mapping[str, JSON]) -> str:
    """A label as people read it: its value, with the output's name where there are several."""
    shown = [(name, as_text(value)) for name, value in label.items()]
    return shown[0][1] if len(shown) == 1 else "\n".join(f"{name}: {text}" for name, text in shown)


def _words(row: Example) -> Counter[str]:
    return Counter(_WORD.findall(" ".join(as_text(value) for value in row.input_values.values()).casefold()))


def _in_tags(texts: Mapping[str, str]) -> str:
    return "\n".join(f"<{name}>\n{text}\n</{name}>" for name, text in texts.items())


def _read(reply: str, names: Sequence[str]) -> dict[str, str] | None:
    found = {name: text for name in names if (text := tagged(reply, name)) is not None and text != "..."}
    return found if len(found) == len(names) else None


def _typed(texts: Mapping[str, str], manner: Example) -> dict[str, JSON] | None:
    """What was written, as values of the kinds that the row in whose manner it is has; None where it is none."""
    values: dict[str, JSON] = {}
    for name, text in texts.items():
        if manner.values.get(name) is None or isinstance(manner.values[name], str):
            values[name] = text
            continue
        try:
            values[name] = json.loads(text)
        except ValueError:
            return None
    return values


def _drop(supply: Supply, one: Written, reason: str) -> None:
    supply.bench.log(
        "generated demonstration dropped",
        predictor=supply.predictor,
        reason=reason,
        label=label_text(one.label),
        inputs=one.row.input_values,
    )
