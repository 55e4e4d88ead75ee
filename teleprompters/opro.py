"""OPRO: the optimizer LM reads the instructions tried so far with their scores, worst first, and writes the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeAlias

from ..signatures.candidate import Candidate
from ..signatures.canonical import JSON
from ..signatures.example import Example
from ..signatures.prompt import POSITIONS, Position
from .asking import MAX_LENGTH, USUAL, WARMEST, Writing, ask_for, check_kinds, check_sizes
from .base import Forecast, Origin, Round, Score, Sizes, Workbench
from .draws import draw
from .finalists import affordable_finalists, full_score
from .induction import Proposal, admitted, shown_pairs
from .instruction_search import InstructionSearch, Purse, document_of, note_cuts, round_of, wordings
from .metaprompts import MetaPrompt, load, own
from .opro_trajectory import (
    ExemplarChoice,
    Exemplars,
    Shown,
    Trajectory,
    continued_instruction,
    exemplar,
    placed_instruction,
    where,
)
from .replies import bracketed
from .wording import counted, of_predictors

Style: TypeAlias = Literal["chat", "instruction_tuned", "pretrained"]

MOST_STEPS = 200  # the paper's number, where the budget would pay for more
LEAST_STEPS = 3  # fewer steps of many proposals learn nothing from what came before
LEAST_ROWS = 20  # to score an instruction on: scores on fewer rows put the trajectory in a random order
_READERS: dict[Style, Callable[[str], str | None]] = {
    "chat": placed_instruction,
    "instruction_tuned": bracketed,
    "pretrained": continued_instruction,
}
_METAPROMPTS: dict[Style, str] = {
    "chat": "opro_chat",
    "instruction_tuned": "opro_instruct",
    "pretrained": "opro_continue",
}
_SLOTS = {"trajectory", "exemplars"}
_OPTIONAL = {"place", "scale", "errors", "next", "cost"}


@dataclass(frozen=True)
class OPRO(InstructionSearch):
    """Optimization by PROmpting: a trajectory of scored instructions is all memory, and the optimizer LM extends it.

    Each step:
    1. The best `shown.instructions` so far stand in the meta-prompt in ascending order, each with its score as a whole
       number, and with some exemplars of the task, the place of the instruction marked in them.
    2. The optimizer LM writes `proposals` new instructions, all from this one meta-prompt.
    3. Each is scored on the same `rows` of dev and joins the trajectory.
    It ends after `steps`, with the budget, or when `patience` steps in a row brought nothing better. The best
    `finalists` are then scored on all of dev.

    Several predictors are taken in turn, the others held at their best (see `InstructionSearch`). The trajectory is
    kept in the run folder as opro_trajectory.json, anew after every step.

    steps, proposals, rows: sizes; None: the budget decides (as many rows as candidates, 20 at least; up to 8 proposals
        a step, fewer when that would leave fewer than 3 steps; at most 200 steps).
    exemplars: which and how many. shown: how the trajectory is shown. style: "chat" for models that follow
        instructions, "instruction_tuned" asks for square brackets, "pretrained" lets a model go on with the list.
    positions: places of the instruction to try with the first and again with the best one; None: where it stands.
    seeds: instructions to begin with, beside the program's own.
    final_temperature: that of the last step, approached in equal steps from the one of `writing`; None: the same.
    metaprompt: your own text with {{trajectory}} and {{exemplars}} in it, or the name of a file that holds it; it may
        also have {{place}}, {{scale}}, {{errors}}, {{next}} and {{cost}}.

    Raises ValueError on sizes below 1, unknown styles, rules or positions, and on a meta-prompt without its slots.
    Source: Yang et al. 2023, arXiv 2309.03409, section 4 and appendix C. Differs on purpose: exemplars come from the
    pool and scores from dev, which are disjoint (there: one training set); exemplars "most often wrong" are really
    those (the released code draws uniformly from all that ever were); seeds cannot be proposed again; a reply without
    an instruction is asked for once more and then dropped, and never scored as an empty text; the reply tags differ.
    """

    steps: int | None = None
    proposals: int | None = None
    rows: int | None = None
    exemplars: Exemplars = Exemplars()
    shown: Shown = Shown()
    style: Style = "chat"
    positions: tuple[Position, ...] | None = None
    seeds: tuple[str, ...] = ()
    final_temperature: float | None = None
    patience: int | None = 5
    finalists: int = 3
    writing: Writing = Writing()
    metaprompt: str | None = None

    def __post_init__(self) -> None:
        sizes = ("steps", "proposals", "rows", "patience", "finalists")
        check_sizes("OPRO", **{name: getattr(self, name) for name in sizes})
        check_kinds(
            "OPRO",
            exemplars=(self.exemplars, Exemplars),
            shown=(self.shown, Shown),
            writing=(self.writing, Writing),
            seeds=(self.seeds, tuple),
            positions=(self.positions, tuple | None),
        )
        object.__setattr__(self, "writing", self.writing.at(USUAL))
        if self.final_temperature is not None and not 0 <= self.final_temperature <= WARMEST:
            raise ValueError(f"OPRO(final_temperature={self.final_temperature}) lies between 0 and {WARMEST:g}.")
        if self.style not in _METAPROMPTS:
            raise ValueError(f"OPRO(style={self.style!r}): known are {', '.join(map(repr, _METAPROMPTS))}.")
        for position in self.positions or ():
            if position not in POSITIONS:
                raise ValueError(f"OPRO(positions={self.positions!r}): known are {', '.join(map(repr, POSITIONS))}.")
        if self.metaprompt is not None:
            object.__setattr__(self, "metaprompt", own(self.metaprompt, _SLOTS, _OPTIONAL))

    @classmethod
    def paper(cls, **changes: Any) -> OPRO:
        """The published sizes: 200 steps of 8 proposals, the best 20 shown, 3 random exemplars, temperature 1, no stop.

        50 rows of dev to score on, the fifth of a BIG-Bench Hard task that the paper uses.
        Source: Yang et al. 2023, sections 4.2 and 5.1.
        """
        return cls(**{"steps": 200, "proposals": 8, "rows": 50, "patience": None, **changes})

    @classmethod
    def reference(cls, **changes: Any) -> OPRO:
        """The released code's settings for a chat model: as published, but instructions below 0.3 are not shown.

        At most 500 characters an instruction. It starts from "Let's solve the problem." as well.
        Source: github.com/google-deepmind/opro, opro/optimization/optimize_instructions.py. Its filter against digits,
        which is for one data set, and its filter against the letters INS, which bans "INSTRUCTIONS", are left out.
        """
        settings = {"shown": Shown(threshold=0.3), "writing": Writing(max_tokens=512, max_length=500)}
        return cls.paper(**{**settings, "seeds": ("Let's solve the problem.",), **changes})

    def improve(self, bench: Workbench, predictor: str, purse: Purse) -> Iterator[Round]:
        rng = bench.rng(f"OPRO {predictor}")
        start = bench.known[0].candidate
        sizes = self._sizes(purse.left, len(bench.dev), len(self._elsewhere(start, predictor)))
        note_cuts(self, bench, predictor, steps=sizes.steps)
        if sizes.rows < len(bench.dev):
            note_cuts(self, bench, predictor, finalists=sizes.finalists)
        rows = bench.dev if sizes.rows == len(bench.dev) else tuple(draw(bench.dev, sizes.rows, rng))
        incumbent = self._best_placed(bench, start, predictor, rows) if sizes.steps else start
        pairs = shown_pairs(bench, incumbent, predictor) if sizes.steps else {}
        exemplars = ExemplarChoice(bench, self.exemplars, list(pairs), rng)
        made = _affordable(purse, sizes, self._admitted(bench, incumbent, predictor, self.seeds, "seed"))
        if incumbent != start:
            moved = Proposal(incumbent.prompt(predictor).instruction, start, self._origin("position", predictor))
            made = {incumbent: moved, **made}

        trajectory = Trajectory(self.shown, self.preference)
        trajectory.extend(self._scored(bench, incumbent, made, rows))
        exemplars.count([incumbent, *made])
        yield round_of(bench, f"{predictor}: the start, on {len(rows)} rows", tuple(made))

        flat = 0
        # What was planned may leave something over: repeated proposals cost no score.
        steps = MOST_STEPS if self.steps is None and sizes.steps else sizes.steps
        for step in range(steps):
            # The last step makes do with what is left.
            proposals = min(sizes.proposals, (purse.left - sizes.finals) // sizes.candidate)
            if flat == self.patience or proposals < 1 or purse.sure(trajectory.best) < sizes.finals:
                break
            # What other searches have found meanwhile; it was scored before, so it costs nothing.
            known = [score.candidate for score in wordings(bench, incumbent, predictor)]
            trajectory.extend(bench.score(known, rows))
            before = trajectory.best
            shown = [pairs[row] for row in exemplars.choose(trajectory, bench.rng(f"OPRO {predictor} step {step}"))]
            request = self._meta_prompt(incumbent, predictor, trajectory, shown)
            texts = self._ask(bench, request, proposals, self._temperature(step, sizes.steps))
            # Replies that were asked for again have cost more than was reckoned with.
            new = _affordable(purse, sizes, self._admitted(bench, incumbent, predictor, texts, f"step {step + 1}"))
            trajectory.extend(self._scored(bench, incumbent, new, rows))
            exemplars.count(list(new))
            made.update(new)
            self._keep(bench, predictor, trajectory, made)
            yield round_of(bench, f"{predictor}: step {step + 1}, {len(new)} on {len(rows)} rows", tuple(new))
            flat = 0 if trajectory.best != before else flat + 1
        if flat == self.patience:
            bench.log("stopped: the trajectory stagnates", predictor=predictor)

        finalists = [candidate for candidate in trajectory.descending() if candidate in made][: sizes.finalists]
        for finalist in finalists:
            full_score(bench, finalist, made[finalist])
        best = bench.known[0].candidate
        if purse.left >= len(self._elsewhere(best, predictor)) * len(bench.dev):
            self._best_placed(bench, best, predictor, bench.dev)
        yield round_of(bench, f"{predictor}: {len(finalists)} scored on all rows", tuple(finalists))

    def forecast(self, sizes: Sizes) -> Forecast:
        each = self._sizes(sizes.executions // max(1, sizes.predictors), sizes.dev, len(set(self.positions or ())))
        candidates = each.candidates
        # With no money for a step there is nothing to be scored but what was given.
        at_all = candidates or self.seeds or self.positions
        executions = each.start + candidates * (each.candidate - 1) + each.finals if at_all else 0
        return Forecast(
            asks=sizes.predictors * candidates,
            executions=min(sizes.executions, sizes.predictors * executions),
            summary=f"OPRO: for {of_predictors(sizes.predictors)} up to {counted(each.steps, 'step')} of "
            f"{counted(each.proposals, 'instruction')}, each scored on {each.rows} of {counted(sizes.dev, 'row')} "
            + (f"of dev, the best {each.finalists} on all of them." if each.finals else "of dev."),
            reply_tokens=each.proposals * self.writing.max_tokens,
            read_characters=self.shown.instructions * (self.writing.max_length or MAX_LENGTH),
        )

    # sizes

    def _sizes(self, money: int, dev: int, elsewhere: int) -> _Sizes:
        """Steps, proposals and rows for so many executions: as many rows as candidates, where they are not given.

        elsewhere: places of the instruction to try beside the one where it stands.
        """
        rows = min(dev, self.rows or max(LEAST_ROWS, math.isqrt(max(0, money))))
        finalists = affordable_finalists(self.finalists, money, dev)
        finals = (0 if rows == dev else finalists * (dev - rows)) + elsewhere * dev
        watched = self.exemplars.executions
        start = (elsewhere + len(self.seeds)) * rows + (1 + len(self.seeds)) * watched
        spend = max(0, money - finals - start)
        each = 1 + rows + watched
        proposals = self.proposals or next((k for k in (8, 4, 2) if spend >= LEAST_STEPS * k * each), 1)
        candidates = min((self.steps or MOST_STEPS) * proposals, spend // each)
        return _Sizes(rows, proposals, candidates, finalists, each, start, finals)

    # moves

    def _meta_prompt(
        self, incumbent: Candidate, predictor: str, trajectory: Trajectory, exemplars: Sequence[Mapping[str, JSON]]
    ) -> str:
        prompt = incumbent.prompt(predictor)
        text = self.metaprompt or load(_METAPROMPTS[self.style]).text
        parts = [exemplar(prompt.schema, values, prompt.position) for values in exemplars]
        lines = trajectory.as_list(predictor) if self.style == "pretrained" else trajectory.as_pairs(predictor)
        errors = (
            " The instructions above do not lead to the output for these inputs:" if self.exemplars.shows_errors else ""
        )
        return MetaPrompt(text).fill(
            trajectory=lines,
            exemplars="\n\n".join(parts),
            place=where(prompt.position),
            scale=trajectory.scale,
            errors=errors,
            next=trajectory.next_line,
            cost=self.told_cost(incumbent),
        )

    def _temperature(self, step: int, steps: int) -> float:
        first, last = self.writing.warmth, self.final_temperature
        return first if last is None else first + (last - first) * min(1.0, step / max(1, steps - 1))

    def _keep(
        self, bench: Workbench, predictor: str, trajectory: Trajectory, made: Mapping[Candidate, Proposal]
    ) -> None:
        moves = {candidate: proposal.origin.move for candidate, proposal in made.items()}
        bench.keep(document_of(bench, "opro_trajectory", predictor), trajectory.to_json(predictor, moves))

    def _ask(self, bench: Workbench, request: str, proposals: int, temperature: float) -> list[str]:
        (texts,) = ask_for(
            bench,
            [request],
            _READERS[self.style],
            n=proposals,
            temperature=temperature,
            max_tokens=self.writing.max_tokens,
            purpose="OPRO step",
        )
        return texts

    def _admitted(
        self, bench: Workbench, incumbent: Candidate, predictor: str, texts: Sequence[str], move: str
    ) -> dict[Candidate, Proposal]:
        proposed = [Proposal(text, incumbent, self._origin(move, predictor)) for text in texts]
        return admitted(bench, predictor, proposed, max_length=self.writing.max_length)

    def _scored(
        self, bench: Workbench, incumbent: Candidate, made: Mapping[Candidate, Proposal], rows: Sequence[Example]
    ) -> list[Score]:
        """The incumbent, which costs nothing once it has been scored, and what was made from it, on the rows."""
        known = bench.score([incumbent], rows)
        origins = [proposal.origin for proposal in made.values()]
        return known + bench.score(list(made), rows, origin=origins, parents=[incumbent])

    def _best_placed(
        self, bench: Workbench, candidate: Candidate, predictor: str, rows: Sequence[Example]
    ) -> Candidate:
        """The candidate with the instruction at the best of the `positions`, or as it is where none are to be tried."""
        elsewhere = self._elsewhere(candidate, predictor)
        if not elsewhere:
            return candidate
        origin = self._origin("position", predictor)
        scores = bench.score([candidate, *elsewhere], rows, origin=origin, parents=[candidate])
        return max(scores, key=self.preference).candidate  # of equals the first, which is the candidate itself

    def _elsewhere(self, candidate: Candidate, predictor: str) -> list[Candidate]:
        """The candidate with the instruction at each of the `positions` but the one where it stands."""
        placed = [candidate.with_prompt(predictor, position=position) for position in self.positions or ()]
        return [other for other in dict.fromkeys(placed) if other != candidate]

    def _origin(self, move: str, predictor: str) -> Origin:
        return Origin("OPRO", move, {"predictor": predictor})


@dataclass(frozen=True)
class _Sizes:
    """What a predictor's search does.

    candidates: in all; the last step may have fewer than the others. candidate: what one costs, its proposal included.
    start, finals: what the beginning and the end cost.
    """

    rows: int
    proposals: int
    candidates: int
    finalists: int
    candidate: int
    start: int
    finals: int

    @property
    def steps(self) -> int:
        return -(-self.candidates // self.proposals)


def _affordable(purse: Purse, sizes: _Sizes, made: Mapping[Candidate, Proposal]) -> dict[Candidate, Proposal]:
    """As many of them as can be scored without the money for what is to be done in the end."""
    return dict(islice(made.items(), max(0, purse.left - sizes.finals) // (sizes.candidate - 1)))
