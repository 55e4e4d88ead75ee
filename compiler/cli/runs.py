"""burnish runs, burnish runs compare."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .options import command, json_option, print_json

if TYPE_CHECKING:
    from ..past_runs import PastRun
    from .options import Commands

DEFAULT = ".burnish/runs"


def add(commands: Commands) -> None:
    listing = command(
        commands,
        "runs",
        runs,
        "List the compiles of this folder, or compare two.",
        "  burnish runs\n  burnish runs compare 3f9a 77c0",
    )
    listing.add_argument("--in", dest="folder", metavar="FOLDER", default=DEFAULT, help=f"default: {DEFAULT}")
    json_option(listing)
    comparing = listing.add_subparsers(title="commands", metavar="compare").add_parser(
        "compare", help="what differs between two runs, and their scores side by side"
    )
    comparing.set_defaults(command=compare)
    comparing.add_argument("one", metavar="RUN", help="a name, the beginning of one, or a run folder")
    comparing.add_argument("other", metavar="RUN")
    # Without defaults of their own, which would take the place of what stands before "compare".
    comparing.add_argument("--in", dest="folder", metavar="FOLDER", default=argparse.SUPPRESS)
    comparing.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON, for a machine")


def runs(parsed: argparse.Namespace) -> int:
    from ..past_runs import past_runs

    found = past_runs(Path(parsed.folder))
    if parsed.json:
        print_json([run.to_json() for run in found])
    elif not found:
        print(f"no runs in {parsed.folder}")
    else:
        head = ["run", "began", "program", "search", "spent", "best", "verdict", "state"]
        print("\n".join(_table([head, *(_row(run) for run in found)])))
    return 0


def compare(parsed: argparse.Namespace) -> int:
    from ..past_runs import named_run, unlike
    from ..run import differences, first_of

    one, other = (named_run(name, Path(parsed.folder)) for name in (parsed.one, parsed.other))
    found, incomparable = differences(one.identity, other.identity), unlike(one, other)
    if parsed.json:
        print_json({"runs": [one.to_json(), other.to_json()], "differences": found, "not_comparable": incomparable})
        return 0
    columns = zip(*(_facts(run) for run in (one, other)), strict=True)
    print("\n".join(_table([[name, first, second] for (name, first), (_, second) in columns])))
    print(
        "\n".join(
            ["", "what differs:", *(f"  {line}" for line in first_of(found))] if found else ["", "the same inputs"]
        )
    )
    if incomparable:
        print(f"scores not of the same rows and metric, and so not to be compared: {' and '.join(incomparable)}")
    return 0


def _row(run: PastRun) -> list[str]:
    verdict = run.verdict
    gain = "" if verdict is None or verdict.gain is None or not verdict.pairs else f" {100 * verdict.gain:+.1f}"
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.began))
    decision = "" if verdict is None else verdict.decision + gain
    return [run.name, began, run.program, run.search, run.budget, _score(run.best), decision, run.state]


def _facts(run: PastRun) -> list[tuple[str, str]]:
    from ..progress.standing import duration

    verdict = run.verdict
    held_out = [None, None] if verdict is None else [verdict.student_mean, verdict.finalist_mean]
    digest = "" if run.document is None else str(run.document.get("digest", ""))[:12]
    return [
        ("run", run.name),
        ("began", time.strftime("%Y-%m-%d %H:%M", time.localtime(run.began))),
        ("state", run.state),
        ("program", run.program),
        ("search", run.search),
        ("spent", run.budget),
        ("time", duration(run.seconds)),
        ("dev, student", _score(run.student)),
        ("dev, best", _score(run.best)),
        ("held out, student", _score(held_out[0])),
        ("held out, finalist", _score(held_out[1])),
        ("verdict", "" if verdict is None else verdict.decision),
        ("file", digest),
    ]


def _score(mean: float | None) -> str:
    return "" if mean is None else f"{100 * mean:.1f}"


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
