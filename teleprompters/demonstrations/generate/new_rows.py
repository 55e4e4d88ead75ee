"""What a generated row must look like: the columns, types and answers of the pool's rows, and inputs that are new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ....signatures.canonical import JSON, canonical
from ....signatures.example import Example
from ....signatures.json_schema import Mismatch, coerce
from ....signatures.loose_json import structures
from ....signatures.schema import Field
from ...induction import as_text
from ..base import Shot, Supply
from .rouge import rouge_l, rouge_words


@dataclass(frozen=True)
class Task:
    """The rows that new ones are to be like. Build with `Task.of`.

    inputs, labels: their columns, without label columns that no row has a value for. fields: of the program, by name.
    classes: the label values of each class, where the labels of a row are one class; else none.
    """

    rows: tuple[Example, ...]
    inputs: tuple[str, ...]
    labels: tuple[str, ...]
    fields: Mapping[str, Field]
    classes: tuple[Mapping[str, JSON], ...]

    @classmethod
    def of(cls, supply: Supply) -> Task:
        rows = tuple(dict.fromkeys(shot.row for shot in supply.shots))
        labels = tuple(name for name in rows[0].labels if any(row.values.get(name) is not None for row in rows))
        prompts = [supply.candidate.prompt(path) for path in supply.candidate.predictors]
        fields = {name: field for prompt in prompts for name, field in prompt.schema.by_name.items()}
        # Classes can be given first where they are all that a row's labels say.
        are_labels = supply.classes and set(labels) == set(supply.answered)
        return cls(rows, tuple(rows[0].inputs), labels, fields, tuple(supply.labels()) if are_labels else ())

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.inputs, *self.labels)

    def answers_due(self, shots: Sequence[Shot], count: int) -> list[Mapping[str, JSON] | None]:
        """For the next requests the answers that are rarest among the generated shots; None without classes."""
        if not self.classes:
            return [None] * count
        counts = Counter(canonical({name: shot.row.values[name] for name in self.labels}) for shot in shots)
        due: list[Mapping[str, JSON] | None] = []
        for _ in range(count):
            rarest = min(self.classes, key=lambda one: counts[canonical(dict(one))])
            counts[canonical(dict(rarest))] += 1
            due.append(rarest)
        return due

    def row(self, values: Mapping[str, JSON], number: int) -> tuple[Example | None, str]:
        """The row with these values, or why there is none."""
        if any(values.get(name) is None for name in self.columns):
            return None, "a column is missing"
        try:
            typed = {name: self._typed(name, values[name]) for name in self.columns}
        except Mismatch:
            return None, "a value of another type"
        return Example.of(typed, self.inputs, f"generated row {number}"), ""

    def _typed(self, name: str, value: JSON) -> JSON:
        if name in self.fields:
            return coerce(self.fields[name].json_schema, value, name)
        kinds = {type(row.values[name]) for row in self.rows if row.values.get(name) is not None}
        if type(value) not in kinds:
            raise Mismatch(f"{name!r} is of another type")
        return value

    def question(self, row: Example) -> str:
        return " ".join(as_text(row.values[name]) for name in self.inputs if row.values.get(name) is not None)


@dataclass
class Known:
    """The inputs that a new one must not be like."""

    similar: float
    given: Sequence[str]
    count: int = 0
    _words: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._words += map(rouge_words, self.given)

    def objection(self, question: str) -> str:
        """Why an input is not new; "" makes it known."""
        words = rouge_words(question)
        if any(words == one or rouge_l(words, one, self.similar) > self.similar for one in self._words):
            return "like a row that there is"
        self._words.append(words)
        self.count += 1
        return ""


def objects(reply: str) -> list[dict[str, JSON]] | None:
    """The JSON objects in a reply, each once, in lists or by themselves; None where there is none."""
    found = [item for one in structures(reply) for item in (one if isinstance(one, list) else [one])]
    each = {canonical(item): item for item in found if isinstance(item, dict)}
    return list(each.values()) or None
