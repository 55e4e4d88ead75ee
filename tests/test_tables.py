"""The tables of sizes in docs/ say what the searches do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import burnish as b
import burnish.teleprompters.joint.defaults as searches
from burnish.teleprompters import Sizes
from burnish.teleprompters.joint.defaults import proposers_for, selectors_for

DOCS = Path(__file__).resolve().parent.parent / "docs"
DEV = 60  # rows, as the pages say


def sizes_table(page):
    """The rows of the page's table of sizes: numbers by column; a word where there is one."""
    text = (DOCS / page).read_text(encoding="utf-8")
    assert f"{DEV} rows of\ndev" in text or f"{DEV} rows of dev" in text
    head, body = re.search(r"^\| calls (.*)\|\n\|[-|]+\|\n((?:\|.*\|\n)+)", text, re.MULTILINE).groups()
    columns = ["calls", *(name.strip() for name in head.split("|") if name.strip())]
    cells = [[cell.strip().replace(" ", "") for cell in line.strip("|").split("|")] for line in body.splitlines()]
    return [{n: int(v) if v.isdigit() else v for n, v in zip(columns, line, strict=True)} for line in cells]


def said(search, calls, pattern):
    """What the forecast of so many calls says, as numbers."""
    summary = search.forecast(Sizes(pool=1000, dev=DEV, predictors=1, executions=calls)).summary
    found = re.search(pattern, summary)
    assert found, summary
    return [None if number is None else int(number) for number in found.groups()]


def test_the_sizes_on_the_page_of_apo_are_those_of_the_code():
    table = sizes_table("apo.md")
    assert [row["calls"] for row in table] == [150, 300, 600, 1000, 3000, 10_000]
    for row in table:
        sizes = b.APO()._sizes(row["calls"], DEV)
        expansion = {
            name: getattr(sizes.expansion, name) for name in ("minibatch", "groups", "paraphrases", "successors")
        }
        assert row == {"calls": row["calls"], "beam": sizes.beam, "rounds": sizes.rounds, **expansion}
        pattern = r"up to (\d+) rounds? with a beam of (\d+), expanded on (\d+) rows? of the pool, (\d+) successors?"
        assert said(b.APO(), row["calls"], pattern) == [row[n] for n in ("rounds", "beam", "minibatch", "successors")]


def test_the_sizes_on_the_page_of_opro_are_those_of_the_code():
    pattern = r"up to (\d+) steps? of (\d+) instructions?, each scored on (\d+) of 60 rows of dev(?:, the best (\d+))?"
    table = sizes_table("opro.md")
    assert len(table) == 5
    for row in table:
        wanted = [
            row["steps"],
            row["proposals"],
            row["rows"],
            None if row["full scores"] == "all" else row["full scores"],
        ]
        assert said(b.OPRO(), row["calls"], pattern) == wanted


def test_the_sizes_on_the_page_of_promptagent_are_those_of_the_code():
    pattern = (
        r"about (\d+) prompts? for the predictor, (\d+) to an expansion and at most (\d+) levels? deep, "
        r"scored on (\d+) rows? of dev(?:, the best (\d+))?"
    )
    table = sizes_table("prompt-agent.md")
    assert len(table) == 4
    for row in table:
        full = None if row["full scores"] == "all" else row["full scores"]
        wanted = [row[name] for name in ("prompts", "to an expansion", "levels", "reward rows")]
        assert said(b.PromptAgent(), row["calls"], pattern) == [*wanted, full]


@pytest.mark.parametrize(
    ("calls", "dev", "pairs", "refinements"), [(40, 12, 1, 0), (150, 20, 1, 3), (500, 50, 1, 3), (4000, 50, 3, 6)]
)
def test_what_the_page_of_abo_says_a_budget_buys_is_what_it_buys(calls, dev, pairs, refinements):
    sizing = b.ABO().sizing(calls, pool=1000, dev=dev)
    assert (sizing.candidates, sizing.refinements) == (pairs, refinements)


def test_the_arms_on_the_page_of_the_joint_search_are_those_it_has():
    text = (DOCS / "joint.md").read_text(encoding="utf-8")
    body = re.search(r"^\| from .*\|\n\|[-|]+\|\n((?:\|.*\|\n)+)", text, re.MULTILINE).group(1)
    told = []
    for line in body.splitlines():
        executions, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        least = 0 if executions == "any" else int(executions)
        told += [(least, name) for cell in cells for name in re.findall(r"`(.*?)`", cell)]
    for least in sorted({least for least, _ in told}):
        for executions in {max(0, least - 1), least}:
            for predictors in (1, 3):
                sizes = Sizes(100, DEV, predictors, executions * predictors, encoder=True)
                arms = (*selectors_for(sizes, None), *proposers_for(sizes))
                assert len(arms) == sum(executions >= from_ for from_, _ in told)
                for from_, name in told:
                    assert (eval(name, vars(searches)) in arms) == (executions >= from_)
