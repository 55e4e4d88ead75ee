"""What users may rely on: verdicts, plans and programs look right in a notebook, whatever text they hold."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

import burnish as b
from burnish.compiler.evidence import Verdict, compare, decide, no_comparison
from burnish.compiler.plan import Plan, PlanRow
from burnish.teleprompters.base import Spend

EVIL = "<script>alert('x')</script> & \"quoted\" <b>bold</b>"
OPEN = {"br", "img", "hr"}


class Page(HTMLParser):
    """The text and the tags of a piece of HTML; fails where tags do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self._within = "", [], []
        self.feed(html)
        assert not self._within

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in OPEN:
            self._within.append(tag)

    def handle_endtag(self, tag):
        assert self._within.pop() == tag

    def handle_data(self, data):
        self.text += data


def page(shown) -> Page:
    return Page(shown._repr_html_())


def test_a_verdict_shows_its_sentence_its_reason_and_what_else_was_measured():
    other = compare([0.25, 0.5, 0.0] * 8, [0.5, 0.75, 1.0] * 8)
    verdict = decide(compare([0] * 20 + [1] * 20, [1] * 40), report={EVIL: other})
    shown = page(verdict)
    assert str(verdict).removeprefix("ship: ") in shown.text
    assert verdict.reason in shown.text
    assert EVIL in shown.text
    assert "script" not in shown.tags


def test_a_verdict_without_a_comparison_shows_why():
    verdict: Verdict = no_comparison(f"nothing was compared: {EVIL}")
    assert f"inconclusive: nothing was compared: {EVIL}" in page(verdict).text
    assert "script" not in page(verdict).tags


def test_a_plan_shows_its_table_its_time_and_its_notes():
    rows = (
        PlanRow(EVIL, Spend(40, 5000, 0.01), 60, None, 0.5),
        PlanRow("in all", Spend(40, 5000, 0.01), 60, None, 0.5),
    )
    plan = Plan("OPRO on 40 rows", rows, 12.0, (f"a note on {EVIL}",), priced=True)
    shown = page(plan)
    assert "script" not in shown.tags
    for said in ("OPRO on 40 rows", "5,000", "no limit", "0.50", "time: about 12 seconds", f"a note on {EVIL}"):
        assert said in shown.text
    assert shown.tags.count("tr") == 1 + len(rows)


def test_a_compiled_program_shows_its_verdict_and_its_instructions_folded_away(compiled_program):
    compiled = compiled_program(instruction=EVIL)
    shown = page(compiled)
    assert EVIL in shown.text
    assert "script" not in shown.tags
    assert shown.tags.count("details") == 1
    assert "ship: " in shown.text
    assert "2 demonstrations" in shown.text
    assert compiled.digest[:12] in shown.text


def test_several_predictors_are_shown_each(compiled_pipeline):
    shown = page(compiled_pipeline())
    assert shown.tags.count("details") == 2
    assert "Add them up." in shown.text


@pytest.mark.parametrize("kind", ["verdict", "program"])
def test_nothing_is_loaded_from_elsewhere_and_the_colours_are_the_pages_own(compiled_program, kind):
    compiled = compiled_program()
    html = (compiled.verdict if kind == "verdict" else compiled)._repr_html_()
    for word in ("http", "src=", "url(", "<link", "background:#fff", "color:black", "color:white"):
        assert word not in html


def test_the_plan_of_a_real_compile_is_shown(program, reviews, reviewer):
    lm = reviewer(lambda prompt: 0.7)
    plan = b.plan(
        program,
        trainset=reviews(60),
        metric=b.exact_match("label"),
        lm=lm,
        teleprompter=b.OPRO(),
        budget=b.Budget(calls=200),
    )
    shown = page(plan)
    assert all(cell in shown.text for line in plan.cells() for cell in line)
