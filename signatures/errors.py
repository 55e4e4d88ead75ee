"""Every error a user can meet, in one place. Each message says what happened, to which value, where, and what to do.

`BurnishError` is the base. `BudgetSpent` alone derives from `BaseException`: a budget that ends must pass through any
`except Exception` in a user's program or metric.
"""

from __future__ import annotations


class BurnishError(Exception):
    """Base of all errors that Burnish raises on purpose."""


class SchemaError(BurnishError):
    """A signature, a field or a pipeline that cannot be compiled as declared."""


class ExampleError(BurnishError):
    """Rows that do not fit the program: the message names file, row and field."""


class ReplyError(BurnishError):
    """A reply of the LM that does not hold the output fields. The message is the reason shown to the LM on a re-ask."""


class ProgramError(BurnishError):
    """A program whose predictors cannot be read, copied or bound."""


class MetricError(BurnishError):
    """A metric that raised, or returned something that is not a finite score in its range."""


class BudgetError(BurnishError):
    """A budget that cannot be kept or understood: no price, no room for a call, undeclared calls."""


class LMError(BurnishError):
    """A call that cannot succeed: refused key, unknown model, a server that stays away. Not a score: the run stops."""


class NoLogprobs(LMError):
    """The LM does not tell how likely a given text is. The message names what to use instead."""


class CacheError(BurnishError):
    """The reply cache cannot be read or written, or an offline run needs a request that is not in it."""


class RunError(BurnishError):
    """A run folder that belongs to other inputs or is in use, or a run that was interrupted."""


class FrozenError(BurnishError):
    """A compiled file that is damaged, unknown, hostile, or does not fit the program it is loaded into."""


class BudgetSpent(BaseException):
    """The account that pays for the search is shut. Caught by `compile()`; never to be swallowed on the way."""
