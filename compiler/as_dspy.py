"""Our searches as dspy teleprompters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..signatures.errors import ProgramError

if TYPE_CHECKING:
    from ..signatures.dspy_bridge import DSPyTeleprompter, Module
    from ..teleprompters.base import Teleprompter
    from .budget import Budget


def as_dspy(
    teleprompter: Teleprompter | None,
    *,
    metric: Any,
    budget: Budget | None = None,
    lm: object = None,
    seed: int = 0,
    **compile_arguments: Any,
) -> DSPyTeleprompter:
    """A `dspy.Teleprompter` that searches with a Burnish teleprompter: `compile(student, trainset=..., valset=...)`.

    The arguments are those of `burnish.compile`. What comes back is a `dspy.Module` (`CompiledProgram.to_dspy`) with
    the compiled program, and so its verdict, on it as `burnish_compiled`. Unless the verdict is "ship" it says what the
    student said.
    """
    from ..signatures.dspy_bridge import DSPyTeleprompter

    class BurnishTeleprompter(DSPyTeleprompter):  # type: ignore[misc]
        """Runs `burnish.compile` and returns the compiled program as a dspy.Module."""

        def compile(
            self, student: Any, *, trainset: Any, teacher: Any = None, valset: Any = None, **arguments: Any
        ) -> Module:
            from .compile import compile

            if teacher is not None:
                raise ProgramError("A Burnish teleprompter takes no teacher=. Give another model as optimizer_lm=.")
            compiled = compile(
                student,
                trainset=trainset,
                valset=valset,
                metric=metric,
                teleprompter=teleprompter,
                budget=budget,
                lm=lm,
                seed=seed,
                **{**compile_arguments, **arguments},
            )
            module = compiled.to_dspy(lm=lm)
            module.burnish_compiled = compiled
            return module

    return BurnishTeleprompter()
