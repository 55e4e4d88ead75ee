"""Asking the optimizer LM to write: at which temperature, how long, and what happens to a reply that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, get_args

from .base import Workbench
from .token_cost import TokenCost

Found = TypeVar("Found")

MAX_LENGTH = 4000  # characters that the bench admits in an instruction
USUAL = 1.0  # temperature, where a search has none of its own
WARMER, WARMEST = 0.3, 2.0  # what a temperature is raised by where another answer is wanted, and up to what


@dataclass(frozen=True)
class Writing:
    """How the optimizer LM writes.

    temperature: of its replies; None: the search's own, which it then has in its place (1.0, and 0.7 for ABO).
    max_tokens: that a reply may have. max_length: characters that an instruction may have; None: the bench's own limit
    of 4000. token_cost: what a long prompt costs, told to the optimizer LM and deducted
    where candidates are compared; None: nothing.

    Raises ValueError on a limit below 1 or a temperature that servers do not take.
    """

    temperature: float | None = None
    max_tokens: int = 1024
    max_length: int | None = None
    token_cost: TokenCost | None = None

    def __post_init__(self) -> None:
        check_kinds("Writing", token_cost=(self.token_cost, TokenCost | None))
        if (
            not 0 <= self.warmth <= WARMEST
            or self.max_tokens < 1
            or (self.max_length is not None and self.max_length < 1)
        ):
            raise ValueError(f"{self}: the temperature lies between 0 and {WARMEST:g}, limits are at least 1.")

    @property
    def warmth(self) -> float:
        """The temperature that requests are sent with."""
        return USUAL if self.temperature is None else self.temperature

    @property
    def warmer(self) -> float:
        """The temperature for an answer that is to differ from the last one."""
        return min(WARMEST, self.warmth + WARMER)

    def at(self, temperature: float) -> Writing:
        """The same with this temperature, where none was given."""
        return replace(self, temperature=temperature) if self.temperature is None else self


def check_kinds(title: str, **settings: tuple[object, Any]) -> None:
    """Refuses settings that are not of their kind. settings: name = (value, type).

    Raises ValueError that names the value and what is wanted.
    """
    for name, (value, kind) in settings.items():
        if not isinstance(value, kind):
            wanted = " or ".join(getattr(one, "__name__", "None") for one in get_args(kind) or (kind,))
            raise ValueError(f"{title}({name}={value!r:.80}) wants {wanted.replace('NoneType', 'None')}.")


def check_sizes(title: str, **sizes: object) -> None:
    """Refuses sizes that are no whole numbers of 1 or more; None is left to the budget. Raises ValueError."""
    for name, value in sizes.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"{title}({name}={value!r:.80}) must be a whole number, at least 1.")


def ask_for(
    bench: Workbench,
    requests: Sequence[str],
    read: Callable[[str], Found | None],
    *,
    n: int = 1,
    temperature: float,
    max_tokens: int,
    purpose: str,
) -> list[list[Found]]:
    """What `read` finds in n replies to each request, a list for each, possibly shorter than n.

    read: gives None for a reply that holds nothing it can use. Such a reply is asked for once more, all of them
    together, then dropped and counted in the log.
    """
    if not requests:
        return []

    def ask(texts: Sequence[str], n: int, purpose: str) -> list[list[str]]:
        messages = [[{"role": "user", "content": text}] for text in texts]
        return bench.ask(messages, n, temperature=temperature, max_tokens=max_tokens, purpose=purpose)

    found = [[read(reply) for reply in replies] for replies in ask(requests, n, purpose)]
    unreadable = [number for number, drawn in enumerate(found) for one in drawn if one is None]
    if unreadable:
        again = ask([requests[number] for number in unreadable], 1, f"{purpose}, once more")
        for number, (reply,) in zip(unreadable, again, strict=True):
            found[number].append(read(reply))
            if found[number][-1] is None:
                bench.log("reply dropped", purpose=purpose, reply=reply[:500])
    return [[one for one in drawn if one is not None] for drawn in found]
