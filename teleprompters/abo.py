"""ABO: the prompt is a list of steps with a demonstration that follows them; the step that fails is broken down."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON
from .abo_demonstration import Draft, Pair, Stage, demonstrate, instruction_of, obedience, place_of, task_of
from .abo_steps import Amended, Blame, Steps, amended, numbered, read_blame, read_steps
from .abo_turn import Ran, Sizing, Turn
from .asking import MAX_LENGTH, Found, Writing, ask_for, check_kinds, check_sizes
from .base import Forecast, Round, Sizes, Workbench
from .draws import dealt, draw
from .induction import shown_pairs
from .instruction_search import InstructionSearch, Purse, note_cuts
from .metaprompts import MetaPrompt, load, own
from .reflection import CASE, Case, cases, errors, shown
from .wording import counted, of_predictors

STARTS = 3  # times that steps are written when none of their demonstrations shows them followed
TEMPERATURE = 0.7  # of what the optimizer LM writes, unless `writing` says otherwise
BATCHES = 3  # that are run in search of failures before the steps are taken to make none
_ANYWHERE = frozenset({"task", "cost", "length"})  # slots that any meta-prompt may have


@dataclass(frozen=True)
class ABOMetaPrompts:
    """The texts that ABO sends: your own with the slots named here, or the name of a file that holds one; None: ours.

    steps: {{task}}, {{examples}}. demonstration: {{steps}}, {{example}}. locate: {{steps}}, {{case}}.
    refine: {{steps}}, {{step}} (its number), {{reasons}}. update: {{steps}}, {{example}}, {{demonstration}} (the one
    before). Each may have {{task}}, {{cost}} (what Writing.token_cost says) and {{length}} (the most characters of a
    demonstration) as well.

    Raises ValueError on a text without its slots.
    """

    steps: str | None = None
    demonstration: str | None = None
    locate: str | None = None
    refine: str | None = None
    update: str | None = None

    def __post_init__(self) -> None:
        for one in fields(self):
            given = getattr(self, one.name)
            if given is not None:  # kept as text: a run is known by what it sends, not by a file's name
                needed = load(f"abo_{one.name}").slots - (_ANYWHERE - {"task"})
                object.__setattr__(self, one.name, own(given, needed, _ANYWHERE - needed))

    def fill(self, name: str, **values: str) -> str:
        given: str | None = getattr(self, name)
        return (load(f"abo_{name}") if given is None else MetaPrompt(given)).fill(**values)


@dataclass(frozen=True)
class ABO(InstructionSearch):
    """Automatic Behavior Optimization: it optimizes what the LM does, by telling it every step and showing it obeyed.

    1. Write: from the present instruction and a few labelled pool rows the optimizer LM writes numbered steps. The new
       instruction is the old one, the steps, and the order to follow each of them strictly.
    2. Demonstrate: it works one pool row by these steps, each under its label. Steps and demonstration are one pair.
    3. Run: the pair is run on a batch of pool rows.
    4. Locate: for each failure the optimizer LM names the first step that failed, and why.
    5. Refine: it breaks the step that was named most often down into smaller ones. The others stay verbatim.
    6. Update: the demonstration is worked anew for the refined steps, so that the two never part.
    7. The refined pair is scored on all of dev and takes the place of the pair it comes from only if it is better.

    Where a predictor writes free text before its answer (the reasoning of a ChainOfThought), the demonstration is that
    text, steps are carried out in the open, and how far the LM obeys them is measured on the batch and kept with every
    candidate. A predictor that only answers is shown the demonstration beside the example's question; its obedience
    cannot be seen, and the LM has steps to follow that it may not write down.
    In the open, the pair's demonstration is the only one, as in the paper: any other would show the same text without
    the steps. Beside a question it comes after those there were, which show answers alone and contradict no step; a
    rule that picks demonstrations gives way to it. Nothing is lost by that: what the program had competes on dev.

    refinements, candidates (pairs that are written in each step), batch (pool rows that a pair is run on): at most.
        None: what the budget affords. Where it cannot score all pairs of a step, the best on the batch come first.
    failures: that are examined in a refinement, at most. patience: refinements in a row without gain before it ends.
    examples: labelled rows shown to the writer of the steps. threshold: the score from which an execution is correct.
    longest_demonstration: characters. writing, metaprompts: how the optimizer LM writes, and what it is sent.

    Raises ValueError on sizes below 1 and on a meta-prompt without its slots.
    Source: Ma et al. 2024, arXiv 2402.02101, as its abstract and its readers describe it; no code was found. Steps, one
    demonstration for each prompt, strict obedience and the failing step broken down are the paper's. Ours are all texts
    and sizes, the check of unchanged steps, the gate on dev, and that reasons which repeat earn no further edit.
    """

    refinements: int | None = None
    candidates: int | None = None
    batch: int | None = None
    failures: int = 6
    patience: int = 2
    examples: int = 4
    threshold: float = 1.0
    longest_demonstration: int = 2000
    metaprompts: ABOMetaPrompts = ABOMetaPrompts()
    writing: Writing = Writing()

    def __post_init__(self) -> None:
        sizes = ("candidates", "batch", "failures", "patience", "examples", "longest_demonstration")
        check_sizes("ABO", **{name: getattr(self, name) for name in sizes})
        check_kinds("ABO", writing=(self.writing, Writing), metaprompts=(self.metaprompts, ABOMetaPrompts))
        check_kinds("ABO", threshold=(self.threshold, int | float))
        object.__setattr__(self, "writing", self.writing.at(TEMPERATURE))
        if not math.isfinite(self.threshold):
            raise ValueError(f"ABO(threshold={self.threshold}) is no score.")
        if self.refinements is not None and self.refinements < 0:
            raise ValueError(f"ABO(refinements={self.refinements}) must be at least 0.")

    @classmethod
    def paper(cls, **changes: Any) -> ABO:
        """What was published: steps with one demonstration, refined twice (its steps 0 to 2), one pair each time.

        How many rows are run and how many failures examined is not known: the budget and our defaults decide. So does
        our gate; the published scores are of every step, better or not.
        """
        return cls(**{"refinements": 2, "candidates": 1, "patience": 2, **changes})

    @classmethod
    def reference(cls, **changes: Any) -> ABO:
        """The same as `paper()`: no released code was found, so there are no other sizes to refer to."""
        return cls.paper(**changes)

    def improve(self, bench: Workbench, predictor: str, purse: Purse) -> Iterator[Round]:
        turn = self._turn(bench, predictor, purse)
        if turn is None:
            return
        current = None
        for _ in range(STARTS):
            if current is None and purse.left >= _least(len(bench.dev)):
                current = self._best(self._run(turn, self._demonstrate(turn, self._write(turn))))
                yield turn.round("steps", current, is_accepted=True)

        flat = 0
        for number in range(1, turn.sizing.refinements + 1):
            if current is None or flat == self.patience or not self._finds_failures(turn, current):
                return
            blames = self._locate(turn, current)
            refined = self._demonstrate(turn, self._refine(turn, current, blames, number))
            best = self._best(self._run(turn, refined, current))
            is_accepted = best is not None and self.preference(best.score) > self.preference(current.score)
            yield turn.round(f"refinement {number}", best, is_accepted=is_accepted)
            current, flat = (best, 0) if is_accepted else (current, flat + 1)

    def forecast(self, sizes: Sizes) -> Forecast:
        predictors = max(1, sizes.predictors)
        share = sizes.executions // predictors
        if share < _least(sizes.dev):
            return Forecast(
                0, 0, f"ABO: nothing; one pair takes at least {_least(sizes.dev)} calls for each predictor."
            )
        sizing = self.sizing(share, sizes.pool, sizes.dev)
        pairs = sizing.candidates * (1 + sizing.refinements)
        return Forecast(
            asks=predictors * (2 * pairs + sizing.refinements * sizing.failures),
            executions=min(sizes.executions, predictors * pairs * (sizing.batch + sizes.dev)),
            summary=f"ABO: {counted(sizing.candidates, 'pair')} of steps and demonstration for "
            f"{of_predictors(predictors)}, refined up to {counted(sizing.refinements, 'time')} by "
            f"{counted(sizing.failures, 'failure')} among {counted(sizing.batch, 'row')} of the pool, each pair "
            f"scored on all {counted(sizes.dev, 'row')} of dev.",
            reply_tokens=self.writing.max_tokens,
            read_characters=(self.writing.max_length or MAX_LENGTH) + self.longest_demonstration + CASE,
        )

    # sizes

    def sizing(self, left: int, pool: int, dev: int) -> Sizing:
        return Sizing.affordable(
            left,
            pool,
            dev,
            refinements=self.refinements,
            candidates=self.candidates,
            batch=self.batch,
            failures=self.failures,
        )

    def _turn(self, bench: Workbench, predictor: str, purse: Purse) -> Turn | None:
        """The search for one predictor, about to begin; None when there is nothing to begin with."""
        incumbent = bench.known[0].candidate
        prompt = incumbent.prompt(predictor)
        if purse.left < _least(len(bench.dev)):
            bench.log("budget too small for a pair", predictor=predictor, left=purse.left)
            return None
        place = place_of(prompt.schema, bench.pool)
        values = {
            row: {name: value for name, value in found.items() if name != place}
            for row, found in shown_pairs(bench, incumbent, predictor).items()
        }
        if not values:
            bench.log("nothing to induce from", predictor=predictor)
            return None
        sizing = self.sizing(purse.left, len(bench.pool), len(bench.dev))
        note_cuts(self, bench, predictor, refinements=sizing.refinements, candidates=sizing.candidates)
        rng = bench.rng(f"ABO for {predictor}")
        return Turn(
            bench,
            purse,
            sizing,
            incumbent,
            Stage(predictor, prompt.schema, place, values, self.longest_demonstration),
            task_of(prompt.instruction),
            rng,
            dealt(bench.pool, sizing.batch, rng),
        )

    # moves

    def _write(self, turn: Turn) -> list[Draft]:
        """Step 1: numbered steps out of the task and a few rows, other rows for every pair."""
        stage, count = turn.stage, turn.affordable()
        seen = [draw(list(stage.values), self.examples, turn.rng) for _ in range(count)]
        worked = draw(list(stage.values), count, turn.rng)
        requests = [
            self._fill(turn, "steps", turn.incumbent, examples="\n\n".join(map(stage.example, rows))) for rows in seen
        ]
        made = []
        for number, lists in enumerate(self._ask(turn, requests, read_steps, purpose="steps")):
            detail: dict[str, JSON] = {"rows": [row.digest for row in seen[number]]}
            row = worked[number % len(worked)]
            made += [Draft(turn.incumbent, steps, row, "steps", detail) for steps in lists]
        return self._admitted(turn, made)

    def _demonstrate(self, turn: Turn, drafts: Sequence[Draft]) -> list[Pair]:
        """Steps 2 and 6: a pool row worked by the steps, anew whenever they change."""

        def request(draft: Draft) -> str:
            texts = {"steps": numbered(draft.steps), "example": turn.stage.example(draft.row)}
            if draft.before is None:
                return self._fill(turn, "demonstration", draft.candidate, **texts)
            return self._fill(turn, "update", draft.candidate, demonstration=draft.before, **texts)

        return demonstrate(turn.bench, turn.stage, drafts, request, self.writing)

    def _run(self, turn: Turn, pairs: Sequence[Pair], parent: Ran | None = None) -> list[Ran]:
        """Steps 3 and 7: the pairs on the same rows of the pool, then on all of dev, the best on those rows first."""
        if not pairs:
            return []
        bench, rows = turn.bench, next(turn.batches)
        found = [(pair, cases(bench, pair.candidate, rows)) for pair in pairs]
        found.sort(key=lambda one: -self._reward(*one))
        ran: list[Ran] = []
        for pair, traced in found:
            if ran and turn.purse.left < len(bench.dev):
                bench.log("pair not scored", predictor=turn.stage.predictor)
                continue
            share = obedience(pair, traced, turn.stage)
            origin = pair.origin(turn.stage.predictor, share)
            before = turn.incumbent if parent is None else parent.pair.candidate
            score = bench.score([pair.candidate], origin=origin, parents=[before])[0]
            ran.append(Ran(pair, score, share, self._failing(pair, traced)))
        turn.ran += ran
        return ran

    def _reward(self, pair: Pair, ran: Sequence[Case]) -> float:
        """The mean score on the batch but for the row that is demonstrated, less what the prompt's length costs."""
        scores = [case.outcome.score for case in ran if case.example != pair.draft.row]
        mean = sum(scores) / len(scores) if scores else 0.0
        cost = self.writing.token_cost
        return mean if cost is None else mean - cost.of(pair.candidate)

    def _finds_failures(self, turn: Turn, current: Ran) -> bool:
        """Whether there are failures to examine and the means for it; runs further batches while there are none."""
        needed = turn.sizing.failures + turn.sizing.pair(len(turn.bench.dev))
        for _ in range(BATCHES):
            if current.unexamined or turn.purse.left < needed:
                break
            ran = cases(turn.bench, current.pair.candidate, next(turn.batches))
            current.unexamined = self._failing(current.pair, ran)
        if not current.unexamined:
            turn.bench.log("no failures", predictor=turn.stage.predictor)
        return bool(current.unexamined) and turn.purse.left >= needed

    def _failing(self, pair: Pair, ran: Sequence[Case]) -> list[Case]:
        """The failures to learn from: not on the row whose answer the demonstration gives."""
        return [case for case in errors(ran, self.threshold) if case.example != pair.draft.row]

    def _locate(self, turn: Turn, current: Ran) -> list[Blame]:
        """Step 4: the first failing step of each of some failures; none when only earlier reasons are said again.

        Then other failures are examined, or the same ones at a higher temperature where there are no others.
        """
        examined = current.taken(turn.sizing.failures, turn.rng)
        blames = self._blames(turn, current, examined, self.writing.warmth, "location")
        if not blames or turn.is_news(blames):
            return blames
        if others := current.taken(turn.sizing.failures, turn.rng):
            blames = self._blames(turn, current, others, self.writing.warmth, "location, other cases")
        else:
            blames = self._blames(turn, current, examined, self.writing.warmer, "location, warmer")
        return blames if turn.is_news(blames) else []

    def _blames(
        self, turn: Turn, current: Ran, examined: Sequence[Case], temperature: float, purpose: str
    ) -> list[Blame]:
        pair, predictor = current.pair, turn.stage.predictor
        requests = [
            self._fill(
                turn,
                "locate",
                pair.candidate,
                steps=numbered(pair.steps),
                case=shown(case, pair.candidate, predictor),
            )
            for case in examined
        ]
        found = self._ask(turn, requests, read_blame, purpose=purpose, temperature=temperature)
        blames = [blame for drawn in found for blame in drawn]
        known = [blame for blame in blames if 1 <= blame.step <= len(pair.steps)]
        for blame in blames:
            if blame not in known:
                turn.bench.log("unknown step", predictor=predictor, step=blame.step, reason=blame.reason[:500])
        return known

    def _refine(self, turn: Turn, current: Ran, blames: Sequence[Blame], number: int) -> list[Draft]:
        """Step 5: the step that was named most often broken down, every other one verbatim.

        Of steps that were named equally often the first one: what follows it may have failed for its sake. Where
        several pairs are written, they take such steps in turn.
        """
        pair, votes = current.pair, Counter(blame.step for blame in blames)
        most = sorted(step for step, count in votes.items() if count == max(votes.values()))
        targets = Counter(most[n % len(most)] for n in range(turn.affordable())) if most else Counter[int]()
        made = []
        for target, count in targets.items():
            reasons: list[JSON] = list(dict.fromkeys(blame.reason for blame in blames if blame.step == target))
            request = self._fill(
                turn,
                "refine",
                pair.candidate,
                steps=numbered(pair.steps),
                step=str(target),
                reasons="\n".join(f"- {reason}" for reason in reasons),
            )
            read = partial(_read_amended, pair.steps, target)
            for found in self._ask(turn, [request], read, purpose="refinement", n=count)[0]:
                if found.put_back:
                    turn.bench.log("steps put back", predictor=turn.stage.predictor, steps=found.put_back)
                detail: dict[str, JSON] = {"refinement": number, "step": target, "reasons": reasons}
                made.append(
                    Draft(pair.candidate, found.steps, pair.draft.row, "refinement", detail, pair.demonstration)
                )
        return self._admitted(turn, made)

    # what the moves have in common

    def _best(self, ran: Sequence[Ran]) -> Ran | None:
        return max(ran, key=lambda one: self.preference(one.score), default=None)

    def _fill(self, turn: Turn, name: str, candidate: Candidate, **values: str) -> str:
        anywhere = {
            "task": turn.task,
            "cost": self.told_cost(candidate),
            "length": str(self.longest_demonstration),
        }
        return self.metaprompts.fill(name, **anywhere, **values)

    def _ask(
        self,
        turn: Turn,
        requests: Sequence[str],
        read: Callable[[str], Found | None],
        *,
        purpose: str,
        n: int = 1,
        temperature: float | None = None,
    ) -> list[list[Found]]:
        return ask_for(
            turn.bench,
            requests,
            read,
            n=n,
            temperature=self.writing.warmth if temperature is None else temperature,
            max_tokens=self.writing.max_tokens,
            purpose=purpose,
        )

    def _admitted(self, turn: Turn, drafts: Sequence[Draft]) -> list[Draft]:
        """The drafts whose instruction passes the guard rails, each with the candidate that has it."""
        admitted = []
        for draft in drafts:
            text = instruction_of(turn.task, draft.steps, turn.stage.place)
            made = turn.bench.admit(draft.candidate, turn.stage.predictor, [text], max_length=self.writing.max_length)
            admitted += [replace(draft, candidate=candidate) for candidate in made]
        return admitted


def _least(dev: int) -> int:
    """What a pair takes that is written without a flaw and not run on the pool."""
    return 2 + dev


def _read_amended(old: Steps, target: int, reply: str) -> Amended | None:
    new = read_steps(reply)
    return None if new is None else amended(old, new, target)
