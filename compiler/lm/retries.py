"""When a failed attempt is tried again, how long to wait, and what to tell the user when it is not."""

from __future__ import annotations

import random

from ...signatures.errors import LMError
from .failures import AttemptFailure, MaybeBilled, Permanent, Unbilled

BASE_SECONDS = 0.5
CAP_SECONDS = 20.0
LONGEST_RETRY_AFTER = 60.0
MOST_ATTEMPTS = 8  # that may have been billed, or that reached no server
LONGEST_WAIT = 300.0  # in all, while the server answers that it is busy

_REMEDIES = {
    401: "The key was refused: check OPENAI_API_KEY or api_key=.",
    403: "The key may not use this model: check the project's and the account's permissions.",
    404: "The server knows no such model or path: check the model's name and base_url= (it usually ends in /v1).",
    422: "The server does not take a parameter as it was sent: check the LM's parameters.",
}
_OTHERWISE = "Sent again it would fail again: mend what it says; everything paid for is in the cache."


class Patience:
    """How often and how long one request has been tried. `next_delay` gives the seconds to wait, or raises LMError."""

    def __init__(self, model: str, random_source: random.Random) -> None:
        self._model = model
        self._random = random_source
        self._failures = 0
        self._attempts = 0
        self._waited = 0.0

    def next_delay(self, failure: AttemptFailure) -> float:
        """Capped exponential back-off with full jitter, at least what the server asked for."""
        if failure.retry_after is not None and failure.retry_after > LONGEST_RETRY_AFTER:
            raise LMError(
                f"{self._model}: {failure} The server asks to wait {failure.retry_after:g} seconds; "
                f"Burnish waits at most {LONGEST_RETRY_AFTER:g}. Everything paid for is in the cache: run again later."
            )
        busy = isinstance(failure, Unbilled) and failure.status is not None
        self._attempts += not busy
        if self._attempts >= MOST_ATTEMPTS:
            raise LMError(f"{self._model}: {failure} That was attempt {self._attempts}. {_after(failure)}")
        if self._waited >= LONGEST_WAIT:
            raise LMError(
                f"{self._model}: {failure} The server has refused work for {self._waited:.0f} seconds. "
                "Lower concurrency=, or run again later: everything paid for is in the cache."
            )
        most = min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(self._failures, 16))
        self._failures += 1
        delay = max(self._random.uniform(0.0, most), failure.retry_after or 0.0)
        self._waited += delay
        return delay


def surfaced(model: str, failure: Permanent) -> LMError:
    """What the user reads when trying again cannot help."""
    return LMError(f"{model}: {failure} {_REMEDIES.get(failure.status or 0, _OTHERWISE)}")


def _after(failure: AttemptFailure) -> str:
    if isinstance(failure, MaybeBilled):
        return "Everything paid for is in the cache: run again when the server is well, or with a larger LM(timeout=)."
    return "Check that the server runs and that base_url= is its address."
