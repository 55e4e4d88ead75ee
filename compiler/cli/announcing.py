"""The plan of a compile on stderr, before its first call."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..callbacks import Callback, CompileStarted

if TYPE_CHECKING:
    from ..plan import Plan


class PlanFirst(Callback):
    """Prints the plan as a compile begins; of one that goes on, its title; with quiet, its warnings alone.

    say: the words of a plan as the command line has them.
    """

    def __init__(self, plan: Plan, say: Callable[[str], str], quiet: bool) -> None:
        self._plan = plan
        self._say = say
        self._quiet = quiet

    def on_compile_started(self, event: CompileStarted) -> None:
        warnings = [f"warning: {warning}" for warning in self._plan.warnings]
        lines = [str(self._plan)]
        if self._quiet:
            lines = warnings
        elif event.is_resumed:
            lines = [self._plan.title, *warnings]
        for line in lines:
            print(self._say(line), file=sys.stderr, flush=True)
