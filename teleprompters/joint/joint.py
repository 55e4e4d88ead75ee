"""Joint: one search over instructions, demonstrations, order and format of all predictors of a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ...signatures.candidate import Candidate
from ...signatures.canonical import JSON
from ...signatures.example import Example
from ...signatures.formats import FORMATS
from ...signatures.prompt import POSITIONS, Position
from ..asking import WARMEST, check_kinds, check_sizes
from ..base import Forecast, Round, Score, Sizes, Teleprompter, Workbench
from ..demonstrations.supply import apart
from ..instruction_search import round_of
from .arm_bench import ArmBench, Made
from .arms import Arm, Recombination, SearchArm, Variation, Variations, named
from .contributions import taken_apart
from .defaults import proposers_for, selectors_for
from .objectives import Cost, Rule, one_standard_error
from .parts import Pools, changed, parts_of, renders, with_parts
from .portfolio import Portfolio
from .race import Pocock, Race
from .study import Direction, PartStudy, SamplerMaker, tpe
from .track import Track

SLICE = 0.5  # of its share of what is left, that an arm is told it has: what it plans must not outlive its success
MOST_MOVES = 4  # of what an arm makes in a turn, that are tried beside a best which is no longer what it began from
LEAST_TOLD = 6  # first blocks that an arm is told it has, as long as there are so many: with less, none begins anything
MOST_ASIDE = 0.2  # of the executions, for finding out in the end what each part brings


@dataclass(frozen=True)
class Joint(Teleprompter):
    """Searches over everything that a candidate is made of, for all predictors of a program at once.

    Searches for instructions (`proposers`) and for demonstrations (`selectors`) are arms of a portfolio. They take
    turns of one round; what they make is taken apart, and its parts join growing pools, one for each predictor's
    instruction, demonstrations (with their order, or a rule), format, position and settings. A further arm asks an
    Optuna study which known parts to put together.

    1. Arms select on the first rows of dev alone. What one makes is tried beside the best there is: its new parts in
       place of the best's own.
    2. All that is made in a turn races: block by block on the same rows of dev, and those that fall behind the best are
       dropped (`race`). Only what was scored on all of dev can become the finalist.
    3. An arm has turns in proportion to the improvement a call that it has lately brought, with a part for all alike.
    4. In the end, each part of the best that is not the program's own is taken out once, to see what it brings.

    proposers, selectors: any teleprompters; None: what the budget affords (see `defaults`). Formats: names; None: the
        student's own and "plain". positions, temperatures: others to try, of the instruction and of the task LM.
    objectives: what else counts beside the score: `PromptTokens()`, `Dollars()`, `Latency(...)`. rule: which point of
        the front of scores and costs ships: the cheapest within one standard error of the best, or a function of
        yours from points to one of them. Without objectives the best score ships.
    race: how candidates are dropped: `Pocock`, `Paired`, `Halving`, `Hyperband`, `NoRace`. sampler: makes an Optuna
        sampler, is called with `seed=`: a sampler's class, for example. batch: combinations that the study asks for
        at once.

    The result depends on the seed alone: turns follow counted calls, never time.
    Raises ValueError on arguments of another kind, unknown formats and positions, and temperatures that servers do not
    take.
    """

    proposers: tuple[Teleprompter, ...] | None = None
    selectors: tuple[Teleprompter, ...] | None = None
    formats: tuple[str, ...] | None = None
    positions: tuple[Position, ...] = ()
    temperatures: tuple[float, ...] = ()
    objectives: tuple[Cost, ...] = ()
    rule: Rule = one_standard_error
    race: Race = Pocock()
    sampler: SamplerMaker = tpe
    batch: int = 2

    def __post_init__(self) -> None:
        check_sizes("Joint", batch=self.batch)
        check_kinds(
            "Joint",
            **{name: (getattr(self, name), tuple | None) for name in ("proposers", "selectors", "formats")},
            **{name: (getattr(self, name), tuple) for name in ("positions", "temperatures", "objectives")},
            **{name: (getattr(self, name), Callable) for name in ("rule", "sampler")},
            race=(self.race, Race),
        )
        for name, kind in (("proposers", Teleprompter), ("selectors", Teleprompter), ("objectives", Cost)):
            for one in getattr(self, name) or ():
                check_kinds("Joint", **{name: (one, kind)})
        for name, known in (("formats", FORMATS), ("positions", POSITIONS)):
            for one in getattr(self, name) or ():
                if one not in known:
                    listed = ", ".join(map(repr, known))
                    raise ValueError(f"Joint({name}={getattr(self, name)!r}): {one!r} is unknown. Known are {listed}.")
        if self.formats == ():
            raise ValueError("Joint(formats=()) leaves no format. Name one, or None for the student's own and 'plain'.")
        for temperature in self.temperatures:
            check_kinds("Joint", temperatures=(temperature, int | float))
            if not 0 <= temperature <= WARMEST:
                raise ValueError(f"Joint(temperatures={self.temperatures!r}): they lie between 0 and {WARMEST:g}.")

    def search(self, bench: Workbench) -> Iterator[Round]:
        bench.score([bench.student])
        begun = bench.remaining.expected

        def aside() -> int:
            """Executions for taking out each part of the best, but no more than a fifth of all."""
            parts = len(changed(bench.student, bench.known[0].candidate))
            return min(parts * len(bench.dev), int(MOST_ASIDE * begun))

        track = Track(bench, self.race, self.preference, self.objectives, aside)
        pools, study = Pools(bench.student), self._study(bench)
        arms, portfolio = self._arms(bench, track, pools, study)
        told: set[Candidate] = set()
        _tell(study, track, [bench.student], told)
        while track.has_room and (waiting := [name for name, arm in arms.items() if not arm.is_done]):
            name = portfolio.next(waiting)
            calls, best = bench.spent.calls, self.preference(bench.known[0])
            made = arms[name].turn(track.incumbent)
            for one in made:
                pools.add(parts_of(one.candidate), name)
            entries = _entries(bench, track, made)
            track.run(entries)
            _tell(study, track, [one.candidate for one in (*made, *entries)], told)
            gain = self.preference(bench.known[0]) - best
            portfolio.settle(name, bench.spent.calls - calls, gain, least=len(track.first_block))
            self._report(bench, track, portfolio, [])
            yield round_of(bench, name, [entry.candidate for entry in entries])
        for parts in taken_apart(bench, pools, lambda: self._shipping(track)):
            self._report(bench, track, portfolio, parts)
        yield round_of(bench, "each part taken out")

    def _study(self, bench: Workbench) -> PartStudy:
        costs: list[Direction] = ["minimize"] * len(self.objectives)
        return PartStudy(self.sampler, int(bench.rng("study").random() * 2**32), ["maximize", *costs])

    def _shipping(self, track: Track) -> Score:
        """What would ship now: the best, or what the rule picks where the best score is not all that counts."""
        front = track.front()
        return (self.rule(front) if self.objectives else front[0]).score

    def _report(self, bench: Workbench, track: Track, portfolio: Portfolio, parts: Sequence[JSON]) -> None:
        """What the compiled file says of the search, and what ships."""
        findings: dict[str, JSON] = {"portfolio": portfolio.to_json(), "parts": list(parts)}
        if self.objectives:
            bench.choose(self._shipping(track).candidate)
            findings["objectives"] = [{"name": cost.name, "unit": cost.unit} for cost in self.objectives]
            findings["front"] = [point.to_json() for point in track.front()]
        bench.keep("joint", findings, in_file=True)

    def forecast(self, sizes: Sizes) -> Forecast:
        each = [search.forecast(sizes) for _, search in self._searches(sizes)]
        asks = min(sizes.executions // 2, sum(one.asks for one in each) // max(1, len(each)))
        return Forecast(
            asks=asks,
            executions=sizes.executions - asks,
            summary=f"Joint: {', '.join(name for name, _ in self._searches(sizes))} and recombination take turns; what "
            f"they make races on up to {sizes.dev} rows of dev.",
            embeddings=sum(one.embeddings for one in each),
            reply_tokens=max((one.reply_tokens for one in each), default=0),
            read_characters=max((one.read_characters for one in each), default=0),
        )

    def refusal(self, student: Candidate) -> str:
        chosen = (*(self.proposers or ()), *(self.selectors or ()))
        return next((refused for one in chosen if (refused := one.refusal(student))), "")

    def unfit_rows(self, student: Candidate, pool: Sequence[Example]) -> str:
        chosen = (*(self.proposers or ()), *(self.selectors or ()))
        return next((unfit for one in chosen if (unfit := one.unfit_rows(student, pool))), "")

    @property
    def embeds_queries(self) -> bool:
        given = (*(self.selectors or ()), *(self.proposers or ()))
        return self.selectors is None or any(one.embeds_queries for one in given)

    def _searches(self, sizes: Sizes) -> list[tuple[str, Teleprompter]]:
        """The searches that are arms, by name: demonstrations first, which bring the most at the least cost."""
        selectors = selectors_for(sizes, self.formats) if self.selectors is None else self.selectors
        proposers = proposers_for(sizes) if self.proposers is None else self.proposers
        return named([*selectors, *proposers])

    def _arms(self, bench: Workbench, track: Track, pools: Pools, study: PartStudy) -> tuple[dict[str, Arm], Portfolio]:
        student, left = bench.student, bench.remaining.expected
        sizes = Sizes(len(bench.pool), len(bench.dev), len(student.predictors), left, bench.encoder is not None)
        pool = tuple(apart(bench, bench.pool))

        def bench_of(arm: str, begun: str) -> ArmBench:
            def told() -> int:
                slice_ = int(SLICE * portfolio.share(arm) * track.left)
                return min(track.left, max(slice_, LEAST_TOLD * len(track.first_block)))

            return ArmBench(bench, begun, track.first_block, pool, told, track.known, track.note)

        arms: list[Arm] = [
            SearchArm(name, one, bench_of)
            for name, one in self._searches(sizes)
            if not one.refusal(student) and not one.unfit_rows(student, bench.pool)
        ]
        if variations := self._variations(bench):
            arms.append(Variations(variations))
        arms.append(Recombination(bench, study, pools, track.has_seen, self.batch))
        portfolio = Portfolio([arm.name for arm in arms])
        return {arm.name: arm for arm in arms}, portfolio

    def _variations(self, bench: Workbench) -> list[Variation]:
        return [
            *(Variation("position", position) for position in self.positions),
            *(Variation("temperature", temperature) for temperature in self.temperatures),
            *(Variation("lm", role) for role in bench.task_lms[1:]),
        ]


def _entries(bench: Workbench, track: Track, made: Sequence[Made]) -> list[Made]:
    """What is to race: what was made, and its new parts beside the best where it did not begin from the best."""
    entries: dict[Candidate, Made] = {}
    incumbent = track.incumbent
    for number, one in enumerate(track.best_first(made)):
        entries.setdefault(one.candidate, one)
        if number >= MOST_MOVES:
            continue
        beside = with_parts(incumbent, changed(one.parent, one.candidate))
        if reason := renders(beside):
            bench.log("parts that do not go together", reason=reason)
        elif beside != incumbent:
            origin = replace(one.origin, detail={**one.origin.detail, "beside": "the best so far"})
            entries.setdefault(beside, Made(beside, incumbent, origin))
    return [entry for entry in entries.values() if not track.has_raced(entry.candidate)]


def _tell(study: PartStudy, track: Track, candidates: Sequence[Candidate], told: set[Candidate]) -> None:
    """Tells the study of each candidate once, as soon as it has any score."""
    for candidate in candidates:
        if candidate not in told and track.has_seen(candidate):
            ran = track.ran(candidate)
            study.tell(_names(candidate), ran.value, *ran.costs)
            told.add(candidate)


def _names(candidate: Candidate) -> dict[str, str]:
    return {str(slot): part.name for slot, part in parts_of(candidate).items()}
