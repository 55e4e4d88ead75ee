"""Schedulers: how hard each place of a prompt may be, by a curve, or the optimizer LM arranges the whole.

A pacing says which band of the shots, sorted from easy to hard, is open at a progress from 0 to 1. What training draws
its batches by is used here for the places of a prompt: place j of k draws from the band that is open at j / k.
"""

from __future__ import annotations

import math
import random
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from ..asking import ask_for
from ..metaprompts import MetaPrompt, load, own
from ..replies import passages
from .base import Chosen, Orderer, Shot, Signal, Supply
from .difficulty import Length, easiest_first, numbered, told

Item = TypeVar("Item")

ROUNDING = 1e-9  # so that a progress of 3/10 is past the third of ten steps and not into the next


class Pacing(ABC):
    """A schedule by difficulty. Implementations are frozen dataclasses; ValueError on settings out of range."""

    @abstractmethod
    def band(self, progress: float) -> tuple[float, float]:
        """From which share to which share of the sorted shots is open at this progress, all of them 0 to 1."""

    def open(self, progress: float, count: int) -> range:
        """The places that are open, of `count` sorted from easy to hard: one at least."""
        low, high = self.band(progress)
        first = min(count - 1, math.floor(low * count + ROUNDING))
        return range(first, max(first + 1, math.ceil(high * count - ROUNDING)))

    def draw(self, ranked: Sequence[Item], k: int, rng: random.Random, label: Callable[[Item], str]) -> list[Item]:
        """k of the ranked items (all where there are fewer), place by place, each drawn once.

        Of the open ones those whose label was drawn least often have the chance; where none is open that was not drawn
        yet, the nearest to them is taken, rather the easier one.
        """
        left, drawn, seen = list(range(len(ranked))), list[Item](), Counter[str]()
        k = min(k, len(ranked))
        for slot in range(1, k + 1):
            around = self.open(slot / k, len(ranked))
            distance = {place: max(around.start - place, place - around.stop + 1, 0) for place in left}
            nearest = min(distance.values())
            near = [place for place in left if distance[place] == nearest][: None if nearest == 0 else 1]
            least = min(seen[label(ranked[place])] for place in near)
            near = [place for place in near if seen[label(ranked[place])] == least]
            taken = near[int(rng.random() * len(near))]
            left.remove(taken)
            drawn.append(ranked[taken])
            seen[label(ranked[taken])] += 1
        return drawn


@dataclass(frozen=True)
class OnePass(Pacing):
    """The shots in `buckets` of rising difficulty, each open once: at stage i bucket i alone."""

    buckets: int = 3

    def __post_init__(self) -> None:
        _check_buckets(self, self.buckets)

    def band(self, progress: float) -> tuple[float, float]:
        stage = _stage(progress, self.buckets)
        return (stage - 1) / self.buckets, stage / self.buckets


@dataclass(frozen=True)
class BabyStep(Pacing):
    """The shots in `buckets` of rising difficulty, opened one after the other: at stage i buckets 1 to i."""

    buckets: int = 3

    def __post_init__(self) -> None:
        _check_buckets(self, self.buckets)

    def band(self, progress: float) -> tuple[float, float]:
        return 0.0, _stage(progress, self.buckets) / self.buckets


@dataclass(frozen=True)
class Linear(Pacing):
    """The easiest min(1, l0 + (1 - l0) t/T) are open. start: l0."""

    start: float = 0.2

    def __post_init__(self) -> None:
        _check_start(self, self.start)

    def band(self, progress: float) -> tuple[float, float]:
        return 0.0, min(1.0, self.start + (1 - self.start) * progress)


