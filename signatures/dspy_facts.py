"""FactsStepByStep: a program that gathers the facts a question needs, one call each, and then answers from them."""

from __future__ import annotations

import re
from typing import Any

from dspy import InputField, Module, OutputField, Predict, Prediction, Signature

from .errors import SchemaError

STOP = "STOP"
_NEXT = (
    "State the single next fact that is needed for the task below, given the facts so far, in one short sentence; "
    f"write {STOP} when they suffice. Do not do the task itself.\n\nThe task, from {{inputs}} to {{outputs}}: {{task}}"
)
_DESCRIBED = f"the single next fact that is needed, or {STOP}"
# The word alone, however it is written and adorned; or in capitals at the start of what is said.
_STOPS = re.compile(rf"(?i:[\W_]*{STOP}[\W_]*$)|[\W_]*{STOP}(?![^\W_])")
_SO_FAR = "the facts found so far, in order"


class FactsStepByStep(Module):  # type: ignore[misc]
    """States fact after fact until it says STOP or has `steps` of them, then answers: at most steps + 1 calls,
    and twice that where predictors ask again after a reply that cannot be read (reply_policy="reask").

    signature: of the whole task, a class or a string such as "question -> answer". Its fields may not be called `facts`
    or `fact`. config: for both predictors, as `Predict` takes it (format="plain", max_tokens=...).

    Two predictors: `next_fact` (inputs and facts -> fact) and `answer` (inputs and facts -> outputs). The result has
    the outputs and `facts`. A fact that is said again ends the gathering. Since the facts are an input of `next_fact`,
    a rule that picks demonstrations per query picks them anew at every step, by the question and the facts so far:
    `Demonstrations(select=BM25(), source="bootstrapped")`.

    Compile it with Budget(..., calls_per_example=steps + 1), twice that with reply_policy="reask", and load the file
    with `load(path, program=FactsStepByStep(...))`. Raises SchemaError on a signature with these names, ValueError on
    steps below 1.

    An analogue for LMs that only generate, not the method itself, of Wang et al. 2022, arXiv 2203.08383 (iCAP): there a
    trained prompter makes soft prompts from question and facts at every step, and a trained head says when to stop.
    """

    def __init__(self, signature: Any, steps: int = 3, **config: Any) -> None:
        super().__init__()
        if steps < 1:
            raise ValueError(f"FactsStepByStep(steps={steps}) gathers nothing. Give at least 1.")
        task = Predict(signature).signature
        taken = sorted({"facts", "fact"} & set(task.fields))
        if taken:
            raise SchemaError(f"a field is called {taken[0]!r}, which FactsStepByStep has of its own. Rename it.")
        self.steps = steps
        self.outputs = tuple(task.output_fields)
        self.next_fact = Predict(_gathering(task), **config)
        self.answer = Predict(task.append("facts", InputField(desc=_SO_FAR), type_=list[str]), **config)

    def forward(self, **inputs: Any) -> Prediction:
        facts: list[str] = []
        while len(facts) < self.steps and _is_new(fact := self.next_fact(**inputs, facts=facts).fact, facts):
            facts = [*facts, fact.strip()]
        return self._result(self.answer(**inputs, facts=facts), facts)

    async def aforward(self, **inputs: Any) -> Prediction:
        facts: list[str] = []
        while len(facts) < self.steps:
            said = await self.next_fact.acall(**inputs, facts=facts)
            if not _is_new(said.fact, facts):
                break
            facts = [*facts, said.fact.strip()]
        return self._result(await self.answer.acall(**inputs, facts=facts), facts)

    def _result(self, answer: Prediction, facts: list[str]) -> Prediction:
        return Prediction(**{name: answer[name] for name in self.outputs}, facts=facts)


def _gathering(task: Any) -> Any:
    """The task's signature with the facts so far among its inputs, and the next fact as its only output."""
    inputs, outputs = (", ".join(f"`{name}`" for name in given) for given in (task.input_fields, task.output_fields))
    fields: dict[str, Any] = {name: (field.annotation, field) for name, field in task.input_fields.items()}
    fields["facts"] = (list[str], InputField(desc=_SO_FAR))
    fields["fact"] = (str, OutputField(desc=_DESCRIBED))
    return Signature(fields, _NEXT.format(inputs=inputs, outputs=outputs, task=task.instructions))


def _is_new(fact: str, facts: list[str]) -> bool:
    said = fact.strip()
    return bool(said) and not _STOPS.match(said) and said.casefold() not in [one.casefold() for one in facts]
