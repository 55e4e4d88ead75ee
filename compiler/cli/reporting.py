"""burnish report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .options import command
from .writing import REPORT, check_output, force_option

if TYPE_CHECKING:
    from .options import Commands


def add(commands: Commands) -> None:
    parser = command(
        commands,
        "report",
        report,
        "Write all that a compile did into one HTML file that opens from disk.",
        "  burnish report 3f9a -o report.html\n"
        "  burnish report .burnish/runs/3f9a61c0d2ab\n"
        "  burnish report sentiment.json\n"
        "  burnish report --text 3f9a",
    )
    parser.add_argument(
        "run", metavar="RUN", help="a run folder, the beginning of the name of one in .burnish/runs, or a frozen file"
    )
    parser.add_argument("-o", "--output", metavar="FILE", default="report.html", help="default: report.html")
    parser.add_argument("--text", action="store_true", help="print it instead, as text")
    force_option(parser)


def report(parsed: argparse.Namespace) -> int:
    from ..report.run_folder import find_run, read_material
    from ..report.text import text
    from ..report.writing import write_report

    material = read_material(parsed.run)
    if parsed.text:
        print(text(material), end="")
    else:
        read = parsed.run if Path(parsed.run).is_file() else str(find_run(parsed.run))
        check_output(parsed.output, REPORT, {"RUN": read}, parsed.force)
        print(f"wrote {write_report(material, Path(parsed.output))}")
    return 0