@dataclass(frozen=True)
class Root(Pacing):
    """The easiest min(1, (l0^p + (1 - l0^p) t/T)^(1/p)) are open: the larger p, the sooner hard ones. start: l0.

    The best of the curves in surveys of training. Public code takes the square root whatever p; this is the p-th root.
    Source: Platanios et al. 2019, arXiv 1903.09848.
    """

    power: float = 2.0
    start: float = 0.2

    def __post_init__(self) -> None:
        _check_start(self, self.start)
        if self.power <= 0:
            raise ValueError(f"{self}: the power must be above 0.")

    def band(self, progress: float) -> tuple[float, float]:
        begun = self.start**self.power
        return 0.0, min(1.0, (begun + (1 - begun) * progress) ** (1 / self.power))


@dataclass(frozen=True)
class Geometric(Pacing):
    """The easiest min(1, 2^(log2(l0) (1 - t/T))) are open: easy ones for longest. start: l0, above 0."""

    start: float = 0.2

    def __post_init__(self) -> None:
        _check_start(self, self.start)
        if self.start == 0:
            raise ValueError(f"{self}: what begins with nothing never grows. Give a start above 0.")

    def band(self, progress: float) -> tuple[float, float]:
        return 0.0, min(1.0, self.start ** (1 - progress))


@dataclass(frozen=True)
class LLMScheduler(Orderer):
    """The optimizer LM puts a set in the order in which it would teach it. One call, or two.

    A reply that is no order of all the shots is asked for once more; then the short come first, and the log says so.
    metaprompt: your own, a text or the name of a file, with {{instruction}}, {{examples}} and {{count}}.
    Raises ValueError on max_tokens below 1, a negative temperature, and a meta-prompt without its slots.
    Source: Liu et al. 2024, arXiv 2402.10738, whose first version has LMs arrange the curriculum.
    """

    metaprompt: str | None = None
    temperature: float = 1.0
    max_tokens: int = 512

    signals: ClassVar[tuple[Signal, ...]] = ("optimizer LM",)

    def __post_init__(self) -> None:
        if self.temperature < 0 or self.max_tokens < 1:
            raise ValueError(f"{self}: the temperature is at least 0, max_tokens at least 1.")
        if self.metaprompt is not None:
            object.__setattr__(self, "metaprompt", own(self.metaprompt, {"instruction", "examples", "count"}))

    def arrange(self, supply: Supply, chosen: Chosen) -> Iterator[Chosen]:
        yield chosen if chosen.rule else chosen.arranged(self.order(supply, chosen.shots))

    def cost(self, k: int, dev: int) -> int:
        return 2 if k > 1 else 0

    def asks(self, k: int, dev: int) -> int:
        return self.cost(k, dev)

    @property
    def reply_tokens(self) -> int:
        return self.max_tokens

    def order(self, supply: Supply, shots: Sequence[Shot]) -> list[int]:
        """The places of the shots in teaching order."""
        if len(shots) < 2:
            return list(range(len(shots)))
        metaprompt = MetaPrompt(self.metaprompt) if self.metaprompt else load("schedule")
        (found,) = ask_for(
            supply.bench,
            [metaprompt.fill(instruction=told(supply), examples=numbered(supply, shots), count=str(len(shots)))],
            lambda reply: _order(reply, len(shots)),
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            purpose="teaching order",
        )
        if found:
            return found[0]
        supply.bench.log("teaching order by length", predictor=supply.predictor, reason="no reply held an order")
        return easiest_first(supply, shots, Length().measure(supply, shots))


def _order(reply: str, count: int) -> list[int] | None:
    """The places that a reply lists, from 0; None where they are no order of all."""
    said = (passages(reply, "order") or [""])[-1]
    places = [int(number) - 1 for number in re.findall(r"\d+", said)]
    return places if sorted(places) == list(range(count)) else None


def _stage(progress: float, buckets: int) -> int:
    """From 1 to the number of buckets."""
    return max(1, min(buckets, math.ceil(progress * buckets - ROUNDING)))


def _check_buckets(pacing: Pacing, buckets: int) -> None:
    if buckets < 1:
        raise ValueError(f"{pacing}: there is at least 1 bucket.")


def _check_start(pacing: Pacing, start: float) -> None:
    if not 0 <= start <= 1:
        raise ValueError(f"{pacing}: start is a share, from 0 to 1.")
