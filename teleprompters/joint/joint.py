"""Joint: one search over instructions, demonstrations, order and format of all predictors of a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ...signatures.candidate import Candidate
from ...signatures.errors import BudgetSpent
from ...signatures.example import Example
from ...signatures.formats import FORMATS
from ...signatures.prompt import POSITIONS, Position
from ..asking import WARMEST, check_kinds, check_sizes
from ..base import Forecast, Round, Sizes, Teleprompter, Workbench
from ..instruction_search import round_of
from ..random_demos import RandomDemos
from .arms import Variation, named
from .course import Course
from .defaults import proposers_for, selectors_for
from .objectives import Cost, Dollars, Rule, one_standard_error
from .race import Pocock, Race
from .study import Direction, PartStudy, SamplerMaker, check_maker, tpe

LEAST_SCORES = 4  # of candidates on all of dev, that the money should do for

# What settings are tuples of, and how one is written.
_EACH: dict[str, tuple[type, str]] = {
    "proposers": (Teleprompter, "APE()"),
    "selectors": (Teleprompter, "Demonstrations(select=BM25())"),
    "objectives": (Cost, "PromptTokens()"),
}


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
        sampler, is called with `seed=` for every trial: a sampler's class, for example. TPE learns from
        all trials, NSGA-II from those that it proposed; CMA-ES, which has no categorical choices, picks at random.
    batch: combinations that the study asks for at once.

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
        for name, (kind, such_as) in _EACH.items():
            for one in getattr(self, name) or ():
                if not isinstance(one, kind):
                    raise ValueError(
                        f"Joint({name}=...) is a tuple of {kind.__name__}s, such as ({such_as},). {one!r:.80} is none."
                    )
                if isinstance(one, Joint):
                    raise ValueError(f"Joint({name}=...) has a Joint in it. Give its searches to this one instead.")
        if self.proposers == self.selectors == () and not (self.formats or self.positions or self.temperatures):
            raise ValueError("Joint(proposers=(), selectors=()) has nothing to search with. Name a search, or neither.")
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
        if self.sampler is not tpe:  # imports Optuna, which the default need not to be made
            check_maker(self.sampler, self._directions)

    def search(self, bench: Workbench) -> Iterator[Round]:
        bench.score([bench.student])
        if self._is_for_one(bench.remaining.expected, len(bench.dev)):
            yield from RandomDemos(formats=self.formats).search(bench)
            return
        course = Course(bench, self._study(bench), self.race, self.preference, self.objectives, self.rule)
        course.begin(self._fitting(bench), self._variations(bench), self.batch)
        try:
            yield from self._turns(bench, course)
        except BudgetSpent:
            course.report()  # what was scored whole since the last turn ended ships, too
            raise

    def _turns(self, bench: Workbench, course: Course) -> Iterator[Round]:
        while True:
            while (name := course.next_arm()) is not None:
                entries = course.turn(name)
                course.report()
                yield round_of(bench, name, [entry.candidate for entry in entries])
            if not course.apart.waiting:
                return
            for _ in course.apart.out():
                course.report()
            yield round_of(bench, "each part taken out")

    def _is_for_one(self, executions: int, dev: int) -> bool:
        """Whether the money is too little to share: random sets alone then make the most of it."""
        return self.proposers is None and self.selectors is None and executions < LEAST_SCORES * dev

    def forecast(self, sizes: Sizes) -> Forecast:
        if self._is_for_one(sizes.executions, sizes.dev):
            alone = RandomDemos(formats=self.formats).forecast(sizes)
            return replace(alone, summary=f"Joint, with too little to share among searches: {alone.summary}")
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
        given = () if self.formats is None else (RandomDemos(formats=self.formats),)
        chosen = (*(self.proposers or ()), *(given if self.selectors is None else self.selectors))
        return next((refused for one in chosen if (refused := one.refusal(student))), "")

    def unfit_rows(self, student: Candidate, pool: Sequence[Example]) -> str:
        chosen = (*(self.proposers or ()), *(self.selectors or ()))
        return next((unfit for one in chosen if (unfit := one.unfit_rows(student, pool))), "")

    @property
    def chooses_lm(self) -> bool:
        return True

    @property
    def needs_prices(self) -> bool:
        return any(isinstance(objective, Dollars) for objective in self.objectives)

    @property
    def embeds_queries(self) -> bool:
        given = (*(self.selectors or ()), *(self.proposers or ()))
        return self.selectors is None or any(one.embeds_queries for one in given)

    def _searches(self, sizes: Sizes) -> list[tuple[str, Teleprompter]]:
        """The searches that are arms, by name: demonstrations first, which bring the most at the least cost."""
        selectors = selectors_for(sizes, self.formats) if self.selectors is None else self.selectors
        proposers = proposers_for(sizes) if self.proposers is None else self.proposers
        return named([*selectors, *proposers])

    def _fitting(self, bench: Workbench) -> list[tuple[str, Teleprompter]]:
        """The searches that can work for this program and these rows, by name."""
        student, left = bench.student, bench.remaining.expected
        sizes = Sizes(len(bench.pool), len(bench.dev), len(student.predictors), left, bench.encoder is not None)
        fitting = []
        for name, one in self._searches(sizes):
            if reason := one.refusal(student) or one.unfit_rows(student, bench.pool):
                bench.log("search left out", name=name, reason=reason)
            else:
                fitting.append((name, one))
        return fitting

    def _variations(self, bench: Workbench) -> list[Variation]:
        formats = () if self.selectors is None else self.formats or ()  # where none are given, RandomDemos has them
        return [
            *(Variation("format", name) for name in formats),
            *(Variation("position", position) for position in self.positions),
            *(Variation("temperature", temperature) for temperature in self.temperatures),
            *(Variation("lm", role) for role in bench.task_lms[1:]),
        ]

    def _study(self, bench: Workbench) -> PartStudy:
        return PartStudy(self.sampler, int(bench.rng("study").random() * 2**32), self._directions)

    @property
    def _directions(self) -> list[Direction]:
        costs: list[Direction] = ["minimize"] * len(self.objectives)
        return ["maximize", *costs]
