"""The conformance suite: what every teleprompter must do, whoever wrote it, checked on scripted programs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ..signatures.candidate import Candidate
from ..signatures.canonical import canonical
from ..teleprompters.base import Sizes, Teleprompter
from .conformance_world import PLENTY, SEAL, ProgramKind, Ran, World, Writer, instruct

KINDS: tuple[ProgramKind, ...] = ("one predictor", "several predictors")
LIMITS = (1, 7, 30, 70, 150)  # calls: nothing fits, the first rows, the student, a few candidates, a search
_UNREADABLE: tuple[str, ...] = (
    "",
    " \n\t",
    "<instruction></instruction>",
    "</instruction>Turned round.<instruction>",
    "<instruction>Never closed",
    "<instruction><instruction>Nested.</instruction></instruction>",
    "[[ ## urgent ## ]]\nyes",
    "<urgent>yes</urgent>",
    "long " * 20_000,
    '"""',
    "```\n```",
    "{{examples}} {ticket} %s \\1 \ud7ff\u200b",
)


def check_teleprompter(
    teleprompter: Teleprompter,
    *,
    seed: int = 0,
    limits: Sequence[int] = LIMITS,
    writer: Writer = instruct,
    embed: Callable[[str], list[float]] | None = None,
) -> None:
    """Runs every check; raises AssertionError that says what went wrong and where, at the first that fails.

    limits: budgets in calls to cut the search at. writer: what the scripted optimizer LM answers, from the text of the
    request and the number of the draw; by default a new instruction in `<instruction>` tags every time. A search that
    asks for something else (a critique, a list, JSON) brings its own.
    embed: the scripted encoder's vector of a text (None: the runs have no encoder).
    Needs no key and no network; takes some seconds. Files go to a temporary folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), teleprompter, seed, writer, embed)
        for check in CHECKS:
            check(world, limits)


def check_description(world: World, limits: Sequence[int]) -> None:
    """Settings are JSON that stays the same; the forecast is made of sizes alone and within them."""
    teleprompter = world.teleprompter
    settings = canonical(teleprompter.settings())
    _demand(settings == canonical(teleprompter.settings()), "settings() differs from call to call")
    for executions in (0, 100, 10_000):
        sizes = Sizes(pool=30, dev=30, predictors=2, executions=executions)
        forecast = teleprompter.forecast(sizes)
        within = 0 <= forecast.executions <= executions and forecast.asks >= 0
        _demand(
            within, f"forecast({sizes}) expects {forecast.executions} executions and {forecast.asks} optimizer calls"
        )
        _demand(bool(forecast.summary), f"forecast({sizes}) says nothing in words")


def check_budget(world: World, limits: Sequence[int]) -> None:
    """At every cut-off no call is made beyond the limit, BudgetSpent passes, and the best so far comes back."""
    for kind in KINDS:
        for limit in limits:
            where = f"with {kind} and a budget of {limit} calls"
            ran = world.run(kind, limit, name=f"budget {limit}")
            _no_faults(ran, where)
            _demand(ran.calls <= limit, f"{where}: {ran.calls} calls were made")
            _best_comes_back(ran, where)


def check_best(world: World, limits: Sequence[int]) -> None:
    """Every round names the best candidate with a score on all of dev, and that is what is taken in the end."""
    for kind in KINDS:
        ran = world.whole(kind)
        _no_faults(ran, f"with {kind}")
        _demand(bool(ran.watch.rounds), f"with {kind}: search() yielded no round in {PLENTY} calls")
        _best_comes_back(ran, f"with {kind}")


def check_determinism(world: World, limits: Sequence[int]) -> None:
    """Equal seeds give equal rounds, requests and files, at any concurrency and however often a search is begun."""
    for kind in KINDS:
        first, again = world.whole(kind), world.run(kind, PLENTY, name="one at a time", concurrency=1)
        for what, of in (
            ("what was sent to the optimizer LM", lambda ran: sorted(map(canonical, ran.optimizer.calls))),
            ("the candidates that were run", lambda ran: [candidate.digest for candidate in ran.watch.executed]),
            ("the rounds", _rounds),
            ("the file", lambda ran: ran.file),
        ):
            _demand(of(first) == of(again), f"with {kind}: {what} differed between two runs, at concurrency 4 and 1")


def check_pause(world: World, limits: Sequence[int]) -> None:
    """The search can be paused and closed at every yield: nothing is asked for while it stands still or afterwards."""
    for kind in KINDS:
        rounds = len(world.whole(kind).watch.rounds)
        for stop in sorted({1, rounds // 2, rounds - 1} & set(range(1, rounds))):
            where = f"with {kind}, closed after round {stop}"
            ran = world.run(kind, PLENTY, name=f"closed {stop}", stop_after=stop)
            _no_faults(ran, where)
            _best_comes_back(ran, where)


def check_resume(world: World, limits: Sequence[int]) -> None:
    """A run that is interrupted and begun again pays for nothing twice and ends with the same file."""
    for kind in KINDS:
        whole = world.whole(kind)
        steps = whole.watch.calls
        for stop in sorted({2, steps // 2, steps} & set(range(1, steps + 1))):
            where = f"with {kind}, interrupted at call {stop} to the workbench"
            first = world.run(kind, PLENTY, name=f"resumed {stop}", interrupt_at=stop)
            second = world.run(kind, PLENTY, name=f"resumed {stop}")
            _demand(second.file == whole.file, f"{where}: the resumed run ended with another file")
            paid = first.calls + second.calls
            _demand(paid == whole.calls, f"{where}: {paid} calls were paid for in all, {whole.calls} without a break")


def check_proposals(world: World, limits: Sequence[int]) -> None:
    """Malformed proposals end neither the search nor up in a program; new instructions pass the guard rails."""

    def write(prompt: str, draw: int) -> str:
        # By the request too, so that a search that asks once for each gets to see them all.
        return _UNREADABLE[(len(prompt) + draw) % len(_UNREADABLE)] if draw % 3 else world.writer(prompt, draw)

    for kind in KINDS:
        for name, writer in (("mixed", write), ("empty", lambda prompt, draw: "")):
            where = f"with {kind} and {name} replies of the optimizer LM"
            ran = world.run(kind, PLENTY, name=f"proposals {name}", writer=writer)
            _no_faults(ran, where)
            known = _instructions([ran.watch.student, *ran.watch.admitted])
            for candidate in ran.watch.executed:
                for path, text in _instructions([candidate]) - known:
                    _demand(
                        False, f"{where}: {path} was run with {text[:80]!r}, which did not come through bench.admit()"
                    )


def check_holdout(world: World, limits: Sequence[int]) -> None:
    """No held-out row is shown to an optimizer LM or executed before the final comparison."""
    for kind in KINDS:
        ran = world.whole(kind)
        for body in ran.optimizer.calls:
            _demand(
                SEAL not in str(body), f"with {kind}: a held-out row was shown to the optimizer LM: {str(body)[:200]}"
            )
        for body in ran.task.calls[: ran.searching]:
            _demand(SEAL not in str(body), f"with {kind}: a held-out row was executed during the search")


def check_records(world: World, limits: Sequence[int]) -> None:
    """Every candidate scored on all of dev is recorded, and says which search and move it comes from."""
    for kind in KINDS:
        ran = world.whole(kind)
        recorded = {score.candidate for score in ran.watch.known}
        whole = ran.watch.predicted_whole - recorded
        _demand(
            not whole,
            f"with {kind}: {len(whole)} candidates were run on all of dev with bench.predict and not recorded",
        )
        for candidate, origin in ran.watch.origins:
            named = candidate == ran.watch.student or (origin is not None and origin.teleprompter and origin.move)
            _demand(bool(named), f"with {kind}: candidate {candidate.digest[:12]} was recorded without an origin")
        foreign = [candidate for candidate in recorded if candidate.predictors != ran.watch.student.predictors]
        _demand(not foreign, f"with {kind}: a candidate was recorded that lacks predictors of the program")


CHECKS: tuple[Callable[[World, Sequence[int]], None], ...] = (
    check_description,
    check_budget,
    check_best,
    check_determinism,
    check_pause,
    check_resume,
    check_proposals,
    check_holdout,
    check_records,
)


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(f"{otherwise}.")


def _no_faults(ran: Ran, where: str) -> None:
    _demand(not ran.watch.faults, f"{where}: {'; '.join(ran.watch.faults[:3])}")


def _best_comes_back(ran: Ran, where: str) -> None:
    _demand(ran.compiled is not None, f"{where}: no program came back")
    known = ran.watch.known
    if ran.compiled is None or not known:
        return
    best = ran.watch.chosen or known[0].candidate
    taken = ran.compiled.document["evidence"]["lineage"]
    _demand(
        bool(taken) and taken[-1]["candidate"] == best.digest,
        f"{where}: what was taken is neither the best recorded candidate nor what the search chose",
    )


def _rounds(ran: Ran) -> list[tuple[str, list[str], str | None]]:
    return [
        (
            done.name,
            [candidate.digest for candidate in done.proposed],
            done.best.candidate.digest if done.best else None,
        )
        for done in ran.watch.rounds
    ]


def _instructions(candidates: Sequence[Candidate]) -> set[tuple[str, str]]:
    return {(path, one.prompt(path).instruction) for one in candidates for path in one.predictors}
