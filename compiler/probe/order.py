"""The same demonstrations in another order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...signatures.prompt import Demo
from ...teleprompters.draws import shuffled
from .base import Omitted, PromptPerturbation, Subject, Variant

_TRIES = 20  # shuffles drawn for each that is wanted: few demonstrations have few orders


class OtherOrders(PromptPerturbation):
    """Seeded shuffles of the demonstrations, each a different order from all others and from the one that is frozen.

    Where a rule picks demonstrations per query it picks the same ones, shown in the order of its shuffled pool and not
    by likeness.
    Source: Lu et al. 2022, "Fantastically Ordered Prompts and Where to Find Them", arXiv 2104.08786: orders of the same
    demonstrations range from near chance to the state of the art.
    """

    family = "order"

    def of(self, subject: Subject, path: str) -> Iterator[Variant | Omitted]:
        prompt = subject.candidate.prompt(path)
        rule = None if prompt.rule is None else replace(prompt.rule, order="as_pooled")
        orders = self._orders(subject, path, prompt.demos)
        if not orders:
            yield self.omitted(path, "shuffled", "fewer than two different demonstrations stand in the prompt")
        for number, demos in enumerate(orders, 1):
            yield self.changed(subject, path, f"shuffle {number}", demos=demos, rule=rule)

    def _orders(self, subject: Subject, path: str, demos: Sequence[Demo]) -> list[tuple[Demo, ...]]:
        rng = subject.rng("order", path)
        found: list[tuple[Demo, ...]] = []
        for _ in range(_TRIES * subject.draws):
            order = tuple(shuffled(demos, rng))
            if order != tuple(demos) and order not in found and len(found) < subject.draws:
                found.append(order)
        return found
