"""How likely a candidate's prompt makes the labels: the log-likelihood score of APE (Zhou et al. 2022, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ..signatures.candidate import Candidate
from ..signatures.errors import BudgetSpent, ProgramError
from ..signatures.example import Example
from ..signatures.prompt import Demo, Prompt
from ..teleprompters.base import Spend
from .budget import TimeUp
from .lm.logprobs import continuation_logprobs

if TYPE_CHECKING:
    from .budget import Ledger
    from .lm import LM
    from .lm.client import Client

BLOCK = 64  # examples admitted together
AT_ONCE = 8


def label_logprobs(
    candidate: Candidate, examples: Sequence[Example], *, lm: LM, client: Client, ledger: Ledger
) -> list[float]:
    """Mean log-probability per token of each example's labels, as the format writes them, after the rendered prompt.

    One call an example, from the search account. Raises ProgramError for programs with several predictors or rows
    without labels, LMError that names the substitute where the LM gives no such log-probabilities, BudgetSpent.
    """
    if len(candidate.predictors) != 1:
        raise ProgramError(
            "Log-likelihood scoring needs a program with one predictor: the labels of inner ones are not known. Use "
            "execution accuracy."
        )
    (path,) = candidate.predictors
    prompt = candidate.prompt(path)

    def one(example: Example) -> float:
        messages = prompt.template.render(example.input_values)
        values = continuation_logprobs(client, lm, messages, labels_as_reply(prompt, example))
        return sum(values) / len(values)

    means: list[float] = []
    with ThreadPoolExecutor(AT_ONCE) as threads:
        while rest := examples[len(means) :]:
            block = rest[:BLOCK]
            admitted = ledger.admit("search", [_bound(prompt, lm, example) for example in block])
            if not admitted:
                raise BudgetSpent("the search account is shut")
            try:
                means += threads.map(one, block[:admitted])
            except TimeUp as end:
                raise BudgetSpent(str(end)) from end
            finally:
                ledger.settle("search")
    return means


def labels_as_reply(prompt: Prompt, example: Example) -> str:
    """The reply that would be right: the example's labels as the format writes them in a demonstration."""
    outputs = [field.name for field in prompt.schema.outputs]
    missing = [name for name in outputs if name not in example.values]
    if missing:
        raise ProgramError(
            f"{example.place or 'A row'} has no column {missing[0]!r}, so its label has no likelihood. Use execution "
            "accuracy, or add the column."
        )
    shown = [field.name for field in (*prompt.schema.inputs, *prompt.schema.outputs) if field.name in example.values]
    demo = Demo.of({name: example.values[name] for name in shown})
    (messages,) = prompt.with_(demos=(demo,), rule=None).template.demos
    return "".join(part for part in messages[-1].parts if isinstance(part, str)).strip()


def _bound(prompt: Prompt, lm: LM, example: Example) -> Spend:
    messages = [
        *prompt.template.render(example.input_values),
        {"role": "assistant", "content": labels_as_reply(prompt, example)},
    ]
    return lm.bound(lm.chat(messages, max_tokens=1))
