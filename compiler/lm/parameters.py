"""Names of sampling parameters, to tell a misspelt one from one that only some server knows."""

from __future__ import annotations

from collections.abc import Iterable

from ...signatures.errors import LMError

OWN = ("api_key", "base_url", "client", "extra_body", "max_concurrency", "price", "timeout")  # of `LM` itself
COMMON = (
    *("frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "n", "presence_penalty"),
    *("reasoning_effort", "response_format", "seed", "stop", "temperature", "top_logprobs", "top_p"),
    *("min_p", "repetition_penalty", "top_k"),
)
# Of some servers, and so near to another name that they would be taken for that one.
OTHER = (
    "best_of",
    "max_new_tokens",
    "max_output_tokens",
    "min_tokens",
    "random_seed",
    "repeat_penalty",
    "top_a",
    "typical_p",
)
ALIKE = 0.85  # how much of two names is the same where one is taken for the other, misspelt


def check_names(names: Iterable[str]) -> None:
    """Refuses names that nearly are those of common parameters: servers ignore what they do not know, in silence.

    Any other name is let through, since servers have parameters of their own. Raises LMError that names the nearest.
    """
    known = (*OWN, *COMMON)
    for name in names:
        if name in known or name in OTHER:
            continue
        from difflib import get_close_matches

        for meant in get_close_matches(name.lower().replace("-", "_"), known, 1, ALIKE):
            raise LMError(
                f"LM({name}=...): no parameter is known by this name, and {meant!r} nearly is. Write {meant}=; or, "
                f"where the server does take {name!r}, LM(..., extra_body={{{name!r}: ...}})."
            )
