"""The course of a joint search: its arms, pools, study and track, and what happens in a turn of an arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ...signatures.candidate import Candidate
from ...signatures.canonical import JSON
from ...signatures.errors import BurnishError
from ..base import Score, Teleprompter, Workbench
from ..demonstrations.supply import apart
from .arm_bench import ArmBench, Made
from .arms import Arm, Recombination, SearchArm, Variation, Variations
from .contributions import TakenApart
from .objectives import Cost, Rule
from .parts import Kind, Pools, changed, parts_of, renders, with_parts
from .portfolio import Portfolio
from .race import Race
from .study import PartStudy
from .track import Track

SLICE = 0.5  # of its share of what is left, that an arm is told it has: what it plans must not outlive its success
LEAST_TOLD = 6  # first blocks that an arm is told it has, as long as there are so many: with less, none begins anything
MOST_MOVES = 4  # of what an arm makes in a turn, that are tried beside a best which is no longer what it began from
MOST_ASIDE = 0.15  # of the executions, for finding out what each part brings
USUAL: tuple[Kind, ...] = ("format", "instruction", "demonstrations")  # parts of a predictor that a search changes


class Course:
    """All that changes while a joint search runs. apart: what ships without each of its parts."""

    def __init__(
        self,
        bench: Workbench,
        study: PartStudy,
        race: Race,
        preference: Callable[[Score], float],
        objectives: Sequence[Cost],
        rule: Rule,
    ) -> None:
        self._bench, self._study, self._preference = bench, study, preference
        self._objectives, self._rule = objectives, rule
        parts = len(USUAL) * len(bench.student.predictors)
        self._most_aside = min(int(MOST_ASIDE * bench.remaining.expected), parts * len(bench.dev))
        self._track = Track(bench, race, preference, objectives, self._aside)
        self._pools = Pools(bench.student)
        self._arms: dict[str, Arm] = {}
        self._portfolio = Portfolio([])
        self._told: set[Candidate] = set()
        self.apart = TakenApart(bench, self._pools, self._shipping)
        self._tell([bench.student])

    def begin(self, searches: Sequence[tuple[str, Teleprompter]], variations: Sequence[Variation], batch: int) -> None:
        """Sets up the arms: searches by name, what the user allows beside prompts, and the study."""
        pool = tuple(apart(self._bench, self._bench.pool))

        def bench_of(arm: str, begun: str) -> ArmBench:
            track = self._track
            return ArmBench(
                self._bench, begun, track.first_block, pool, lambda: self._told_to(arm), track.known, track.note
            )

        arms: list[Arm] = [SearchArm(name, search, bench_of) for name, search in searches]
        if variations:
            arms.append(Variations(variations))
        arms.append(Recombination(self._bench, self._study, self._pools, self._track.has_seen, batch))
        self._arms = {arm.name: arm for arm in arms}
        self._portfolio = Portfolio(list(self._arms))

    def next_arm(self) -> str | None:
        """Whose turn it is; None where nobody has anything to bring, no new candidate could be seen through, or the
        best is right everywhere and nothing else counts."""
        waiting = [name for name, arm in self._arms.items() if not arm.is_done]
        is_perfect = not self._objectives and self._bench.known[0].mean >= self._bench.score_range[1]
        return self._portfolio.next(waiting) if waiting and self._track.has_room and not is_perfect else None

    def turn(self, name: str) -> list[Made]:
        """One turn of an arm: what it makes joins the pools and races; returns what was to race."""
        calls, best = self._bench.spent.calls, self._preference(self._bench.known[0])
        try:
            return self._made_and_raced(name)
        finally:  # also where the budget ends in the middle: the file says who had these calls
            gain = self._preference(self._bench.known[0]) - best
            spent = self._bench.spent.calls - calls
            self._portfolio.settle(name, spent, gain, least=len(self._track.first_block))

    def report(self) -> None:
        """What the compiled file says of the search; and what ships, where the best score is not all that counts."""
        findings: dict[str, JSON] = {"portfolio": self._portfolio.to_json(), "parts": self.apart.to_json()}
        if self._objectives:
            self._bench.choose(self._shipping().candidate)
            findings["objectives"] = [{"name": cost.name, "unit": cost.unit} for cost in self._objectives]
            findings["front"] = [point.to_json() for point in self._track.front()]
        self._bench.keep("joint", findings, in_file=True)

    def _made_and_raced(self, name: str) -> list[Made]:
        made = self._arms[name].turn(self._track.incumbent)
        for one in made:
            self._pools.add(parts_of(one.candidate), name)
        entries = self._entries(made)
        self._track.run(entries)
        self._tell([one.candidate for one in (*made, *entries)])
        return entries

    def _shipping(self) -> Score:
        """What would ship now: the best, or what the rule picks where the best score is not all that counts."""
        front = self._track.front()
        if not self._objectives:
            return front[0].score
        try:
            point = self._rule(front)
        except Exception as error:
            raise BurnishError(
                f"Joint(rule=...) raised {type(error).__name__}: {error}. It is given the points of the front, of "
                "which there may be one, and is to return one of them. What was paid for is kept."
            ) from error
        if point not in front:
            raise BurnishError(
                f"Joint(rule=...) returned {point!r:.80}, which is none of the points that it was given. Return one of "
                "them. What was paid for is kept."
            )
        return point.score

    def _aside(self) -> int:
        """Executions for taking parts out. They are kept from the start: who will be best is not known before."""
        best, student = self._shipping().candidate, self._bench.student
        if best != student and not self.apart.waiting:
            return 0
        return max(0, self._most_aside - self.apart.executions)

    def _told_to(self, arm: str) -> int:
        """Executions that an arm is told it has."""
        left = self._track.left
        share = int(SLICE * self._portfolio.share(arm) * left)
        return min(left, max(share, LEAST_TOLD * len(self._track.first_block)))

    def _entries(self, made: Sequence[Made]) -> list[Made]:
        """What is to race: what was made, and its new parts beside the best where it did not begin from the best."""
        entries: dict[Candidate, Made] = {}
        incumbent = self._track.incumbent
        for number, one in enumerate(self._track.best_first(made)):
            if not renders(one.candidate):
                entries.setdefault(one.candidate, one)
            if number >= MOST_MOVES:
                continue
            beside = with_parts(incumbent, changed(one.parent, one.candidate))
            if reason := renders(beside):
                self._bench.log("parts that do not go together", reason=reason)
            elif beside != incumbent:
                origin = replace(one.origin, detail={**one.origin.detail, "beside": "the best so far"})
                entries.setdefault(beside, Made(beside, incumbent, origin))
        return [entry for entry in entries.values() if not self._track.has_raced(entry.candidate)]

    def _tell(self, candidates: Sequence[Candidate]) -> None:
        """Tells the study of each candidate once, as soon as it has any score."""
        for candidate in candidates:
            if candidate not in self._told and self._track.has_seen(candidate):
                ran = self._track.ran(candidate)
                names = {str(slot): part.name for slot, part in parts_of(candidate).items()}
                self._study.tell(names, ran.value, *ran.costs)
                self._told.add(candidate)
