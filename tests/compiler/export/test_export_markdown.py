from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from burnish.signatures.prompt import DemoRule


def messages(page):
    """The text of each fenced block, as a reader of Markdown finds them."""
    return [token.content for token in MarkdownIt().parse(page) if token.type == "fence"]


def lines(text):
    return text.replace("\r\n", "\n").replace("\r", "\n") + "\n"  # Markdown knows one kind of line end


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(["chat", "xml", "json", "plain"]))
def test_the_page_shows_the_messages_of_a_call(awkward, texts, data, form):
    program = awkward(data.draw(texts), data.draw(texts), format=form)
    *before, last = [message["content"] for message in program.to_messages(review="{{review}}")]
    if form == "json":  # the slot takes JSON, with its quotation marks
        last = last.replace('"{{review}}"', "{{review}}")
    assert messages(program.export("markdown")) == [lines(text) for text in (*before, last)]


def test_a_page_has_a_part_for_each_predictor(awkward):
    page = awkward(paths=("find", "tell['x']")).export("markdown")
    assert "## Predictor `find`" in page
    assert "## Predictor `tell['x']`" in page


def test_a_pool_is_shown_whole_with_the_rule_that_picks_from_it(awkward):
    page = awkward(demo="Nice.", rule=DemoRule("bm25", 1)).export("markdown")
    assert "`bm25` picks 1 of the following 1 demonstrations" in page
    assert "Nice." in page


def test_what_can_be_left_out_is_marked_and_gone_when_it_is(awkward, hint):
    program = awkward(inputs=(hint,))
    assert "| input, may be left out | `hint` |" in program.export("markdown")
    page = program.export("markdown", leave_out=["hint"])
    assert "{{hint}}" not in page
    assert messages(page)[-1] == lines(program.to_messages(review="{{review}}")[-1]["content"])


@pytest.mark.parametrize("text", ["a|b", "*x*", "<script>", "`x`", "[l](u)"])
def test_a_description_is_no_markup(text):
    from burnish.compiler.export.markdown import _line

    rendered = MarkdownIt().enable("table").render(f"| a |\n|---|\n| {_line(text)} |")
    assert rendered.count("<td>") == 1
    assert not any(tag in rendered for tag in ("<em>", "<script>", "<code>", "<a "))
