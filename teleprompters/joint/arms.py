"""Arms: who makes candidates. Searches that are paused and resumed, and the study, which puts known parts together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from ...signatures.candidate import Candidate
from ...signatures.canonical import JSON, canonical
from ..base import Origin, Round, Teleprompter, Workbench
from ..draws import draw, shuffled
from .arm_bench import ArmBench, Made
from .parts import Part, Pools, Slot, parts_of, renders, with_parts
from .study import PartStudy

MOST_IN_VAIN = 2  # searches in a row that an arm may run for nothing
DRAWN = 100  # random combinations that are looked at where neither the study nor a neighbour is new
ASKED_AGAIN = 3  # times that the study is asked for others in place of combinations that were tried


class Arm(ABC):
    """Who has turns in a portfolio. is_done: it has nothing more to bring, as things stand."""

    name: str

    @property
    @abstractmethod
    def is_done(self) -> bool: ...

    @abstractmethod
    def turn(self, incumbent: Candidate) -> list[Made]:
        """What it makes next, the most promising first; nothing where a turn brings nothing."""


class SearchArm(Arm):
    """A teleprompter, a round a turn. When it comes to its end it begins again, with what is known by then.

    It ends for good when two whole searches in a row have scored nothing that is new: one may have had too little to
    spend, or too little to build on.
    """

    def __init__(self, name: str, search: Teleprompter, bench: Callable[[str, str], ArmBench]) -> None:
        self.name = name
        self._search, self._bench = search, bench
        self._begun = 0
        self._in_vain = 0  # searches in a row that brought nothing; the one that runs is among them until it does
        self._seen: set[Candidate] = set()
        self._at: ArmBench | None = None
        self._rounds: Iterator[Round] = iter(())

    @property
    def is_done(self) -> bool:
        return self._at is None and self._in_vain >= MOST_IN_VAIN

    def turn(self, incumbent: Candidate) -> list[Made]:
        at = self._at or self._begin()
        is_over = next(self._rounds, None) is None
        made = [one for one in at.taken() if one.candidate not in self._seen]
        self._seen.update(one.candidate for one in made)
        self._in_vain = 0 if made else self._in_vain
        if is_over:
            self._at = None
        return made

    def _begin(self) -> ArmBench:
        self._begun += 1
        self._in_vain += 1
        self._at = self._bench(self.name, self.name if self._begun == 1 else f"{self.name} {self._begun}")
        self._rounds = self._search.search(self._at)
        return self._at


@dataclass(frozen=True)
class Variation:
    """Something that the user allows to be otherwise, in all predictors alike: what, and to what."""

    what: Literal["format", "position", "temperature", "lm"]
    value: JSON

    def of(self, candidate: Candidate) -> Candidate:
        for path, part in candidate.parts:
            settings = part.settings
            if self.what in ("format", "position"):
                candidate = candidate.with_prompt(path, **{self.what: self.value})
                continue
            if self.what == "lm":
                settings = replace(settings, role=self.value)
            else:
                settings = replace(settings, params_json=canonical({**settings.params, "temperature": self.value}))
            candidate = candidate.with_part(path, replace(part, settings=settings))
        return candidate


class Variations(Arm):
    """Tries each variation once, beside the best that there is when its turn comes. The study has them from then on."""

    name = "variations"

    def __init__(self, variations: Sequence[Variation]) -> None:
        self._variations = tuple(variations)
        self._is_done = not variations

    @property
    def is_done(self) -> bool:
        return self._is_done

    def turn(self, incumbent: Candidate) -> list[Made]:
        self._is_done = True
        varied = [(one.of(incumbent), Origin("Joint", one.what, {one.what: one.value})) for one in self._variations]
        origins = {made: origin for made, origin in varied if not renders(made)}
        return [Made(made, incumbent, origin) for made, origin in origins.items() if made != incumbent]


class Recombination(Arm):
    """The study: asks Optuna which parts to put together next, a batch a turn."""

    name = "recombination"

    def __init__(
        self, bench: Workbench, study: PartStudy, pools: Pools, has_seen: Callable[[Candidate], bool], batch: int
    ) -> None:
        self._bench, self._study, self._pools, self._has_seen, self._batch = bench, study, pools, has_seen, batch
        self._turns = 0
        self._emptied = -1  # how many parts there were when nothing new could be made of them

    @property
    def is_done(self) -> bool:
        return self._emptied == len(self._pools)

    def turn(self, incumbent: Candidate) -> list[Made]:
        """Combinations that were never tried; where the study knows none, neighbours of the incumbent, or random."""
        self._turns += 1
        found: dict[Candidate, None] = {}
        proposed = chain(self._asked(incumbent), self._neighbours(incumbent), self._random(incumbent))
        for candidate in proposed:
            if not renders(candidate) and not self._has_seen(candidate):
                found[candidate] = None
            if len(found) == self._batch:
                break
        self._emptied = -1 if found else len(self._pools)
        return [Made(candidate, incumbent, self._origin(candidate)) for candidate in found]

    def _asked(self, incumbent: Candidate) -> Iterator[Candidate]:
        pools = {str(slot): (slot, pool) for slot, pool in self._pools.open()}
        if not pools:
            return
        for _ in range(ASKED_AGAIN):
            for names in self._study.ask({name: tuple(pool) for name, (_, pool) in pools.items()}, self._batch):
                yield with_parts(incumbent, {slot: pool[names[name]] for name, (slot, pool) in pools.items()})

    def _neighbours(self, incumbent: Candidate) -> Iterator[Candidate]:
        """The incumbent with one part exchanged, in random order."""
        moves: list[tuple[Slot, Part]] = [(slot, part) for slot, pool in self._pools.open() for part in pool.values()]
        for slot, part in shuffled(moves, self._bench.rng(f"neighbours {self._turns}")):
            yield with_parts(incumbent, {slot: part})

    def _random(self, incumbent: Candidate) -> Iterator[Candidate]:
        rng, pools = self._bench.rng(f"combinations {self._turns}"), list(self._pools.open())
        for _ in range(DRAWN if pools else 0):
            yield with_parts(incumbent, {slot: draw(list(pool.values()), 1, rng)[0] for slot, pool in pools})

    def _origin(self, candidate: Candidate) -> Origin:
        sources = {str(slot): self._pools.source(slot, part) for slot, part in parts_of(candidate).items()}
        return Origin("Joint", "recombination", {"parts": {s: by for s, by in sources.items() if by != "student"}})


def named(searches: Sequence[Teleprompter]) -> list[tuple[str, Teleprompter]]:
    """Each search with a name of its own: its class, numbered where there are several."""
    titles = [title_of(search) for search in searches]
    seen: dict[str, int] = {}
    names = []
    for title in titles:
        seen[title] = seen.get(title, 0) + 1
        names.append(title if titles.count(title) == 1 else f"{title} {seen[title]}")
    return list(zip(names, searches, strict=True))


def title_of(search: Teleprompter) -> str:
    """What a search is called: its class, and for demonstrations what selects and orders them."""
    parts = [getattr(search, part, None) for part in ("select", "order")]
    titles = [type(part).__name__ for part in parts if part is not None]
    return " ".join([type(search).__name__, *(title for title in titles if title != "AsGiven")])
