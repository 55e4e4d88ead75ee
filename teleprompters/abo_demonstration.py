"""Steps with the demonstration that follows them: how both stand in a prompt, are written, and are obeyed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON
from ..signatures.errors import SchemaError
from ..signatures.example import Example
from ..signatures.prompt import Demo, Prompt
from ..signatures.schema import Schema
from .abo_steps import Steps, followed, numbered, unfollowed
from .asking import Writing
from .base import Origin, Workbench
from .induction import as_text, written
from .reflection import Case
from .replies import instruction

TRIES = 3  # for a demonstration that follows its steps to the right answer
SHORT = 8  # words of an answer that must stand at the end of its demonstration
ENDING = 20  # words before which an answer does not stand at the end
STRICT = "Follow every step strictly and in this order: leave none out, merge none, add none."
BESIDE = "The steps, carried out on this example:"  # stands before a demonstration that is shown with the question
_OWN = re.compile(r"(?:\A|\n\n)Step 1: ")
_WORD = re.compile(r"\w+")


def place_of(schema: Schema, pool: Sequence[Example]) -> str | None:
    """The output that steps are executed in: free text before the answer that no row of the pool has a value for."""
    for output in schema.outputs[:-1]:
        if output.is_text and all(row.values.get(output.name) is None for row in pool):
            return output.name
    return None


def instruction_of(task: str, steps: Steps, place: str | None) -> str:
    """The task, its steps, and the order to follow them strictly. place: the output that they are executed in."""
    how = (
        f'Carry them out in {place}: write "Step 1", "Step 2" and so on, each with what it gives for this input, '
        "as the example shows. Then give the answer."
        if place
        else "Carry out all of them, as the example shows, before you answer. Then give the answer."
    )
    return "\n\n".join(part for part in (task, numbered(steps), f"{STRICT} {how}") if part)


def task_of(text: str) -> str:
    """What an instruction says before its steps, where it is one of `instruction_of`; else the whole of it."""
    begin = _OWN.search(text)
    return text[: begin.start()].strip() if begin and STRICT in text[begin.end() :] else text


@dataclass(frozen=True)
class Draft:
    """A candidate with new steps that still lacks their demonstration. row: the pool row to work by them.

    move, detail: where the steps come from. before: the demonstration of the steps that they were refined from.
    """

    candidate: Candidate
    steps: Steps
    row: Example
    move: str
    detail: Mapping[str, JSON]
    before: str | None = None


@dataclass(frozen=True)
class Pair:
    """Steps and the demonstration that follows them, in one candidate."""

    draft: Draft
    candidate: Candidate
    demonstration: str

    @property
    def steps(self) -> Steps:
        return self.draft.steps

    def origin(self, predictor: str, obeyed: float | None) -> Origin:
        detail = {**self.draft.detail, "demonstration": self.draft.row.digest}
        share = None if obeyed is None else round(obeyed, 4)
        return Origin("ABO", self.draft.move, {"predictor": predictor, **detail, "obedience": share})


@dataclass(frozen=True)
class Stage:
    """Where steps are demonstrated: a predictor, and the output that they are executed in (None: it only answers).

    values: pool row -> values to show of it, without that output. longest: characters of a demonstration.
    """

    predictor: str
    schema: Schema
    place: str | None
    values: Mapping[Example, Mapping[str, JSON]]
    longest: int

    def example(self, row: Example) -> str:
        """A row as the optimizer LM sees it."""
        return written(self.schema, self.values[row])

    def answers(self, row: Example) -> list[str]:
        """What the demonstration of a row has to end in."""
        values = self.values[row]
        return [as_text(values[output.name]) for output in self.schema.outputs if output.name in values]

    def shown(self, draft: Draft, demonstration: str) -> Candidate:
        """The draft with its demonstration last. Raises SchemaError where a prompt cannot show it."""
        values = self.values[draft.row]
        if self.place is None:
            demo = Demo.of(values, note=f"{BESIDE}\n{demonstration}")
        else:
            shown = {**values, self.place: demonstration}
            demo = Demo.of({name: shown[name] for name in self.schema.by_name if name in shown})
        demos = (*self._others(draft.candidate.prompt(self.predictor)), demo)
        made = draft.candidate.with_prompt(self.predictor, demos=demos, rule=None)
        made.prompt(self.predictor).template  # noqa: B018 - rendered here, where the demonstration can still be left out
        return made

    def _others(self, prompt: Prompt) -> tuple[Demo, ...]:
        """Demonstrations of answers alone, which contradict no step; none where steps are executed in the open."""
        if self.place is not None or prompt.rule is not None:
            return ()
        return tuple(demo for demo in prompt.demos if not (demo.note or "").startswith(BESIDE))


def demonstrate(
    bench: Workbench, stage: Stage, drafts: Sequence[Draft], request: Callable[[Draft], str], writing: Writing
) -> list[Pair]:
    """Each draft with a demonstration that the optimizer LM wrote for it.

    One that leaves out a step, does not end in the answer or is too long is written anew, and told why, `TRIES` times
    in all; then the draft is dropped and counted in the log.
    """
    pairs: dict[int, Pair] = {}
    flaws = dict.fromkeys(range(len(drafts)), "")
    for attempt in range(TRIES):
        if not flaws:
            break
        asked = [f"{request(drafts[n])}{_told(flaw)}" for n, flaw in flaws.items()]
        replies = bench.ask(
            [[{"role": "user", "content": text}] for text in asked],
            temperature=writing.warmth,
            max_tokens=writing.max_tokens,
            purpose="demonstration, once more" if attempt else "demonstration",
        )
        for n, (reply,) in zip(list(flaws), replies, strict=True):
            text = instruction(reply, "demonstration") or ""
            flaws[n] = flaw_of(text, len(drafts[n].steps), stage.answers(drafts[n].row), stage.longest)
            if not flaws[n]:
                try:
                    pairs[n] = Pair(drafts[n], stage.shown(drafts[n], text), text)
                except SchemaError as error:
                    flaws[n] = str(error)
                else:
                    del flaws[n]
    for flaw in flaws.values():
        bench.log("demonstration dropped", predictor=stage.predictor, reason=flaw)
    return [pairs[n] for n in sorted(pairs)]


def _told(flaw: str) -> str:
    return f"\n\nA text that was written before could not be used: {flaw}." if flaw else ""


def flaw_of(demonstration: str, steps: int, answers: Sequence[str], longest: int) -> str:
    """Why a demonstration does not show its steps being followed to the answers; "" when it does."""
    if not demonstration:
        return "it was empty"
    if len(demonstration) > longest:
        return f"it has {len(demonstration)} characters, at most {longest} can be shown"
    if flaw := unfollowed(demonstration, steps):
        return flaw
    ending = _words(demonstration)
    for answer in answers:
        words = _words(answer)
        if 0 < len(words) <= SHORT and f" {' '.join(words)} " not in f" {' '.join(ending[-len(words) - ENDING :])} ":
            return f"it does not end in {answer!r}"
    return ""


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def obedience(pair: Pair, ran: Sequence[Case], stage: Stage) -> float | None:
    """The mean share of the pair's steps that the predictor named, in their order; None where it writes no steps."""
    if stage.place is None:
        return None
    shares = [
        followed(str(step.outputs.get(stage.place, step.reply)), len(pair.steps))
        for case in ran
        if case.example != pair.draft.row
        for step in case.outcome.trace
        if step.path == stage.predictor
    ]
    return sum(shares) / len(shares) if shares else None
