"""docs/errors.md lists what the cases provoke, with the messages as they come. To write it:

python -m tests.errors.page
"""

from __future__ import annotations

import os
import re
import tempfile
import textwrap
from pathlib import Path

from .cases import CASES, message_of
from .places import ROOT

PAGE = ROOT / "docs" / "errors.md"


def examples(name: str) -> str:
    """What the page shows of a class: each way it is provoked here, and its message."""
    shown = []
    for case in CASES:
        if case.error.__name__ == name:
            message = textwrap.indent(message_of(case), "    ")
            shown.append(f"{case.title}:\n\n{message}\n")
    return "\n".join(shown)


def page() -> str:
    """docs/errors.md with the examples of today between its marks."""

    def fresh(match: re.Match[str]) -> str:
        return f"<!-- {match[1]}: from tests/errors/cases.py -->\n\n{examples(match[1])}\n<!-- end -->"

    text = PAGE.read_text(encoding="utf-8")
    return re.sub(r"<!-- (\w+): from tests/errors/cases.py -->.*?<!-- end -->", fresh, text, flags=re.DOTALL)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["BURNISH_CACHE_DIR"] = str(Path(folder, "cache"))
        PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
