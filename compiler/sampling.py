"""Texts of the optimizer LM: each draw of a request is another sample, as many in one call as the LM gives at once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..signatures.errors import CacheError, LMError
from ..teleprompters.base import Messages
from .lm.failures import AttemptFailure, ContentRefused, ContextOverflow
from .lm.lm import LM
from .lm.request import Reply, Request


@dataclass
class Samples:
    """What one LM says. send: asks for all of some requests, as the budget has it.

    How many samples a call gives is found out when first asked for several.
    """

    lm: LM
    send: Callable[[LM, Sequence[Request]], list[Reply | AttemptFailure]]
    _drawn: Counter[str] = field(default_factory=Counter)  # how often each request was, which is the next one's index
    _given_at_once: int = 1
    _too_many: float = math.inf

    def of(self, requests: Sequence[Messages], n: int, *, temperature: float, max_tokens: int) -> list[list[str]]:
        """n texts for each request, "" where it was refused for good. Raises LMError where it cannot be answered."""
        texts: list[list[str]] = [[] for _ in requests]
        while short := [i for i, drawn in enumerate(texts) if len(drawn) < n]:
            at_once = n if n < self._too_many else self._given_at_once
            unknown = at_once > self._given_at_once
            # While it is unknown whether one call gives as many samples, one request finds out.
            sizes = [(i, size) for i in short[: 1 if unknown else None] for size in _parts(n - len(texts[i]), at_once)]
            try:
                drawn = self._draw(
                    [(requests[i], size) for i, size in sizes], temperature=temperature, max_tokens=max_tokens
                )
            except (LMError, CacheError):  # offline nobody knows that a server refused, for a refusal is no reply
                if not unknown:
                    raise
                self._too_many = at_once  # a server may refuse n; whatever else was wrong shows without it too
                continue
            for (i, _), replies in zip(sizes, drawn, strict=True):
                texts[i].extend(replies[: n - len(texts[i])])
            if unknown and any(drawn[0]):
                if len(drawn[0]) == at_once:
                    self._given_at_once = at_once
                else:
                    self._too_many = 2  # it took n and gave fewer: it does not know what n is
        return texts

    def _draw(self, wanted: Sequence[tuple[Messages, int]], *, temperature: float, max_tokens: int) -> list[list[str]]:
        requests = []
        for messages, n in wanted:
            base = self.lm.chat(messages, temperature=temperature, max_tokens=max_tokens)
            index = self._drawn[base.key]
            self._drawn[base.key] += 1
            sized = base if n == 1 else self.lm.chat(messages, temperature=temperature, max_tokens=max_tokens, n=n)
            requests.append(sized.at(index))
        replies = self.send(self.lm, requests)
        return [_texts(reply, n) for reply, (_, n) in zip(replies, wanted, strict=True)]


def _texts(reply: Reply | AttemptFailure, n: int) -> list[str]:
    if isinstance(reply, ContentRefused | ContextOverflow):
        return [""] * n  # nothing to read in it; the search counts it among the proposals it could not read
    if isinstance(reply, AttemptFailure):
        raise LMError(str(reply))
    return reply.texts


def _parts(samples: int, most: int) -> list[int]:
    """How many samples each call asks for."""
    return [most] * (samples // most) + [samples % most] * (samples % most > 0)
