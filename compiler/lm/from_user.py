"""What a user has, as an LM."""

from __future__ import annotations

from ...signatures.errors import LMError
from .lm import LM


def as_lm(value: object) -> LM:
    """An LM from what a user has: an LM, a model name, a `dspy.LM`, or a pair (openai client, model name).

    A dspy.LM is copied with its cache and retries off. Raises LMError on anything else.
    """
    if isinstance(value, LM):
        return value
    if isinstance(value, str):
        return LM(value)
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], str):
        return LM(value[1], client=value[0])
    if any(base.__module__.startswith("dspy.") and base.__name__ == "BaseLM" for base in type(value).__mro__):
        from .dspy_engine import from_dspy

        return from_dspy(value)
    raise LMError(
        f"{value!r} is not a language model. Pass a name ('gpt-4o-mini', 'local/smollm2-135m-instruct'), "
        "burnish.LM(...), a dspy.LM, or (client, 'model') with an openai client."
    )
